/** What the gateway executes is on the disk before, and on record afterwards, whatever happens in between. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Approvals } from "../../../src/approvals/Approvals.ts"
import * as Reviews from "../../../src/approvals/Reviews.ts"
import { AuditLog } from "../../../src/audit/AuditLog.ts"
import * as Replay from "../../../src/audit/Replay.ts"
import * as Reconcile from "../../../src/calls/Reconcile.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import * as Feed from "../../../src/gateway/inbox/Feed.ts"
import * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import * as PolicyOutage from "../../../src/gateway/policy/PolicyOutage.ts"
import * as CredentialVaultSqlite from "../../../src/gateway/sqlite/CredentialVaultSqlite.ts"
import * as Database from "../../../src/gateway/sqlite/Database.ts"
import * as LedgerSqlite from "../../../src/gateway/sqlite/LedgerSqlite.ts"
import * as ManagedStoreSqlite from "../../../src/gateway/sqlite/ManagedStoreSqlite.ts"
import { intents } from "../../../src/gateway/sqlite/migrations/intents.ts"
import * as ScopedKeysSqlite from "../../../src/gateway/sqlite/ScopedKeysSqlite.ts"
import * as TenantsSqlite from "../../../src/gateway/sqlite/TenantsSqlite.ts"
import { ActionId } from "../../../src/model/ActionId.ts"
import * as NodeHasher from "../../../src/node/NodeHasher.ts"
import * as Vargate from "../../../src/Vargate.ts"
import { folder } from "../../support/folder.ts"
import { approve, hold, upTo } from "../suite/cases.ts"
import { acme } from "../suite/doors.ts"

type World = Vargate.Services | Reviews.Reviews | Gateway.Parts | Database.Database

/** A gateway on a file, with the database at hand. */
const world = (
  filename: string,
  tools: Gateway.Options["tools"] = {},
  policyConfig: Record<string, unknown> = {}
): Layer.Layer<World> => {
  const tenant = { ...acme, policyConfig }
  const parts = Layer.mergeAll(
    Layer.provideMerge(Feed.layer, LedgerSqlite.layer),
    TenantsSqlite.layer([tenant]),
    ScopedKeysSqlite.layer([tenant]),
    CredentialVaultSqlite.layer,
    ManagedStoreSqlite.layer,
    PolicyEngine.layerWith({}),
    PolicyOutage.layer
  ).pipe(Layer.provideMerge(Database.layer({ filename })))
  return Reviews.layer.pipe(
    Layer.provideMerge(Vargate.layer({ apiKey: acme.apiKey })),
    Layer.provideMerge(Gateway.layerClient({ tools })),
    Layer.provideMerge(parts),
    Layer.provideMerge(NodeHasher.layer),
    Layer.orDie,
    Layer.fresh
  )
}

/** No page more than there are: the disk is full. */
const fill = Database.Database.use(({ sql }) =>
  Effect.flatMap(
    sql<{ readonly page_count: number }>`PRAGMA page_count`,
    ([row]) => sql.unsafe(`PRAGMA max_page_count = ${row!.page_count}`)
  )
).pipe(Effect.orDie)

const makeRoom = Effect.orDie(Database.Database.use(({ sql }) => sql`PRAGMA max_page_count = 1000000`))

const page = AuditLog.use((log) => log.page({ limit: 1000 }))
const verify = AuditLog.use((log) => log.verify)

const call = { tool: "bank", method: "pay" } as const
/** Repeated on purpose: what happened is read from the log. */
const pay = (n: number) => ToolCalls.call({ ...call, params: { n, pad: "x".repeat(60_000) }, allowDuplicate: true })

const scoped = <A, E>(body: Effect.Effect<A, E, World | Scope.Scope>, layer: Layer.Layer<World>) =>
  Effect.provide(Effect.scoped(body), layer)

