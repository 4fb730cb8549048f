import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { Agent, CallLimiter, Decisions, Governed, Suspension, ToolCalls, VargateError } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import { Chat } from "effect/ai"
import { TestClock } from "effect/testing"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { handlers, layerGateway, layerRuns, ran, recorded, review, Tools, waiting } from "../support/payments.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const { KillSwitch } = Suspension

const sqlite = Layer.merge(Suspension.layer(), Suspension.layerSwitch).pipe(
  Layer.provide(GovernedSql.layer),
  Layer.provide(SqliteClient.layer({ filename: ":memory:" })),
  Layer.orDie
)

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const pay = (amount: number, agent = "teller") => {
  let runs = 0
  const run = Governed.run(
    { tool: "bank", method: "gift", params: { amount }, agent: { id: agent } },
    Effect.sync(() => ++runs)
  )
  return { run, runs: () => runs }
}

const reasonOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if (error instanceof VargateError.VargateError) return error.reason
    return assert.fail(`${String(error)} is no VargateError`)
  })

const asked = Effect.map(recorded, (records) => records.length)

const suspend = (request: Omit<Suspension.SuspendRequest, "by">) =>
  KillSwitch.use((kill) => kill.suspend({ ...request, by: "ann", note: "too many" }))

for (const [name, layer] of Object.entries({ "in memory": Suspension.layerMemory(), "in SQLite": sqlite })) {
  const world = Layer.merge(layerGateway, layer)
  const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof world>>) =>
    it.effect(title, () => Effect.provide(body, Layer.fresh(world)))

  describe(`a suspension ${name}`, () => {
    test(
      "of an agent keeps its calls from being sent, and others' not; lifted, they pass again",
      Effect.gen(function*() {
        const { id } = yield* suspend({ agentId: "teller" })
        assert.deepInclude(yield* reasonOf(pay(5).run), {
          _tag: "Suspended",
          scope: "agent teller",
          note: "too many",
          sideEffect: "none"
        })
        assert.strictEqual(yield* asked, 0)
        assert.strictEqual((yield* pay(5, "other").run).executedBy, "agent")
        const lifted = yield* KillSwitch.use((kill) => kill.lift(id, { by: "bob", note: "fixed" }))
        assert.deepInclude(lifted, { liftedBy: "bob", liftNote: "fixed" })
        assert.isUndefined(yield* KillSwitch.use((kill) => kill.lift(id, { by: "bob" })))
        assert.strictEqual((yield* pay(5).run).executedBy, "agent")
      })
    )

    test(
      "is of a tool, of a tool for one agent, or of everything",
      Effect.gen(function*() {
        const kill = yield* KillSwitch
        const isStopped = (run: Effect.Effect<unknown, unknown, Layer.Success<typeof layerGateway>>) =>
          Effect.map(Effect.exit(run), ({ _tag }) => _tag === "Failure")
        const other = Governed.run({ tool: "shop", method: "buy", params: {}, agent: { id: "teller" } }, Effect.void)
        const stopped = Effect.fnUntraced(function*(request: Omit<Suspension.SuspendRequest, "by">) {
          const { id } = yield* suspend(request)
          const all = [yield* isStopped(pay(5).run), yield* isStopped(pay(5, "two").run), yield* isStopped(other)]
          yield* kill.lift(id, { by: "ann" })
          yield* TestClock.adjust("1 second")
          return all
        })
        assert.deepStrictEqual(yield* stopped({ tool: "bank" }), [true, true, false])
        assert.deepStrictEqual(yield* stopped({ tool: "bank", agentId: "two" }), [false, true, false])
        assert.deepStrictEqual(yield* stopped({ agentId: "teller" }), [true, false, true])
        assert.deepStrictEqual(yield* stopped({ everything: true }), [true, true, true])
        const blank = [{ agentId: "" }, { tool: " " }, { agentId: "teller", tool: "" }]
        for (const bad of [{}, { everything: false }, { everything: true, tool: "bank" }, ...blank]) {
          assert.strictEqual((yield* reasonOf(suspend(bad)))._tag, "InvalidRequest")
        }
        const history = yield* kill.history()
        assert.deepStrictEqual(
          history.map(({ scope }) => scope),
          [
            "everything",
            "agent teller",
            "tool bank of agent two",
            "tool bank"
          ]
        )
        assert.strictEqual(history.length, 4)
        assert.deepStrictEqual(yield* kill.active, [])
      })
    )

    test(
      "ends waits, and keeps what was approved meanwhile from being begun until it is lifted",
      Effect.gen(function*() {
        const { run, runs } = pay(2000)
        const first = yield* start(reasonOf(run))
        const other = yield* start(pay(2001, "other").run)
        const actionId = yield* waiting(2000)
        const { id } = yield* suspend({ agentId: "teller" })
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(first), { _tag: "Suspended", actionId, sideEffect: "possible" })
        assert.isUndefined(other.pollUnsafe())
        yield* review("approve", 2000)
        const action = Effect.sync(() => "resumed")
        const resuming = yield* start(reasonOf(Governed.resume(actionId, action)))
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(resuming), { _tag: "Suspended", actionId })
        yield* KillSwitch.use((kill) => kill.lift(id, { by: "ann" }))
        const resumed = yield* start(Governed.resume(actionId, action))
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(resumed), { result: "resumed" })
        assert.strictEqual(runs(), 0)
        yield* review("approve", 2001)
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(other), { result: 1 })
      })
    )

    test(
      "that comes between the decision and the action stops the action",
      Effect.gen(function*() {
        const request = { tool: "bank", method: "gift", params: { amount: 5 }, agent: { id: "teller" } }
        const decision = yield* Governed.decide(request)
        yield* suspend({ tool: "bank" })
        const settled = Governed.settle(decision, { act: () => Effect.die("begun"), hold: Effect.fail })
        assert.deepInclude(yield* reasonOf(settled), {
          _tag: "Suspended",
          actionId: decision.actionId,
          sideEffect: "none"
        })
      })
    )
  })
}

