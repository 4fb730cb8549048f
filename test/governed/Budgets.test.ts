import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { ActionId, Budgets, CallLimiter, Decisions, Governed, RetryPolicy, Vargate, VargateError } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import * as Faults from "effect-vargate/testing/Faults"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { Chat } from "effect/ai"
import { TestClock } from "effect/testing"
import { endOf, microsOf, startOf } from "../../src/internal/amounts.ts"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import {
  handlers,
  layerGateway,
  layerRuns,
  ran,
  recorded,
  review,
  tenant,
  Tools,
  waiting
} from "../support/payments.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const sqlite = GovernedSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)
const stores = { "in memory": Budgets.layerStoreMemory, "in SQLite": sqlite }

const idOf = Schema.decodeSync(ActionId.ActionId)

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const pay = (
  amount: unknown,
  options: Partial<Governed.Options<Governed.Wait | Governed.Fail>> & { method?: string } = {}
) =>
  Governed.run(
    { tool: "bank", method: "gift", params: { amount }, agent: { id: "teller" }, ...options },
    Effect.succeed(`paid ${String(amount)}`)
  )

const reasonOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if (error instanceof VargateError.VargateError) return error.reason
    return assert.fail(`${String(error)} is no VargateError`)
  })

const asked = Effect.map(recorded, (records) => records.length)

const daily = Budgets.limit({ agent: "teller", tool: "bank", sum: "amount", per: "day", max: 5000 })

const used = Effect.flatMap(Budgets.Budgets, ({ status }) => Effect.map(status, (all) => all.map(({ used }) => used)))

