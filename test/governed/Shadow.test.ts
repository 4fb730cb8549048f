import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Layer, Logger, Metric, References, Result, Schedule } from "effect"
import {
  Approvals,
  AuditLog,
  Budgets,
  Clearance,
  Decisions,
  Governed,
  Metrics,
  Reviews,
  Shadow,
  Suspension,
  ToolCalls,
  Vargate,
  VargateError
} from "effect-vargate"
import * as ToolCall from "effect-vargate/model/ToolCall"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import * as Faults from "effect-vargate/testing/Faults"
import { TestClock } from "effect/testing"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { actionId, answering, cases, type Ending } from "../support/decisions.ts"
import { layerGateway, recorded, review, tenant, waiting } from "../support/payments.ts"
import { recording, told } from "../support/recording.ts"

const sqlite = GovernedSql.layer.pipe(Layer.provide(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)
const stores = { "in memory": Shadow.layerStoreMemory, "in SQLite": sqlite }

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** Pays in shadow, and counts how often. Below 1000 is allowed, below 5000 pending, from 5000 denied. */
const pay = (
  amount: number,
  options: { readonly tool?: string; readonly method?: string; readonly agent?: string } = {}
) => {
  let runs = 0
  const { agent = "teller", method = "gift", tool = "bank" } = options
  const run = Governed.shadow(
    { tool, method, params: { amount }, agent: { id: agent }, executes: "agent" },
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

/** As another process has it, over the same store. */
const elsewhere = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Shadow.make(), (shadow) => Effect.provideService(effect, Shadow.Shadow, shadow))

const acting = { executedBy: "agent", isShadow: true, result: 1 } as const

for (const [name, store] of Object.entries(stores)) {
  const world = (options: Shadow.Options = {}) =>
    Layer.mergeAll(layerGateway, Layer.provideMerge(Shadow.layer(options), Layer.fresh(store)))
  const test = (
    title: string,
    body: Effect.Effect<void, unknown, Layer.Success<ReturnType<typeof world>>>,
    options?: Shadow.Options
  ) => it.effect(title, () => Effect.provide(body, world(options)))

  describe(`shadow mode ${name}`, () => {
    test(
      "acts once whatever the policy says, and says what that was",
      Effect.gen(function*() {
        assert.deepInclude(yield* pay(5).run, { ...acting, verdict: "allowed" })
        const denied = yield* pay(9000).run
        assert.deepInclude(denied, { ...acting, verdict: "denied" })
        assert(denied.isShadow && denied.verdict === "denied")
        assert.deepStrictEqual(denied.answer.violations, ["transaction_exceeds_limit"])
        assert.strictEqual(denied.answer.actionId, denied.actionId)
        const pending = yield* pay(2000).run
        assert.deepInclude(pending, { ...acting, verdict: "pending", actionId: yield* waiting(2000) })
        const report = yield* Shadow.report()
        assert.deepInclude(report, { calls: 3, allowed: 1, denied: 1, pending: 1, errors: 0, executedByGateway: [] })
        assert.deepStrictEqual(
          report.lines.map((
            { agentId, calls, lastActionId, method, rule, tool, verdict }
          ) => [verdict, rule, agentId, tool, method, calls, lastActionId === denied.actionId]),
          [
            ["denied", "transaction_exceeds_limit", "teller", "bank", "gift", 1, true],
            ["pending", null, "teller", "bank", "gift", 1, false],
            ["allowed", null, "teller", "bank", "gift", 1, false]
          ]
        )
      })
    )

    test(
      "gives the action the params that were submitted",
      Effect.gen(function*() {
        const done = yield* Governed.shadow(
          { tool: "bank", method: "gift", params: { amount: 9000 }, executes: "agent" },
          (params) => Effect.succeed(params)
        )
        assert.deepInclude(done, { verdict: "denied", result: { amount: 9000 } })
      })
    )

    test(
      "never acts again on an approval that comes later, in no process and on no way",
      Effect.gen(function*() {
        const { run, runs } = pay(2000)
        const { actionId } = yield* run
        const early = yield* start(reasonOf(Governed.resume(actionId, Effect.die("acted again"))))
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Fiber.join(early), { _tag: "Conflict", sideEffect: "none" })
        yield* review("approve", 2000)
        const again = Effect.sync(() => "again")
        const approved = Approvals.Approvals.use((approvals) => approvals.outcome(actionId))
        const ways: ReadonlyArray<Effect.Effect<unknown, unknown, Layer.Success<ReturnType<typeof world>>>> = [
          Governed.resume(actionId, again),
          Clearance.wait(actionId),
          Effect.flatMap(approved, (outcome) => {
            assert(outcome._tag === "Approved")
            return Governed.settle(outcome, { act: () => again })
          })
        ]
        for (const way of ways) {
          for (const process of [way, elsewhere(way)]) {
            const waits = yield* start(reasonOf(process))
            yield* TestClock.adjust("2 seconds")
            const reason = yield* Fiber.join(waits)
            assert.strictEqual(reason._tag, "Conflict")
            assert.include(reason.message, `${actionId} was acted on in shadow`)
          }
        }
        assert.strictEqual(runs(), 1)
      })
    )

    test(
      "ends no wait of another action, and acts on its approval once",
      Effect.gen(function*() {
        yield* pay(2001).run
        const request = { tool: "bank", method: "gift", params: { amount: 2000 } }
        const governed = yield* start(Governed.run(request, Effect.succeed("done")))
        yield* waiting(2000)
        yield* TestClock.adjust("5 seconds")
        assert.isUndefined(governed.pollUnsafe())
        yield* review("approve", 2000)
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(governed), { executedBy: "agent", result: "done" })
      })
    )

    test(
      "does not act on what was begun on its approval",
      Effect.gen(function*() {
        const decision = yield* Governed.decide({ tool: "bank", method: "gift", params: { amount: 2000 } })
        yield* review("approve", 2000)
        const resuming = yield* start(Governed.resume(decision.actionId, Effect.succeed("done")))
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(resuming), { result: "done" })
        const call = { agentId: "teller", tool: "bank", method: "gift" }
        const claiming = Shadow.Shadow.use((shadow) => shadow.claim(call, decision.actionId))
        for (const reason of [yield* reasonOf(claiming), yield* reasonOf(elsewhere(claiming))]) {
          assert.strictEqual(reason._tag, "Conflict")
          assert.include(reason.message, "was begun on its approval")
        }
      })
    )

    test(
      "acts at most once where its process ends between writing and acting",
      Effect.gen(function*() {
        const { actionId } = yield* Governed.decide({ tool: "bank", method: "gift", params: { amount: 2000 } })
        yield* elsewhere(
          Shadow.Shadow.use((shadow) => shadow.claim({ agentId: "teller", tool: "bank", method: "gift" }, actionId))
        )
        yield* review("approve", 2000)
        assert.strictEqual((yield* reasonOf(Governed.resume(actionId, Effect.die("acted"))))._tag, "Conflict")
        assert.strictEqual(
          (yield* reasonOf(elsewhere(Governed.resume(actionId, Effect.die("acted")))))._tag,
          "Conflict"
        )
      })
    )

    test(
      "never acts where the gateway has executed the call, and remembers that in every process",
      Effect.gen(function*() {
        const here = pay(2000, { tool: "broker", method: "pay" })
        const first = pay(5, { tool: "broker", method: "pay" })
        assert.deepInclude(yield* first.run, {
          executedBy: "gateway",
          isShadow: true,
          verdict: "allowed",
          result: { paid: 5 },
          isResultLost: false
        })
        const refused = yield* Effect.flip(here.run)
        assert(refused._tag === "ShadowRefused")
        assert.deepInclude(refused, { tool: "broker", actionId: yield* waiting(2000), sideEffect: "possible" })
        assert.include(refused.message, "Wait for the decision (Governed.resume)")
        const other = yield* Effect.flip(elsewhere(pay(2001, { tool: "broker", method: "pay" }).run))
        assert.strictEqual((other as VargateError.ShadowRefused)._tag, "ShadowRefused")
        // A denial is a denial: nothing executes it.
        assert.deepInclude(yield* pay(9000, { tool: "broker", method: "pay" }).run, { ...acting, verdict: "denied" })
        // Of other tools nothing is known.
        assert.deepInclude(yield* pay(2002).run, { ...acting, verdict: "pending" })
        assert.strictEqual(first.runs() + here.runs(), 0)
        assert.deepStrictEqual((yield* Shadow.report()).executedByGateway, ["broker"])
        // The refused one is left to its reviewer.
        yield* review("approve", 2000)
        const resuming = yield* start(Governed.resume(refused.actionId, Effect.die("acted")))
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(resuming), { executedBy: "gateway", result: { paid: 2000 } })
      })
    )

    test(
      "learns that the gateway executes a tool from a failed execution, a governed call and an approval too",
      Effect.gen(function*() {
        const failed = yield* Effect.flip(pay(5, { tool: "broker", method: "bounce" }).run)
        assert.strictEqual((failed as VargateError.ToolFailed)._tag, "ToolFailed")
        assert.deepStrictEqual((yield* Shadow.report()).executedByGateway, ["broker"])
      })
    )

    test(
      "learns it from a governed call",
      Effect.gen(function*() {
        yield* Governed.run({ tool: "broker", method: "pay", params: { amount: 5 } }, Effect.die("acted"))
        assert.deepStrictEqual((yield* Shadow.report()).executedByGateway, ["broker"])
      })
    )

    test(
      "learns it from an approval",
      Effect.gen(function*() {
        const request = { tool: "broker", method: "pay", params: { amount: 2000 } }
        const governed = yield* start(Governed.run(request, Effect.die("acted")))
        yield* waiting(2000)
        assert.deepStrictEqual((yield* Shadow.report()).executedByGateway, [])
        yield* review("approve", 2000)
        yield* TestClock.adjust("2 seconds")
        assert.deepInclude(yield* Fiber.join(governed), { executedBy: "gateway" })
        assert.deepStrictEqual((yield* Shadow.report()).executedByGateway, ["broker"])
      })
    )

    test(
      "performs a call that is repeated while it is pending each time, as ungoverned, and neither joins nor refuses it",
      Effect.gen(function*() {
        const decisions = yield* Decisions.make()
        yield* Effect.gen(function*() {
          const { run, runs } = pay(2000)
          const ids = yield* Effect.forEach([1, 2, 3], () => Effect.map(run, ({ actionId }) => actionId))
          assert.strictEqual(new Set(ids).size, 3)
          assert.strictEqual(runs(), 3)
          const closed = yield* Shadow.close()
          assert.sameMembers(closed.map(({ actionId }) => actionId), ids)
          assert.deepInclude(yield* run, { isShadow: true, verdict: "pending", result: 4 })
          // Closing is no rejection: the same call, governed, is submitted.
          const request = { tool: "bank", method: "gift", params: { amount: 2000 }, agent: { id: "teller" } }
          yield* Shadow.close()
          const governed = yield* start(Governed.run(request, Effect.succeed("done")))
          yield* waiting(2000)
          yield* review("approve", 2000)
          yield* TestClock.adjust("2 seconds")
          assert.deepInclude(yield* Fiber.join(governed), { result: "done" })
        }).pipe(Effect.provideService(Decisions.Decisions, decisions))
      }).pipe(Effect.provide(Decisions.layerStoreMemory))
    )

    test(
      "is stopped by the kill switch, before it is sent, and between the answer and the action",
      Effect.gen(function*() {
        const kill = yield* Suspension.KillSwitch
        const { run, runs } = pay(9000)
        const { id } = yield* kill.suspend({ agentId: "teller", by: "ann" })
        assert.strictEqual((yield* reasonOf(run))._tag, "Suspended")
        assert.strictEqual(yield* asked, 0)
        assert.deepInclude(yield* Shadow.report(), { calls: 1, errors: 1 })
        yield* kill.lift(id, { by: "ann" })
        // The answer comes, and then the operator.
        const shadow = yield* Shadow.Shadow
        const late = Shadow.Shadow.of({
          ...shadow,
          note: (call, verdict, answer) =>
            Effect.andThen(shadow.note(call, verdict, answer), Effect.orDie(kill.suspend({ tool: "bank", by: "ann" })))
        })
        for (const amount of [9000, 2000, 5]) {
          const { run, runs } = pay(amount)
          assert.strictEqual((yield* reasonOf(Effect.provideService(run, Shadow.Shadow, late)))._tag, "Suspended")
          assert.strictEqual(runs(), 0)
          for (const { id } of yield* kill.active) yield* kill.lift(id, { by: "ann" })
        }
        // What was not acted on is not closed.
        assert.deepStrictEqual(yield* Shadow.close(), [])
        assert.strictEqual(runs(), 0)
      }).pipe(Effect.provide(Suspension.layerMemory()))
    )

    test(
      "counts in budgets whatever the policy says, also once it is closed, and is refused where there is no room",
      Effect.gen(function*() {
        const limit = Budgets.limit({ agent: "teller", sum: "amount", per: "day", max: 12_000 })
        yield* Effect.gen(function*() {
          const used = Budgets.Budgets.use(({ status }) => Effect.map(status, ([status]) => status!.used))
          yield* pay(9000).run
          assert.strictEqual(yield* used, 9000)
          yield* pay(2000).run
          assert.strictEqual(yield* used, 11_000)
          yield* Shadow.close()
          const { run, runs } = pay(2000)
          assert.strictEqual((yield* reasonOf(run))._tag, "OverBudget")
          assert.strictEqual(yield* used, 11_000)
          assert.strictEqual(runs(), 0)
          const { lines } = yield* Shadow.report()
          assert.deepInclude(lines.find(({ verdict }) => verdict === "error"), { rule: "OverBudget", calls: 1 })
        }).pipe(Effect.provide(Budgets.layerMemory([limit])))
      })
    )

    test(
      "is chosen by agent, tool and method; what is not chosen is governed, and says so",
      Effect.gen(function*() {
        const denied = (options: Parameters<typeof pay>[1]) =>
          Effect.map(
            Effect.result(pay(9000, options).run),
            Result.match({ onSuccess: ({ isShadow }) => isShadow, onFailure: ({ _tag }) => _tag })
          )
        assert.strictEqual(yield* denied({}), true)
        assert.strictEqual(yield* denied({ agent: "other" }), "Denied")
        assert.strictEqual(yield* denied({ method: "loan" }), "Denied")
        assert.strictEqual(yield* denied({ method: "loan", agent: "any" }), "Denied")
        assert.strictEqual(yield* denied({ tool: "shop", agent: "any" }), true)
        assert.deepInclude(yield* pay(5, { agent: "other" }).run, { executedBy: "agent", isShadow: false, result: 1 })
        const waits = yield* Effect.flip(Governed.shadow(
          { tool: "bank", method: "loan", params: { amount: 2000 }, executes: "agent", onPending: Governed.fail },
          Effect.die("acted")
        ))
        assert.strictEqual(waits._tag, "PendingApproval")
        assert.strictEqual((yield* Shadow.report()).calls, 2)
      }),
      { calls: [{ tool: "bank", method: "loan", share: 0 }, { agent: "teller" }, { tool: "shop" }] }
    )

    test(
      "keeps what it saw for its time, and what it did",
      Effect.gen(function*() {
        const { actionId } = yield* pay(2000).run
        yield* pay(9000).run
        yield* TestClock.adjust("1 day")
        for (let n = 0; n < 3; n++) yield* pay(9001).run
        assert.deepInclude(yield* Shadow.report(), { calls: 5, denied: 4, pending: 1 })
        assert.strictEqual((yield* Shadow.report()).lines[0]!.calls, 4)
        assert.deepInclude(yield* Shadow.report({ days: 1 }), { calls: 3, denied: 3, pending: 0 })
        yield* TestClock.adjust("2 days")
        assert.deepInclude(yield* Shadow.report(), { calls: 3 })
        const { store } = yield* Shadow.Shadow
        assert.strictEqual(yield* store.claimed(actionId), undefined)
        yield* TestClock.adjust("10 days")
        for (let n = 0; n < 130; n++) yield* pay(9001).run
        assert.deepInclude(yield* Shadow.report(), { calls: 130 })
      }),
      { keepFor: "2 days" }
    )

    test(
      "closes what is left pending, each once and with a note",
      Effect.gen(function*() {
        const reviews = yield* Reviews.Reviews
        const closed = yield* pay(2000).run
        const approved = yield* pay(2001).run
        const rejected = yield* pay(2002).run
        yield* reviews.approve(approved.actionId)
        yield* reviews.reject(rejected.actionId, "no")
        const store = yield* Shadow.ShadowStore
        const unknown = new Shadow.ActedAction({
          actionId,
          agentId: "teller",
          tool: "bank",
          method: "gift",
          at: 0
        })
        yield* store.claim(unknown, "shadow", 1e15)
        const of = (result: ReadonlyArray<Shadow.ClosedAction>) =>
          new Map(result.map(({ actionId, outcome }) => [actionId, outcome]))
        assert.deepStrictEqual(
          of(yield* Shadow.close({ note: "in shadow" })),
          new Map<unknown, unknown>([
            [actionId, "not found"],
            [closed.actionId, "closed"],
            [approved.actionId, "approved"],
            [rejected.actionId, "rejected"]
          ]) as never
        )
        const outcome = yield* Approvals.Approvals.use((approvals) => approvals.outcome(closed.actionId))
        assert.deepInclude(outcome, { _tag: "Rejected", note: "in shadow" })
        assert.deepStrictEqual(of(yield* Shadow.close()), new Map([[actionId, "not found"]]) as never)
        // Closed is not forgotten.
        assert.strictEqual((yield* reasonOf(Governed.resume(approved.actionId, Effect.die("acted"))))._tag, "Conflict")
      })
    )

    test(
      "says where a late approval has made the gateway execute an action a second time",
      Effect.gen(function*() {
        const { actionId } = yield* pay(2000, { tool: "broker", method: "pay" }).run
        yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId))
        assert.deepStrictEqual((yield* Shadow.close()).map(({ outcome }) => outcome), ["executed twice"])
        const error = yield* Effect.flip(elsewhere(pay(2001, { tool: "broker", method: "pay" }).run))
        assert.strictEqual((error as VargateError.ShadowRefused)._tag, "ShadowRefused")
      })
    )

    test(
      "closes many, and what has expired",
      Effect.gen(function*() {
        const store = yield* Shadow.ShadowStore
        const { actionId } = yield* pay(2000).run
        for (let n = 0; n < 120; n++) {
          const id = `gone-${n}` as typeof actionId
          const acted = { actionId: id, agentId: "a", tool: "t", method: "m", at: n % 7 }
          yield* store.claim(new Shadow.ActedAction(acted), "shadow", 1e15)
          yield* store.claim(
            new Shadow.ActedAction({ ...acted, actionId: `${id}-approved` as typeof id }),
            "approval",
            1e15
          )
        }
        yield* TestClock.adjust("2 hours")
        const closed = yield* Shadow.close()
        assert.strictEqual(new Set(closed.map(({ actionId }) => actionId)).size, 121)
        assert.strictEqual(closed.length, 121)
        assert.oneOf(closed.find((one) => one.actionId === actionId)!.outcome, ["closed", "expired"])
      })
    )
  })
}

