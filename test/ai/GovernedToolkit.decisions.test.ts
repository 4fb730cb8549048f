import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, SchemaGetter, SchemaIssue, Stream } from "effect"
import { Agent, Vargate } from "effect-vargate"
import * as AskedCalls from "effect-vargate/ai/AskedCalls"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as Faults from "effect-vargate/testing/Faults"
import { LanguageModel, Prompt, Tool, Toolkit } from "effect/ai"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { eventually, layerGateway, recorded, review, tenant, waiting } from "../support/payments.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

/** A number whose schema takes its time to read and write it. */
const Slow = Schema.Finite.pipe(Schema.decodeTo(Schema.Finite, {
  decode: SchemaGetter.transformEffect((n: number) =>
    Effect.delay(Effect.succeed(n), n > 5000 ? "2 seconds" : "1 second")
  ),
  encode: SchemaGetter.transformEffect((n: number) =>
    Effect.delay(Effect.succeed(n), n > 5000 ? "1 second" : "2 seconds")
  )
}))

const toolkitOf = (amount: Schema.Codec<number, unknown>) => {
  const ran: Array<unknown> = []
  const tools = Toolkit.make(
    Tool.make("bank__pay", { parameters: Schema.Struct({ amount }), success: Schema.Finite, failureMode: "return" })
  )
  const handlers = tools.toLayer({
    bank__pay: ({ amount }) => Effect.sync(() => (ran.push(amount), amount))
  })
  return { ran, tools, handlers }
}

const ask = { onPending: GovernedToolkit.ask({ timeout: "10 minutes" }) } as const

const generate = <Tools extends Record<string, Tool.Any>, E, R>(
  toolkit: Effect.Effect<Toolkit.WithHandler<Tools>, E, R>
) => Effect.flatMap(toolkit, (toolkit) => LanguageModel.generateText({ prompt: "go", toolkit }))

const stream = <Tools extends Record<string, Tool.Any>, E, R>(
  toolkit: Effect.Effect<Toolkit.WithHandler<Tools>, E, R>
) => Effect.flatMap(toolkit, (toolkit) => Stream.runDrain(LanguageModel.streamText({ prompt: "go", toolkit })))

/** Lets time pass until the program has ended. */
const inTime = Effect.fnUntraced(function*<A, E, R>(program: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(program, { startImmediately: true })
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("250 millis")
  return yield* Fiber.join(fiber)
})

