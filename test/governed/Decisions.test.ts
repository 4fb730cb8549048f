import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Metric } from "effect"
import { Agent, Approvals, Decisions, Governed, Suspension, ToolCalls, VargateError } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { Chat } from "effect/ai"
import { TestClock } from "effect/testing"
import { interventions } from "../../src/transport/Metrics.ts"
import { handlers, layerGateway, layerRuns, ran, recorded, review, Tools, waiting } from "../support/payments.ts"
import { recording } from "../support/recording.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const world = Layer.mergeAll(layerGateway, Decisions.layerMemory())

const test = (title: string, body: Effect.Effect<void, unknown, Layer.Success<typeof world>>) =>
  it.effect(title, () => Effect.provide(body, world))

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** A payment, and how often its own action ran. */
const payment = (amount: number, options: Partial<Governed.Options<Governed.Wait | Governed.Fail>> = {}) => {
  let runs = 0
  const run = Governed.run(
    { tool: "bank", method: "gift", params: { amount }, ...options },
    Effect.sync(() => `paid ${amount}, ${++runs}`)
  )
  return { run, runs: () => runs }
}

/** Why a call was not submitted. */
const reasonOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if (error instanceof VargateError.VargateError) return error.reason
    return assert.fail(`${String(error)} is no VargateError`)
  })

const asked = Effect.map(recorded, (records) => records.length)

