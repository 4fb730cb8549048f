import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { Journal, layerMemory } from "effect-vargate/workflow/Journal"
import { TestClock } from "effect/testing"
import { closingWithin } from "../../../src/workflow/internal/closingWithin.ts"
import { quietStart } from "../../../src/workflow/internal/quietStart.ts"
import * as Steps from "../../../src/workflow/internal/steps.ts"

/** An engine with a connection that is never closed. */
const stuck = Layer.merge(Layer.fresh(layerMemory), Layer.effectDiscard(Effect.addFinalizer(() => Effect.never)))

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const opened = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const context = yield* Layer.buildWithScope(closingWithin("10 seconds", stuck), scope)
  return { journal: Context.get(context, Journal), close: Scope.close(scope, Exit.void) }
})

describe("the end of an engine", () => {
  it.effect("takes no longer than its grace", () =>
    Effect.gen(function*() {
      const { close } = yield* opened
      const closing = yield* start(close)
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert(Exit.isSuccess(yield* Fiber.await(closing)))
    }))

  it.effect("waits for an action that has begun, however long it takes", () =>
    Effect.gen(function*() {
      const { close, journal } = yield* opened
      const end = yield* Deferred.make<string>()
      const call = {
        tool: "bank",
        method: "pay",
        params: {},
        agent: { id: "bot", type: "unknown", version: "0.0.0" },
        isBusinessHours: undefined
      }
      const staying = { leaving: Effect.never, leave: Effect.never, interrupted: Effect.void }
      const written = { write: () => Effect.succeed("\"paid\""), read: () => Effect.succeed("paid") }
      const acting = yield* start(
        Steps.actOnce("e1", call, Deferred.await(end), undefined, Effect.void, written, staying).pipe(
          Effect.provideService(Journal, journal)
        )
      )
      const closing = yield* start(close)
      yield* TestClock.adjust("10 minutes")
      assert.isUndefined(closing.pollUnsafe())
      yield* Deferred.succeed(end, "paid")
      assert.strictEqual(yield* Fiber.join(acting), "paid")
      yield* TestClock.adjust("11 seconds")
      assert(Exit.isSuccess(yield* Fiber.await(closing)))
    }))
})

describe("the start of a cluster", () => {
  const lines: Array<unknown> = []
  const recording = Logger.layer([Logger.make(({ message }) => void lines.push([message].flat()[0]))])
  const said = Effect.logWarning("Could not find entity manager for address, retrying")

  it.effect("is one line, and what lasts is said once a minute", () =>
    Effect.gen(function*() {
      lines.length = 0
      const cluster = Layer.effectDiscard(Effect.gen(function*() {
        for (let n = 0; n < 60; n++) {
          yield* said
          yield* TestClock.adjust("500 millis")
        }
        yield* Effect.log("something else")
        yield* TestClock.adjust("1 minute")
        yield* said
        yield* said
      }))
      yield* Layer.build(quietStart(cluster))
      assert.match(String(lines[0]), /^The cluster of durable calls starts/)
      assert.deepStrictEqual(lines.slice(1), [
        "something else",
        "Could not find entity manager for address, retrying"
      ])
    }).pipe(Effect.scoped, Effect.provide(recording)))
})
