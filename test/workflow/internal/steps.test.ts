/** Steps of several processes over one journal: each process is a journal of its own over the same database. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, type Option, Schema, type Scope } from "effect"
import { ActionId, CallLimiter, Execution, ToolCalls, Vargate, VargateError } from "effect-vargate"
import * as AuditLog from "effect-vargate/audit/AuditLog"
import { Allowed } from "effect-vargate/model/Allowed"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { Journal } from "effect-vargate/workflow/Journal"
import * as JournalSql from "effect-vargate/workflow/JournalSql"
import type { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as SqliteClient from "../../../src/internal/sqliteClient.ts"
import * as Steps from "../../../src/workflow/internal/steps.ts"

const actionId = ActionId.ActionId.make("9c96cc23-0d04-4613-a3b5-9c9af2bb811c")

const call: Steps.DurableCall = {
  tool: "bank",
  method: "pay",
  params: { n: 1, vargate_reference: "e1" },
  agent: { id: "bot", type: "unknown", version: "0.0.0" },
  isBusinessHours: undefined
}

const staying: Steps.Departure = { leaving: Effect.never, leave: Effect.never, interrupted: Effect.void }

const ResultError = Schema.Union([VargateError.OutcomeUnknown, VargateError.VargateError])
const written = Steps.writtenAs(Schema.String, ResultError)

interface Acting {
  readonly act: Effect.Effect<string>
  readonly recover?: Effect.Effect<Option.Option<string>>
  readonly departure?: Steps.Departure
}

const actIn = (journal: Journal["Service"], { act, departure = staying, recover }: Acting) =>
  Steps.actOnce("e1", call, act, recover, Effect.void, written, departure).pipe(
    Effect.provideService(Journal, journal)
  )

const submitIn = (journal: Journal["Service"], departure: Steps.Departure = staying) =>
  Steps.submitOnce("e1", call, { lookFor: "10 seconds" }, Effect.void, departure).pipe(
    Effect.provideService(Journal, journal)
  )

/** What a database on the other side of a network answers takes a moment of real time. */
const moment = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))

const pass = (seconds: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), moment), { times: seconds - 1 })

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

/** A process: its journal, and a switch that takes the database away. */
const process = Effect.gen(function*() {
  const context = yield* Layer.build(Layer.fresh(JournalSql.layer))
  const journal = Context.get(context, Journal)
  const way = { isCut: false, losesClaims: 0 }
  const cut = new VargateError.StorageFailed({ operation: "Journal", detail: "the database is away" })
  const over = <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.suspend((): Effect.Effect<A, E | VargateError.StorageFailed> => way.isCut ? Effect.fail(cut) : effect)
  const cuttable = Journal.of({
    ...journal,
    claim: (key, token) =>
      over(journal.claim(key, token)).pipe(
        Effect.tap(() => way.losesClaims-- > 0 ? Effect.fail(cut) : Effect.void),
        Effect.map((claim) => ({ ...claim, renew: over(claim.renew), release: over(claim.release) }))
      ),
    look: (key) => over(journal.look(key)),
    settle: (key, result) => over(journal.settle(key, result))
  })
  return { journal: cuttable, way }
})

const test = (
  title: string,
  body: () => Effect.fn.Return<void, unknown, SqlClient.SqlClient | Scope.Scope>
) =>
  it.effect(
    title,
    () => Effect.gen(body).pipe(Effect.provide(Layer.fresh(SqliteClient.layer({ filename: ":memory:" }))))
  )

/** An action that ends when it is told. */
const controlled = Effect.gen(function*() {
  const end = yield* Deferred.make<string>()
  const runs = { begun: 0 }
  const act = Effect.suspend(() => {
    runs.begun++
    return Deferred.await(end)
  })
  return { act, runs, end: (result: string) => Deferred.succeed(end, result) }
})