describe("the same call while one is pending", () => {
  test(
    "is not submitted: it waits with the first one, whose handler runs alone, and hears what became of it",
    Effect.gen(function*() {
      const { run, runs } = payment(2000)
      const first = yield* start(run)
      const actionId = yield* waiting(2000)
      const others = yield* Effect.forEach([1, 2, 3], () => start(reasonOf(run)))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* asked, 1)
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(first), { executedBy: "agent", result: "paid 2000, 1" })
      for (const other of others) {
        const reason = yield* Fiber.join(other)
        assert.deepInclude(reason, { _tag: "Joined", actionId, outcome: "performed", result: "paid 2000, 1" })
        assert.notInclude(JSON.stringify(reason), "paid 2000")
      }
      assert.strictEqual(runs(), 1)
    })
  )

  test(
    "hears of a handler that failed, of a rejection, and of an action that expired",
    Effect.gen(function*() {
      const failing = Governed.run({ tool: "bank", method: "gift", params: { amount: 2001 } }, Effect.fail("no funds"))
      const outcomes: Array<unknown> = []
      const together = Effect.fnUntraced(function*(amount: number, run: Effect.Effect<unknown, unknown, never>) {
        const first = yield* start(Effect.exit(run))
        yield* waiting(amount)
        const second = yield* start(reasonOf(run))
        yield* TestClock.adjust("1 second")
        return { first, second }
      })
      const services = yield* Effect.context<Layer.Success<typeof world>>()
      const failed = yield* together(2001, Effect.provide(failing, services))
      yield* review("approve", 2001)
      yield* TestClock.adjust("2 seconds")
      outcomes.push(yield* Fiber.join(failed.second))
      const rejected = yield* together(2002, Effect.provide(payment(2002).run, services))
      yield* review("reject", 2002, "ask finance")
      yield* TestClock.adjust("2 seconds")
      outcomes.push(yield* Fiber.join(rejected.second))
      const expired = yield* together(2003, Effect.provide(payment(2003).run, services))
      yield* TestClock.adjust("61 minutes")
      outcomes.push(yield* Fiber.join(expired.second))
      assert.deepInclude(outcomes[0], { _tag: "Joined", outcome: "failed", sideEffect: "possible" })
      assert.deepInclude(outcomes[1], { _tag: "Joined", outcome: "rejected", note: "ask finance", sideEffect: "none" })
      assert.match(
        (outcomes[1] as Error).message,
        /submitted before, as \S+, and was not submitted again\. A reviewer rejected it\. The note: ask finance\. That is/
      )
      assert.deepInclude(outcomes[2], { _tag: "Joined", outcome: "expired", sideEffect: "none" })
      assert.strictEqual(yield* asked, 3)
    })
  )

  test(
    "waits no longer than it says, and not at all where it would not wait for its own",
    Effect.gen(function*() {
      const first = yield* start(payment(2000).run)
      const actionId = yield* waiting(2000)
      const hasty = yield* start(reasonOf(payment(2000, { onPending: Governed.wait({ timeout: "3 seconds" }) }).run))
      assert.deepInclude(
        yield* reasonOf(payment(2000, { onPending: Governed.fail }).run),
        { _tag: "Joined", actionId, outcome: "pending", sideEffect: "possible" }
      )
      yield* TestClock.adjust("3 seconds")
      assert.deepInclude(yield* Fiber.join(hasty), { _tag: "Joined", actionId, outcome: "pending" })
      assert.strictEqual(yield* asked, 1)
      yield* Fiber.interrupt(first)
    })
  )

  test(
    "that come at once are one action, and none is lost where the policy allows them",
    Effect.gen(function*() {
      const { run, runs } = payment(2000)
      const all = yield* Effect.forEach([1, 2, 3, 4, 5], () => start(Effect.result(run)))
      yield* waiting(2000)
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      const results = yield* Effect.forEach(all, Fiber.join)
      assert.deepStrictEqual(results.filter(({ _tag }) => _tag === "Success").length, 1)
      assert.strictEqual(runs(), 1)
      assert.strictEqual(yield* asked, 1)
      // What was executed is not joined.
      const allowed = payment(5)
      const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], () => start(allowed.run))
      yield* TestClock.adjust("1 second")
      for (const done of yield* Effect.forEach(fibers, Fiber.join)) assert.strictEqual(done.executedBy, "agent")
      assert.strictEqual(allowed.runs(), 5)
      assert.strictEqual(yield* asked, 6)
    })
  )

  test(
    "is another one for another agent, tool, method or params, and where a duplicate is meant",
    Effect.gen(function*() {
      const request = { tool: "bank", method: "gift", params: { amount: 2000 } }
      const others: ReadonlyArray<Effect.Effect<unknown, unknown, Layer.Success<typeof world>>> = [
        Effect.provideService(payment(2000).run, Agent.Agent, { id: "another" }),
        payment(2000, { tool: "bank2" } as never).run,
        payment(2000, { method: "loan" } as never).run,
        Governed.run({ ...request, params: { amount: 2000, note: "x" } }, Effect.void),
        Governed.run({ ...request, allowDuplicate: true }, Effect.void)
      ]
      const fibers = yield* Effect.forEach([payment(2000).run, ...others], (run) => start(Effect.exit(run)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* asked, 6)
      yield* Effect.forEach(fibers, Fiber.interrupt)
    })
  )

  test(
    "is what the tool's author takes for the same",
    Effect.gen(function*() {
      const same = (params: Readonly<Record<string, unknown>>) => params["charge"]
      const refund = (charge: string, amount: number) =>
        Governed.run(
          { tool: "bank", method: "gift", params: { charge, amount }, same, onPending: Governed.fail },
          Effect.void
        )
      yield* Effect.flip(refund("ch_1", 2000))
      assert.deepInclude(yield* reasonOf(refund("ch_1", 2001)), { _tag: "Joined" })
      assert.strictEqual((yield* Effect.flip(refund("ch_2", 2000)))._tag, "PendingApproval")
      assert.strictEqual(yield* asked, 2)
    })
  )

  test(
    "is told by its bytes, where the author's function throws or returns no JSON",
    Effect.gen(function*() {
      const sames = [() => assert.fail("a fault"), () => undefined, () => 5n]
      for (const [index, same] of sames.entries()) {
        const ask = (amount: number) =>
          Governed.run(
            { tool: "bank", method: "gift", params: { amount }, same, onPending: Governed.fail },
            Effect.void
          )
        const amount = 2000 + 10 * index
        assert.strictEqual((yield* Effect.flip(ask(amount)))._tag, "PendingApproval")
        assert.strictEqual((yield* reasonOf(ask(amount)))._tag, "Joined")
        assert.strictEqual((yield* Effect.flip(ask(amount + 1)))._tag, "PendingApproval")
      }
    })
  )

  test(
    "is joined after its first caller has gone, as long as it is pending; then it is a new action",
    Effect.gen(function*() {
      const { run, runs } = payment(2000)
      const first = yield* start(run)
      const actionId = yield* waiting(2000)
      yield* Fiber.interrupt(first)
      const second = yield* start(reasonOf(run))
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      // The approval is the first one's.
      assert.deepInclude(yield* Fiber.join(second), { _tag: "Joined", actionId, outcome: "approved" })
      assert.strictEqual(runs(), 0)
      const third = yield* start(run)
      yield* waiting(2000)
      assert.strictEqual(yield* asked, 2)
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(third), { executedBy: "agent", result: "paid 2000, 1" })
    })
  )

  test(
    "hears the result of an action that was stored and resumed",
    Effect.gen(function*() {
      const { run } = payment(2000, { onPending: Governed.fail })
      yield* Effect.flip(run)
      const actionId = yield* waiting(2000)
      const resumed = yield* start(Governed.resume(actionId, Effect.succeed("paid later")))
      const second = yield* start(reasonOf(payment(2000).run))
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(resumed), { result: "paid later" })
      assert.deepInclude(yield* Fiber.join(second), { _tag: "Joined", outcome: "performed", result: "paid later" })
    })
  )
})