// --- answers ---------------------------------------------------------------------------------------------------------

const request = { tool: "bank", method: "pay", params: { amount: 5 }, executes: "agent" } as const

const seen: Readonly<Record<Ending, string>> = {
  performed: "agent",
  executed: "gateway",
  "result lost": "gateway, result lost",
  ToolFailed: "ToolFailed",
  Denied: "agent",
  // Whatever a reviewer may say later.
  Rejected: "agent",
  Expired: "agent",
  ApprovalTimeout: "agent",
  VargateError: "agent"
}

describe("what each answer leads to in shadow", () => {
  for (const one of cases) {
    it.effect(one.name, () => {
      let runs = 0
      return Effect.gen(function*() {
        const ended = yield* Effect.result(Governed.shadow(request, Effect.sync(() => ++runs)))
        const isPending = one.decision._tag === "PendingApproval"
        const expected = isPending ? "agent" : seen[one.ending]
        assert.strictEqual(
          Result.isFailure(ended)
            ? ended.failure._tag
            : ended.success.executedBy === "gateway" && ended.success.isResultLost
            ? "gateway, result lost"
            : ended.success.executedBy,
          expected
        )
        assert.strictEqual(runs, expected === "agent" ? 1 : 0)
        const { executedByGateway } = yield* Shadow.report()
        assert.deepStrictEqual(
          executedByGateway,
          one.decision._tag === "Allowed" && one.decision.execution._tag !== "NotExecuted" ? ["bank"] : []
        )
      }).pipe(Effect.provide([answering(one), Shadow.layerMemory()]))
    })
  }
})

