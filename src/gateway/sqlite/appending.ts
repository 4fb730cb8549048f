/**
 * What an append does, all in one transaction: the record at its place in the chain, what the policy was asked, the
 * agent's history, and the pending action.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { PendingAction } from "../../approvals/Approval.ts"
import { canonicalJson } from "../../internal/canonicalJson.ts"
import { genesis, linked } from "../ledger/internal/chain.ts"
import { type Entry, isExecution } from "../ledger/Ledger.ts"
import type { Database } from "./Database.ts"
import { remember } from "./history.ts"
import { toColumn } from "./losslessText.ts"
import { personalText } from "./personalText.ts"
import { rowOf, toMillis } from "./recordRows.ts"

/**
 * The change that appends an entry, and holds an action with it.
 *
 * @category changes
 * @since 0.1.0
 */
export const append = Effect.fnUntraced(function*(
  database: Database["Service"],
  entry: Entry,
  hold: PendingAction | undefined,
  createdAt: DateTime.Utc
) {
  const { sql } = database
  const { tenantId } = entry
  const [last] = yield* sql<
    { readonly id: number | null; readonly position: number | null; readonly hash: string | null }
  >`
    SELECT newest.id, head.position, head.record_hash AS hash
    FROM (SELECT max(id) AS id FROM records) AS newest LEFT JOIN (
      SELECT position, record_hash FROM records WHERE tenant_id = ${tenantId} ORDER BY position DESC LIMIT 1
    ) AS head`
  const record = linked(entry, {
    id: (last?.id ?? 0) + 1,
    createdAt,
    prevHash: last?.hash ?? genesis
  })
  const row = { tenant_id: tenantId, position: (last?.position ?? 0) + 1, ...rowOf(record) }
  yield* sql`INSERT INTO records ${sql.insert(row)}`
  yield* database.appended(tenantId, { records: row.position, hash: record.recordHash })
  if (entry.input !== undefined) {
    const input = personalText(database, tenantId, record.actionId).write(canonicalJson(entry.input), entry.containsPii)
    yield* sql`INSERT INTO policy_inputs ${sql.insert({ record_id: record.id, input })}`
  }
  yield* remember(database, entry, record.id)
  if (entry.executed !== undefined) {
    yield* sql`
      UPDATE records SET execution_mode = 'vargate_brokered'
      WHERE tenant_id = ${tenantId} AND action_id = ${entry.executed}`
  }
  if (isExecution(entry)) {
    yield* sql`
      DELETE FROM intents
      WHERE tenant_id = ${tenantId} AND agent_id = ${toColumn(entry.agentId)} AND action_id = ${
      toColumn(entry.actionId)
    }`
  }
  if (hold !== undefined) yield* holdAction(database, entry, hold)
  return record
})

const holdAction = (database: Database["Service"], { containsPii, tenantId }: Entry, action: PendingAction) =>
  database.sql`INSERT INTO held_actions ${
    database.sql.insert({
      tenant_id: tenantId,
      action_id: action.actionId,
      agent_id: toColumn(action.agentId),
      tool: toColumn(action.tool),
      method: toColumn(action.method),
      params: personalText(database, tenantId, action.actionId).write(canonicalJson(action.params), containsPii),
      violations: canonicalJson(action.violations),
      severity: toColumn(action.severity),
      created_at: action.createdAt.epochMilliseconds,
      timeout_at: toMillis(action.timeoutAt),
      policy_decision: action.policyDecision === undefined ? null : canonicalJson(action.policyDecision),
      status: "pending"
    })
  }`
