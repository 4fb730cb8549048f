/** Calls of a toolkit that join another one: they hear how its handler ended, and what it said. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Exit, Fiber, Layer, Schema, Stream } from "effect"
import { Agent, Decisions, Governed, VargateError } from "effect-vargate"
import * as DetachedCalls from "effect-vargate/ai/DetachedCalls"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { LanguageModel, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { layerGateway, recorded, review, waiting } from "../support/payments.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const world = Layer.mergeAll(layerGateway, Decisions.layerMemory())

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const success = Schema.Struct({ paidAt: Schema.DateTimeUtcFromString })

/** Tools whose handlers end as the test says. */
const toolkitOf = (failureMode: "error" | "return") => {
  const tools = Toolkit.make(
    Tool.make("bank__pay", {
      parameters: Schema.Struct({ amount: Schema.Finite }),
      success,
      failure: Schema.String,
      failureMode
    })
  )
  const gate = Deferred.makeUnsafe<{ readonly paidAt: DateTime.Utc }, string>()
  let runs = 0
  const handlers = { bank__pay: () => Effect.suspend(() => (runs++, Deferred.await(gate))) }
  return { gate, handlers, runs: () => runs, tools }
}

const paidAt = DateTime.makeUnsafe("2026-03-01T12:00:00Z")
const encoded = { paidAt: "2026-03-01T12:00:00.000Z" }

type Pay = ReturnType<typeof toolkitOf>

/** A toolkit under governance, in either way. */
const ways = {
  govern: (pay: Pay, options: GovernedToolkit.Options<Pay["tools"]["tools"]> = {}) =>
    Effect.provide(GovernedToolkit.govern(pay.tools, options), pay.tools.toLayer(pay.handlers)),
  layer: (pay: Pay) => Effect.provide(pay.tools, GovernedToolkit.layer(pay.tools, pay.handlers))
}

const handle = (toolkit: Effect.Success<ReturnType<typeof ways["govern"]>>, amount = 2000) =>
  Effect.flatMap(toolkit.handle("bank__pay", { amount }), Stream.runCollect)

/** Why a call of the same params was not submitted. */
const joining = (amount = 2000) =>
  Effect.map(
    Effect.flip(Governed.run({ tool: "bank", method: "pay", params: { amount } }, Effect.die("it has joined"))),
    (error) => error instanceof VargateError.VargateError ? error.reason : assert.fail(String(error))
  )

/** The first call, one that has joined it, and an approval that was heard of. */
const approved = Effect.fnUntraced(function*(toolkit: Effect.Success<ReturnType<typeof ways["govern"]>>) {
  const first = yield* start(Effect.exit(handle(toolkit)))
  const actionId = yield* waiting(2000)
  const second = yield* start(joining())
  yield* TestClock.adjust("1 second")
  yield* review("approve", 2000)
  yield* TestClock.adjust("2 seconds")
  return { actionId, first, second }
})