const sent = {
  request: { agentId: "a", agentType: "t", agentVersion: "1", tool: "bank", method: "pay", params: {} },
  sentAt: new Date(0)
}

const reasons: ReadonlyArray<VargateError.Reason> = [
  new VargateError.Unauthenticated({ detail: "d" }),
  new VargateError.Forbidden({ detail: "d" }),
  new VargateError.KeyUnavailable({ detail: "d" }),
  new VargateError.NotFound({ detail: "d" }),
  new VargateError.Conflict({ detail: "d" }),
  new VargateError.QuotaExceeded({ detail: "d" }),
  new VargateError.NotSupported({ detail: "d" }),
  new VargateError.ReportedFailure({ detail: "d", sideEffect: "possible" }),
  new VargateError.Unreachable({ detail: "d" }),
  new VargateError.Timeout({ after: Duration.seconds(1), sideEffect: "possible" }),
  new VargateError.ConnectionLost({ detail: "d", sideEffect: "none" }),
  new VargateError.GatewayFault({ status: 500, detail: "d", sideEffect: "possible" }),
  new VargateError.UnexpectedResponse({
    status: 200,
    contentType: "",
    excerpt: "",
    detail: "d",
    sideEffect: "possible"
  }),
  new VargateError.Joined({ actionId, outcome: "performed" }),
  new VargateError.RefusedAgain({ actionId, note: null, until: DateTime.makeUnsafe(0) }),
  new VargateError.Suspended({ scope: "s", note: null, since: DateTime.makeUnsafe(0), sideEffect: "none" }),
  new VargateError.OverBudget({ budget: "b", max: 1, problem: "exceeded", detail: "d" }),
  new VargateError.GuardUnavailable({ guard: "budgets", detail: "d" })
]