describe("the same call after a rejection", () => {
  test(
    "is refused here for a quarter of an hour, with the reviewer's note, and then asked for anew",
    Effect.gen(function*() {
      const { run, runs } = payment(2000)
      const first = yield* start(Effect.flip(run))
      const actionId = yield* waiting(2000)
      yield* review("reject", 2000, "ask finance")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(first))._tag, "Rejected")
      const reason = yield* reasonOf(run)
      assert.deepInclude(reason, { _tag: "RefusedAgain", actionId, note: "ask finance", sideEffect: "none" })
      assert.isFalse(reason.isRetryable)
      yield* TestClock.adjust("14 minutes")
      assert.strictEqual((yield* reasonOf(run))._tag, "RefusedAgain")
      assert.strictEqual(yield* asked, 1)
      yield* TestClock.adjust("1 minute")
      const again = yield* start(run)
      yield* waiting(2000)
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(again), { result: "paid 2000, 1" })
      assert.strictEqual(runs(), 1)
    })
  )

  test(
    "is refused also where nothing waited for the decision, and not where another one was rejected",
    Effect.gen(function*() {
      const { run } = payment(2000, { onPending: Governed.fail })
      yield* Effect.flip(run)
      yield* review("reject", 2000, "no")
      assert.deepInclude(yield* reasonOf(run), { _tag: "RefusedAgain", note: "no" })
      assert.strictEqual((yield* Effect.flip(payment(2001, { onPending: Governed.fail }).run))._tag, "PendingApproval")
    })
  )

  it.effect("is refused for as long as the options say", () =>
    Effect.gen(function*() {
      const { run } = payment(2000, { onPending: Governed.fail })
      yield* Effect.flip(run)
      yield* review("reject", 2000)
      assert.strictEqual((yield* reasonOf(run))._tag, "RefusedAgain")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Effect.flip(run))._tag, "PendingApproval")
    }).pipe(Effect.provide([layerGateway, Decisions.layerMemory({ refuseFor: "1 minute" })])))
})

describe("a store that cannot be reached", () => {
  const away = Effect.fail(new VargateError.StorageFailed({ operation: "test", detail: "away" }))
  const store = Layer.succeed(Decisions.DecisionStore, {
    claim: () => away,
    look: () => away,
    pend: () => away,
    release: () => away,
    decide: () => away
  })

  it.effect("leaves calls as they are without one", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* payment(5).run, { executedBy: "agent" })
      const first = yield* start(payment(2000).run)
      yield* waiting(2000)
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(first), { executedBy: "agent" })
    }).pipe(Effect.provide([layerGateway, Layer.provide(Decisions.layer(), store)])))
})

describe("without the service", () => {
  it.effect("the same call is another action", () =>
    Effect.gen(function*() {
      const fibers = yield* Effect.forEach([1, 2], () => start(payment(2000).run))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* asked, 2)
      yield* Effect.forEach(fibers, Fiber.interrupt)
    }).pipe(Effect.provide(layerGateway)))
})

describe("telemetry", () => {
  const { layer, spans } = recording()

  it.effect("says joined, and refused_again", () =>
    Effect.gen(function*() {
      const before = new Map((yield* Metric.value(interventions)).occurrences)
      const { run } = payment(2000, { onPending: Governed.fail })
      yield* Effect.flip(run)
      yield* Effect.flip(run)
      yield* review("reject", 2000)
      yield* Effect.flip(run)
      const said = spans.flatMap(({ attributes }) => {
        const decision = attributes.get("vargate.decision")
        return decision === undefined ? [] : [decision]
      })
      assert.include(said, "joined")
      assert.include(said, "refused_again")
      const after = (yield* Metric.value(interventions)).occurrences
      for (const word of ["joined", "refused_again"]) {
        assert.strictEqual(after.get(word)! - (before.get(word) ?? 0), 1, word)
      }
    }).pipe(Effect.provide([layerGateway, Decisions.layerMemory(), layer])))
})