describe("a decision belongs to what was decided", () => {
  for (const [way, round] of [["generated", generate], ["streamed", stream]] as const) {
    for (const [order, amounts] of [["denied first", [9000, 5]], ["allowed first", [5, 9000]]] as const) {
      it.effect(`two calls of one turn have the same id (${way}, ${order})`, () => {
        const { handlers, ran, tools } = toolkitOf(Slow)
        return Effect.gen(function*() {
          yield* inTime(round(GovernedToolkit.govern(tools, ask)) as Effect.Effect<unknown>)
          assert.deepStrictEqual(ran, [5])
          assert.deepStrictEqual([...yield* recorded].sort(), ["bank/pay 5: allow", "bank/pay 9000: deny"])
        }).pipe(
          Effect.provide([
            handlers,
            ScriptedModel.layer([amounts.map((amount) => ["a", "bank__pay", { amount }] as const)])
          ]),
          Effect.provide(layerGateway)
        )
      })
    }
  }

  it.effect("two calls of one turn are the same in everything: each has a decision of its own", () => {
    const { handlers, ran, tools } = toolkitOf(Slow)
    return Effect.gen(function*() {
      yield* inTime(generate(GovernedToolkit.govern(tools, ask)))
      assert.deepStrictEqual(ran, [5, 5])
      assert.deepStrictEqual(yield* recorded, ["bank/pay 5: allow", "bank/pay 5: allow"])
    }).pipe(
      Effect.provide([
        handlers,
        ScriptedModel.layer([[["a", "bank__pay", { amount: 5 }], ["a", "bank__pay", { amount: 5 }]]])
      ]),
      Effect.provide(layerGateway)
    )
  })

  it.effect("an interrupted generation leaves nothing to the next call with its id", () => {
    const { handlers, ran, tools } = toolkitOf(Slow)
    return Effect.gen(function*() {
      const governed = yield* GovernedToolkit.govern(tools, ask)
      const first = yield* Effect.forkChild(generate(Effect.succeed(governed)), { startImmediately: true })
      // The decision is there, and the handler's own decoding is under way.
      while ((yield* recorded).length === 0) yield* TestClock.adjust("250 millis")
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(ran, [])
      yield* inTime(governed.handle("bank__pay", { amount: 5 }, "a").pipe(Effect.flatMap(Stream.runDrain)))
      assert.deepStrictEqual(ran, [5])
      assert.deepStrictEqual(yield* recorded, ["bank/pay 5: allow", "bank/pay 5: allow"])
    }).pipe(
      Effect.provide([handlers, ScriptedModel.layer([[["a", "bank__pay", { amount: 5 }]]])]),
      Effect.provide(layerGateway)
    )
  })

  it.effect("nor does one that has failed", () => {
    const { handlers, ran, tools } = toolkitOf(Schema.Finite)
    return Effect.gen(function*() {
      const governed = yield* GovernedToolkit.govern(tools, ask)
      const tool = governed.tools["bank__pay"]
      assert(typeof tool.needsApproval === "function")
      const asked = tool.needsApproval({ amount: 5 }, { toolCallId: "a", messages: [] }) as Effect.Effect<boolean>
      yield* Effect.exit(Fiber.join(yield* Effect.forkChild(Effect.andThen(asked, Effect.fail("the model is gone")))))
      yield* Effect.flatMap(governed.handle("bank__pay", { amount: 5 }, "a"), Stream.runDrain)
      assert.deepStrictEqual(ran, [5])
      assert.deepStrictEqual(yield* recorded, ["bank/pay 5: allow", "bank/pay 5: allow"])
    }).pipe(Effect.provide(handlers), Effect.provide(layerGateway))
  })

  it.effect("another agent does not take it", () => {
    const { handlers, ran, tools } = toolkitOf(Schema.Finite)
    return Effect.gen(function*() {
      const governed = yield* GovernedToolkit.govern(tools, ask)
      const tool = governed.tools["bank__pay"]
      assert(typeof tool.needsApproval === "function")
      const asked = tool.needsApproval({ amount: 5 }, { toolCallId: "a", messages: [] })
      assert.isFalse(yield* (Effect.isEffect(asked) ? asked : Effect.succeed(asked)) as Effect.Effect<boolean>)
      const handle = Effect.flatMap(governed.handle("bank__pay", { amount: 5 }, "a"), Stream.runDrain)
      yield* Effect.provideService(handle, Agent.Agent, { id: "another" })
      assert.strictEqual((yield* recorded).length, 2)
      yield* handle
      yield* handle
      assert.strictEqual((yield* recorded).length, 3)
      assert.deepStrictEqual(ran, [5, 5, 5])
    }).pipe(Effect.provide(handlers), Effect.provide(layerGateway))
  })
})

