/** Signed heads and proofs of records, changed at random: none is accepted. 100,000 at full size. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { isFull } from "../support/isFull.ts"
import { mutationsOf } from "../verify/witness/mutations.ts"

const parts = isFull ? 20 : 1
const mutations = isFull ? 5000 : 1000

describe("mutations of signed heads and proofs", () => {
  it.live.each(Array.from({ length: parts }, (_, part) => [part]))(
    "are refused, part %i",
    ([part]) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* mutationsOf(mutations, 1000 + part!), mutations)
      })
  )
})
