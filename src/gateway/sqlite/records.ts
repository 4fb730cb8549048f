/**
 * Ways of reading the audit log.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { AgentActivity } from "../../audit/AgentActivity.ts"
import type { Ledger, Link, Origin } from "../ledger/Ledger.ts"
import type { Database } from "./Database.ts"
import { fromColumn, toColumn } from "./losslessText.ts"
import { personalText } from "./personalText.ts"
import { fromMillis, linkColumns, linkOf, type LinkRow, recordOf, type RecordRow, rowOf } from "./recordRows.ts"

/** What a stream holds at a time. */
const slice = 100

interface AgentRow {
  readonly agent_id: string
  readonly total: number
  readonly blocked: number
  readonly last_action: number | null
  readonly anomaly_score: number | null
  readonly tools: string
}

/** The step of the migrations from which on records can be archived. */
const archiving = 9

/**
 * Reads tenants' chains. `version` is that of the schema.
 *
 * @category constructors
 * @since 0.2.0
 */
export const chainIn = (sql: SqlClient, version = archiving) => {
  const columns = sql.literal(linkColumns.join(", "))
  return {
    origin: (tenantId: string): Effect.Effect<Origin | undefined, SqlError> =>
      version < archiving ? Effect.undefined : Effect.map(
        sql<{ readonly position: number; readonly record_id: number; readonly record_hash: string }>`
          SELECT position, record_id, record_hash FROM archived WHERE tenant_id = ${tenantId}`,
        ([row]) => row && { place: row.position, id: row.record_id, recordHash: row.record_hash }
      ),
    links: (tenantId: string, after: number, limit: number): Effect.Effect<ReadonlyArray<Link>, SqlError> =>
      Effect.map(
        sql<LinkRow>`
          SELECT ${columns} FROM records WHERE tenant_id = ${tenantId} AND position > ${after}
          ORDER BY position LIMIT ${limit}`,
        (rows) => rows.map(linkOf)
      )
  }
}

/**
 * The methods of a ledger that are about the log.
 *
 * @category constructors
 * @since 0.1.0
 */
export const records = (database: Database["Service"]) => {
  const { commit, read, sql } = database

  const chain = chainIn(sql)

  const rowsWhere = (condition: Fragment) =>
    read(sql<RecordRow & { readonly position: number }>`SELECT * FROM records WHERE ${condition}`)

  const first = (condition: Fragment) =>
    Effect.map(rowsWhere(condition), ([row]) => row === undefined ? undefined : recordOf(row))

  /** The records that fulfil a condition, by their places. Rows that were taken out by force leave a gap, no more. */
  const streamWhere = (condition: Fragment) =>
    Stream.paginate(0, (after) =>
      Effect.map(
        // A log may be long: what else has arrived gets its turn between two slices.
        Effect.andThen(
          after === 0 ? Effect.void : Effect.yieldNow,
          rowsWhere(sql`${condition} AND position > ${after} ORDER BY position LIMIT ${slice}`)
        ),
        (rows) =>
          [
            rows.map(recordOf),
            rows.length < slice ? Option.none() : Option.some(rows[rows.length - 1]!.position)
          ] as const
      ))

  const count = (tenantId: string) =>
    Effect.map(
      read(sql<{ readonly total: number | null }>`
        SELECT max(position) AS total FROM records WHERE tenant_id = ${tenantId}`),
      ([row]) => row?.total ?? 0
    )

  const stream = (tenantId: string) => streamWhere(sql`tenant_id = ${tenantId}`)

  return {
    page: Effect.fnUntraced(function*(tenantId, limit, offset) {
      const total = yield* count(tenantId)
      const rows = yield* rowsWhere(sql`
        tenant_id = ${tenantId} AND position <= ${total - offset} ORDER BY position DESC LIMIT ${limit}`)
      return { records: rows.map(recordOf), total }
    }),

    records: (tenantId) => Stream.runCollect(stream(tenantId)),
    stream,
    origin: (tenantId) => read(chain.origin(tenantId)),
    links: (tenantId, after, limit) => read(chain.links(tenantId, after, limit)),
    nth: (tenantId, place) => first(sql`tenant_id = ${tenantId} AND position = ${place}`),
    find: (tenantId, actionId) => first(sql`tenant_id = ${tenantId} AND action_id = ${toColumn(actionId)}`),
    findByHash: (tenantId, recordHash) => first(sql`tenant_id = ${tenantId} AND record_hash = ${recordHash}`),

    inputOf: (tenantId, actionId) =>
      Effect.map(
        read(sql<{ readonly input: string | Uint8Array }>`
          SELECT input FROM policy_inputs JOIN records ON records.id = record_id
          WHERE tenant_id = ${tenantId} AND action_id = ${toColumn(actionId)}`),
        ([row]) =>
          row === undefined ? undefined : JSON.parse(personalText(database, tenantId, actionId).read(row.input))
      ),

    agents: (tenantId, limit) =>
      Effect.map(
        read(sql<AgentRow>`
          SELECT *, (
            SELECT json_group_array(tool) FROM agent_tools
            WHERE agent_tools.tenant_id = ${tenantId} AND agent_tools.agent_id = agent_activity.agent_id
          ) AS tools
          FROM agent_activity WHERE tenant_id = ${tenantId} ORDER BY total DESC, agent_id LIMIT ${limit}`),
        (rows) =>
          rows.map((row) =>
            new AgentActivity({
              agentId: fromColumn(row.agent_id),
              total: row.total,
              blocked: row.blocked,
              lastAction: row.last_action === null ? null : fromMillis(row.last_action),
              anomalyScore: row.anomaly_score,
              tools: (JSON.parse(row.tools) as Array<string>).map(fromColumn).sort()
            })
          )
      ),

    recordsOf: (tenantId, subjectId) =>
      streamWhere(sql`tenant_id = ${tenantId} AND pii_subject_id = ${toColumn(subjectId)}`),

    replaceRecords: (tenantId, replacement) =>
      commit(Effect.gen(function*() {
        for (const table of ["records", "archived", "agent_activity", "agent_tools", "subjects"]) {
          yield* sql`DELETE FROM ${sql(table)} WHERE tenant_id = ${tenantId}`
        }
        for (const [index, record] of replacement.entries()) {
          yield* sql`INSERT INTO records ${sql.insert({ tenant_id: tenantId, position: index + 1, ...rowOf(record) })}`
        }
        const hash = replacement.at(-1)?.recordHash ?? ""
        const highest = replacement.reduce((id, record) => Math.max(id, record.id), 0)
        database.appended(tenantId, { records: replacement.length, hash }, highest)
      }))
  } satisfies Partial<Ledger["Service"]>
}