describe("an action of several processes", () => {
  test("that has ended is not run again: its result is taken", function*() {
    const [a, b] = [yield* process, yield* process]
    const act = Effect.succeed("by a")
    assert.strictEqual(yield* actIn(a.journal, { act }), "by a")
    assert.strictEqual(yield* actIn(b.journal, { act: Effect.die("run twice") }), "by a")
  })

  test("that its process claimed while it left, and did not begin, is begun by the next one", function*() {
    const [a, b] = [yield* process, yield* process]
    let isFirst = true
    // The journal has the claim, and its answer does not arrive.
    const slow = Journal.of({
      ...a.journal,
      claim: (key, token) =>
        Effect.suspend(() => {
          const claiming = a.journal.claim(key, token)
          if (!isFirst) return claiming
          isFirst = false
          return Effect.andThen(claiming, Effect.never)
        })
    })
    const left = yield* Deferred.make<void>()
    const departure = { ...staying, leaving: Deferred.await(left) }
    yield* start(actIn(slow, { act: Effect.die("begun by a"), departure }))
    yield* moment
    assert.isDefined(yield* a.journal.look("act/e1/1"))
    yield* Deferred.succeed(left, undefined)
    yield* moment
    const acting = yield* start(actIn(b.journal, { act: Effect.succeed("by b") }))
    yield* pass(90)
    assert.strictEqual(yield* Fiber.join(acting), "by b")
  })

  test("that fails, or ends with a defect, does so for all", function*() {
    const [a, b] = [yield* process, yield* process]
    const first = yield* Effect.exit(actIn(a.journal, { act: Effect.die(new Error("boom")) }))
    const second = yield* Effect.exit(actIn(b.journal, { act: Effect.succeed("run twice") }))
    for (const exit of [first, second]) assert(Exit.isFailure(exit) && String(exit.cause).includes("boom"))
  })

  test("that runs in a living process is awaited, however long it takes", function*() {
    const [a, b] = [yield* process, yield* process]
    const { act, end, runs } = yield* controlled
    const running = yield* start(actIn(a.journal, { act }))
    yield* moment
    const waiting = yield* start(actIn(b.journal, { act }))
    yield* pass(300)
    assert.isUndefined(waiting.pollUnsafe())
    yield* end("after five minutes")
    yield* pass(3)
    assert.deepStrictEqual(
      [yield* Fiber.join(running), yield* Fiber.join(waiting)],
      Array(2).fill("after five minutes")
    )
    assert.strictEqual(runs.begun, 1)
  })

  test("that runs in this process is joined", function*() {
    const { journal } = yield* process
    const { act, end, runs } = yield* controlled
    const fibers = [yield* start(actIn(journal, { act })), yield* start(actIn(journal, { act }))]
    yield* moment
    yield* end("once")
    for (const fiber of fibers) assert.strictEqual(yield* Fiber.join(fiber), "once")
    assert.strictEqual(runs.begun, 1)
  })

  test("whose process has ended is unknown, or recovered, after its lease and not before", function*() {
    const [dead, b, c] = [yield* process, yield* process, yield* process]
    yield* dead.journal.claim("act/e1/1")
    const waiting = yield* start(Effect.flip(actIn(b.journal, { act: Effect.die("run twice") })))
    const recovering = yield* start(actIn(c.journal, {
      act: Effect.die("run twice"),
      recover: Effect.succeedSome("recovered")
    }))
    yield* pass(59)
    assert.deepStrictEqual([waiting.pollUnsafe(), recovering.pollUnsafe()], [undefined, undefined])
    yield* pass(2)
    assert.strictEqual((yield* Fiber.join(waiting))._tag, "OutcomeUnknown")
    assert.strictEqual(yield* Fiber.join(recovering), "recovered")
  })

  test("that ends while the database is away is not lost, and those who wait for it are not told that it is", function*() {
    const [a, b] = [yield* process, yield* process]
    const { act, end, runs } = yield* controlled
    const running = yield* start(actIn(a.journal, { act }))
    yield* moment
    const waiting = yield* start(actIn(b.journal, { act }))
    yield* pass(20)
    a.way.isCut = b.way.isCut = true
    yield* pass(20)
    yield* end("meanwhile")
    yield* pass(100)
    b.way.isCut = false
    // The one that waits is the first to have the database back.
    yield* pass(30)
    assert.isUndefined(waiting.pollUnsafe())
    a.way.isCut = false
    yield* pass(10)
    assert.deepStrictEqual([yield* Fiber.join(running), yield* Fiber.join(waiting)], ["meanwhile", "meanwhile"])
    assert.strictEqual(runs.begun, 1)
  })

  test("whose claim was made and its answer lost is run by the process that made it", function*() {
    const { journal, way } = yield* process
    way.losesClaims = 1
    const running = yield* start(actIn(journal, { act: Effect.succeed("once") }))
    yield* pass(2)
    assert.strictEqual(yield* Fiber.join(running), "once")
  })

  test("is not begun by a process that shuts down", function*() {
    const { journal, way } = yield* process
    way.isCut = true
    const leaving = yield* Deferred.make<void>()
    let left = 0
    const departure: Steps.Departure = {
      leaving: Deferred.await(leaving),
      leave: Effect.suspend(() => {
        left++
        return Effect.interrupt
      }),
      interrupted: Effect.void
    }
    const running = yield* start(Effect.exit(actIn(journal, { act: Effect.die("begun"), departure })))
    yield* pass(5)
    yield* Deferred.succeed(leaving, undefined)
    yield* moment
    const exit = yield* Fiber.join(running)
    assert(Exit.isFailure(exit) && Exit.hasInterrupts(exit))
    assert.strictEqual(left, 1)
  })
})

