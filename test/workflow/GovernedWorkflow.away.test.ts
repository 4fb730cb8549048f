/** A database that is away while executions begin and run: an engine reports that as a defect. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Schema } from "effect"
import * as VargateError from "effect-vargate/errors/VargateError"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { PersistenceError } from "effect/cluster/ClusterError"
import { TestClock } from "effect/testing"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"

/** It is away, turns every other request of an engine away, or does not answer, as a connection that has stalled. */
const away = { isAway: false, isFlaky: false, isStalled: false, asked: 0, failures: 0 }
const ran: Array<unknown> = []

const Pay = GovernedWorkflow.make({
  name: "away/Pay",
  tool: "bank",
  method: "pay",
  params: Schema.Struct({ n: Schema.Int }),
  success: Schema.String,
  run: (params) => Effect.sync(() => (ran.push(params), "paid"))
})

const Delete = GovernedWorkflow.make({
  name: "away/Delete",
  tool: "bank",
  method: "delete",
  params: Schema.Struct({}),
  success: Schema.String,
  run: () => Effect.sync(() => (ran.push("deleted"), "deleted"))
})

const whileAway = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    if (!away.isAway && !(away.isFlaky && away.asked++ % 2 === 0)) return effect
    away.failures++
    return Effect.die(new PersistenceError({ cause: new Error("connect ECONNREFUSED") }))
  })

/** The engine and the journal in memory, as if they were in a database that can be away. */
const inDatabase = Layer.merge(
  Layer.effect(
    WorkflowEngine,
    Effect.map(WorkflowEngine, (engine) => {
      const inDatabase: WorkflowEngine["Service"] = WorkflowEngine.of({
        ...engine,
        // The engine in memory hands itself to what it runs.
        register: ((workflow: never, run: (payload: never, executionId: string) => Effect.Effect<never>) =>
          engine.register(
            workflow,
            ((payload: never, executionId: string) =>
              Effect.provideService(run(payload, executionId), WorkflowEngine, inDatabase)) as never
          )) as never,
        execute: (workflow, options) =>
          whileAway(engine.execute(workflow, options)),
        activityExecute: (activity, attempt) => whileAway(engine.activityExecute(activity, attempt)),
        deferredResult: (deferred) => whileAway(engine.deferredResult(deferred)),
        poll: (workflow, executionId) => whileAway(engine.poll(workflow, executionId))
      })
      return inDatabase
    })
  ),
  Layer.effect(
    Journal,
    Effect.map(Journal, (journal) => {
      const stored = <A>(effect: Effect.Effect<A, VargateError.StorageFailed>) =>
        Effect.suspend(() =>
          away.isStalled
            ? Effect.uninterruptible(Effect.never)
            : away.isAway
            ? Effect.fail(new VargateError.StorageFailed({ operation: "Journal", detail: "connect ECONNREFUSED" }))
            : effect
        )
      return Journal.of({
        ...journal,
        begin: (execution) => stored(journal.begin(execution)),
        claim: (key, token) => stored(journal.claim(key, token)),
        look: (key) => stored(journal.look(key)),
        settle: (key, result) => stored(journal.settle(key, result)),
        advance: (executionId, to) => stored(journal.advance(executionId, to)),
        find: (executionId) => stored(journal.find(executionId))
      })
    })
  )
)

const world = Layer.suspend(() => {
  Object.assign(away, { isAway: false, isFlaky: false, isStalled: false, asked: 0, failures: 0 })
  ran.length = 0
  return Layer.merge(Pay.layer, Delete.layer).pipe(
    Layer.provideMerge(inDatabase),
    Layer.provideMerge(Engine.layerMemory()),
    Layer.provideMerge(GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] }))
  )
})

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const ended = Effect.fnUntraced(function*<A, E>(fiber: Fiber.Fiber<A, E>) {
  while (fiber.pollUnsafe() === undefined) {
    yield* TestClock.adjust("1 second")
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 0)))
  }
  return yield* Fiber.await(fiber)
})