for (const [name, store] of Object.entries(stores)) {
  const test = (
    title: string,
    limits: ReadonlyArray<Budgets.Limit>,
    body: Effect.Effect<void, unknown, Layer.Success<typeof layerGateway> | Budgets.Budgets>
  ) =>
    it.effect(
      title,
      () => Effect.provide(body, [layerGateway, Layer.provide(Budgets.layer(limits), Layer.fresh(store))])
    )

  describe(`a budget ${name}`, () => {
    test(
      "has room for what fits, and refuses the rest before anything is sent, until the next day",
      [daily],
      Effect.gen(function*() {
        for (let n = 0; n < 5; n++) assert.strictEqual((yield* pay(900)).executedBy, "agent")
        const reason = yield* reasonOf(pay(501))
        assert.deepInclude(reason, { _tag: "OverBudget", problem: "exceeded", max: 5000, sideEffect: "none" })
        assert.include(reason.message, "5000 of amount per day for agent teller of tool bank")
        assert.include(reason.message, "4500 is reserved or spent, and the call needs 501")
        assert.strictEqual(yield* asked, 5)
        assert.strictEqual((yield* pay(500)).executedBy, "agent")
        assert.deepStrictEqual(yield* used, [5000])
        yield* TestClock.adjust("1 day")
        assert.deepStrictEqual(yield* used, [0])
        assert.strictEqual((yield* pay(900)).executedBy, "agent")
        assert.deepStrictEqual(yield* used, [900])
      })
    )

    test(
      "is given back what was denied or rejected, and keeps what was performed",
      [daily],
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(pay(5000)))._tag, "Denied")
        assert.deepStrictEqual(yield* used, [0])
        const rejected = yield* start(Effect.flip(pay(2000)))
        yield* waiting(2000)
        assert.deepStrictEqual(yield* used, [2000])
        yield* review("reject", 2000)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual((yield* Fiber.join(rejected))._tag, "Rejected")
        assert.deepStrictEqual(yield* used, [0])
        const approved = yield* start(pay(2002))
        yield* waiting(2002)
        yield* review("approve", 2002)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(approved)
        assert.deepStrictEqual(yield* used, [2002])
        const failed = Governed.run(
          { tool: "bank", method: "gift", params: { amount: 10 }, agent: { id: "teller" } },
          Effect.fail("in the middle")
        )
        yield* Effect.flip(failed)
        assert.deepStrictEqual(yield* used, [2012])
      })
    )

    test(
      "is not overdrawn by calls in flight together",
      [daily],
      Effect.gen(function*() {
        const fibers = yield* Effect.forEach(
          Array.from({ length: 30 }, () => pay(300)),
          (run) => start(Effect.result(run))
        )
        const results = yield* Effect.forEach(fibers, Fiber.join)
        assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 16)
        assert.deepStrictEqual(yield* used, [4800])
        assert.strictEqual(yield* asked, 16)
      })
    )

    test(
      "looks up what no process waits for any more, where there is no room",
      [daily],
      Effect.gen(function*() {
        yield* Effect.flip(pay(3000, { onPending: Governed.fail }))
        assert.strictEqual((yield* reasonOf(pay(2500, { onPending: Governed.fail })))._tag, "OverBudget")
        yield* review("reject", 3000)
        assert.strictEqual((yield* Effect.flip(pay(2500, { onPending: Governed.fail })))._tag, "PendingApproval")
        assert.deepStrictEqual(yield* used, [2500])
        // An approval is no sign that nothing will happen.
        yield* review("approve", 2500)
        assert.strictEqual((yield* reasonOf(pay(3000)))._tag, "OverBudget")
        assert.deepStrictEqual(yield* used, [2500])
      })
    )

    test(
      "reserves of all limits or of none, and counts calls where no field is named",
      [
        daily,
        Budgets.limit({ tool: "bank", method: "note", per: "hour", max: 2 }),
        Budgets.limit({ per: "minute", max: 3 })
      ],
      Effect.gen(function*() {
        const note = pay(1, { method: "note" })
        yield* note
        yield* note
        assert.deepStrictEqual(yield* used, [2, 2, 2])
        assert.include((yield* reasonOf(note)).message, "2 calls per hour of tool bank/note")
        assert.deepStrictEqual(yield* used, [2, 2, 2])
        yield* pay(10)
        assert.include((yield* reasonOf(pay(10))).message, "3 calls per minute")
        assert.deepStrictEqual(yield* used, [12, 2, 3])
        const other = Governed.run({ tool: "shop", method: "buy", agent: { id: "teller" } }, Effect.void)
        assert.strictEqual((yield* reasonOf(other))._tag, "OverBudget")
        yield* TestClock.adjust("1 minute")
        yield* other
        assert.deepStrictEqual(yield* used, [12, 2, 1])
      })
    )

    it.effect("reserves once for each token, and forgets nothing that is bound to another", () =>
      Effect.gen(function*() {
        const store = yield* Budgets.BudgetStore
        const draw = (amount: number) => ({ budget: "b", amount, max: 100, endsAt: 1_000 })
        assert.isUndefined(yield* store.reserve("t1", [draw(60)], 0))
        assert.isUndefined(yield* store.reserve("t1", [draw(60)], 0))
        assert.strictEqual(yield* store.used("b"), 60)
        assert.deepStrictEqual(yield* store.reserve("t2", [{ ...draw(1), budget: "a" }, draw(41)], 0), {
          budget: "b",
          used: 60
        })
        assert.strictEqual(yield* store.used("a"), 0)
        assert.isUndefined(yield* store.reserve("t2", [draw(40)], 0))
        yield* store.bind("t1", idOf("a-1"))
        yield* store.bind("t2", idOf("a-2"))
        assert.deepStrictEqual(yield* store.reserved("b", 10), [idOf("a-1"), idOf("a-2")])
        yield* store.spend(idOf("a-1"))
        yield* store.giveBack({ actionId: idOf("a-1") })
        assert.strictEqual(yield* store.used("b"), 100)
        yield* store.giveBack({ actionId: idOf("a-2") })
        yield* store.giveBack({ actionId: idOf("a-2") })
        yield* store.giveBack({ token: "t2" })
        assert.strictEqual(yield* store.used("b"), 60)
      }).pipe(Effect.provide(Layer.fresh(store))))
  })
}

const memory = (limits: ReadonlyArray<Budgets.Limit>) => Budgets.layerMemory(limits)

