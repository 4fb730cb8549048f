/**
 * The package that a gateway puts together for an auditor.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AuditRecord } from "../audit/AuditRecord.ts"
import { ActionId } from "../model/ActionId.ts"
import { RecordHash } from "../model/RecordHash.ts"
import { MerkleTree } from "../verify/MerkleProof.ts"
import { Anchor } from "./Anchor.ts"

/**
 * A record that does not name the one before it.
 *
 * @category models
 * @since 0.1.0
 */
export const BrokenLink = Schema.Struct({
  recordId: Schema.Int,
  expectedPrevHash: Schema.String,
  actualPrevHash: Schema.String
})

/**
 * The type of {@link BrokenLink}.
 *
 * @category models
 * @since 0.1.0
 */
export type BrokenLink = typeof BrokenLink.Type

/**
 * A record as an export shows it: without its params, so that its hash cannot be computed again.
 *
 * @category models
 * @since 0.1.0
 */
export class ExportedRecord extends Schema.Class<ExportedRecord>("effect-vargate/ExportedRecord")({
  id: AuditRecord.fields.id,
  actionId: AuditRecord.fields.actionId,
  agentId: AuditRecord.fields.agentId,
  tool: AuditRecord.fields.tool,
  method: AuditRecord.fields.method,
  decision: AuditRecord.fields.decision,
  violations: AuditRecord.fields.violations,
  severity: AuditRecord.fields.severity,
  recordHash: AuditRecord.fields.recordHash,
  prevHash: AuditRecord.fields.prevHash,
  requestedAt: AuditRecord.fields.requestedAt,
  createdAt: AuditRecord.fields.createdAt,
  bundleRevision: AuditRecord.fields.bundleRevision,
  evaluationPass: AuditRecord.fields.evaluationPass,
  anomalyScore: AuditRecord.fields.anomalyScore,
  executionMode: AuditRecord.fields.executionMode
}) {}

/**
 * A tenant's log over some days, with what the gateway says about it (GET /compliance/export/{tenant_id}).
 *
 * **Gotchas**
 *
 * Statements, not proofs: `chain` compares neighbours, `proofs` have no path and call a record verified when some tree
 * covers its id, and without params no hash can be computed again. To hand over something that others can verify, see
 * `Evidence`.
 *
 * @category models
 * @since 0.1.0
 */
export class ComplianceExport extends Schema.Class<ComplianceExport>("effect-vargate/ComplianceExport")({
  tenantId: Schema.String,
  tenantName: Schema.optional(Schema.String),
  exportedAt: Schema.DateTimeUtc,
  /** The first and the last day, as the gateway understood them. */
  from: Schema.String,
  to: Schema.String,
  systemVersion: Schema.optional(Schema.String),
  /** Version of the governance standard that the gateway names. */
  standardVersion: Schema.optional(Schema.String),
  /** `sha256:` and a hash over the package as Python writes it, with this field empty. */
  exportHash: Schema.optional(Schema.String),
  /** Oldest first. */
  records: Schema.Array(ExportedRecord),
  chain: Schema.Struct({
    claimedValid: Schema.Boolean,
    firstRecordId: Schema.NullOr(Schema.Int),
    lastRecordId: Schema.NullOr(Schema.Int),
    verified: Schema.optional(Schema.Int),
    brokenLinks: Schema.Array(BrokenLink)
  }),
  /** Those whose hours lie within the days, oldest first. */
  trees: Schema.Array(MerkleTree),
  anchors: Schema.Array(Anchor),
  /** Of the first and the last record, and of every hundredth between. */
  proofs: Schema.Array(Schema.Struct({
    recordHash: RecordHash,
    actionId: ActionId,
    recordId: Schema.Int,
    root: Schema.NullOr(RecordHash),
    path: Schema.Array(Schema.Unknown),
    claimedValid: Schema.Boolean
  })),
  policy: Schema.Struct({
    template: Schema.optional(Schema.NullOr(Schema.String)),
    config: Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))
  })
}) {}