describe("a model that repeats itself", () => {
  const parts = Layer.mergeAll(
    Layer.provideMerge(Tools.toLayer(handlers), Layer.merge(layerRuns, layerGateway)),
    Decisions.layerMemory()
  )
  const gift = (id: string): ScriptedModel.Turn => [[id, "bank__gift", { amount: 2000 }]]
  const turns: ReadonlyArray<ScriptedModel.Turn> = [
    ...["p1", "p2", "p3", "p4", "p5"].flatMap((id) => [gift(id)]),
    ...["n1", "n2", "n3", "n4", "n5"].map(gift),
    "I give up."
  ]

  it.effect("asks five times while it is pending and five times after a no: one action is queued, and it hears why", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* GovernedToolkit.govern(Tools, { onPending: Governed.fail })
      const say = Effect.gen(function*() {
        const { toolResults } = yield* chat.generateText({ prompt: [], toolkit })
        return toolResults.map(({ encodedResult }) => (encodedResult as { readonly reason: string }).reason)
      })
      const whilePending = yield* Effect.forEach([1, 2, 3, 4, 5], () => say)
      const actionId = yield* waiting(2000)
      assert.strictEqual((yield* Approvals.Approvals.use(({ pending }) => pending)).pending.length, 1)
      for (const [reason] of whilePending) {
        assert.match(reason!, /^NOT PERFORMED YET: /)
        assert.include(reason, actionId)
      }
      yield* review("reject", 2000, "ask finance first")
      const afterNo = yield* Effect.forEach([1, 2, 3, 4, 5], () => say)
      for (const [reason] of afterNo) {
        assert.match(reason!, /^NOT PERFORMED: a reviewer rejected this very action/)
        assert.include(reason, "ask finance first")
      }
      yield* say
      assert.strictEqual((yield* recorded).length, 1)
      assert.deepStrictEqual(yield* ran, [])
      assert.strictEqual((yield* Approvals.Approvals.use(({ pending }) => pending)).pending.length, 0)
    }).pipe(Effect.provide([parts, ScriptedModel.layer(turns)])))

  it.effect("is governed under the services of where the toolkit was made", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* Effect.provide(
        GovernedToolkit.govern(Tools, { onPending: Governed.fail }),
        Decisions.layerMemory()
      )
      yield* chat.generateText({ prompt: [], toolkit })
      yield* chat.generateText({ prompt: [], toolkit })
      assert.strictEqual((yield* recorded).length, 1)
    }).pipe(Effect.provide([
      Layer.provideMerge(Tools.toLayer(handlers), Layer.merge(layerRuns, layerGateway)),
      ScriptedModel.layer([gift("a"), gift("b")])
    ])))

  it.effect("calls one tool twice in one turn: its handler runs once", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* GovernedToolkit.govern(Tools)
      const talking = yield* start(chat.generateText({ prompt: [], toolkit }))
      yield* waiting(2000)
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      const { toolResults } = yield* Fiber.join(talking)
      assert.deepStrictEqual(yield* ran, ["gift 2000"])
      assert.strictEqual((yield* recorded).length, 1)
      assert.deepStrictEqual(toolResults.map(({ isFailure }) => isFailure).sort(), [false, true])
    }).pipe(Effect.provide([
      parts,
      ScriptedModel.layer([[["a", "bank__gift", { amount: 2000 }], ["b", "bank__gift", { amount: 2000 }]]])
    ])))
})

