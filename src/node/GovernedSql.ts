/**
 * What stands before governed calls in a database, SQLite or Postgres, so that several processes share it: the memory of
 * decisions, suspensions, budgets, and what shadow mode sees and does.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { StorageFailed } from "../errors/VargateError.ts"
import { BudgetStore } from "../governed/Budgets.ts"
import { DecisionStore, type Standing } from "../governed/Decisions.ts"
import { keyOf } from "../governed/internal/shadowStore.ts"
import { ActedAction, Observed, ShadowStore } from "../governed/Shadow.ts"
import { SuspensionEntry, SuspensionStore } from "../governed/Suspension.ts"
import * as SqliteClient from "../internal/sqliteClient.ts"
import { ActionId } from "../model/ActionId.ts"
import { storageFailed } from "./internal/storageFailed.ts"

const migrations = Migrator.make({})({
  table: "vargate_governed_migrations",
  loader: Migrator.fromRecord({
    "0001_decisions": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_decisions (
        digest TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        token TEXT NOT NULL,
        action_id TEXT,
        note TEXT,
        until BIGINT NOT NULL
      )`
      yield* sql`CREATE INDEX vargate_decisions_action ON vargate_decisions (action_id)`
      yield* sql`CREATE INDEX vargate_decisions_until ON vargate_decisions (until)`
    }),
    "0002_suspensions_and_budgets": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_suspensions (
        id TEXT PRIMARY KEY,
        agent_id TEXT,
        tool TEXT,
        by_whom TEXT NOT NULL,
        note TEXT,
        at_time TEXT NOT NULL,
        lifted_at TEXT,
        lifted_by TEXT,
        lift_note TEXT
      )`
      yield* sql`CREATE INDEX vargate_suspensions_active ON vargate_suspensions (at_time) WHERE lifted_at IS NULL`
      yield* sql`CREATE TABLE vargate_budgets (
        budget TEXT PRIMARY KEY,
        used BIGINT NOT NULL,
        ends_at BIGINT NOT NULL
      )`
      yield* sql`CREATE TABLE vargate_budget_draws (
        token TEXT NOT NULL,
        budget TEXT NOT NULL,
        amount BIGINT NOT NULL,
        action_id TEXT,
        at_time BIGINT NOT NULL,
        PRIMARY KEY (token, budget)
      )`
      yield* sql`CREATE INDEX vargate_budget_draws_action ON vargate_budget_draws (action_id)`
      yield* sql`CREATE INDEX vargate_budget_draws_budget ON vargate_budget_draws (budget)`
    }),
    "0003_shadow": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_shadow_observed (
        digest TEXT PRIMARY KEY,
        agent_id TEXT NOT NULL,
        tool TEXT NOT NULL,
        method TEXT NOT NULL,
        verdict TEXT NOT NULL,
        rules TEXT NOT NULL,
        calls BIGINT NOT NULL,
        last_at BIGINT NOT NULL,
        last_action_id TEXT,
        until BIGINT NOT NULL
      )`
      yield* sql`CREATE INDEX vargate_shadow_observed_last ON vargate_shadow_observed (last_at)`
      yield* sql`CREATE INDEX vargate_shadow_observed_until ON vargate_shadow_observed (until)`
      yield* sql`CREATE TABLE vargate_shadow_claims (
        action_id TEXT PRIMARY KEY,
        by_whom TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        tool TEXT NOT NULL,
        method TEXT NOT NULL,
        at_time BIGINT NOT NULL,
        is_open INTEGER NOT NULL,
        until BIGINT NOT NULL
      )`
      yield* sql`CREATE INDEX vargate_shadow_claims_until ON vargate_shadow_claims (until)`
      yield* sql`CREATE INDEX vargate_shadow_claims_open ON vargate_shadow_claims (at_time, action_id) WHERE is_open = 1`
      yield* sql`CREATE TABLE vargate_shadow_executed (tool TEXT PRIMARY KEY)`
    })
  })
})

// --- decisions -------------------------------------------------------------------------------------------------------

const decodeStanding = Schema.decodeUnknownEffect(Schema.Struct({
  state: Schema.Literals(["submitting", "pending", "rejected"]),
  token: Schema.String,
  actionId: Schema.NullOr(ActionId),
  note: Schema.NullOr(Schema.String),
  until: Schema.Int
}))

/** Of rows; the oldest beyond it are forgotten. */
const capacity = 100_000

