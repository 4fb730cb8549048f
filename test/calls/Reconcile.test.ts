import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Logger, References } from "effect"
import type { VargateError } from "effect-vargate"
import { Approvals, AuditLog, AuditRecord, Governed, Reconcile, Reviews, ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as Faults from "effect-vargate/testing/Faults"
import { TestClock } from "effect/testing"
import { Claims, CurrentClaims } from "../../src/calls/internal/claims.ts"
import { hour, settableClock } from "../support/wallClock.ts"
import { inProcess, Wiretap, type World } from "../support/worlds.ts"

const toolCall = "/api/mcp"
const world = inProcess({
  tenants: [{ ...Gateway.localTenant, burst: 1000, policyConfig: { dailyActionLimit: 10_000 } }],
  tools: {
    "bank/pay": () => Effect.succeed({ paid: true }),
    "bank/wire": () => Effect.delay(Effect.succeed({ paid: true }), "10 seconds")
  }
})

const test = (title: string, effect: Effect.Effect<void, unknown, World>) =>
  it.effect(title, () => Effect.provide(effect, world))

const loseNext = Effect.map(Wiretap, ({ lost }) => void lost.push(toolCall))

const posts = Effect.map(
  Wiretap,
  ({ requests }) => requests.filter((request) => request.startsWith("POST /api/mcp")).length
)

const records = Effect.flatMap(Ledger, (ledger) => ledger.records("local"))

const within = <A, E, R>(effect: Effect.Effect<A, E, R>, time: "1 minute" | "5 minutes" = "1 minute") =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    yield* TestClock.adjust(time)
    return yield* Fiber.join(fiber)
  })

