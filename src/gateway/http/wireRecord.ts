/**
 * An audit record as it is sent: what the schema of GET /audit/log writes, at a fifth of its time. Logs are long, and one
 * reader's page is what every call waits for.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import type { AuditRow } from "../../audit/wire/AuditApi.ts"

const wireTime = (time: DateTime.Utc): string => DateTime.formatIso(time).replace("Z", "000+00:00")

const wireTimeOrNull = (time: DateTime.Utc | null | undefined) => time == null ? time : wireTime(time)

/**
 * The record under the names of the wire.
 *
 * @category codecs
 * @since 0.1.0
 */
export const wireRecord = (record: AuditRecord): typeof AuditRow.Encoded => ({
  id: record.id,
  action_id: record.actionId,
  agent_id: record.agentId,
  tool: record.tool,
  method: record.method,
  params: record.params,
  requested_at: wireTime(record.requestedAt),
  decision: record.decision,
  violations: record.violations,
  severity: record.severity,
  alert_tier: record.alertTier,
  bundle_revision: record.bundleRevision,
  prev_hash: record.prevHash,
  record_hash: record.recordHash,
  created_at: wireTimeOrNull(record.createdAt),
  evaluation_pass: record.evaluationPass,
  anomaly_score_at_eval: record.anomalyScore,
  contains_pii: record.containsPii,
  pii_subject_id: record.piiSubjectId,
  pii_fields: record.piiFields,
  erasure_status: record.erasureStatus,
  execution_mode: record.executionMode,
  source: record.source,
  managed_session_id: record.managedSessionId
})