/** One claim in so many looks for rows that have had their time. */
const cleanEvery = 64

const makeDecisions = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  let claims = 0

  const clean = Effect.fnUntraced(function*(now: number) {
    if (claims++ % cleanEvery !== 0) return
    yield* sql`DELETE FROM vargate_decisions WHERE until <= ${now}`
    yield* sql`DELETE FROM vargate_decisions WHERE digest IN (
      SELECT digest FROM vargate_decisions ORDER BY until DESC LIMIT 1000 OFFSET ${capacity})`
  })

  const look = Effect.fnUntraced(function*(key: string, now: number) {
    const [row] = yield* sql<{ readonly action_id: string | null; readonly until: number }>`
      SELECT * FROM vargate_decisions WHERE digest = ${key} AND until > ${now}`
    if (row === undefined) return undefined
    const standing: Standing = yield* decodeStanding({ ...row, actionId: row.action_id, until: Number(row.until) })
    return standing
  })

  return DecisionStore.of({
    claim: Effect.fnUntraced(function*(key, { now, token, until }) {
      yield* clean(now)
      for (;;) {
        const [ours] = yield* sql`INSERT INTO vargate_decisions (digest, state, token, until)
          VALUES (${key}, 'submitting', ${token}, ${until})
          ON CONFLICT (digest) DO UPDATE
            SET state = 'submitting', token = excluded.token, action_id = NULL, note = NULL, until = excluded.until
            WHERE vargate_decisions.until <= ${now}
          RETURNING token`
        if (ours !== undefined) return undefined
        const standing = yield* look(key, now)
        // It may have gone between the two.
        if (standing !== undefined) return standing
      }
    }, storageFailed("DecisionStore.claim")),
    look: (key, now) => storageFailed("DecisionStore.look")(look(key, now)),
    pend: Effect.fnUntraced(function*(key, token, { actionId, until }) {
      yield* sql`UPDATE vargate_decisions SET state = 'pending', action_id = ${actionId}, until = ${until}
        WHERE digest = ${key} AND token = ${token}`
    }, storageFailed("DecisionStore.pend")),
    release: Effect.fnUntraced(function*(key, token) {
      yield* sql`DELETE FROM vargate_decisions WHERE digest = ${key} AND token = ${token}`
    }, storageFailed("DecisionStore.release")),
    decide: Effect.fnUntraced(function*(actionId, rejection) {
      yield* rejection === undefined
        ? sql`DELETE FROM vargate_decisions WHERE action_id = ${actionId} AND state = 'pending'`
        : sql`UPDATE vargate_decisions SET state = 'rejected', note = ${rejection.note}, until = ${rejection.until}
            WHERE action_id = ${actionId} AND state = 'pending'`
    }, storageFailed("DecisionStore.decide"))
  })
})

// --- suspensions -----------------------------------------------------------------------------------------------------

const decodeEntry = Schema.decodeUnknownEffect(SuspensionEntry)

interface SuspensionRow {
  readonly id: string
  readonly agent_id: string | null
  readonly tool: string | null
  readonly by_whom: string
  readonly note: string | null
  readonly at_time: string
  readonly lifted_at: string | null
  readonly lifted_by: string | null
  readonly lift_note: string | null
}

const entryOf = (row: SuspensionRow) =>
  decodeEntry({
    id: row.id,
    agentId: row.agent_id,
    tool: row.tool,
    by: row.by_whom,
    note: row.note,
    at: row.at_time,
    liftedAt: row.lifted_at,
    liftedBy: row.lifted_by,
    liftNote: row.lift_note
  })