const lost = new VargateError.OutcomeUnknown({
  request: new ToolCall.ToolCall(sent.request),
  sentAt: DateTime.makeUnsafe(0),
  cause: new VargateError.ConnectionLost({ detail: "d", sideEffect: "possible" })
})

const errors: ReadonlyArray<VargateError.SubmitError> = [
  new VargateError.RateLimited({ retryAfter: Duration.seconds(1), source: "other" }),
  new VargateError.OpaUnavailable({ detail: "d" }),
  lost,
  new VargateError.DuplicateSubmission({
    agentId: "a",
    tool: "bank",
    method: "pay",
    first: "unknown",
    sentAt: DateTime.makeUnsafe(0)
  }),
  ...reasons.map((reason) => new VargateError.VargateError({ operation: "o", reason }))
]

const never = Schedule.recurs(0)

const failing = (error: VargateError.SubmitError) =>
  Layer.mergeAll(
    Layer.mock(ToolCalls.ToolCalls, { decide: () => Effect.fail(error) }),
    Layer.mock(Approvals.Approvals, {}),
    Layer.mock(AuditLog.AuditLog, {})
  )

describe("a submission that fails in shadow", () => {
  for (const error of errors) {
    const rule = error._tag === "VargateError" ? error.reason._tag : error._tag
    it.effect(`as ${rule} is not acted on, and is noted`, () =>
      Effect.gen(function*() {
        const failure = yield* Effect.flip(
          Governed.shadow({ ...request, retry: never as never }, Effect.die("acted"))
        )
        assert.strictEqual(failure as unknown, error)
        const { calls, errors, lines } = yield* Shadow.report()
        assert.deepStrictEqual([calls, errors, lines[0]!.rule], [1, 1, rule])
      }).pipe(Effect.provide([failing(error), Shadow.layerMemory()])))
  }

  for (
    const reason of [
      new VargateError.InvalidRequest({ issues: [] }),
      new VargateError.PayloadTooLarge({ detail: "d" })
    ]
  ) {
    const error = new VargateError.VargateError({ operation: "o", reason })
    it.effect(`as ${reason._tag} is not acted on, and says nothing about the policy`, () =>
      Effect.gen(function*() {
        assert.strictEqual(
          (yield* Effect.flip(Governed.shadow(request, Effect.die("acted")))) as unknown,
          error
        )
        assert.strictEqual((yield* Shadow.report()).calls, 0)
      }).pipe(Effect.provide([failing(error), Shadow.layerMemory()])))
  }

  it.effect("is looked up where the call has a reference, and not where the record may be another's", () => {
    let runs = 0
    return Effect.gen(function*() {
      const wire = Layer.provide(Vargate.layer({ apiKey: tenant.apiKey }), Faults.layer({ seed: 1, answerLost: 1 }))
      const losing = yield* Effect.provide(ToolCalls.ToolCalls, wire)
      const run = (reference?: "params") =>
        Governed.shadow({ ...request, params: { amount: 9000 }, reference }, Effect.sync(() => ++runs)).pipe(
          Effect.provideService(ToolCalls.ToolCalls, losing)
        )
      assert.strictEqual((yield* Effect.flip(run()))._tag, "OutcomeUnknown")
      assert.strictEqual(yield* asked, 1)
      assert.strictEqual(runs, 0)
      const done = yield* run("params")
      assert.deepInclude(done, { isShadow: true, verdict: "denied", executedBy: "agent", result: 1 })
      assert.strictEqual(yield* asked, 2)
      assert.deepInclude(yield* Shadow.report(), { calls: 2, errors: 1, denied: 1 })
    }).pipe(Effect.provide([layerGateway, Shadow.layerMemory()]))
  })

  it.effect("for want of the author's word is not sent", () =>
    Effect.gen(function*() {
      for (const executes of [undefined, "gateway", true]) {
        const run = Governed.shadow({ ...request, executes: executes as "agent" }, Effect.die("acted"))
        const reason = yield* reasonOf(run)
        assert(reason._tag === "InvalidRequest")
        assert.deepStrictEqual(reason.issues[0]!.path, ["executes"])
      }
      const throwing = {
        get tool(): string {
          throw new Error("no")
        },
        method: "m",
        executes: "agent"
      } as const
      assert.strictEqual((yield* reasonOf(Governed.shadow(throwing, Effect.die("acted"))))._tag, "InvalidRequest")
      const unreadable = Governed.shadow({ ...request, params: { amount: 1n } }, Effect.die("acted"))
      assert.strictEqual((yield* reasonOf(unreadable))._tag, "InvalidRequest")
      assert.strictEqual(yield* asked, 0)
    }).pipe(Effect.provide([layerGateway, Shadow.layerMemory()])))
})