describe("a suspension", () => {
  it.effect("stops a call that waits for its turn", () =>
    Effect.gen(function*() {
      const limiter = {
        admit: Effect.sleep("10 seconds"),
        report: () => Effect.void
      }
      const call = yield* start(
        Effect.provideService(reasonOf(pay(5).run), CallLimiter.CallLimiter, limiter)
      )
      yield* TestClock.adjust("5 seconds")
      yield* suspend({ agentId: "teller" })
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* Fiber.join(call), { _tag: "Suspended", sideEffect: "none" })
      assert.strictEqual(yield* asked, 0)
    }).pipe(Effect.provide([layerGateway, Suspension.layerMemory()])))

  it.effect("ends the wait of a call that has joined another one's", () =>
    Effect.gen(function*() {
      const first = yield* start(Effect.exit(pay(2000).run))
      yield* waiting(2000)
      const second = yield* start(reasonOf(pay(2000).run))
      yield* TestClock.adjust("1 second")
      yield* suspend({ everything: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(second), { _tag: "Suspended", scope: "everything" })
      yield* Fiber.join(first)
    }).pipe(Effect.provide([layerGateway, Suspension.layerMemory(), Decisions.layerMemory()])))

  it.effect("that cannot be read stops everything, and waits go on", () => {
    let isAway = false
    const active = Effect.suspend(() =>
      isAway
        ? Effect.fail(new VargateError.StorageFailed({ operation: "test", detail: "away" }))
        : Effect.succeed<ReadonlyArray<Suspension.SuspensionEntry>>([])
    )
    const store = Layer.succeed(Suspension.SuspensionStore, {
      active,
      history: () => active,
      add: () => Effect.void,
      lift: () => Effect.undefined
    })
    return Effect.gen(function*() {
      const pending = pay(2000)
      const first = yield* start(pending.run)
      yield* waiting(2000)
      isAway = true
      assert.deepInclude(yield* reasonOf(pay(5).run), { _tag: "GuardUnavailable", guard: "suspension" })
      assert.strictEqual(yield* asked, 1)
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(first.pollUnsafe())
      yield* review("approve", 2000)
      isAway = false
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(first), { result: 1 })
    }).pipe(Effect.provide([layerGateway, Layer.provide(Suspension.layer(), store)]))
  })

  it.effect("is heard by the model of a toolkit, and no handler runs", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* GovernedToolkit.govern(Tools)
      yield* suspend({ agentId: (yield* Agent.Agent).id })
      const { toolResults } = yield* chat.generateText({ prompt: [], toolkit })
      const [result] = toolResults.map(({ encodedResult }) => encodedResult as { type: string; reason: string })
      assert.strictEqual(result!.type, "execution-denied")
      assert.match(result!.reason, /^NOT PERFORMED: an operator has suspended agent .* \(too many\)/)
      assert.deepStrictEqual(yield* ran, [])
    }).pipe(Effect.provide([
      Layer.provideMerge(Tools.toLayer(handlers), Layer.merge(layerRuns, layerGateway)),
      Suspension.layerMemory(),
      ScriptedModel.layer([[["a", "bank__note", { amount: 5 }]]])
    ])))

  it.effect("is no matter of calls outside Governed", () =>
    Effect.gen(function*() {
      yield* suspend({ everything: true })
      assert.strictEqual(
        (yield* ToolCalls.call({ tool: "bank", method: "note", params: { amount: 5 } }))._tag,
        "Allowed"
      )
    }).pipe(Effect.provide([layerGateway, Suspension.layerMemory()])))
})
