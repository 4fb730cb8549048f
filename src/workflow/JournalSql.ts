/**
 * The journal in a database, SQLite or Postgres: best the one in which the workflow engine keeps its messages.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { StorageFailed } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import { type Claim, GovernedExecution, Journal, type News, type State } from "./Journal.ts"

const migrations = Migrator.make({})({
  table: "vargate_journal_migrations",
  loader: Migrator.fromRecord({
    "0001_claims_and_executions": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE vargate_claims (claim_key TEXT PRIMARY KEY, token TEXT NOT NULL, claimed_at TEXT NOT NULL)`
      yield* sql`CREATE TABLE vargate_executions (
        execution_id TEXT PRIMARY KEY,
        workflow TEXT NOT NULL,
        agent_id TEXT NOT NULL,
        tool TEXT NOT NULL,
        method TEXT NOT NULL,
        params_digest TEXT NOT NULL,
        state TEXT NOT NULL,
        action_id TEXT,
        started_at TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        outcome TEXT,
        request TEXT
      )`
      yield* sql`CREATE INDEX vargate_executions_state ON vargate_executions (state, started_at)`
      yield* sql`CREATE INDEX vargate_executions_started ON vargate_executions (started_at)`
    }),
    "0002_results": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE vargate_claims ADD COLUMN result TEXT`
      yield* sql`ALTER TABLE vargate_claims ADD COLUMN beat INTEGER NOT NULL DEFAULT 0`
      yield* sql`ALTER TABLE vargate_executions ADD COLUMN version TEXT`
      yield* sql`ALTER TABLE vargate_executions ADD COLUMN problem TEXT`
      yield* sql`ALTER TABLE vargate_executions ADD COLUMN params TEXT`
    }),
    "0003_news_and_tombstones": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql.onDialectOrElse({
        pg: () => Effect.asVoid(sql`CREATE SEQUENCE vargate_changes`),
        orElse: () => Effect.void
      })
      yield* sql`ALTER TABLE vargate_executions ADD COLUMN change BIGINT NOT NULL DEFAULT 0`
      yield* sql`CREATE INDEX vargate_executions_change ON vargate_executions (change)`
      yield* sql`CREATE INDEX vargate_executions_request ON vargate_executions (request) WHERE request IS NOT NULL`
      yield* sql`CREATE INDEX vargate_executions_ended ON vargate_executions (changed_at) WHERE state = 'done'`
      yield* sql`CREATE TABLE vargate_tombstones (
        execution_id TEXT PRIMARY KEY,
        outcome TEXT NOT NULL,
        ended_at TEXT NOT NULL
      )`
    }),
    "0004_log": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      // One row: who reads the gateway's log, and how far it was read.
      yield* sql`CREATE TABLE vargate_log (
        id INTEGER PRIMARY KEY,
        reader TEXT NOT NULL,
        record_id BIGINT,
        record_hash TEXT
      )`
      yield* sql`CREATE TABLE vargate_log_open (execution_id TEXT PRIMARY KEY, timeout_at TEXT NOT NULL)`
    }),
    "0005_claims_expire": Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`ALTER TABLE vargate_claims ADD COLUMN expires_at TEXT`
      yield* sql`CREATE INDEX vargate_claims_expires ON vargate_claims (expires_at) WHERE expires_at IS NOT NULL`
    })
  })
})

const Row = Schema.Struct({
  execution_id: Schema.String,
  workflow: Schema.String,
  agent_id: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  params_digest: Schema.String,
  state: Schema.String,
  action_id: Schema.NullOr(Schema.String),
  started_at: Schema.String,
  changed_at: Schema.String,
  outcome: Schema.NullOr(Schema.String),
  request: Schema.NullOr(Schema.String),
  version: Schema.NullOr(Schema.String),
  problem: Schema.NullOr(Schema.String),
  params: Schema.NullOr(Schema.String)
})

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeExecution = Schema.decodeUnknownEffect(GovernedExecution)

const read = (rows: unknown) =>
  Effect.flatMap(decodeRows(rows), (rows) =>
    Effect.forEach(rows, (row) =>
      decodeExecution({
        executionId: row.execution_id,
        workflow: row.workflow,
        agentId: row.agent_id,
        tool: row.tool,
        method: row.method,
        paramsDigest: row.params_digest,
        state: row.state,
        actionId: row.action_id,
        startedAt: row.started_at,
        changedAt: row.changed_at,
        outcome: row.outcome,
        request: row.request,
        version: row.version,
        problem: row.problem,
        params: row.params
      })))

const storageFailed = (operation: string) =>
  Effect.mapError((error: { readonly message: string }) =>
    new StorageFailed({ operation, detail: error.message.split("\n")[0]! })
  )

const now = Effect.map(DateTime.now, DateTime.formatIso)

/**
 * How a journal in a database works.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long a step of another process is waited for that shows no sign of life, before its outcome counts as unknown.
   * Default: 60 seconds. Zero where no other process can have the database.
   */
  readonly lease?: Duration.Input | undefined
}

