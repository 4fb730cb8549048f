import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { withDeadline } from "../../../src/transport/internal/deadline.ts"

const timed = <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.Input = "10 seconds") =>
  Effect.contextWith((context: Context.Context<R>) =>
    withDeadline(self, {
      duration: Duration.fromInputUnsafe(duration),
      onLate: () => Effect.fail("late" as const),
      clock: Context.get(context, Clock.Clock)
    }, context)
  )

describe("withDeadline", () => {
  it.effect("passes on what came in time", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* timed(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Effect.flip(timed(Effect.fail("broken"))), "broken")
      assert.isTrue(Exit.hasDies(yield* Effect.exit(timed(Effect.die("defect")))))
      const fiber = yield* Effect.forkChild(timed(Effect.as(Effect.sleep("9 seconds"), "slow")))
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "slow")
    }))

  it.effect("stops what is late, and says so after its finalizers", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* timed(
        Effect.never.pipe(Effect.onInterrupt(() => Effect.sync(() => void seen.push("stopped"))))
      ).pipe(Effect.flip, Effect.tap((error) => Effect.sync(() => seen.push(error))), Effect.forkChild)
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(seen, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen, ["stopped", "late"])
    }))

  it.effect("stops with the one who waits, and waits for the finalizers", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* timed(
        Effect.never.pipe(
          Effect.onInterrupt(() => Effect.andThen(Effect.yieldNow, Effect.sync(() => seen.push("stopped"))))
        )
      ).pipe(Effect.forkChild({ startImmediately: true }))
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, ["stopped"])
      // Nothing is left that would wake up later.
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(seen, ["stopped"])
    }))

  it.live("holds on the machine's own clock", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(timed(Effect.never, 1)), "late")
      assert.strictEqual(yield* timed(Effect.as(Effect.sleep(1), "in time"), "1 hour"), "in time")
    }))

  it.live("leaves no timer behind", () =>
    Effect.gen(function*() {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      const before = timers()
      yield* timed(Effect.yieldNow)
      const fiber = yield* Effect.forkChild(timed(Effect.never), { startImmediately: true })
      assert.isAbove(timers(), before)
      yield* Fiber.interrupt(fiber)
      assert.isAtMost(timers(), before)
    }))

  it.live("knows limits that no timer can hold", () =>
    Effect.gen(function*() {
      for (const limit of ["100 days", "Infinity"] as const) {
        assert.strictEqual(yield* timed(Effect.as(Effect.sleep(1), "in time"), limit), "in time")
      }
    }))

  it.effect("runs in the context that it is given", () =>
    Effect.gen(function*() {
      const Name = Context.Reference<string>("Name", { defaultValue: () => "nobody" })
      const read = withDeadline(Effect.flatMap(Name, Effect.succeed), {
        duration: Duration.seconds(1),
        onLate: () => Effect.fail("late"),
        clock: yield* Clock.Clock
      }, Context.make(Name, "somebody"))
      assert.strictEqual(yield* read, "somebody")
    }))
})