// --- the store is away -----------------------------------------------------------------------------------------------

const away = Effect.fail(new VargateError.StorageFailed({ operation: "test", detail: "away" }))

describe("shadow mode whose store is away", () => {
  it.effect("does nothing against the policy's word, and begins nothing on an approval", () => {
    let isAway = true
    const store = Layer.effect(
      Shadow.ShadowStore,
      Effect.gen(function*() {
        const store = yield* Shadow.ShadowStore
        const flaky = <Args extends ReadonlyArray<unknown>, A>(
          method: (...args: Args) => Effect.Effect<A, VargateError.StorageFailed>
        ) =>
        (...args: Args) => Effect.suspend(() => isAway ? away : method(...args))
        return Shadow.ShadowStore.of({
          ...store,
          note: flaky(store.note),
          claim: flaky(store.claim),
          claimed: flaky(store.claimed),
          noteExecution: flaky(store.noteExecution),
          executed: Effect.suspend(() => isAway ? away : store.executed)
        })
      })
    ).pipe(Layer.provide(Shadow.layerStoreMemory))
    return Effect.gen(function*() {
      const unavailable = { _tag: "GuardUnavailable", guard: "shadow", sideEffect: "none" } as const
      for (const amount of [9000, 2000]) {
        const { run, runs } = pay(amount)
        assert.deepInclude(yield* reasonOf(run), unavailable)
        assert.strictEqual(runs(), 0)
      }
      assert.deepInclude(yield* pay(5).run, { ...acting, verdict: "allowed" })
      // What this process has seen it knows without a store.
      yield* pay(5, { tool: "broker", method: "pay" }).run
      yield* review("approve", 2000)
      const pending = (yield* Approvals.Approvals.use(({ history }) => history))[0]!.actionId
      const resume = Governed.resume(pending, Effect.succeed("done"))
      const early = yield* start(reasonOf(resume))
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(early), unavailable)
      isAway = false
      const late = yield* start(resume)
      yield* TestClock.adjust("2 seconds")
      // This one was not acted on: it is performed on its approval.
      assert.deepInclude(yield* Fiber.join(late), { result: "done" })
      const refused = yield* Effect.flip(pay(2001, { tool: "broker", method: "pay" }).run)
      assert.strictEqual((refused as VargateError.ShadowRefused)._tag, "ShadowRefused")
    }).pipe(Effect.provide([layerGateway, Layer.provide(Shadow.layer(), store)]))
  })
})

