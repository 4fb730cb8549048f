/**
 * The hash chain of the audit log, as GET /audit/log documents it.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { hash } from "node:crypto"
import { AuditRecord, ChainStatus } from "../../../audit/AuditRecord.ts"
import { auditPayload, canonicalJson } from "../../../internal/canonicalJson.ts"
import { RecordHash } from "../../../model/RecordHash.ts"
import { formatTimestamp } from "../../../transport/wire/Timestamp.ts"
import type { Entry, Ledger, Link, Origin } from "../Ledger.ts"

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
  >,
  { paramsText, violationsText }: HashedTexts = textsOf(record)
): RecordHash =>
  // What it says is what a hash looks like, so that there is nothing to check.
  hash(
    "sha256",
    auditPayload({
      actionId: record.actionId,
      agentId: record.agentId,
      tool: record.tool,
      method: record.method,
      paramsText,
      requestedAt: formatTimestamp(record.requestedAt),
      decision: record.decision,
      violationsText,
      severity: record.severity,
      bundleRevision: record.bundleRevision ?? "",
      prevHash: record.prevHash
    }),
    "hex"
  ) as RecordHash

/**
 * The canonical texts of the two fields of a record that are JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface HashedTexts {
  readonly paramsText: string
  readonly violationsText: string
}

/**
 * The texts that the hash of a record covers.
 *
 * @category hashing
 * @since 0.1.0
 */
export const textsOf = ({ params, violations }: Pick<AuditRecord, "params" | "violations">): HashedTexts => ({
  paramsText: canonicalJson(params),
  violationsText: canonicalJson(violations)
})

/**
 * An entry as a record, at its place in the chain. Its fields come from checked ones, and are not checked again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const linked = (
  entry: Entry,
  place: { readonly id: number; readonly createdAt: DateTime.Utc; readonly prevHash: string },
  texts: HashedTexts = textsOf(entry)
): AuditRecord => {
  const { contacts: _, executed: __, input: ___, tenantId: ____, ...fields } = entry
  return unchecked({
    ...fields,
    ...place,
    recordHash: hashRecord({ ...fields, prevHash: place.prevHash }, texts),
    evaluationPass: 1,
    piiSubjectId: fields.piiSubjectId ?? null,
    piiFields: fields.piiFields.length === 0 ? null : fields.piiFields,
    erasureStatus: "active",
    source: fields.source ?? "direct",
    managedSessionId: fields.managedSessionId ?? null
  })
}

/** The constructor would read every field by its schema, which takes longer than all the rest of a record. */
const unchecked = (fields: { readonly [K in keyof AuditRecord]: AuditRecord[K] }): AuditRecord =>
  Object.assign(Object.create(AuditRecord.prototype), fields)

/** How long a slice should take, in milliseconds: what else has arrived waits for one, more than once on its way. */
const slice = 0.5

/** Records of one slice at most, and in the first. They may hold up to 64 KB each, or hardly anything. */
const longestSlice = 64
const firstSlice = 8

/**
 * What the gateway finds when it verifies its own chain, oldest record first, up to the first break.
 *
 * **Details**
 *
 * Of a chain whose oldest records were archived, what stays is verified, from the newest archived one on. In slices of about
 * half a millisecond. Between two of them whatever else has arrived has its turn.
 *
 * @category hashing
 * @since 0.1.0
 */
export const verifyChain = Effect.fnUntraced(function*<E = never>(
  ledger: {
    readonly origin: (tenantId: string) => Effect.Effect<Origin | undefined, E>
    readonly links: (tenantId: string, after: number, limit: number) => Effect.Effect<ReadonlyArray<Link>, E>
  },
  tenantId: string
): Effect.fn.Return<ChainStatus, E> {
  const origin = yield* ledger.origin(tenantId)
  const broken = (failedAt: string, reason: string) => new ChainStatus({ valid: false, failedAt, reason, tenantId })
  let prevHash: string = origin?.recordHash ?? genesis
  let records = origin?.place ?? 0
  let after = records
  let limit = firstSlice
  for (;;) {
    const began = performance.now()
    const links = yield* ledger.links(tenantId, after, limit)
    for (const { actionId, computedHash, place, ...link } of links) {
      if (link.prevHash !== prevHash) return broken(actionId, "prev_hash mismatch")
      if (link.recordHash !== computedHash) return broken(actionId, "record_hash mismatch")
      prevHash = link.recordHash
      after = place
      records++
    }
    if (links.length < limit) return new ChainStatus({ valid: true, records, tenantId })
    const fitting = Math.round((limit * slice) / Math.max(performance.now() - began, 0.01))
    limit = Math.max(1, Math.min(longestSlice, fitting, limit * 2))
    yield* Effect.yieldNow
  }
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
  const status = yield* verifyChain(ledger, tenantId)
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
