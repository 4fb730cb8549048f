import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { ActionId, VargateError } from "effect-vargate"
import { Round } from "../../../src/governed/internal/currentRound.ts"

const pending = new VargateError.PendingApproval({ actionId: ActionId.ActionId.make("a-1"), message: "It waits." })

describe("Round", () => {
  it.effect("is not cut off once its wait has ended, whatever the decision", () =>
    Effect.gen(function*() {
      for (const decision of [Effect.succeed("yes"), Effect.fail("no")]) {
        const heard: Array<VargateError.PendingApproval> = []
        const round = new Round(undefined, "1 second", (pending) => void heard.push(pending))
        const exit = yield* Effect.exit(round.wait(pending, decision))
        assert.deepStrictEqual(exit, yield* Effect.exit(decision))
        assert.deepStrictEqual(heard, [pending])
        assert.isFalse(round.cutOff())
      }
    }))

  it.effect("leaves to the next round what is decided after it was cut off", () =>
    Effect.gen(function*() {
      const round = new Round(undefined, "1 second", () => {})
      const decision = yield* Deferred.make<string>()
      const waiting = yield* Effect.forkChild(round.wait(pending, Deferred.await(decision)), { startImmediately: true })
      assert.isTrue(round.cutOff())
      yield* Deferred.succeed(decision, "yes")
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      yield* Fiber.interrupt(waiting)
      assert.isTrue(Exit.isFailure(yield* Fiber.await(waiting)))
    }))

  it("belongs to the first call alone", () => {
    const round = new Round(pending, "1 second", () => {})
    assert.deepStrictEqual([round.take(), round.take()], [true, false])
  })
})