describe("a budget", () => {
  it.effect("refuses amounts that cannot be counted, before anything is sent", () =>
    Effect.gen(function*() {
      for (
        const amount of [undefined, null, -1, "ten", "1e3", "1,000", "-5", " 5", true, [5], { value: 5 }, 1e12, ""]
      ) {
        const reason = yield* reasonOf(pay(amount))
        assert.deepInclude(reason, { _tag: "OverBudget", problem: "unreadable" }, String(amount))
      }
      assert.strictEqual(yield* asked, 0)
      assert.deepStrictEqual(yield* used, [0, 0])
      yield* Governed.run({ tool: "shop", method: "buy", params: { cost: "12.50" } }, Effect.void)
      assert.deepStrictEqual(yield* used, [0, 12.5])
    }).pipe(
      Effect.provide([
        layerGateway,
        memory([daily, Budgets.limit({ tool: "shop", sum: "cost", per: "day", max: 5000 })])
      ])
    ))

  it.effect("is given back what has expired", () =>
    Effect.gen(function*() {
      const expired = yield* start(Effect.flip(pay(2001)))
      yield* waiting(2001)
      assert.deepStrictEqual(yield* used, [2001])
      yield* TestClock.adjust("61 minutes")
      assert.strictEqual((yield* Fiber.join(expired))._tag, "Expired")
      assert.deepStrictEqual(yield* used, [0])
    }).pipe(Effect.provide([layerGateway, memory([daily])])))

  it.effect("reads a field within a field, and adds decimals exactly", () =>
    Effect.gen(function*() {
      const order = (total: number) =>
        Governed.run({ tool: "shop", method: "buy", params: { order: { total } } }, Effect.void)
      for (let n = 0; n < 10; n++) yield* order(0.1)
      assert.deepStrictEqual(yield* used, [1])
      assert.strictEqual((yield* reasonOf(order(0.000001)))._tag, "OverBudget")
      yield* order(0)
    }).pipe(Effect.provide([layerGateway, memory([Budgets.limit({ sum: "order.total", per: "month", max: 1 })])])))

  it.effect("waits for room where it is told to, and refuses what will never fit", () =>
    Effect.gen(function*() {
      const first = yield* start(Effect.exit(pay(2000)))
      yield* waiting(2000)
      const second = yield* start(pay(900, { method: "note" }))
      yield* TestClock.adjust("10 seconds")
      assert.isUndefined(second.pollUnsafe())
      assert.strictEqual(yield* asked, 1)
      assert.strictEqual((yield* reasonOf(pay(2501)))._tag, "OverBudget")
      yield* review("reject", 2000)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(second)).executedBy, "agent")
      yield* Fiber.join(first)
    }).pipe(
      Effect.provide([
        layerGateway,
        memory([Budgets.limit({ sum: "amount", per: "day", max: 2500, whenExceeded: "wait" })])
      ])
    ))

  it.effect("is given back what was never sent, and keeps what may have been", () =>
    Effect.gen(function*() {
      const interrupted = yield* start(pay(2000))
      yield* waiting(2000)
      yield* Fiber.interrupt(interrupted)
      assert.deepStrictEqual(yield* used, [2000])
    }).pipe(Effect.provide([layerGateway, memory([daily])])))

  it.effect("keeps what was lost on the way", () =>
    Effect.gen(function*() {
      const lost = yield* Effect.flip(pay(100, { reconcile: false }))
      assert.strictEqual(lost._tag, "OutcomeUnknown")
      assert.deepStrictEqual(yield* used, [100])
    }).pipe(Effect.provide([
      Layer.provideMerge(
        Layer.provide(Vargate.layer({ apiKey: tenant.apiKey }), Faults.layer({ seed: 1, answerLost: 1 })),
        layerGateway
      ),
      memory([daily])
    ])))

  it.effect("gives back what the gateway certainly did not get", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* reasonOf(pay(100, { retry: RetryPolicy.none })))._tag, "Unreachable")
      assert.deepStrictEqual(yield* used, [0])
      const waiting = { admit: Effect.never, report: () => Effect.void }
      const interrupted = yield* start(Effect.provideService(pay(100), CallLimiter.CallLimiter, waiting))
      assert.deepStrictEqual(yield* used, [100])
      yield* Fiber.interrupt(interrupted)
      assert.deepStrictEqual(yield* used, [0])
    }).pipe(Effect.provide([
      Layer.provide(Vargate.layer({ apiKey: "test-key" }), ScriptedTransport.layer(() => ScriptedTransport.refuse)),
      memory([daily])
    ])))

  it.effect("draws nothing for a call that joins another one", () =>
    Effect.gen(function*() {
      const first = yield* start(Effect.exit(pay(2000)))
      yield* waiting(2000)
      yield* reasonOf(pay(2000, { onPending: Governed.fail }))
      assert.deepStrictEqual(yield* used, [2000])
      yield* Fiber.interrupt(first)
    }).pipe(Effect.provide([layerGateway, memory([daily]), Decisions.layerMemory()])))

  it.effect("whose store is away lets nothing be sent", () => {
    const away = Effect.fail(new VargateError.StorageFailed({ operation: "test", detail: "away" }))
    const store = Layer.succeed(Budgets.BudgetStore, {
      reserve: () => away,
      bind: () => away,
      giveBack: () => away,
      spend: () => away,
      reserved: () => away,
      used: () => away
    })
    return Effect.gen(function*() {
      assert.deepInclude(yield* reasonOf(pay(5)), { _tag: "GuardUnavailable", guard: "budgets" })
      assert.strictEqual(yield* asked, 0)
      yield* Governed.run({ tool: "shop", method: "buy" }, Effect.void)
    }).pipe(Effect.provide([layerGateway, Layer.provide(Budgets.layer([daily]), store)]))
  })

  it.effect("with a limit that is none is refused when it is made", () =>
    Effect.gen(function*() {
      const bad: ReadonlyArray<ReadonlyArray<Budgets.Limit>> = [
        [{ per: "day", max: -1 }],
        [{ per: "day", max: Number.NaN }],
        [{ per: "day", max: 1e15 }],
        [{ per: "day", max: 1, sum: "" }],
        [daily, { ...daily, max: 1 }]
      ]
      for (const limits of bad) {
        const error = yield* Effect.flip(Layer.build(memory(limits)))
        assert.strictEqual(error.reason._tag, "InvalidRequest")
      }
    }).pipe(Effect.scoped))

  it.effect("is heard by a model, whose handler does not run", () =>
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* GovernedToolkit.govern(Tools)
      const { toolResults } = yield* chat.generateText({ prompt: [], toolkit })
      const said = toolResults.flatMap(({ encodedResult, isFailure }) =>
        isFailure ? [(encodedResult as { reason: string }).reason] : []
      )
      assert.strictEqual(said.length, 1)
      assert.match(said[0]!, /^NOT PERFORMED: there is no room for this action in a budget of 900 of amount per day/)
      assert.deepStrictEqual(yield* ran, ["note 800"])
    }).pipe(Effect.provide([
      Layer.provideMerge(Tools.toLayer(handlers), Layer.merge(layerRuns, layerGateway)),
      memory([Budgets.limit({ sum: "amount", per: "day", max: 900 })]),
      ScriptedModel.layer([[["a", "bank__note", { amount: 800 }], ["b", "bank__note", { amount: 101 }]]])
    ])))
})