describe("submissions that take their time, or fail", () => {
  /** The gateway's own service, with something before each submission. */
  const before = (each: (n: number) => Effect.Effect<void, VargateError.VargateError>) =>
    Layer.effect(
      ToolCalls.ToolCalls,
      Effect.map(ToolCalls.ToolCalls, (toolCalls) => {
        let n = 0
        return ToolCalls.ToolCalls.of({
          ...toolCalls,
          decide: (request) => Effect.andThen(Effect.suspend(() => each(n++)), toolCalls.decide(request))
        })
      })
    )

  const worldWith = (each: Parameters<typeof before>[0]) =>
    Layer.mergeAll(before(each), Decisions.layerMemory()).pipe(Layer.provideMerge(layerGateway))

  it.effect("are waited for in their process, however long they take", () =>
    Effect.gen(function*() {
      const { run, runs } = payment(2000)
      const fibers = yield* Effect.forEach([1, 2, 3], () => start(Effect.result(run)))
      yield* TestClock.adjust("2 minutes")
      // The lease of the first one is over, which is for processes that have ended.
      fibers.push(yield* start(Effect.result(run)))
      yield* TestClock.adjust("4 minutes")
      yield* waiting(2000)
      assert.strictEqual(yield* asked, 1)
      yield* review("approve", 2000)
      yield* TestClock.adjust("10 seconds")
      const results = yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 1)
      assert.strictEqual(runs(), 1)
    }).pipe(Effect.provide(worldWith(() => Effect.sleep("5 minutes")))))

  it.effect("are one action still where the first one fails", () =>
    Effect.gen(function*() {
      const { run } = payment(2000)
      const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], () => start(Effect.result(run)))
      yield* TestClock.adjust("5 seconds")
      yield* waiting(2000)
      assert.strictEqual(yield* asked, 1)
      yield* review("reject", 2000)
      yield* TestClock.adjust("10 seconds")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.provide(worldWith((n) =>
      Effect.andThen(
        Effect.sleep("1 second"),
        n === 0
          ? Effect.fail(
            new VargateError.VargateError({
              operation: "test",
              reason: new VargateError.GuardUnavailable({ guard: "budgets", detail: "away" })
            })
          )
          : Effect.void
      )
    ))))
})

describe("a joiner", () => {
  it.effect("does not wait for a first one that is not begun after all", () =>
    Effect.gen(function*() {
      const first = yield* start(Effect.flip(payment(2000).run))
      const actionId = yield* waiting(2000)
      const second = yield* start(reasonOf(payment(2000).run))
      yield* TestClock.adjust("2 seconds")
      yield* Suspension.KillSwitch.use(({ suspend }) => suspend({ tool: "bank", by: "op" }))
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      const error = yield* Fiber.join(first)
      assert.deepInclude(error instanceof VargateError.VargateError ? error.reason : {}, { _tag: "Suspended" })
      assert.deepInclude(yield* Fiber.join(second), { _tag: "Joined", actionId, outcome: "approved" })
    }).pipe(Effect.provide([world, Suspension.layerMemory({ every: "1 hour" })])))

  test(
    "is not told that it failed where another handle performs it",
    Effect.gen(function*() {
      const gate = yield* Deferred.make<string>()
      const first = yield* start(
        Governed.run({ tool: "bank", method: "gift", params: { amount: 2000 } }, Deferred.await(gate))
      )
      const actionId = yield* waiting(2000)
      const resumed = yield* start(Effect.result(Governed.resume(actionId, Deferred.await(gate))))
      const second = yield* start(reasonOf(payment(2000).run))
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      yield* Deferred.succeed(gate, "paid")
      const results = [yield* Effect.result(Fiber.join(first)), yield* Fiber.join(resumed)]
      assert.deepStrictEqual(results.map(({ _tag }) => _tag).sort(), ["Failure", "Success"])
      const reason = yield* Fiber.join(second)
      assert(reason._tag === "Joined")
      assert.include(["approved", "performed"], reason.outcome)
    })
  )

  test(
    "hears what the gateway's own tool said",
    Effect.gen(function*() {
      const run = Governed.run({ tool: "broker", method: "pay", params: { amount: 2000 } }, Effect.die("not here"))
      const first = yield* start(run)
      yield* waiting(2000)
      const second = yield* start(reasonOf(run))
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(first), { executedBy: "gateway" })
      const reason = yield* Fiber.join(second)
      assert.deepInclude(reason, { _tag: "Joined", outcome: "performed", result: { paid: 2000 } })
    })
  )

  test(
    "waits for the handler of the first one, however long that takes",
    Effect.gen(function*() {
      const gate = yield* Deferred.make<string>()
      const run = Governed.run({ tool: "bank", method: "gift", params: { amount: 2000 } }, Deferred.await(gate))
      const first = yield* start(run)
      yield* waiting(2000)
      const second = yield* start(reasonOf(run))
      yield* TestClock.adjust("1 second")
      yield* review("approve", 2000)
      yield* TestClock.adjust("30 minutes")
      assert.isUndefined(second.pollUnsafe())
      yield* Deferred.succeed(gate, "at last")
      yield* Fiber.join(first)
      assert.deepInclude(yield* Fiber.join(second), { outcome: "performed", result: "at last" })
    })
  )
})