describe("an execution by the gateway", () => {
  it.effect("is refused where it cannot be kept, and goes on once there is room", () =>
    Effect.gen(function*() {
      const done: Array<unknown> = []
      const tools = { "bank/pay": ({ n }: Readonly<Record<string, unknown>>) => Effect.sync(() => done.push(n)) }
      yield* scoped(
        Effect.gen(function*() {
          yield* pay(0)
          yield* fill
          // There may be room for an intent in the pages that the one before has left, and then none for the record.
          const isRefused = (exit: Exit.Exit<unknown, unknown>) =>
            Exit.isFailure(exit) && String(exit.cause).includes("503")
          yield* Effect.repeat(Effect.exit(pay(1)), { until: isRefused })
          const executed = done.length
          for (const n of upTo(5)) {
            const error = yield* Effect.flip(pay(n))
            assert(error._tag === "VargateError" && error.reason._tag === "GatewayFault", String(error))
            assert.deepStrictEqual([error.reason.status, error.sideEffect, error.isRetryable], [503, "none", true])
            assert.include(error.message, "can be sent again")
          }
          // So is what the gateway only decides.
          const decided = yield* Effect.flip(
            ToolCalls.call({ tool: "slack", method: "say", params: { pad: "x".repeat(60_000) } })
          )
          assert.strictEqual(decided._tag === "VargateError" && decided.sideEffect, "none")
          assert.lengthOf(done, executed)
          yield* makeRoom
          yield* pay(6)
          yield* TestClock.adjust("1 second")
          assert.lengthOf(done, executed + 1)
          assert.strictEqual((yield* page).total, executed + 1)
          assert.strictEqual((yield* verify).valid, true)
        }),
        world(join(yield* folder, "v.db"), tools)
      )
    }))

  it.effect("that cannot be recorded is unknown to the client, and on record as soon as there is room", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "v.db")
      const context = yield* Deferred.make<Effect.Effect<unknown>>()
      const tools = {
        "bank/pay": () => Effect.andThen(Effect.flatten(Deferred.await(context)), Effect.succeed("paid"))
      }
      yield* scoped(
        Effect.gen(function*() {
          const services = yield* Effect.context<Database.Database>()
          yield* Deferred.succeed(context, Effect.provide(fill, services))
          const unknown = yield* Effect.flip(pay(1))
          assert.strictEqual(unknown._tag, "OutcomeUnknown")
          assert.deepStrictEqual((yield* page).records, [])
          const status = yield* verify
          assert.deepStrictEqual([status.valid, status.reason], [false, "execution not recorded"])
          yield* TestClock.adjust("5 seconds")
          assert.strictEqual((yield* verify).valid, false)
          yield* makeRoom
          yield* TestClock.adjust("1 second")
          const { records: [record, ...others] } = yield* page
          assert.deepStrictEqual(others, [])
          assert.deepStrictEqual([record!.decision, record!.executionMode], ["allow", "vargate_brokered"])
          assert.deepStrictEqual(record!.violations, [])
          assert.strictEqual((yield* verify).valid, true)
          assert.deepStrictEqual(yield* Database.Database.use(({ sql }) => sql`SELECT * FROM intents`), [])
        }),
        world(filename, tools)
      )
    }))

  it.effect("that cannot be recorded before the end of the process is on record in the next life", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "v.db")
      const context = yield* Deferred.make<Effect.Effect<unknown>>()
      const tools = {
        "bank/pay": () => Effect.andThen(Effect.flatten(Deferred.await(context)), Effect.succeed("paid"))
      }
      yield* scoped(
        Effect.gen(function*() {
          yield* Deferred.succeed(context, Effect.provide(fill, yield* Effect.context<Database.Database>()))
          assert.strictEqual((yield* Effect.flip(pay(1)))._tag, "OutcomeUnknown")
        }),
        world(filename, tools)
      )
      yield* scoped(
        Effect.gen(function*() {
          assert.deepStrictEqual((yield* page).records.map(({ violations }) => violations), [[
            "execution_outcome_unknown"
          ]])
          assert.strictEqual((yield* verify).valid, true)
        }),
        world(filename)
      )
    }))

  it.effect("that was cut off has a record in the next life, counts against limits and is found by its client", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "v.db")
      const started = yield* Deferred.make<void>()
      const tools = { "bank/pay": () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never) }
      const params = { to: "ann@example.com", customer_id: "c-1", text: "é😀" }
      yield* scoped(
        Effect.gen(function*() {
          const running = yield* Effect.forkChild(ToolCalls.call({ ...call, params }), { startImmediately: true })
          yield* Deferred.await(started)
          assert.deepStrictEqual((yield* page).records, [])
          assert.strictEqual((yield* verify).valid, true)
          yield* Fiber.interrupt(running)
        }),
        world(filename, tools)
      )
      // The row that waits for its record shows no personal data.
      const db = new DatabaseSync(filename)
      assert.instanceOf(db.prepare("SELECT entry FROM intents").get()!.entry, Uint8Array)
      db.close()
      for (const _ of upTo(2)) {
        yield* scoped(
          Effect.gen(function*() {
            const { records: [record, ...others] } = yield* page
            assert.deepStrictEqual(others, [])
            assert.deepStrictEqual([record!.decision, record!.executionMode], ["allow", "vargate_brokered"])
            assert.deepStrictEqual(record!.violations, ["execution_outcome_unknown"])
            assert.strictEqual((yield* verify).valid, true)
            assert.strictEqual((yield* Replay.Replay.use((replay) => replay.replay(record!.actionId))).consistent, true)
          }),
          world(filename)
        )
      }
      yield* scoped(
        Effect.gen(function*() {
          const error = yield* Effect.flip(ToolCalls.call({ ...call, params }))
          assert.deepStrictEqual(error._tag === "Denied" && error.violations, ["daily_action_limit_exceeded"])
        }),
        world(filename, {}, { dailyActionLimit: 0 })
      )
    }))

  it.effect("that was cut off is an answer for the client that lost it", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "v.db")
      const context = yield* Deferred.make<Effect.Effect<unknown>>()
      const tools = {
        "bank/pay": () => Effect.andThen(Effect.flatten(Deferred.await(context)), Effect.succeed("paid"))
      }
      const lost = yield* scoped(
        Effect.gen(function*() {
          yield* Deferred.succeed(context, Effect.provide(fill, yield* Effect.context<Database.Database>()))
          return yield* Effect.flip(pay(1))
        }),
        world(filename, tools)
      )
      assert(lost._tag === "OutcomeUnknown")
      yield* scoped(
        Effect.gen(function*() {
          const found = yield* Reconcile.lookUp(lost)
          assert.strictEqual(found._tag === "Allowed" && found.execution._tag, "ExecutedUnseen")
          assert(found._tag === "Allowed" && found.execution._tag === "ExecutedUnseen")
          assert.isTrue(found.execution.isCutOff)
        }),
        world(filename)
      )
    }))

  it.effect("by approval is refused where it cannot be kept, and the action still waits", () =>
    Effect.gen(function*() {
      const done: Array<unknown> = []
      const tools = { "files/delete": () => Effect.sync(() => done.push(1)) }
      yield* scoped(
        Effect.gen(function*() {
          const id = yield* hold()
          yield* fill
          // What little room there is in the pages is used up first.
          yield* Effect.repeat(Effect.exit(pay(0)), { until: ({ _tag }) => _tag === "Failure" })
          const first = yield* Effect.exit(approve(id, "x".repeat(200_000)))
          assert.strictEqual(first._tag, "Failure")
          assert.deepStrictEqual(done, [])
          assert.lengthOf((yield* Approvals.use((approvals) => approvals.pending)).pending, 1)
          yield* makeRoom
          yield* approve(id, "go")
          assert.deepStrictEqual(done, [1])
          assert.strictEqual((yield* verify).valid, true)
        }),
        world(join(yield* folder, "v.db"), tools)
      )
    }))
})