const makeSuspensions = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const readAll = (rows: ReadonlyArray<SuspensionRow>) => Effect.forEach(rows, entryOf)

  return SuspensionStore.of({
    active: storageFailed("SuspensionStore.active")(Effect.flatMap(
      sql<SuspensionRow>`SELECT * FROM vargate_suspensions WHERE lifted_at IS NULL ORDER BY at_time`,
      readAll
    )),
    history: (limit) =>
      storageFailed("SuspensionStore.history")(Effect.flatMap(
        sql<SuspensionRow>`SELECT * FROM vargate_suspensions ORDER BY at_time DESC LIMIT ${limit}`,
        readAll
      )),
    add: Effect.fnUntraced(function*({ agentId, at, by, id, note, tool }) {
      yield* sql`INSERT INTO vargate_suspensions (id, agent_id, tool, by_whom, note, at_time)
        VALUES (${id}, ${agentId}, ${tool}, ${by}, ${note}, ${DateTime.formatIso(at)})`
    }, storageFailed("SuspensionStore.add")),
    lift: Effect.fnUntraced(function*(id, { at, by, note }) {
      const [row] = yield* sql<SuspensionRow>`UPDATE vargate_suspensions
        SET lifted_at = ${DateTime.formatIso(at)}, lifted_by = ${by}, lift_note = ${note}
        WHERE id = ${id} AND lifted_at IS NULL RETURNING *`
      return row === undefined ? undefined : yield* entryOf(row)
    }, storageFailed("SuspensionStore.lift"))
  })
})

// --- budgets ---------------------------------------------------------------------------------------------------------

/** Undoes what was reserved of the limits before the one that is full. */
class BudgetFull extends Data.TaggedError("BudgetFull")<{ readonly budget: string }> {}

/** How long a count is kept after its period, for reservations that are given back late. */
const keptFor = 2 * 24 * 3600 * 1000

const decodeActionId = Schema.decodeUnknownEffect(ActionId)

const makeBudgets = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  let reservations = 0

  const clean = Effect.fnUntraced(function*(now: number) {
    if (reservations++ % cleanEvery !== 0) return
    yield* sql`DELETE FROM vargate_budget_draws WHERE budget IN (
      SELECT budget FROM vargate_budgets WHERE ends_at <= ${now - keptFor})`
    yield* sql`DELETE FROM vargate_budgets WHERE ends_at <= ${now - keptFor}`
  })

  const used = Effect.fnUntraced(function*(budget: string) {
    const [row] = yield* sql<{ readonly used: number }>`SELECT used FROM vargate_budgets WHERE budget = ${budget}`
    return row === undefined ? 0 : Number(row.used)
  })

  return BudgetStore.of({
    reserve: Effect.fnUntraced(function*(token, draws, now) {
      yield* clean(now)
      // In one order, so that two processes do not wait for each other.
      const ordered = draws.toSorted((a, b) => a.budget < b.budget ? -1 : 1)
      return yield* sql.withTransaction(Effect.gen(function*() {
        for (const { amount, budget, endsAt, max } of ordered) {
          // The row of the budget is what all who reserve wait for.
          yield* sql`INSERT INTO vargate_budgets (budget, used, ends_at) VALUES (${budget}, 0, ${endsAt})
            ON CONFLICT (budget) DO UPDATE SET ends_at = excluded.ends_at`
          const [drawn] = yield* sql`INSERT INTO vargate_budget_draws (token, budget, amount, at_time)
            VALUES (${token}, ${budget}, ${amount}, ${now}) ON CONFLICT (token, budget) DO NOTHING RETURNING token`
          if (drawn === undefined) continue
          const [drawnOf] = yield* sql`UPDATE vargate_budgets SET used = used + ${amount}
            WHERE budget = ${budget} AND used + ${amount} <= ${max} RETURNING budget`
          if (drawnOf === undefined) return yield* new BudgetFull({ budget })
        }
        return undefined
      })).pipe(
        Effect.catchTag("BudgetFull", ({ budget }) => Effect.map(used(budget), (used) => ({ budget, used })))
      )
    }, storageFailed("BudgetStore.reserve")),
    bind: Effect.fnUntraced(function*(token, actionId) {
      yield* sql`UPDATE vargate_budget_draws SET action_id = ${actionId} WHERE token = ${token}`
    }, storageFailed("BudgetStore.bind")),
    giveBack: Effect.fnUntraced(function*(whose) {
      const theirs = "token" in whose ? sql`token = ${whose.token}` : sql`action_id = ${whose.actionId}`
      yield* sql.withTransaction(Effect.gen(function*() {
        const drawn = yield* sql<{ readonly budget: string; readonly amount: number }>`
          DELETE FROM vargate_budget_draws WHERE ${theirs} RETURNING budget, amount`
        for (const { amount, budget } of drawn.toSorted((a, b) => a.budget < b.budget ? -1 : 1)) {
          yield* sql`UPDATE vargate_budgets SET used = used - ${Number(amount)} WHERE budget = ${budget}`
        }
      }))
    }, storageFailed("BudgetStore.giveBack")),
    spend: Effect.fnUntraced(function*(actionId) {
      yield* sql`DELETE FROM vargate_budget_draws WHERE action_id = ${actionId}`
    }, storageFailed("BudgetStore.spend")),
    reserved: Effect.fnUntraced(function*(budget, limit) {
      const rows = yield* sql<{ readonly action_id: string }>`SELECT action_id FROM vargate_budget_draws
        WHERE budget = ${budget} AND action_id IS NOT NULL ORDER BY at_time LIMIT ${limit}`
      return yield* Effect.forEach(rows, (row) => decodeActionId(row.action_id))
    }, storageFailed("BudgetStore.reserved")),
    used: (budget) => storageFailed("BudgetStore.used")(used(budget))
  })
})