// --- which calls -----------------------------------------------------------------------------------------------------

describe("a share of calls", () => {
  const call = (n: number) => ({ agentId: "a", tool: "t", method: "m", digest: `d${n}` })
  const included = (share: number) =>
    Effect.map(
      Effect.provide(Shadow.make({ calls: [Shadow.choice({ tool: "t", share })] }), Shadow.layerStoreMemory),
      ({ includes }) => Array.from({ length: 4000 }, (_, n) => n).filter((n) => includes(call(n)))
    )

  it.effect("is as large as it says, the same everywhere, and grows by calls alone", () =>
    Effect.gen(function*() {
      const tenth = yield* included(0.1)
      assert.isAbove(tenth.length, 320)
      assert.isBelow(tenth.length, 480)
      assert.deepStrictEqual(yield* included(0.1), tenth)
      const half = yield* included(0.5)
      assert.isAbove(half.length, 1850)
      assert.isBelow(half.length, 2150)
      assert.includeMembers(half, tenth)
      assert.strictEqual((yield* included(0)).length, 0)
      assert.strictEqual((yield* included(1)).length, 4000)
    }))

  it.effect("that is none is refused", () =>
    Effect.gen(function*() {
      for (
        const options of [
          { calls: [{ share: 1.1 }] },
          { calls: [{ share: -0.1 }] },
          { calls: [{ share: NaN }] },
          { keepFor: "1 day" as const },
          { keepFor: Duration.infinity }
        ]
      ) {
        assert.strictEqual((yield* reasonOf(Shadow.make(options)))._tag, "InvalidRequest")
      }
    }).pipe(Effect.provide(Shadow.layerStoreMemory)))
})

