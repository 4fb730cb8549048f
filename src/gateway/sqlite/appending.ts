/**
 * What an append does, all in one transaction: the record at its place in the chain, what the policy was asked, the
 * agent's history, and the pending action.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type { PendingAction } from "../../approvals/Approval.ts"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { canonicalJson } from "../../internal/canonicalJson.ts"
import { genesis, linked, textsOf } from "../ledger/internal/chain.ts"
import { type Entry, isExecution } from "../ledger/Ledger.ts"
import type { Database } from "./Database.ts"
import { remember } from "./history.ts"
import { insertInto } from "./inserting.ts"
import { toColumn } from "./losslessText.ts"
import { personalText } from "./personalText.ts"
import { writeJson } from "./plainJson.ts"
import { type RecordRow, rowOf, toMillis } from "./recordRows.ts"

const insertRecord = insertInto<RecordRow & { readonly tenant_id: string; readonly position: number }>("records", {
  tenant_id: true,
  position: true,
  id: true,
  action_id: true,
  agent_id: true,
  tool: true,
  method: true,
  params: true,
  requested_at: true,
  decision: true,
  violations: true,
  severity: true,
  alert_tier: true,
  bundle_revision: true,
  prev_hash: true,
  record_hash: true,
  created_at: true,
  evaluation_pass: true,
  anomaly_score: true,
  contains_pii: true,
  pii_subject_id: true,
  pii_fields: true,
  erasure_status: true,
  execution_mode: true,
  source: true,
  managed_session_id: true
})

const insertInput = insertInto<{ readonly record_id: number; readonly input: string | Uint8Array }>("policy_inputs", {
  record_id: true,
  input: true
})

/**
 * The statements that append an entry, and hold an action with it. Each call that the gateway decides comes this way.
 *
 * @category changes
 * @since 0.1.0
 */
export const append = (
  database: Database["Service"],
  entry: Entry,
  hold: PendingAction | undefined,
  createdAt: DateTime.Utc
): AuditRecord => {
  const { direct } = database
  const { tenantId } = entry
  const { head, id } = database.newest(tenantId)
  const texts = textsOf(entry)
  const record = linked(entry, {
    id: id + 1,
    createdAt,
    prevHash: head?.hash ?? genesis
  }, texts)
  const position = (head?.records ?? 0) + 1
  insertRecord(direct, { tenant_id: tenantId, position, ...rowOf(record, texts) })
  database.appended(tenantId, { records: position, hash: record.recordHash }, record.id)
  if (entry.input !== undefined) {
    const input = personalText(database, tenantId, record.actionId).write(writeJson(entry.input), entry.containsPii)
    insertInput(direct, { record_id: record.id, input })
  }
  remember(database, entry, record.id)
  if (entry.executed !== undefined) {
    direct.run(
      "UPDATE records SET execution_mode = 'vargate_brokered' WHERE tenant_id = ? AND action_id = ?",
      tenantId,
      entry.executed
    )
  }
  if (isExecution(entry)) {
    direct.run(
      "DELETE FROM intents WHERE tenant_id = ? AND agent_id = ? AND action_id = ?",
      tenantId,
      toColumn(entry.agentId),
      toColumn(entry.actionId)
    )
  }
  if (hold !== undefined) holdAction(database, entry, hold)
  return record
}

/**
 * A pending action as a row, as it is when it is held.
 *
 * @category models
 * @since 0.2.0
 */
export interface NewlyHeld {
  readonly tenant_id: string
  readonly action_id: string
  readonly agent_id: string
  readonly tool: string
  readonly method: string
  readonly params: string | Uint8Array
  readonly violations: string
  readonly severity: string
  readonly created_at: number
  readonly timeout_at: number | null
  readonly policy_decision: string | null
  readonly status: "pending"
}

const insertHeld = insertInto<NewlyHeld>("held_actions", {
  tenant_id: true,
  action_id: true,
  agent_id: true,
  tool: true,
  method: true,
  params: true,
  violations: true,
  severity: true,
  created_at: true,
  timeout_at: true,
  policy_decision: true,
  status: true
})

const holdAction = (database: Database["Service"], { containsPii, tenantId }: Entry, action: PendingAction): void =>
  insertHeld(database.direct, {
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
