/** The keys that seal what a client keeps of a call: none that can be guessed is taken. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { makeSealer } from "../../src/mcp/internal/sealedState.ts"

const State = Schema.Struct({ act: Schema.String })
const sealer = (...keys: ReadonlyArray<string>) =>
  makeSealer("here", "test", State, keys.map((key) => Redacted.make(key)))

describe("state keys", () => {
  it.effect("that are short, empty or missing are refused, and not shown", () =>
    Effect.gen(function*() {
      for (const keys of [[], [""], ["short-secret"], ["k".repeat(32), "short-secret"]]) {
        const error = yield* Effect.flip(sealer(...keys))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
        assert.include(error.message, "stateKeys")
        assert.notInclude(error.message + JSON.stringify(error), "short-secret")
      }
    }))

  it.effect("open what any of them has sealed, and nothing else", () =>
    Effect.gen(function*() {
      const [old, next, other] = ["o", "n", "x"].map((letter) => letter.repeat(32)) as [string, string, string]
      const sealed = (yield* sealer(old)).seal({ act: "1" })
      assert.deepStrictEqual((yield* sealer(next, old)).open(sealed), { act: "1" })
      assert.isUndefined((yield* sealer(other)).open(sealed))
    }))

  it.effect("open nothing that they have sealed for another purpose, or that was changed", () =>
    Effect.gen(function*() {
      const keys = [Redacted.make("k".repeat(32))]
      const one = yield* makeSealer("here", "one", State, keys)
      const two = yield* makeSealer("here", "two", State, keys)
      const sealed = one.seal({ act: "1" })
      assert.isUndefined(two.open(sealed))
      assert.isUndefined(two.codeOf(sealed))
      const [body, seal] = sealed.split(".") as [string, string]
      for (
        const wrong of ["", ".", body, `${body}.`, `.${seal}`, `${sealed}.`, `${body}.${seal}A`, `${body}A.${seal}`]
      ) {
        assert.isUndefined(one.open(wrong), wrong)
      }
      assert.match(one.codeOf(sealed)!, /^\d{4}$/)
      assert.strictEqual(one.codeOf(sealed), one.codeOf(sealed))
    }))
})