describe("a submission of several processes", () => {
  const audit = Layer.succeed(AuditLog.AuditLog, {} as AuditLog.AuditLog["Service"])
  const allowed = new Allowed({ actionId, execution: new Execution.NotExecuted() })

  test("that was answered is not sent again: its answer is taken", function*() {
    const [a, b] = [yield* process, yield* process]
    let sent = 0
    const tools = Layer.merge(
      audit,
      Layer.succeed(ToolCalls.ToolCalls, {
        decide: () => Effect.sync(() => (sent++, allowed)),
        call: () => Effect.die("not used")
      })
    )
    const first = yield* Effect.provide(submitIn(a.journal), tools)
    const second = yield* Effect.provide(submitIn(b.journal), tools)
    assert.deepStrictEqual([first, second], [allowed, allowed])
    assert.strictEqual(sent, 1)
  })

  test("is claimed when it has its turn, and not before", function*() {
    const { journal } = yield* process
    const world = Vargate.layer({ apiKey: "test-key" }).pipe(
      Layer.provideMerge(
        ScriptedTransport.layer(() => ScriptedTransport.json(200, { status: "allowed", action_id: actionId }))
      )
    )
    const turn = yield* Deferred.make<void>()
    const limiter: CallLimiter.Limiter = { admit: Deferred.await(turn), report: () => Effect.void }
    const leaving = yield* Deferred.make<void>()
    const departure: Steps.Departure = {
      leaving: Deferred.await(leaving),
      leave: Effect.interrupt,
      interrupted: Effect.void
    }
    yield* Effect.gen(function*() {
      const requests = ScriptedTransport.ScriptedTransport.use(({ requests }) => requests)
      const queued = yield* start(Effect.exit(submitIn(journal, departure)))
      yield* pass(3)
      assert.isUndefined(yield* journal.look("submit/e1/1"))
      // A shutdown does not wait for the queue, and leaves the call to the next process.
      yield* Deferred.succeed(leaving, undefined)
      yield* moment
      assert(Exit.hasInterrupts(yield* Fiber.join(queued)))
      assert.isUndefined(yield* journal.look("submit/e1/1"))
      yield* Deferred.succeed(turn, undefined)
      const again = yield* start(submitIn(journal))
      yield* pass(3)
      assert.strictEqual((yield* Fiber.join(again))._tag, "Allowed")
      assert.isString((yield* journal.look("submit/e1/1"))?.result)
      assert.strictEqual((yield* requests).length, 1)
    }).pipe(Effect.provideService(CallLimiter.CallLimiter, limiter), Effect.provide(world))
  })

  test("that certainly did nothing releases its claim", function*() {
    const { journal } = yield* process
    let tries = 0
    const tools = Layer.merge(
      audit,
      Layer.succeed(ToolCalls.ToolCalls, {
        decide: () =>
          Effect.suspend(() =>
            ++tries < 3 ? Effect.fail(new VargateError.OpaUnavailable({ detail: "away" })) : Effect.succeed(allowed)
          ),
        call: () => Effect.die("not used")
      })
    )
    const submitting = yield* start(Effect.provide(submitIn(journal), tools))
    yield* pass(5)
    assert.deepStrictEqual(yield* Fiber.join(submitting), allowed)
    assert.strictEqual(tries, 3)
  })
})