describe("Reconcile", () => {
  test(
    "a lost answer is found: allowed, executed, denied, held",
    Effect.gen(function*() {
      yield* loseNext
      const allowed = yield* ToolCalls.call({
        tool: "http",
        method: "GET",
        params: { n: 1 },
        reference: "params"
      }).pipe(Reconcile.reconcile())
      assert.isTrue(allowed.reconciled)
      assert.strictEqual(allowed.execution._tag, "NotExecuted")
      assert.strictEqual(allowed.actionId, (yield* records)[0]!.actionId)

      yield* loseNext
      const executed = yield* ToolCalls.call({ tool: "bank", method: "pay" }).pipe(Reconcile.reconcile())
      assert.strictEqual(executed.execution._tag, "ExecutedUnseen")

      yield* loseNext
      const held = yield* ToolCalls.call({ tool: "db", method: "drop", reference: "params" }).pipe(
        Reconcile.reconcile(),
        Effect.flip
      )
      assert.strictEqual(held._tag, "PendingApproval")
      assert.strictEqual(yield* posts, 3)
    })
  )

  test(
    "what the gateway left to the agent is submitted anew, and acted on by the new record alone",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      lost.push(toolCall, toolCall)
      let runs = 0
      const call = { tool: "http", method: "GET", params: { n: 1 } }
      const done = yield* Governed.run(call, Effect.sync(() => ++runs))
      assert.deepInclude(done, { executedBy: "agent", actionId: (yield* records).at(-1)!.actionId })
      assert.strictEqual(runs, 1)
      assert.strictEqual((yield* records).length, 3)
    })
  )

  test(
    "it is not submitted more than three times anew",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      lost.push(toolCall, toolCall, toolCall, toolCall)
      let runs = 0
      const call = { tool: "http", method: "GET", params: { n: 1 } }
      const error = yield* Effect.flip(yield* within(Governed.run(call, Effect.sync(() => ++runs))))
      assert.deepInclude(error, { _tag: "OutcomeUnknown", evidence: "not executed", sideEffect: "possible" })
      assert.include(error.message, (yield* records).at(-1)!.actionId)
      assert.deepStrictEqual([runs, yield* posts], [0, 4])
    })
  )

  for (const [what, tool, method] of [["allowed", "bank", "note"], ["pending", "db", "drop"]] as const) {
    it.effect(`two processes never act on one record: ${what}`, () =>
      Effect.gen(function*() {
        const apiKey = Gateway.localTenant.apiKey
        const reaches = Vargate.layerOperator({ apiKey })
        const neverSent = Vargate.layer({ apiKey }).pipe(Layer.provide(Faults.layer({ seed: 1, requestLost: 1 })))
        const ran: Array<string> = []
        const run = (name: string) =>
          Governed.run({ tool, method, params: { same: true } }, Effect.sync(() => void ran.push(name)))
        const ofProcess = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.provideService(effect, CurrentClaims, new Claims())
        // Each has sent a call before, and the record is younger than both requests.
        const losing = yield* Effect.forkChild(Effect.flip(ofProcess(Effect.provide(run("B"), neverSent))), {
          startImmediately: true
        })
        yield* TestClock.adjust("100 millis")
        const other = yield* Effect.forkChild(ofProcess(Effect.provide(run("A"), reaches)))
        yield* TestClock.adjust("2 seconds")
        if (what === "pending") {
          const { pending: [held] } = yield* Effect.provide(
            Effect.flatMap(Approvals.Approvals, ({ pending }) => pending),
            reaches
          )
          yield* Effect.provide(Reviews.Reviews.use((reviews) => reviews.approve(held!.actionId)), reaches)
        }
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual((yield* Fiber.join(other)).executedBy, "agent")
        assert.strictEqual((yield* Fiber.join(losing))._tag, "OutcomeUnknown")
        assert.deepStrictEqual(ran, ["A"])
      }).pipe(Effect.provide(Gateway.layerMemory())))
  }

  test(
    "a pending record may be another call's, and is not waited for",
    Effect.gen(function*() {
      yield* loseNext
      const exit = yield* within(Governed.run({ tool: "db", method: "drop" }, Effect.die("acted")))
      const error = yield* Effect.flip(exit)
      const [record] = yield* records
      assert.deepInclude(error, { _tag: "OutcomeUnknown", evidence: "ambiguous", candidates: [record!.actionId] })
      assert.include(error.message, "has a record that fits it")
      assert.strictEqual(yield* posts, 1)
    })
  )

  test(
    "a lost answer to a held call is waited for as usual",
    Effect.gen(function*() {
      yield* loseNext
      const call = { tool: "db", method: "drop", reference: "params" } as const
      const running = yield* Effect.forkChild(Governed.run(call, Effect.succeed("dropped")))
      yield* TestClock.adjust("2 seconds")
      const reviews = yield* Reviews.Reviews
      yield* reviews.approve((yield* records)[0]!.actionId)
      yield* TestClock.adjust("2 seconds")
      assert.deepInclude(yield* Fiber.join(running), { executedBy: "agent", result: "dropped" })
    })
  )

  test(
    "Governed.run does not act again where the gateway has executed",
    Effect.gen(function*() {
      let runs = 0
      yield* loseNext
      const done = yield* Governed.run({ tool: "bank", method: "pay" }, Effect.sync(() => ++runs))
      assert.deepInclude(done, { executedBy: "gateway", isResultLost: true })
      assert.strictEqual(runs, 0)
    })
  )

  test(
    "no record proves nothing: the call is not sent again",
    Effect.gen(function*() {
      const lost = yield* lostError({ n: 1 })
      const exit = yield* within(Reconcile.lookUp(lost))
      const error = yield* Effect.flip(exit)
      assert.deepInclude(error, { _tag: "OutcomeUnknown", evidence: "not recorded", sideEffect: "possible" })
      assert.match(error.message, /had no record of it after 30s, which proves nothing/)
      assert.isAtLeast(
        Number(error.waited?.pipe((waited) => waited.value._tag === "Millis" ? waited.value.millis : 0)),
        30_000
      )
      assert.strictEqual(yield* posts, 0)
    })
  )

  test(
    "two records that fit are both named",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      lost.push(toolCall, toolCall)
      const call = ToolCalls.call({ tool: "http", method: "GET", params: { same: true }, allowDuplicate: true })
      const first = yield* Effect.flip(call)
      const second = yield* Effect.flip(call)
      assert.isTrue(first._tag === "OutcomeUnknown" && second._tag === "OutcomeUnknown")
      if (first._tag !== "OutcomeUnknown") return
      const error = yield* Effect.flip(yield* within(Reconcile.lookUp(first)))
      assert.strictEqual(error.evidence, "ambiguous")
      assert.include(error.message, `has records that fit it (${error.candidates!.join(", ")})`)
      assert.sameMembers([...error.candidates!], (yield* records).map(({ actionId }) => actionId))
    })
  )

  test(
    "two identical calls in flight, one answer lost: they never claim the same record",
    Effect.gen(function*() {
      for (let round = 0; round < 50; round++) {
        yield* loseNext
        const call = ToolCalls.call({ tool: "http", method: "GET", params: { round } }).pipe(Reconcile.reconcile())
        const [one, two] = yield* Effect.all([call, call], { concurrency: 2 })
        assert.notStrictEqual(one.actionId, two.actionId)
        yield* TestClock.adjust("1 second")
      }
    })
  )

  it.effect("an identical call's late answer: its record is never taken for the lost one's", () =>
    Effect.gen(function*() {
      // The first call is executed at once and answered late; the second never reaches the gateway.
      const apiKey = Gateway.localTenant.apiKey
      const answeredLate = Vargate.layer({ apiKey }).pipe(
        Layer.provide(Faults.layer({ seed: 1, delayed: 1, delay: "5 seconds" }))
      )
      const neverSent = Vargate.layer({ apiKey }).pipe(Layer.provide(Faults.layer({ seed: 1, requestLost: 1 })))
      let runs = 0
      const run = Governed.run({ tool: "bank", method: "note", params: { same: true } }, Effect.sync(() => ++runs))
      const first = yield* Effect.forkChild(Effect.provide(run, answeredLate))
      yield* TestClock.adjust("100 millis")
      const second = yield* Effect.forkChild(Effect.flip(Effect.provide(run, neverSent)))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(first)).executedBy, "agent")
      assert.strictEqual((yield* Fiber.join(second))._tag, "OutcomeUnknown")
      assert.strictEqual(runs, 1)
    }).pipe(Effect.provide(Gateway.layerMemory())))

  it.effect("a call that was made before this process leaves no answer for its repetition", () =>
    Effect.gen(function*() {
      const apiKey = Gateway.localTenant.apiKey
      const neverSent = Vargate.layer({ apiKey }).pipe(Layer.provide(Faults.layer({ seed: 1, requestLost: 1 })))
      let runs = 0
      const run = Governed.run({ tool: "bank", method: "note", params: { same: true } }, Effect.sync(() => ++runs))
      // Each process remembers its own calls.
      const ofProcess = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.provideService(effect, CurrentClaims, new Claims())
      yield* ofProcess(Effect.provide(run, Vargate.layer({ apiKey })))
      yield* TestClock.adjust("3 seconds")
      const repeated = yield* Effect.forkChild(Effect.flip(ofProcess(Effect.provide(run, neverSent))))
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(repeated), { _tag: "OutcomeUnknown", evidence: "ambiguous" })
      assert.strictEqual(runs, 1)
    }).pipe(Effect.provide(Gateway.layerMemory())))

  for (const isAnswered of [true, false]) {
    const which = isAnswered ? "was made by another process" : "has no answer yet"
    it.effect(`a call that ${which} and differs in what is encrypted leaves no answer for another`, () =>
      Effect.gen(function*() {
        const apiKey = Gateway.localTenant.apiKey
        const neverSent = Vargate.layer({ apiKey }).pipe(Layer.provide(Faults.layer({ seed: 1, requestLost: 1 })))
        const reaches = Vargate.layer({ apiKey }).pipe(
          Layer.provide(Faults.layer({ seed: 1, delayed: isAnswered ? 0 : 1, delay: "5 seconds" }))
        )
        const ran: Array<string> = []
        // What fits a call but for its encrypted fields fits another, whatever reference both have.
        const common = { customer_id: "c-1", ...(isAnswered ? {} : { vargate_reference: "ours" }) }
        const run = (to: string) =>
          Governed.run(
            { tool: "bank", method: "note", params: { ...common, to } },
            Effect.sync(() => ran.push(to))
          )
        const mine = new Claims()
        const others = isAnswered ? new Claims() : mine
        const losing = yield* Effect.forkChild(
          Effect.flip(
            Effect.provideService(Effect.provide(run("ann@example.com"), neverSent), CurrentClaims, mine)
          ),
          { startImmediately: true }
        )
        const other = yield* Effect.forkChild(
          Effect.provideService(Effect.provide(run("eve@example.com"), reaches), CurrentClaims, others)
        )
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(losing))._tag, "OutcomeUnknown")
        assert.strictEqual((yield* Fiber.join(other)).executedBy, "agent")
        assert.deepStrictEqual(ran, ["eve@example.com"])
      }).pipe(Effect.provide(Gateway.layerMemory())))
  }

  it.effect("two calls with a reference of their own making never take the same record", () =>
    Effect.gen(function*() {
      const apiKey = Gateway.localTenant.apiKey
      const answeredLate = Vargate.layer({ apiKey }).pipe(
        Layer.provide(Faults.layer({ seed: 1, delayed: 1, delay: "5 seconds" }))
      )
      const neverSent = Vargate.layer({ apiKey }).pipe(Layer.provide(Faults.layer({ seed: 1, requestLost: 1 })))
      let runs = 0
      const params = { vargate_reference: "mine" }
      const run = Governed.run({ tool: "bank", method: "note", params }, Effect.sync(() => ++runs))
      const first = yield* Effect.forkChild(Effect.provide(run, answeredLate))
      yield* TestClock.adjust("100 millis")
      const second = yield* Effect.forkChild(Effect.flip(Effect.provide(run, neverSent)))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      assert.strictEqual((yield* Fiber.join(second))._tag, "OutcomeUnknown")
      assert.strictEqual(runs, 1)
    }).pipe(Effect.provide(Gateway.layerMemory())))

  test(
    "resendAfter does not send again while the log cannot be read to its end",
    Effect.gen(function*() {
      const lost = yield* lostError({ deep: true })
      const auditLog = yield* AuditLog.AuditLog
      const ledger = yield* Ledger
      const endless = AuditLog.AuditLog.of({
        ...auditLog,
        page: ({ limit = 100 } = {}) =>
          Effect.map(
            ledger.records("local"),
            (all) =>
              new AuditRecord.AuditPage({
                records: Array.from({ length: limit }, () => all[0]!),
                offset: 0,
                total: 1e9
              })
          )
      })
      yield* ToolCalls.call({ tool: "http", method: "GET", params: { other: true } })
      const error = yield* within(Reconcile.lookUp(lost).pipe(Effect.provideService(AuditLog.AuditLog, endless)))
      assert.strictEqual((yield* Effect.flip(error)).evidence, "log unreadable")
    })
  )

  test(
    "both answers lost: with references both are found",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      lost.push(toolCall, toolCall)
      const call = ToolCalls.call({ tool: "http", method: "GET", params: { same: 1 }, reference: "params" }).pipe(
        Reconcile.reconcile()
      )
      const [one, two] = yield* Effect.all([call, call], { concurrency: 2 })
      assert.notStrictEqual(one.actionId, two.actionId)
    })
  )

  test(
    "a record of somebody else's call is nobody's answer",
    Effect.gen(function*() {
      yield* ToolCalls.call({ tool: "http", method: "GET", params: { n: 1 } })
      yield* ToolCalls.call({ tool: "http", method: "GET", params: { n: 2 }, agent: { id: "other" } })
      yield* ToolCalls.call({ tool: "http", method: "POST", params: { n: 2 } })
      const error = yield* Effect.flip(yield* within(Reconcile.lookUp(yield* lostError({ n: 2 }))))
      assert.strictEqual(error.evidence, "not recorded")
    })
  )

  test(
    "only what is new enough is read",
    Effect.gen(function*() {
      yield* Effect.forEach(
        Array.from({ length: 250 }),
        (_, n) =>
          Effect.andThen(ToolCalls.call({ tool: "http", method: "GET", params: { n } }), TestClock.adjust("1 second"))
      )
      const { requests } = yield* Wiretap
      yield* loseNext
      const before = requests.length
      yield* ToolCalls.call({ tool: "http", method: "GET", params: { n: 3 }, reference: "params" }).pipe(
        Reconcile.reconcile()
      )
      assert.deepStrictEqual(requests.slice(before), ["POST /api/mcp/tools/call", "GET /api/audit/log"])
    })
  )

  for (const [how, by] of [["forward", hour], ["back", -hour]] as const) {
    it.effect(`a lost call is looked for as long as it was said, although the clock is set ${how}`, () =>
      Effect.gen(function*() {
        const { clock, set } = yield* settableClock
        const call = ToolCalls.call({ tool: "http", method: "GET" }).pipe(
          Reconcile.reconcile(Reconcile.resendAfter("20 seconds")),
          Effect.provideService(Clock.Clock, clock)
        )
        const lost = Effect.flatMap(Faults.Faults, ({ counts }) => counts)
        const calling = yield* Effect.forkChild(Effect.flip(call))
        yield* TestClock.adjust("5 seconds")
        yield* set(by)
        yield* TestClock.adjust("14 seconds")
        assert.deepStrictEqual(yield* lost, { requestLost: 1 })
        yield* TestClock.adjust("40 seconds")
        assert.deepInclude(yield* Fiber.join(calling), { _tag: "OutcomeUnknown", evidence: "not recorded" })
        assert.deepStrictEqual(yield* lost, { requestLost: 2 })
      }).pipe(Effect.provide(
        Vargate.layer({ apiKey: Gateway.localTenant.apiKey }).pipe(
          Layer.provideMerge(Faults.layer({ seed: 1, requestLost: 1 })),
          Layer.provide(Gateway.layerMemory())
        )
      )))
  }

  test(
    "a log that cannot be read says so",
    Effect.gen(function*() {
      const lost = yield* lostError({})
      yield* Effect.map(Wiretap, (wiretap) => wiretap.lost.push(...Array.from({ length: 500 }, () => "/api/audit")))
      const error = yield* Effect.flip(yield* within(Reconcile.lookUp(lost), "5 minutes"))
      assert.strictEqual(error.evidence, "log unreadable")
      assert.include(error.message, "could not be read far enough to tell")
    })
  )

  it.effect("resendAfter sends once more, and only when there is no record", () =>
    Effect.gen(function*() {
      const call = ToolCalls.call({ tool: "http", method: "GET" }).pipe(
        Reconcile.reconcile(Reconcile.resendAfter("20 seconds"))
      )
      const error = yield* Effect.flip(yield* within(call))
      assert.deepInclude(error, { _tag: "OutcomeUnknown", evidence: "not recorded" })
      assert.deepStrictEqual(yield* Effect.flatMap(Faults.Faults, ({ counts }) => counts), { requestLost: 2 })
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: Gateway.localTenant.apiKey }).pipe(
        Layer.provideMerge(Faults.layer({ seed: 1, requestLost: 1 })),
        Layer.provide(Gateway.layerMemory())
      )
    )))

  test(
    "an interrupted call is not repeated, and its digest is logged",
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const calling = yield* Effect.forkChild(
        ToolCalls.call({ tool: "bank", method: "wire", params: { n: 1 } }).pipe(
          Reconcile.reconcile(),
          Effect.provide(Logger.layer([logger])),
          Effect.provideService(References.MinimumLogLevel, "Debug")
        )
      )
      yield* TestClock.adjust("1 second")
      const exit = yield* Effect.andThen(Fiber.interrupt(calling), Fiber.await(calling))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* posts, 1)
      assert.strictEqual((yield* records).length, 1)
      assert.isTrue(lines.some((line) => line.includes("interrupted after it was sent")))
    })
  )
})

const lostError = Effect.fn(function*(params: Readonly<Record<string, unknown>>) {
  const error = yield* ToolCalls.call({ tool: "http", method: "GET", params }).pipe(
    Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(
        Layer.provide(Faults.layer({ seed: 1, requestLost: 1 })),
        Layer.provide(Gateway.layerMemory())
      )
    ),
    Effect.flip
  )
  assert.strictEqual(error._tag, "OutcomeUnknown")
  return error as VargateError.OutcomeUnknown
})