interface ChangeRow {
  readonly execution_id: string
  readonly workflow: string
  readonly state: typeof State.Type
  readonly action_id: ActionId | null
  readonly changed_at: string
  readonly timeout_at?: string | null
}

interface ClaimRow {
  readonly token: string
  readonly claimed_at: string
  readonly result: string | null
  readonly beat: number
}

/** Rows of one statement. */
const noteAtOnce = 500

const make = Effect.fnUntraced(function*(options: Options) {
  const sql = yield* SqlClient.SqlClient
  yield* storageFailed("Journal.layer")(migrations)

  /** The number of a change: a later one has a greater one, unless both are made at once. */
  const next = sql.onDialectOrElse({
    pg: () => sql.literal("nextval('vargate_changes')"),
    orElse: () => sql.literal("(SELECT COALESCE(MAX(change), 0) + 1 FROM vargate_executions)")
  })

  const position = Effect.map(
    sql<{ position: number | string | null }>`SELECT MAX(change) AS position FROM vargate_executions`,
    ([row]) => Number(row?.position ?? 0)
  )

  /** Reading 20,000 of them must take no time, so each is taken as it stands. */
  const changesOf = (rows: ReadonlyArray<ChangeRow>): News["changes"] =>
    rows.map((row) => ({
      executionId: row.execution_id,
      workflow: row.workflow,
      state: row.state,
      actionId: row.action_id,
      changedAt: DateTime.makeUnsafe(row.changed_at),
      ...(row.timeout_at ? { timeoutAt: DateTime.makeUnsafe(row.timeout_at) } : {})
    }))

  const deleteClaims = (executionIds: ReadonlyArray<string>) =>
    sql`DELETE FROM vargate_claims WHERE ${
      sql.in(
        "claim_key",
        executionIds.flatMap((id) =>
          ["submit", "act"].flatMap((step) => Array.from({ length: 9 }, (_, n) => `${step}/${id}/${n + 1}`))
        )
      )
    }`

  /** Whether the engine's own messages are in this database. */
  const hasMessages = Effect.orElseSucceed(
    Effect.as(
      sql`CREATE INDEX IF NOT EXISTS vargate_cluster_messages_entity ON cluster_messages (entity_id)`,
      true
    ),
    () => false
  )

  const deleteMessages = (executionIds: ReadonlyArray<string>) =>
    Effect.andThen(
      sql`DELETE FROM cluster_replies WHERE request_id IN (
        SELECT id FROM cluster_messages WHERE ${sql.in("entity_id", executionIds)} AND entity_type LIKE 'Workflow/%')`,
      sql`DELETE FROM cluster_messages WHERE ${sql.in("entity_id", executionIds)} AND entity_type LIKE 'Workflow/%'`
    )

  const look = Effect.fnUntraced(function*(key: string) {
    const [row] = yield* sql<ClaimRow>`
      SELECT token, claimed_at, result, beat FROM vargate_claims WHERE claim_key = ${key}`
    return row && {
      token: row.token,
      at: DateTime.makeUnsafe(row.claimed_at),
      result: row.result ?? undefined,
      beat: Number(row.beat)
    }
  })

  // Two owners never have the same token, so an owner that reads its own back knows that the key is its own.
  const claim = Effect.fnUntraced(function*(
    key: string,
    token: string,
    until: string | null
  ): Effect.fn.Return<Claim, SqlError> {
    yield* sql`INSERT INTO vargate_claims (claim_key, token, claimed_at, expires_at)
      VALUES (${key}, ${token}, ${yield* now}, ${until}) ON CONFLICT (claim_key) DO UPDATE
      SET expires_at = excluded.expires_at WHERE vargate_claims.expires_at < excluded.expires_at`
    const claimed = yield* look(key)
    // Released by another owner between the two statements.
    if (claimed === undefined) return yield* claim(key, token, until)
    return {
      ...claimed,
      isOurs: claimed.token === token,
      release: storageFailed("Journal.release")(Effect.asVoid(
        sql`DELETE FROM vargate_claims WHERE claim_key = ${key} AND token = ${token} AND result IS NULL`
      )),
      renew: storageFailed("Journal.renew")(Effect.asVoid(
        sql`UPDATE vargate_claims SET beat = beat + 1 WHERE claim_key = ${key} AND token = ${token}`
      ))
    }
  })

  const find = Effect.fnUntraced(function*(executionId: string) {
    const rows = yield* sql`SELECT * FROM vargate_executions WHERE execution_id = ${executionId}`
    const [execution] = yield* read(rows)
    return execution
  })

  return Journal.of({
    lease: Duration.fromInputUnsafe(options.lease ?? "60 seconds"),
    claim: (key, token = crypto.randomUUID(), until) =>
      storageFailed("Journal.claim")(claim(key, token, until === undefined ? null : DateTime.formatIso(until))),
    look: (key) => storageFailed("Journal.look")(look(key)),
    settle: Effect.fnUntraced(function*(key, result) {
      yield* sql`UPDATE vargate_claims SET result = ${result} WHERE claim_key = ${key} AND result IS NULL`
      return (yield* look(key))?.result ?? result
    }, storageFailed("Journal.settle")),
    expire: Effect.fnUntraced(function*(before, limit) {
      const rows = yield* sql`DELETE FROM vargate_claims WHERE claim_key IN (
        SELECT claim_key FROM vargate_claims
        WHERE expires_at IS NOT NULL AND expires_at < ${DateTime.formatIso(before)} ORDER BY expires_at LIMIT ${limit}
      ) RETURNING claim_key`
      return rows.length
    }, storageFailed("Journal.expire")),
    begin: Effect.fnUntraced(function*({ agentId, executionId, method, paramsDigest, tool, version, workflow }) {
      const at = yield* now
      yield* sql`INSERT INTO vargate_executions
        (execution_id, workflow, agent_id, tool, method, params_digest, version, state, started_at, changed_at, change)
        VALUES (${executionId}, ${workflow}, ${agentId}, ${tool}, ${method}, ${paramsDigest}, ${version ?? null},
          'submitting', ${at}, ${at}, ${next})
        ON CONFLICT (execution_id) DO NOTHING`
      return (yield* find(executionId))!
    }, storageFailed("Journal.begin")),
    advance: Effect.fnUntraced(function*(executionId, to) {
      const at = yield* now
      const { actionId, outcome, params, problem, state } = {
        actionId: null,
        outcome: null,
        params: null,
        problem: null,
        ...to
      }
      yield* sql`UPDATE vargate_executions SET state = ${state}, changed_at = ${at}, outcome = ${outcome},
          action_id = COALESCE(${actionId}, action_id), problem = ${problem}, params = ${params}, change = ${next}
        WHERE execution_id = ${executionId} AND state <> 'done'`
    }, storageFailed("Journal.advance")),
    request: Effect.fnUntraced(function*(executionId, request) {
      const asked = yield* sql`UPDATE vargate_executions SET request = ${request}
        WHERE execution_id = ${executionId} AND state <> 'done' RETURNING execution_id`
      return asked.length > 0
    }, storageFailed("Journal.request")),
    fulfil: Effect.fnUntraced(function*(executionId) {
      yield* sql`UPDATE vargate_executions SET request = NULL WHERE execution_id = ${executionId}`
    }, storageFailed("Journal.fulfil")),
    requested: Effect.flatMap(sql`SELECT * FROM vargate_executions WHERE request IS NOT NULL`, read).pipe(
      storageFailed("Journal.requested")
    ),
    held: Effect.flatMap(sql`SELECT * FROM vargate_executions WHERE state = 'held'`, read).pipe(
      storageFailed("Journal.held")
    ),
    news: Effect.fnUntraced(function*(since) {
      if (since === undefined) {
        const from = yield* position
        const rows = yield* sql<ChangeRow>`
          SELECT e.execution_id, e.workflow, e.state, e.action_id, e.changed_at, o.timeout_at
          FROM vargate_executions e LEFT JOIN vargate_log_open o ON o.execution_id = e.execution_id
          WHERE e.state = 'held'`
        return { position: from, changes: changesOf(rows) }
      }
      const rows = yield* sql<ChangeRow & { readonly change: number | string }>`
        SELECT execution_id, workflow, state, action_id, changed_at, change FROM vargate_executions
        WHERE change > ${since}`
      return {
        position: rows.reduce((position, { change }) => Math.max(position, Number(change)), since),
        changes: changesOf(rows)
      }
    }, storageFailed("Journal.news")),
    readLog: Effect.fnUntraced(function*(reader) {
      yield* sql`INSERT INTO vargate_log (id, reader) VALUES (1, ${reader})
        ON CONFLICT (id) DO UPDATE SET reader = ${reader}`
      const [row] = yield* sql<{ record_id: number | string | null; record_hash: string | null }>`
        SELECT record_id, record_hash FROM vargate_log WHERE id = 1`
      return row === undefined || row.record_id === null || row.record_hash === null
        ? undefined
        : { recordId: Number(row.record_id), recordHash: row.record_hash }
    }, storageFailed("Journal.readLog")),
    noteLog: Effect.fnUntraced(function*(reader, { closed, open, recordHash, recordId }) {
      return yield* sql.withTransaction(Effect.gen(function*() {
        // A reader that begins meanwhile waits for this row.
        const own = yield* sql`UPDATE vargate_log SET record_id = ${recordId}, record_hash = ${recordHash}
          WHERE id = 1 AND reader = ${reader} RETURNING id`
        if (own.length === 0) return false
        for (const ids of Arr.chunksOf(closed, noteAtOnce)) {
          yield* sql`DELETE FROM vargate_log_open WHERE ${sql.in("execution_id", ids)}`
        }
        for (const rows of Arr.chunksOf(open, noteAtOnce)) {
          yield* sql`INSERT INTO vargate_log_open ${
            sql.insert(Arr.map(rows, ({ executionId, timeoutAt }) => ({
              execution_id: executionId,
              timeout_at: DateTime.formatIso(timeoutAt)
            })))
          } ON CONFLICT (execution_id) DO UPDATE SET timeout_at = excluded.timeout_at`
        }
        return true
      }))
    }, storageFailed("Journal.noteLog")),
    retire: Effect.fnUntraced(function*(before, limit) {
      const rows = yield* sql<{ execution_id: string; outcome: string | null; changed_at: string }>`
        SELECT execution_id, outcome, changed_at FROM vargate_executions
        WHERE state = 'done' AND changed_at < ${DateTime.formatIso(before)} ORDER BY changed_at LIMIT ${limit}`
      if (!Arr.isReadonlyArrayNonEmpty(rows)) return 0
      const ids = rows.map(({ execution_id }) => execution_id)
      const withMessages = yield* hasMessages
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`INSERT INTO vargate_tombstones ${
          sql.insert(Arr.map(rows, ({ changed_at, execution_id, outcome }) => ({
            execution_id,
            outcome: outcome ?? "",
            ended_at: changed_at
          })))
        } ON CONFLICT (execution_id) DO NOTHING`
        if (withMessages) yield* deleteMessages(ids)
        yield* deleteClaims(ids)
        yield* sql`DELETE FROM vargate_log_open WHERE ${sql.in("execution_id", ids)}`
        yield* sql`DELETE FROM vargate_executions WHERE ${sql.in("execution_id", ids)}`
      }))
      return rows.length
    }, storageFailed("Journal.retire")),
    tombstone: Effect.fnUntraced(function*(executionId) {
      const [row] = yield* sql<{ outcome: string; ended_at: string }>`
        SELECT outcome, ended_at FROM vargate_tombstones WHERE execution_id = ${executionId}`
      return row && { outcome: row.outcome, endedAt: DateTime.makeUnsafe(row.ended_at) }
    }, storageFailed("Journal.tombstone")),
    underWay: Effect.flatMap(
      sql`SELECT * FROM vargate_executions WHERE state IN ('submitting', 'acting', 'blocked')
        ORDER BY changed_at LIMIT 1000`,
      read
    ).pipe(storageFailed("Journal.underWay")),
    list: Effect.fnUntraced(function*({ limit = 100, state } = {}) {
      return yield* read(
        yield* state === undefined
          ? sql`SELECT * FROM vargate_executions ORDER BY started_at DESC LIMIT ${limit}`
          : sql`SELECT * FROM vargate_executions WHERE state = ${state} ORDER BY started_at DESC LIMIT ${limit}`
      )
    }, storageFailed("Journal.list")),
    find: (executionId) => storageFailed("Journal.find")(find(executionId))
  })
})

/**
 * The journal in the database in context. Its tables begin with `vargate_` and are made where they are missing.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<Journal, StorageFailed, SqlClient.SqlClient> =>
  Layer.effect(Journal, make(options))

/**
 * The same with its defaults, for engines of several processes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Journal, StorageFailed, SqlClient.SqlClient> = layerWith({})
