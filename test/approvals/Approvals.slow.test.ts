import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { inProcess, Wiretap } from "../support/worlds.ts"
import { approve, awaiting, hold, polls, test } from "./pending.ts"

describe("the shared poller", () => {
  it.effect("10,000 distinct waits cost what one costs", () =>
    Effect.gen(function*() {
      const { requests } = yield* Wiretap
      const ids = yield* Effect.forEach(Array.from({ length: 10_000 }), (_, n) => hold("delete", n))
      const waits = yield* Effect.forEach(ids, (id) => Effect.forkChild(Effect.exit(awaiting(id))))
      // The first looks find every action's own record in the log.
      yield* TestClock.adjust("2 minutes")
      const before = requests.length
      const pollsBefore = yield* polls
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* polls) - pollsBefore, 10)
      assert.isAtMost(requests.length - before, 30)
      yield* Effect.forEach(ids.slice(0, 3), (id) => approve(id))
      const atDecision = requests.length
      yield* TestClock.adjust("1 second")
      assert.isAtMost(requests.length - atDecision, 3)
      const exits = yield* Effect.forEach(waits.slice(0, 3), Fiber.join)
      assert.isTrue(exits.every(Exit.isSuccess))
      yield* Fiber.interruptAll(waits)
    }).pipe(Effect.provide(inProcess({
      tenants: [{ id: "t", apiKey: "test-key", burst: 100_000, policyConfig: { dailyActionLimit: 1e6 } }],
      approvals: {}
    }))))

  test(
    "expiry beyond the windows, where the log is silent",
    Effect.gen(function*() {
      const old = yield* hold("delete")
      yield* Effect.forEach(Array.from({ length: 120 }), (_, n) => hold("purge", n))
      const waiting = yield* Effect.forkChild(Effect.flip(awaiting(old, { timeout: "5 hours" })))
      yield* TestClock.adjust("59 minutes")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Expired")
    })
  )
})
