/**
 * The hash chain of the audit log, as GET /audit/log documents it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import { Timestamp } from "../api/Timestamp.ts"
import { type AuditRecord, ChainStatus } from "../domain/AuditRecord.ts"
import { RecordHash } from "../domain/RecordHash.ts"
import { auditPayload, canonicalJson } from "../internal/canonicalJson.ts"

/**
 * What stands before the first record.
 *
 * @category constants
 * @since 0.1.0
 */
export const genesis = "GENESIS"

/**
 * What stands before the first Merkle tree.
 *
 * @category constants
 * @since 0.1.0
 */
export const merkleGenesis = RecordHash.make(hash("sha256", "VARGATE_GENESIS", "hex"))

const formatTime = Schema.encodeSync(Timestamp)

/**
 * The hash of a record, computed from its fields.
 *
 * @category hashing
 * @since 0.1.0
 */
export const hashRecord = (
  record: Pick<
    AuditRecord,
    | "actionId"
    | "agentId"
    | "tool"
    | "method"
    | "params"
    | "requestedAt"
    | "decision"
    | "violations"
    | "severity"
    | "bundleRevision"
    | "prevHash"
  >
): RecordHash =>
  RecordHash.make(hash(
    "sha256",
    auditPayload({
      actionId: record.actionId,
      agentId: record.agentId,
      tool: record.tool,
      method: record.method,
      paramsText: canonicalJson(record.params),
      requestedAt: formatTime(record.requestedAt),
      decision: record.decision,
      violationsText: canonicalJson(record.violations),
      severity: record.severity,
      bundleRevision: record.bundleRevision ?? "",
      prevHash: record.prevHash
    }),
    "hex"
  ))

/**
 * What the gateway finds when it goes through its own chain, oldest record first.
 *
 * @category hashing
 * @since 0.1.0
 */
export const verifyChain = (tenantId: string, records: ReadonlyArray<AuditRecord>): ChainStatus => {
  let prevHash: string = genesis
  for (const record of records) {
    const reason = record.prevHash !== prevHash
      ? "prev_hash mismatch"
      : record.recordHash !== hashRecord(record)
      ? "record_hash mismatch"
      : undefined
    if (reason !== undefined) {
      return new ChainStatus({ valid: false, failedAt: record.actionId, reason, tenantId })
    }
    prevHash = record.recordHash
  }
  return new ChainStatus({ valid: true, records: records.length, tenantId })
}

/**
 * The hash of two nodes of a Merkle tree.
 *
 * @category hashing
 * @since 0.1.0
 */
export const hashPair = (left: string, right: string): string => hash("sha256", Buffer.from(left + right, "hex"), "hex")