// --- shadow mode -----------------------------------------------------------------------------------------------------

const decodeObserved = Schema.decodeUnknownEffect(Schema.Array(Observed))
const decodeRules = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Schema.String)))
const decodeActed = Schema.decodeUnknownEffect(Schema.Array(ActedAction))

interface ObservedRow {
  readonly agent_id: string
  readonly tool: string
  readonly method: string
  readonly verdict: string
  readonly rules: string
  readonly calls: number
  readonly last_at: number
  readonly last_action_id: string | null
}

interface ClaimRow {
  readonly action_id: string
  readonly agent_id: string
  readonly tool: string
  readonly method: string
  readonly at_time: number
}

/** Of rows that are deleted at a time, so that no write waits long for it. */
const deletedAtOnce = 1000

const makeShadow = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  let writes = 0

  /** A claim is never deleted before its time: its action could be acted on again. */
  const clean = Effect.fnUntraced(function*(now: number) {
    if (writes++ % cleanEvery !== 0) return
    yield* sql`DELETE FROM vargate_shadow_claims WHERE action_id IN (
      SELECT action_id FROM vargate_shadow_claims WHERE until <= ${now} ORDER BY until LIMIT ${deletedAtOnce})`
    yield* sql`DELETE FROM vargate_shadow_observed WHERE digest IN (
      SELECT digest FROM vargate_shadow_observed WHERE until <= ${now} ORDER BY until LIMIT ${deletedAtOnce})`
    yield* sql`DELETE FROM vargate_shadow_observed WHERE digest IN (
      SELECT digest FROM vargate_shadow_observed ORDER BY until DESC LIMIT ${deletedAtOnce} OFFSET ${capacity})`
  })

  const claimed = Effect.fnUntraced(function*(actionId: ActionId, now: number) {
    const [row] = yield* sql<{ readonly by_whom: string }>`
      SELECT by_whom FROM vargate_shadow_claims WHERE action_id = ${actionId} AND until > ${now}`
    // Whatever else stands there, an agent in shadow may have acted.
    return row === undefined ? undefined : row.by_whom === "approval" ? "approval" as const : "shadow" as const
  })

  return ShadowStore.of({
    note: Effect.fnUntraced(function*(observation) {
      const { actionId, agentId, at, method, rules, tool, until, verdict } = observation
      yield* clean(at)
      yield* sql`INSERT INTO vargate_shadow_observed
          (digest, agent_id, tool, method, verdict, rules, calls, last_at, last_action_id, until)
        VALUES (${keyOf(observation)}, ${agentId}, ${tool}, ${method}, ${verdict}, ${JSON.stringify(rules)}, 1, ${at},
          ${actionId}, ${until})
        ON CONFLICT (digest) DO UPDATE SET calls = vargate_shadow_observed.calls + 1, last_at = excluded.last_at,
          last_action_id = excluded.last_action_id, until = excluded.until`
    }, storageFailed("ShadowStore.note")),
    observed: Effect.fnUntraced(function*(since) {
      const now = yield* Clock.currentTimeMillis
      const rows = yield* sql<ObservedRow>`SELECT * FROM vargate_shadow_observed
        WHERE last_at >= ${since} AND until > ${now} ORDER BY last_at DESC LIMIT ${capacity}`
      return yield* decodeObserved(
        yield* Effect.forEach(rows, (row) =>
          Effect.map(decodeRules(row.rules), (rules) => ({
            agentId: row.agent_id,
            tool: row.tool,
            method: row.method,
            verdict: row.verdict,
            rules,
            calls: Number(row.calls),
            lastAt: Number(row.last_at),
            lastActionId: row.last_action_id
          })))
      )
    }, storageFailed("ShadowStore.observed")),
    claim: Effect.fnUntraced(function*({ actionId, agentId, at, method, tool }, by, until) {
      const now = yield* Clock.currentTimeMillis
      yield* clean(now)
      const isOpen = by === "shadow" ? 1 : 0
      for (;;) {
        const [ours] = yield* sql`INSERT INTO vargate_shadow_claims
            (action_id, by_whom, agent_id, tool, method, at_time, is_open, until)
          VALUES (${actionId}, ${by}, ${agentId}, ${tool}, ${method}, ${at}, ${isOpen}, ${until})
          ON CONFLICT (action_id) DO UPDATE
            SET by_whom = excluded.by_whom, agent_id = excluded.agent_id, tool = excluded.tool,
              method = excluded.method, at_time = excluded.at_time, is_open = excluded.is_open, until = excluded.until
            WHERE vargate_shadow_claims.until <= ${now}
          RETURNING action_id`
        if (ours !== undefined) return undefined
        const before = yield* claimed(actionId, now)
        // It may have gone between the two.
        if (before !== undefined) return before
      }
    }, storageFailed("ShadowStore.claim")),
    claimed: (actionId) =>
      storageFailed("ShadowStore.claimed")(
        Effect.flatMap(Clock.currentTimeMillis, (now) => claimed(actionId, now))
      ),
    open: Effect.fnUntraced(function*({ after, limit }) {
      const from = after === undefined
        ? sql``
        : sql`AND (at_time > ${after.at} OR at_time = ${after.at} AND action_id > ${after.actionId})`
      const rows = yield* sql<ClaimRow>`SELECT * FROM vargate_shadow_claims
        WHERE is_open = 1 ${from} ORDER BY at_time, action_id LIMIT ${limit}`
      return yield* decodeActed(rows.map((row) => ({
        actionId: row.action_id,
        agentId: row.agent_id,
        tool: row.tool,
        method: row.method,
        at: Number(row.at_time)
      })))
    }, storageFailed("ShadowStore.open")),
    close: Effect.fnUntraced(function*(actionId) {
      yield* sql`UPDATE vargate_shadow_claims SET is_open = 0 WHERE action_id = ${actionId}`
    }, storageFailed("ShadowStore.close")),
    noteExecution: Effect.fnUntraced(function*(tool) {
      yield* sql`INSERT INTO vargate_shadow_executed (tool) VALUES (${tool}) ON CONFLICT (tool) DO NOTHING`
    }, storageFailed("ShadowStore.noteExecution")),
    executed: storageFailed("ShadowStore.executed")(Effect.map(
      sql<{ readonly tool: string }>`SELECT tool FROM vargate_shadow_executed ORDER BY tool`,
      (rows) => rows.map(({ tool }) => tool)
    ))
  })
})

// --- layers ----------------------------------------------------------------------------------------------------------

/**
 * All of them.
 *
 * @category models
 * @since 0.2.0
 */
export type Stores = DecisionStore | SuspensionStore | BudgetStore | ShadowStore

/**
 * The stores in the database in context. Their tables begin with `vargate_` and are made where they are missing.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Stores, StorageFailed, SqlClient.SqlClient> = Layer.effectContext(
  Effect.gen(function*() {
    yield* storageFailed("GovernedSql.layer")(migrations)
    const decisions = yield* makeDecisions
    const suspensions = yield* makeSuspensions
    const budgets = yield* makeBudgets
    const shadow = yield* makeShadow
    return Context.make(DecisionStore, decisions).pipe(
      Context.add(SuspensionStore, suspensions),
      Context.add(BudgetStore, budgets),
      Context.add(ShadowStore, shadow)
    )
  })
)

/**
 * The stores in a SQLite file, which is made where it is missing. Several processes of one machine may have it open.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerSqlite = (
  options: { readonly filename: string }
): Layer.Layer<Stores, StorageFailed | SqlError> =>
  Layer.provide(layer, SqliteClient.layer({ filename: options.filename }))