describe("amounts and periods", () => {
  it("are millionths, rounded up", () => {
    const cases: ReadonlyArray<readonly [unknown, number | undefined]> = [
      [0, 0],
      [1, 1e6],
      [0.1, 1e5],
      [0.0000001, 1],
      [1e-20, 1],
      [0.1234567, 123_457],
      ["0.1234560", 123_456],
      ["4000000000", 4e15],
      ["4000000000.0000001", undefined],
      [4e9 + 1, undefined],
      [Infinity, undefined],
      ["", undefined],
      [".5", undefined],
      ["5.", undefined]
    ]
    for (const [amount, micros] of cases) assert.strictEqual(microsOf(amount), micros, String(amount))
  })

  it("are of the calendar", () => {
    const now = Date.UTC(2026, 11, 31, 23, 59, 30)
    assert.deepStrictEqual(
      (["minute", "hour", "day", "month"] as const).map((period) => [
        new Date(startOf(period, now)).toISOString(),
        new Date(endOf(period, now)).toISOString()
      ]),
      [
        ["2026-12-31T23:59:00.000Z", "2027-01-01T00:00:00.000Z"],
        ["2026-12-31T23:00:00.000Z", "2027-01-01T00:00:00.000Z"],
        ["2026-12-31T00:00:00.000Z", "2027-01-01T00:00:00.000Z"],
        ["2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"]
      ]
    )
  })
})