describe("what is decided is what is done", () => {
  it.effect("a call is submitted again as it was, and that is what runs", () => {
    const { handlers, ran, tools } = toolkitOf(Schema.Finite)
    return Effect.gen(function*() {
      const params = { amount: 2000 }
      const governed = yield* GovernedToolkit.govern(tools)
      const running = yield* Effect.forkChild(
        Effect.flatMap(governed.handle("bank__pay", params, "a"), Stream.runDrain),
        { startImmediately: true }
      )
      yield* TestClock.adjust("10 millis")
      params.amount = 9000
      yield* TestClock.adjust("30 seconds")
      yield* review("approve", 2000)
      params.amount = 9001
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(running)
      assert.deepStrictEqual(ran, [2000])
      assert.deepStrictEqual(yield* recorded, ["bank/pay 2000: pending_approval"])
      const { counts } = yield* Faults.Faults
      assert.isAtLeast((yield* counts).limited429 ?? 0, 1)
    }).pipe(
      Effect.provide(handlers),
      Effect.provide(
        Vargate.layer({ apiKey: tenant.apiKey }).pipe(
          Layer.provideMerge(Faults.layer({ seed: 7, limited429: 0.5 })),
          Layer.provideMerge(layerGateway)
        )
      )
    )
  })

  it.effect("params that cannot be read once are not read again by a handler that nothing governs", () => {
    let reads = 0
    const Moody = Schema.Finite.pipe(Schema.decodeTo(Schema.Finite, {
      decode: SchemaGetter.transformEffect((n: number, options) =>
        ++reads % 2 === 1
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: "not now" }, n, options))
          : Effect.succeed(n)
      ),
      encode: SchemaGetter.passthrough()
    }))
    const { handlers, ran, tools } = toolkitOf(Moody)
    return Effect.gen(function*() {
      const governed = yield* GovernedToolkit.govern(tools)
      const results = yield* Effect.flatMap(governed.handle("bank__pay", { amount: 5 }, "a"), Stream.runCollect)
      assert.deepStrictEqual(ran, [])
      assert.deepStrictEqual(yield* recorded, [])
      const [result] = results
      assert.deepInclude(result, { isFailure: true, failureOrigin: "parameters" })
      assert.include(JSON.stringify(result!.encodedResult), "not now")
    }).pipe(Effect.provide(handlers), Effect.provide(layerGateway))
  })

  it.effect("params that contain themselves, or nest too deep, are refused", () => {
    const runs: Array<unknown> = []
    const tools = Toolkit.make(
      Tool.make("any__call", { parameters: Schema.Struct({ value: Schema.Unknown }), failureMode: "return" })
    )
    return Effect.gen(function*() {
      const governed = yield* GovernedToolkit.govern(tools)
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      let deep: unknown = {}
      for (let i = 0; i < 20_000; i++) deep = [deep]
      for (const value of [cyclic, deep]) {
        const [result] = yield* Effect.flatMap(governed.handle("any__call", { value }, "a"), Stream.runCollect)
        assert.isTrue(result!.isFailure)
      }
      assert.deepStrictEqual(runs, [])
      assert.deepStrictEqual(yield* recorded, [])
    }).pipe(
      Effect.provide(tools.toLayer({ any__call: (params) => Effect.sync(() => void runs.push(params)) })),
      Effect.provide(layerGateway)
    )
  })
})