for (const way of ["govern", "layer"] as const) {
  describe(`a call that joins one of a toolkit (${way})`, () => {
    it.effect("waits for its handler, and hears the result as the model reads it", () => {
      const pay = toolkitOf("return")
      return Effect.gen(function*() {
        const { actionId, first, second } = yield* approved(yield* ways[way](pay))
        yield* TestClock.adjust("20 minutes")
        assert.strictEqual(pay.runs(), 1)
        assert.isUndefined(second.pollUnsafe())
        yield* Deferred.succeed(pay.gate, { paidAt })
        assert.isTrue(Exit.isSuccess(yield* Fiber.join(first)))
        const reason = yield* Fiber.join(second)
        assert.deepInclude(reason, { _tag: "Joined", actionId, outcome: "performed", result: encoded })
        assert.strictEqual(pay.runs(), 1)
        assert.lengthOf(yield* recorded, 1)
      }).pipe(Effect.provide(world))
    })

    for (const mode of ["error", "return"] as const) {
      it.effect(`hears that it failed (${mode})`, () => {
        const pay = toolkitOf(mode)
        return Effect.gen(function*() {
          const { first, second } = yield* approved(yield* ways[way](pay))
          yield* Deferred.fail(pay.gate, "the bank is closed")
          yield* Fiber.join(first)
          const reason = yield* Fiber.join(second)
          assert.deepInclude(reason, { _tag: "Joined", outcome: "failed" })
          assert.notProperty(reason, "result")
        }).pipe(Effect.provide(world))
      })
    }

    it.effect("hears that it was approved, where the first one is gone before its handler has ended", () => {
      const pay = toolkitOf("return")
      return Effect.gen(function*() {
        const { first, second } = yield* approved(yield* ways[way](pay))
        assert.strictEqual(pay.runs(), 1)
        yield* Fiber.interrupt(first)
        const reason = yield* Fiber.join(second)
        assert.deepInclude(reason, { _tag: "Joined", outcome: "approved" })
      }).pipe(Effect.provide(world))
    })

    it.effect("of another agent is an action of its own", () => {
      const pay = toolkitOf("return")
      return Effect.gen(function*() {
        const toolkit = yield* ways[way](pay)
        const first = yield* start(handle(toolkit))
        yield* waiting(2000)
        const second = yield* start(Effect.provideService(handle(toolkit), Agent.Agent, { id: "another" }))
        yield* TestClock.adjust("1 second")
        assert.lengthOf(yield* recorded, 2)
        yield* Fiber.interrupt(first)
        yield* Fiber.interrupt(second)
      }).pipe(Effect.provide(world))
    })

    for (const mode of ["generateText", "streamText"] as const) {
      it.effect(`tells the model, that asks twice in one turn, the result (${mode})`, () => {
        const pay = toolkitOf("return")
        return Effect.gen(function*() {
          const toolkit = yield* ways[way](pay)
          yield* Deferred.succeed(pay.gate, { paidAt })
          const results: Array<unknown> = []
          const talking = yield* start(
            mode === "generateText"
              ? Effect.map(
                LanguageModel.generateText({ prompt: "go", toolkit }),
                ({ toolResults }) => results.push(...toolResults.map(({ encodedResult }) => encodedResult))
              )
              : Stream.runForEach(
                LanguageModel.streamText({ prompt: "go", toolkit }),
                (part) => Effect.sync(() => part.type === "tool-result" && results.push(part.encodedResult))
              )
          )
          const actionId = yield* waiting(2000)
          yield* review("approve", 2000)
          yield* TestClock.adjust("2 seconds")
          yield* Fiber.join(talking)
          assert.strictEqual(pay.runs(), 1)
          assert.deepStrictEqual(results.filter((result) => !(result instanceof Object && "type" in result)), [encoded])
          const told = results.flatMap((result) =>
            result instanceof Object && "reason" in result ? [String(result.reason)] : []
          )
          assert.lengthOf(told, 1)
          assert.match(told[0]!, new RegExp(`^PERFORMED BEFORE: .*${actionId}, once.* Its result: .*2026-03-01`))
        }).pipe(Effect.provide([
          world,
          ScriptedModel.layer([[["a", "bank__pay", { amount: 2000 }], ["b", "bank__pay", { amount: 2000 }]]])
        ]))
      })
    }
  })
}

describe("a call that joins one of a toolkit", () => {
  it.effect("hears that it was approved, where the caller does not run the handler's stream", () => {
    const pay = toolkitOf("return")
    return Effect.gen(function*() {
      const toolkit = yield* ways.govern(pay)
      const first = yield* start(
        Effect.andThen(toolkit.handle("bank__pay", { amount: 2000 }), Effect.sleep("1 minute"))
      )
      yield* waiting(2000)
      const second = yield* start(joining())
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      assert.deepInclude(yield* Fiber.join(second), { _tag: "Joined", outcome: "approved" })
    }).pipe(Effect.provide(world))
  })

  it.effect("hears the result of one that is detached", () => {
    const pay = toolkitOf("return")
    return Effect.gen(function*() {
      const detached = DetachedCalls.make()
      yield* handle(yield* ways.govern(pay, { onPending: detached }))
      const [call] = yield* detached.pending
      const first = yield* start(call!.await)
      const second = yield* start(joining())
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* Deferred.succeed(pay.gate, { paidAt })
      yield* Fiber.join(first)
      assert.deepInclude(yield* Fiber.join(second), { _tag: "Joined", outcome: "performed", result: encoded })
      // A second look at the handle ends nothing anew.
      assert.deepStrictEqual((yield* call!.await).encodedResult, encoded)
      assert.strictEqual(pay.runs(), 1)
    }).pipe(Effect.provide(world))
  })

  it.effect("hears the result of one for which the conversation was asked", () => {
    const pay = toolkitOf("return")
    return Effect.gen(function*() {
      const toolkit = yield* ways.govern(pay, { onPending: GovernedToolkit.ask })
      const { needsApproval } = toolkit.tools["bank__pay"]
      assert(typeof needsApproval === "function")
      const asked = needsApproval({ amount: 2000 }, { toolCallId: "a", messages: [] }) as Effect.Effect<boolean>
      assert.isTrue(yield* asked)
      const second = yield* start(joining())
      const first = yield* start(
        Effect.flatMap(toolkit.handle("bank__pay", { amount: 2000 }, "a"), Stream.runCollect)
      )
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* Deferred.succeed(pay.gate, { paidAt })
      yield* Fiber.join(first)
      assert.deepInclude(yield* Fiber.join(second), { _tag: "Joined", outcome: "performed", result: encoded })
    }).pipe(Effect.provide(world))
  })
})
