/**
 * The hash chain of the audit log, as GET /audit/log documents it.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { hash } from "node:crypto"
import { AuditRecord, ChainStatus } from "../../../audit/AuditRecord.ts"
import { auditPayload, canonicalJson } from "../../../internal/canonicalJson.ts"
import { RecordHash } from "../../../model/RecordHash.ts"
import { Timestamp } from "../../../transport/wire/Timestamp.ts"
import type { Entry, Ledger } from "../Ledger.ts"

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
 * An entry as a record, at its place in the chain.
 *
 * @category constructors
 * @since 0.1.0
 */
export const linked = (
  entry: Entry,
  place: { readonly id: number; readonly createdAt: DateTime.Utc; readonly prevHash: string }
): AuditRecord => {
  const { contacts: _, executed: __, input: ___, tenantId: ____, ...fields } = entry
  return new AuditRecord({
    ...fields,
    ...place,
    recordHash: hashRecord({ ...fields, prevHash: place.prevHash }),
    evaluationPass: 1,
    piiSubjectId: fields.piiSubjectId ?? null,
    piiFields: fields.piiFields.length === 0 ? null : fields.piiFields,
    erasureStatus: "active",
    source: fields.source ?? "direct",
    managedSessionId: fields.managedSessionId ?? null
  })
}

/**
 * What the gateway finds when it verifies its own chain, oldest record first, up to the first break.
 *
 * @category hashing
 * @since 0.1.0
 */
export const verifyChain = Effect.fnUntraced(function*(tenantId: string, chain: Stream.Stream<AuditRecord>) {
  let prevHash: string = genesis
  let records = 0
  let broken: { readonly failedAt: string; readonly reason: string } | undefined
  yield* Stream.runForEachWhile(chain, (record) =>
    Effect.sync(() => {
      if (record.prevHash !== prevHash) broken = { failedAt: record.actionId, reason: "prev_hash mismatch" }
      else if (record.recordHash !== hashRecord(record)) {
        broken = { failedAt: record.actionId, reason: "record_hash mismatch" }
      }
      prevHash = record.recordHash
      records++
      return broken === undefined
    }))
  return broken === undefined
    ? new ChainStatus({ valid: true, records, tenantId })
    : new ChainStatus({ valid: false, ...broken, tenantId })
})

/**
 * What the gateway says about a tenant's log: whether the chain holds, and whether all is in it that must be.
 *
 * @category hashing
 * @since 0.1.0
 */
export const verifyLedger = Effect.fnUntraced(function*(ledger: Ledger["Service"], tenantId: string) {
  // Before the chain is read, since it keeps growing.
  const head = yield* ledger.head(tenantId)
  const status = yield* verifyChain(tenantId, ledger.stream(tenantId))
  if (!status.valid) return status
  const invalid = (failedAt: string, reason: string) => new ChainStatus({ valid: false, failedAt, reason, tenantId })
  if (head !== undefined && (yield* ledger.nth(tenantId, head.records))?.recordHash !== head.hash) {
    const newest = yield* ledger.page(tenantId, 1, 0)
    return invalid(newest.records[0]?.actionId ?? genesis, "records missing")
  }
  const [unrecorded] = yield* ledger.unrecorded(tenantId)
  return unrecorded === undefined ? status : invalid(unrecorded, "execution not recorded")
})

/**
 * The hash of two nodes of a Merkle tree.
 *
 * @category hashing
 * @since 0.1.0
 */
export const hashPair = (left: string, right: string): string => hash("sha256", Buffer.from(left + right, "hex"), "hex")
