import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { hashPair } from "../../../../src/gateway/ledger/internal/chain.ts"
import { levelsOf } from "../../../../src/gateway/ledger/internal/levels.ts"
import * as merkleTree from "../../../../src/internal/merkleTree.ts"

const leavesOf = (count: number) => Array.from({ length: count }, (_, n) => n.toString(16).padStart(64, "0"))

describe("levelsOf", () => {
  it.effect("builds the tree that is built in one go", () =>
    Effect.gen(function*() {
      for (const count of [1, 2, 3, 4095, 4096, 4097, 10_001]) {
        assert.deepStrictEqual(yield* levelsOf(leavesOf(count)), merkleTree.levelsOf(leavesOf(count), hashPair))
      }
    }))

  it.effect("lets other work have its turn", () =>
    Effect.gen(function*() {
      let turns = 0
      const others = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(Effect.yieldNow, Effect.sync(() => turns++)))
      )
      yield* levelsOf(leavesOf(40_000))
      assert.isAtLeast(turns, 5)
      yield* Fiber.interrupt(others)
    }))
})