// --- telemetry -------------------------------------------------------------------------------------------------------

describe("telemetry of shadow mode", () => {
  const { layer, spans } = recording()

  it.effect("marks spans and logs of a call, counts it, and warns once for each tool", () => {
    const logs: Array<string> = []
    const logger = Logger.make(({ fiber, logLevel, message }) => {
      const { "vargate.shadow": shadow } = fiber.getRef(References.CurrentLogAnnotations)
      logs.push(`${logLevel} ${String(message)} ${String(shadow)}`)
    })
    return Effect.gen(function*() {
      const act = Effect.logInfo("acting")
      const shadow = (tool: string, amount: number) =>
        Governed.shadow({ tool, method: "gift", params: { amount }, executes: "agent" }, act)
      const before = new Map((yield* Metric.value(Metrics.shadowCalls)).occurrences)
      yield* shadow("bank", 5)
      yield* shadow("bank", 2000)
      yield* shadow("shop", 9000)
      yield* Effect.flip(Effect.provideService(shadow("shop", 9000), ToolCalls.ToolCalls, {
        call: () => Effect.die("unused"),
        decide: () => Effect.fail(new VargateError.VargateError({ operation: "o", reason: reasons[0]! }))
      }))
      const { occurrences } = yield* Metric.value(Metrics.shadowCalls)
      for (const word of ["allowed", "denied", "pending", "error"]) {
        assert.strictEqual(occurrences.get(word)! - before.get(word)!, 1, word)
      }
      const told_ = spans.map(told)
      assert.deepStrictEqual(
        told_.filter(({ name }) => name === "Governed.shadow").map((span) => [
          span["vargate.shadow"],
          span["vargate.shadow.verdict"],
          span["vargate.decision"]
        ]),
        [
          [true, "allowed", "Allowed"],
          [true, "pending", "PendingApproval"],
          [true, "denied", "Denied"],
          [true, "error", undefined]
        ]
      )
      assert.deepStrictEqual(
        told_.filter(({ name }) => name === "Governed.act").map((span) => span["vargate.shadow"]),
        ["allowed", "pending", "denied"]
      )
      assert.deepStrictEqual(logs, [
        "Warn SHADOW MODE: calls of bank are acted on although the policy denies them, or a reviewer has to decide. undefined",
        "Info acting allowed",
        "Info acting pending",
        "Warn SHADOW MODE: calls of shop are acted on although the policy denies them, or a reviewer has to decide. undefined",
        "Info acting denied"
      ])
    }).pipe(Effect.provide([layerGateway, Shadow.layerMemory(), layer, Logger.layer([logger])]))
  })
})