describe("an approval is used once", () => {
  const conversation = (approvalId: string) =>
    Prompt.make([
      { role: "user", content: "go" },
      {
        role: "assistant",
        content: [
          { type: "tool-call", id: "a", name: "bank__pay", params: { amount: 2000 }, providerExecuted: false },
          { type: "tool-approval-request", approvalId, toolCallId: "a" }
        ]
      },
      { role: "tool", content: [{ type: "tool-approval-response", approvalId, approved: true }] }
    ] as never)

  const asked = Effect.fnUntraced(function*<Tools extends Record<string, Tool.Any>>(
    toolkit: Toolkit.WithHandler<Tools>
  ) {
    const { content } = yield* LanguageModel.generateText({ prompt: "go", toolkit })
    const request = content.find((part) => part.type === "tool-approval-request")
    assert(request !== undefined)
    return LanguageModel.generateText({ prompt: conversation(request.approvalId), toolkit })
  })

  const model = ScriptedModel.layer([[["a", "bank__pay", { amount: 2000 }]], "well", "well", "well"])

  it.effect("when the conversation goes on twice at the same time", () => {
    const { handlers, ran, tools } = toolkitOf(Schema.Finite)
    return Effect.gen(function*() {
      const goOn = yield* asked(yield* GovernedToolkit.govern(tools, ask))
      const both = yield* Effect.forkChild(Effect.all([goOn, goOn], { concurrency: 2 }), { startImmediately: true })
      yield* eventually(Effect.map(waiting(2000), (actionId) => actionId))
      yield* TestClock.adjust("2 seconds")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(both)
      assert.deepStrictEqual(ran, [2000])
      assert.deepStrictEqual(yield* recorded, ["bank/pay 2000: pending_approval"])
    }).pipe(
      Effect.provide([handlers, model]),
      Effect.provide(layerGateway),
      Effect.provideServiceEffect(AskedCalls.AskedCalls, KeyValueStore.KeyValueStore),
      Effect.provide(KeyValueStore.layerMemory)
    )
  })

  /** As programs do that open a store for each request. */
  const storeOver = (kept: Map<string, string>): AskedCalls.Store => ({
    get: (id) => Effect.sync(() => kept.get(id)),
    set: (id, call) => Effect.sync(() => void kept.set(id, String(call))),
    remove: (id) => Effect.sync(() => void kept.delete(id))
  })

  it.effect("when the conversation goes on twice at the same time, each with a store of its own over the same data", () => {
    const { handlers, ran, tools } = toolkitOf(Schema.Finite)
    const kept = new Map<string, string>()
    const withStore = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provideServiceEffect(effect, AskedCalls.AskedCalls, Effect.sync(() => storeOver(kept)))
    return Effect.gen(function*() {
      const goOn = yield* withStore(asked(yield* GovernedToolkit.govern(tools, ask)))
      const both = yield* Effect.forkChild(
        Effect.all([withStore(goOn), withStore(goOn)], { concurrency: 2 }),
        { startImmediately: true }
      )
      yield* eventually(Effect.map(waiting(2000), (actionId) => actionId))
      yield* TestClock.adjust("2 seconds")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(both)
      assert.deepStrictEqual(ran, [2000])
      assert.deepStrictEqual(yield* recorded, ["bank/pay 2000: pending_approval"])
    }).pipe(Effect.provide([handlers, model]), Effect.provide(layerGateway))
  })

  it.effect("where another process uses it while this one waits", () => {
    const { handlers, ran, tools } = toolkitOf(Schema.Finite)
    const kept = new Map<string, string>()
    return Effect.gen(function*() {
      const goOn = yield* asked(yield* GovernedToolkit.govern(tools, ask))
      const waits = yield* Effect.forkChild(goOn, { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      kept.clear()
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(waits)
      assert.deepStrictEqual(ran, [])
      assert.match(JSON.stringify((yield* ScriptedModel.told)["a"]!.result), /NOT PERFORMED/)
    }).pipe(
      Effect.provide([handlers, model]),
      Effect.provide(layerGateway),
      Effect.provideService(AskedCalls.AskedCalls, storeOver(kept))
    )
  })

  it.effect("where the store does not forget it", () => {
    const { handlers, ran, tools } = toolkitOf(Schema.Finite)
    const kept = new Map<string, string>()
    const store: AskedCalls.Store = {
      get: (id) => Effect.sync(() => kept.get(id)),
      set: (id, call) => Effect.sync(() => void kept.set(id, String(call))),
      remove: (key) =>
        Effect.fail(new KeyValueStore.KeyValueStoreError({ method: "remove", key, message: "disk full" }))
    }
    return Effect.gen(function*() {
      const goOn = yield* asked(yield* GovernedToolkit.govern(tools, ask))
      yield* review("approve", 2000)
      yield* inTime(goOn)
      yield* inTime(goOn)
      assert.deepStrictEqual(ran, [])
      assert.match(JSON.stringify((yield* ScriptedModel.told)["a"]!.result), /NOT PERFORMED/)
    }).pipe(
      Effect.provide([handlers, model]),
      Effect.provide(layerGateway),
      Effect.provideService(AskedCalls.AskedCalls, store)
    )
  })
})
