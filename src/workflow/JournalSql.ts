/**
 * The journal in a database, SQLite or Postgres: best the one in which the workflow engine keeps its messages.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { StorageFailed } from "../errors/VargateError.ts"
import { type Claim, GovernedExecution, Journal } from "./Journal.ts"

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
  request: Schema.NullOr(Schema.String)
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
        request: row.request
      })))

const storageFailed = (operation: string) =>
  Effect.mapError((error: { readonly message: string }) =>
    new StorageFailed({ operation, detail: error.message.split("\n")[0]! })
  )

const now = Effect.map(DateTime.now, DateTime.formatIso)

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* storageFailed("Journal.layer")(migrations)

  const claim = Effect.fnUntraced(function*(key: string): Effect.fn.Return<Claim, SqlError> {
    // Two owners never have the same, so an owner that reads its own back knows that the key is its own.
    const token = crypto.randomUUID()
    yield* sql`INSERT INTO vargate_claims (claim_key, token, claimed_at)
      VALUES (${key}, ${token}, ${yield* now}) ON CONFLICT (claim_key) DO NOTHING`
    const [row] = yield* sql<{ token: string; claimed_at: string }>`
      SELECT token, claimed_at FROM vargate_claims WHERE claim_key = ${key}`
    // Given back by another owner between the two statements.
    if (row === undefined) return yield* claim(key)
    const release = sql`DELETE FROM vargate_claims WHERE claim_key = ${key} AND token = ${token}`
    return {
      isOurs: row.token === token,
      at: DateTime.makeUnsafe(row.claimed_at),
      release: storageFailed("Journal.release")(Effect.asVoid(release))
    }
  })

  const find = Effect.fnUntraced(function*(executionId: string) {
    const rows = yield* sql`SELECT * FROM vargate_executions WHERE execution_id = ${executionId}`
    const [execution] = yield* read(rows)
    return execution
  })

  return Journal.of({
    claim: (key) => storageFailed("Journal.claim")(claim(key)),
    begin: Effect.fnUntraced(function*({ agentId, executionId, method, paramsDigest, tool, workflow }) {
      const at = yield* now
      yield* sql`INSERT INTO vargate_executions
        (execution_id, workflow, agent_id, tool, method, params_digest, state, started_at, changed_at)
        VALUES (${executionId}, ${workflow}, ${agentId}, ${tool}, ${method}, ${paramsDigest}, 'submitting', ${at}, ${at})
        ON CONFLICT (execution_id) DO NOTHING`
      return (yield* find(executionId))!
    }, storageFailed("Journal.begin")),
    advance: Effect.fnUntraced(function*(executionId, to) {
      const at = yield* now
      yield* to.state === "done"
        ? sql`UPDATE vargate_executions SET state = 'done', outcome = ${to.outcome}, changed_at = ${at}
            WHERE execution_id = ${executionId} AND state <> 'done'`
        : sql`UPDATE vargate_executions SET state = ${to.state}, action_id = ${to.actionId}, changed_at = ${at}
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
export const layer: Layer.Layer<Journal, StorageFailed, SqlClient.SqlClient> = Layer.effect(Journal, make)
