/**
 * Audit records as rows.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import { AuditRecord } from "../../audit/AuditRecord.ts"
import { canonicalJson } from "../../internal/canonicalJson.ts"
import type { ActionId } from "../../model/ActionId.ts"
import type { RecordHash } from "../../model/RecordHash.ts"
import { type HashedTexts, hashRecord, textsOf } from "../ledger/internal/chain.ts"
import type { Link } from "../ledger/Ledger.ts"
import { lenientJson } from "./lenientJson.ts"
import { fromColumn, fromColumnOrNull, toColumn, toColumnOrNull } from "./losslessText.ts"

/**
 * A row of the table `records`, without its tenant and its place in the chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface RecordRow {
  readonly id: number
  readonly action_id: string
  readonly agent_id: string
  readonly tool: string
  readonly method: string
  readonly params: string
  readonly requested_at: number
  readonly decision: string
  readonly violations: string
  readonly severity: string
  readonly alert_tier: string | null
  readonly bundle_revision: string | null
  readonly prev_hash: string
  readonly record_hash: string
  readonly created_at: number | null
  readonly evaluation_pass: number | null
  readonly anomaly_score: number | null
  readonly contains_pii: number | null
  readonly pii_subject_id: string | null
  readonly pii_fields: string | null
  readonly erasure_status: string | null
  readonly execution_mode: string | null
  readonly source: string | null
  readonly managed_session_id: string | null
}

/**
 * A time as it stands in a column.
 *
 * @category times
 * @since 0.1.0
 */
export const toMillis = (time: DateTime.Utc | null | undefined): number | null => time?.epochMilliseconds ?? null

/**
 * A time from a column.
 *
 * @category times
 * @since 0.1.0
 */
export const fromMillis = (millis: number): DateTime.Utc => DateTime.makeUnsafe(millis)

const fromMillisOrNull = (millis: number | null) => millis === null ? null : fromMillis(millis)

/**
 * The row of a record. The text of the params is the one that the chain hashes.
 *
 * @category rows
 * @since 0.1.0
 */
export const rowOf = (record: AuditRecord, texts: HashedTexts = textsOf(record)): RecordRow => ({
  id: record.id,
  action_id: record.actionId,
  agent_id: toColumn(record.agentId),
  tool: toColumn(record.tool),
  method: toColumn(record.method),
  params: texts.paramsText,
  requested_at: record.requestedAt.epochMilliseconds,
  decision: toColumn(record.decision),
  violations: texts.violationsText,
  severity: toColumn(record.severity),
  alert_tier: toColumnOrNull(record.alertTier),
  bundle_revision: toColumnOrNull(record.bundleRevision),
  prev_hash: toColumn(record.prevHash),
  record_hash: record.recordHash,
  created_at: toMillis(record.createdAt),
  evaluation_pass: record.evaluationPass ?? null,
  anomaly_score: record.anomalyScore ?? null,
  contains_pii: record.containsPii == null ? null : Number(record.containsPii),
  pii_subject_id: toColumnOrNull(record.piiSubjectId),
  pii_fields: record.piiFields == null ? null : canonicalJson(record.piiFields),
  erasure_status: record.erasureStatus ?? null,
  execution_mode: record.executionMode ?? null,
  source: record.source ?? null,
  managed_session_id: record.managedSessionId ?? null
})

const texts = (json: string): ReadonlyArray<string> => {
  const value = lenientJson(json)
  return Array.isArray(value) ? value.map(String) : [json]
}

/**
 * What a row says about its link, of the columns that {@link linkColumns} names.
 *
 * @category rows
 * @since 0.2.0
 */
export const linkOf = (row: LinkRow): Link => ({
  place: row.position,
  actionId: row.action_id,
  prevHash: fromColumn(row.prev_hash),
  recordHash: row.record_hash,
  // Read as a record is: a text that is JSON and not canonical counts as the value that it shows.
  computedHash: hashRecord({
    actionId: row.action_id as ActionId,
    agentId: fromColumn(row.agent_id),
    tool: fromColumn(row.tool),
    method: fromColumn(row.method),
    params: lenientJson(row.params),
    requestedAt: fromMillis(row.requested_at),
    decision: fromColumn(row.decision),
    violations: texts(row.violations),
    severity: fromColumn(row.severity),
    bundleRevision: fromColumnOrNull(row.bundle_revision),
    prevHash: fromColumn(row.prev_hash)
  })
})

/**
 * The columns that a hash covers, and the hash.
 *
 * @category rows
 * @since 0.2.0
 */
export const linkColumns = [
  "position",
  "action_id",
  "agent_id",
  "tool",
  "method",
  "params",
  "requested_at",
  "decision",
  "violations",
  "severity",
  "bundle_revision",
  "prev_hash",
  "record_hash"
] as const

/**
 * A row of {@link linkColumns}.
 *
 * @category models
 * @since 0.2.0
 */
export type LinkRow = Pick<RecordRow & { readonly position: number }, (typeof linkColumns)[number]>

/**
 * The record in a row. Its constructor checks the fields, identifiers among them.
 *
 * @category rows
 * @since 0.1.0
 */
export const recordOf = (row: RecordRow): AuditRecord =>
  new AuditRecord({
    id: row.id,
    actionId: row.action_id as ActionId,
    agentId: fromColumn(row.agent_id),
    tool: fromColumn(row.tool),
    method: fromColumn(row.method),
    params: lenientJson(row.params),
    requestedAt: fromMillis(row.requested_at),
    decision: fromColumn(row.decision),
    violations: texts(row.violations),
    severity: fromColumn(row.severity),
    alertTier: fromColumnOrNull(row.alert_tier),
    bundleRevision: fromColumnOrNull(row.bundle_revision),
    prevHash: fromColumn(row.prev_hash),
    recordHash: row.record_hash as RecordHash,
    createdAt: fromMillisOrNull(row.created_at),
    evaluationPass: row.evaluation_pass,
    anomalyScore: row.anomaly_score,
    containsPii: row.contains_pii === null ? null : row.contains_pii !== 0,
    piiSubjectId: fromColumnOrNull(row.pii_subject_id),
    piiFields: row.pii_fields === null ? null : texts(row.pii_fields),
    erasureStatus: row.erasure_status,
    executionMode: row.execution_mode,
    source: row.source,
    managedSessionId: row.managed_session_id
  })