describe("approvals that an older version left running", () => {
  it.effect("are recorded as it would have", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "v.db")
      const started = yield* Deferred.make<void>()
      const tools = { "files/delete": () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never) }
      const note = "\u0001 \"note\" \u0000"
      const id = yield* scoped(
        Effect.gen(function*() {
          const id = yield* hold()
          const running = yield* Effect.forkChild(approve(id, note), { startImmediately: true })
          yield* Deferred.await(started)
          yield* Fiber.interrupt(running)
          return id
        }),
        world(filename, tools)
      )
      const db = new DatabaseSync(filename)
      db.exec(`
        CREATE TABLE running_approvals (
          tenant_id TEXT NOT NULL, action_id TEXT NOT NULL, PRIMARY KEY (tenant_id, action_id)
        ) STRICT, WITHOUT ROWID;
        INSERT INTO running_approvals VALUES ('acme', '${id}');
        DROP TABLE intents`)
      for (const statement of intents) db.exec(statement)
      db.close()
      yield* scoped(
        Effect.gen(function*() {
          const { records: [review, original, ...others] } = yield* page
          assert.deepStrictEqual(others, [])
          assert.strictEqual(review!.actionId, ActionId.make(`approval-${id}`))
          assert.deepStrictEqual(review!.params, {
            target_action: id,
            note,
            executed: null,
            execution_note: "The gateway stopped during the execution."
          })
          assert.strictEqual(original!.executionMode, "vargate_brokered")
          assert.strictEqual((yield* verify).valid, true)
        }),
        world(filename)
      )
    }))
})

describe("calls that are decided at the same time", () => {
  const many = Effect.forEach(
    upTo(30),
    (n) => ToolCalls.decide({ ...call, params: { n } }),
    { concurrency: "unbounded" }
  )
  const tools = { "bank/pay": () => Effect.as(Effect.yieldNow, "paid") }
  const config = { dailyActionLimit: 5 }

  const held = Effect.gen(function*() {
    const decisions = yield* many
    // As measured, a limit of 5 lets 6 pass: the call at hand is not counted.
    assert.strictEqual(decisions.filter(({ _tag }) => _tag === "Allowed").length, 6)
    const { records } = yield* page
    assert.strictEqual(records.filter(({ executionMode }) => executionMode === "vargate_brokered").length, 6)
    assert.lengthOf(records, 30)
  })

  it.effect("do not pass a daily limit together, on disk", () =>
    Effect.flatMap(folder, (root) => scoped(held, world(join(root, "v.db"), tools, config))))

  it.effect("do not pass a daily limit together, in memory", () => {
    const tenant = { ...acme, burst: 1000, policyConfig: config }
    return Effect.provide(
      held,
      Vargate.layer({ apiKey: acme.apiKey }).pipe(Layer.provide(Gateway.layerMemory({ tenants: [tenant], tools })))
    )
  })
})