describe("a database that is away", () => {
  it.effect("is waited for by those who start executions", () =>
    Effect.gen(function*() {
      away.isAway = true
      const fiber = yield* start(Pay.execute({ key: "1", params: { n: 1 } }))
      yield* TestClock.adjust("4 minutes")
      assert.isUndefined(fiber.pollUnsafe())
      away.isAway = false
      const exit = yield* ended(fiber)
      assert(Exit.isSuccess(exit))
      assert.strictEqual(exit.value.result, "paid")
      assert.deepStrictEqual(ran, [{ n: 1 }])
    }).pipe(Effect.provide(world)))

  it.effect("is StorageFailed when the caller's patience is over, and never a defect", () =>
    Effect.gen(function*() {
      yield* ended(yield* start(Pay.execute({ key: "1", params: { n: 1 } })))
      away.isAway = true
      const calls = [
        Pay.execute({ key: "1", params: { n: 1 }, patience: "10 seconds" }),
        Pay.executeDetached({ key: "2", params: { n: 2 }, patience: "10 seconds" }),
        Pay.poll(yield* Pay.executionId("1"))
      ]
      for (const call of calls) {
        const exit = yield* ended(yield* start(call as Effect.Effect<unknown, unknown, Engine.Engine>))
        assert(Exit.isFailure(exit))
        const error = Cause.squash(exit.cause)
        assert(error instanceof VargateError.StorageFailed, String(error))
        assert.include(error.message, "ECONNREFUSED")
      }
    }).pipe(Effect.provide(world)))

  it.effect("and does not answer, is StorageFailed when the caller's patience is over", () =>
    Effect.gen(function*() {
      away.isStalled = true
      const calls = [
        Pay.execute({ key: "1", params: { n: 1 }, patience: "10 seconds" }),
        Pay.executeDetached({ key: "2", params: { n: 2 }, patience: "10 seconds" })
      ]
      for (const call of calls) {
        const fiber = yield* start(call as Effect.Effect<unknown, unknown, Engine.Engine>)
        yield* TestClock.adjust("9 seconds")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("2 seconds")
        const error = yield* Effect.flip(Fiber.join(fiber))
        assert(error instanceof VargateError.StorageFailed, String(error))
        assert.include(error.message, "it does not answer")
      }
      away.isStalled = false
      const fiber = yield* start(Pay.execute({ key: "1", params: { n: 1 } }))
      assert(Exit.isSuccess(yield* ended(fiber)))
      assert.deepStrictEqual(ran, [{ n: 1 }])
    }).pipe(Effect.provide(world)))

  it.effect("is told from a reviewer who takes longer than the caller's patience", () =>
    Effect.gen(function*() {
      const pay = Delete.execute({ key: "1", params: {}, patience: "10 seconds" })
      const first = yield* start(pay)
      yield* TestClock.adjust("20 minutes")
      assert.isUndefined(first.pollUnsafe())
      away.isStalled = true
      yield* TestClock.adjust("13 seconds")
      const error = yield* Effect.flip(Fiber.join(first))
      assert(error instanceof VargateError.StorageFailed, String(error))
      away.isStalled = false
      const second = yield* start(pay)
      yield* TestReviewer.approveNext()
      assert(Exit.isSuccess(yield* ended(second)))
      assert.deepStrictEqual(ran, ["deleted"])
    }).pipe(Effect.provide(world)))

  it.effect("while an execution runs, is not what the execution ends with", () =>
    Effect.gen(function*() {
      away.isFlaky = true
      const fiber = yield* start(Pay.execute({ key: "1", params: { n: 1 } }))
      const exit = yield* ended(fiber)
      assert(Exit.isSuccess(exit), String(exit))
      assert.deepStrictEqual(ran, [{ n: 1 }])
      assert.isAbove(away.failures, 3)
    }).pipe(Effect.provide(world)))
})
