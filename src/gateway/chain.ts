/**
 * The hash chain of the audit log, as GET /audit/log documents it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import { Timestamp } from "../api/Timestamp.ts"
import type { AuditRecord } from "../domain/AuditRecord.ts"
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
 * The hash of two nodes of a Merkle tree.
 *
 * @category hashing
 * @since 0.1.0
 */
export const hashPair = (left: string, right: string): string => hash("sha256", Buffer.from(left + right, "hex"), "hex")
