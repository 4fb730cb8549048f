/**
 * GET /compliance/export/{tenant_id}
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { ActionId } from "../../model/ActionId.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import { TenantId } from "../../model/TenantId.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { NotImplemented501, Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { TreeRow } from "../../verify/wire/MerkleApi.ts"
import { BrokenLink, ComplianceExport, ExportedRecord } from "../ComplianceExport.ts"
import { AnchorRow } from "./AnchorsApi.ts"

const RecordRow = Schema.Struct({
  ...ExportedRecord.fields,
  requestedAt: Timestamp,
  createdAt: Schema.optional(Schema.NullOr(Timestamp))
}).pipe(
  Schema.encodeKeys({
    actionId: "action_id",
    agentId: "agent_id",
    recordHash: "record_hash",
    prevHash: "prev_hash",
    requestedAt: "requested_at",
    createdAt: "created_at",
    bundleRevision: "bundle_revision",
    evaluationPass: "evaluation_pass",
    anomalyScore: "anomaly_score_at_eval",
    executionMode: "execution_mode"
  }),
  Schema.decodeTo(ExportedRecord)
)

const LinkRow = BrokenLink.pipe(Schema.encodeKeys({
  recordId: "record_id",
  expectedPrevHash: "expected_prev_hash",
  actualPrevHash: "actual_prev_hash"
}))

const ProofRow = Schema.Struct({
  recordHash: RecordHash,
  actionId: ActionId,
  recordId: Schema.Int,
  root: Schema.NullOr(RecordHash),
  path: Schema.Array(Schema.Unknown),
  claimedValid: Schema.Boolean
}).pipe(Schema.encodeKeys({
  recordHash: "record_hash",
  actionId: "action_id",
  recordId: "record_id",
  root: "merkle_root",
  path: "proof_path",
  claimedValid: "verified"
}))

const ExportWire = Schema.Struct({
  metadata: Schema.Struct({
    tenant_id: Schema.String,
    tenant_name: Schema.optionalKey(Schema.String),
    export_date: Timestamp,
    date_range: Schema.Struct({ from: Schema.String, to: Schema.String }),
    record_count: Schema.optionalKey(Schema.Int),
    system_version: Schema.optionalKey(Schema.String),
    agcs_version: Schema.optionalKey(Schema.String),
    export_hash: Schema.optionalKey(Schema.String)
  }),
  audit_records: Schema.Array(RecordRow),
  chain_verification: Schema.Struct({
    valid: Schema.Boolean,
    first_record: Schema.NullOr(Schema.Int),
    last_record: Schema.NullOr(Schema.Int),
    records_verified: Schema.optionalKey(Schema.Int),
    broken_links: Schema.Array(LinkRow)
  }),
  merkle_trees: Schema.Array(TreeRow),
  blockchain_anchors: Schema.Array(AnchorRow),
  inclusion_proofs: Schema.Array(ProofRow),
  policy_snapshot: Schema.Struct({
    policy_template: Schema.optionalKey(Schema.NullOr(Schema.String)),
    policy_config: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))
  })
}).annotate({ identifier: "ComplianceExportBody" })

const readExport = (wire: typeof ExportWire.Type) =>
  new ComplianceExport({
    tenantId: wire.metadata.tenant_id,
    tenantName: wire.metadata.tenant_name,
    exportedAt: wire.metadata.export_date,
    from: wire.metadata.date_range.from,
    to: wire.metadata.date_range.to,
    systemVersion: wire.metadata.system_version,
    standardVersion: wire.metadata.agcs_version,
    exportHash: wire.metadata.export_hash,
    records: wire.audit_records,
    chain: {
      claimedValid: wire.chain_verification.valid,
      firstRecordId: wire.chain_verification.first_record,
      lastRecordId: wire.chain_verification.last_record,
      verified: wire.chain_verification.records_verified,
      brokenLinks: wire.chain_verification.broken_links
    },
    trees: wire.merkle_trees,
    anchors: wire.blockchain_anchors,
    proofs: wire.inclusion_proofs,
    policy: { template: wire.policy_snapshot.policy_template, config: wire.policy_snapshot.policy_config }
  })

const writeExport = (report: ComplianceExport): typeof ExportWire.Type => ({
  metadata: {
    tenant_id: report.tenantId,
    tenant_name: report.tenantName ?? report.tenantId,
    export_date: report.exportedAt,
    date_range: { from: report.from, to: report.to },
    record_count: report.records.length,
    ...(report.systemVersion === undefined ? {} : { system_version: report.systemVersion }),
    ...(report.standardVersion === undefined ? {} : { agcs_version: report.standardVersion }),
    export_hash: report.exportHash ?? ""
  },
  audit_records: report.records,
  chain_verification: {
    valid: report.chain.claimedValid,
    first_record: report.chain.firstRecordId,
    last_record: report.chain.lastRecordId,
    ...(report.chain.verified === undefined ? {} : { records_verified: report.chain.verified }),
    broken_links: report.chain.brokenLinks
  },
  merkle_trees: report.trees,
  blockchain_anchors: report.anchors,
  inclusion_proofs: report.proofs,
  policy_snapshot: { policy_template: report.policy.template ?? null, policy_config: report.policy.config ?? {} }
})

/**
 * The export as JSON.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ComplianceExportBody = ExportWire.pipe(Schema.decodeTo(
  Schema.toType(ComplianceExport),
  SchemaTransformation.transform({ decode: readExport, encode: writeExport })
))

const Day = Schema.String.check(Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/, { expected: "a day like 2026-11-23" }))

/**
 * The routes of this group.
 *
 * **Details**
 *
 * A measured gateway takes any text for a day and compares it letter by letter: a misspelt one exports nothing, and
 * calls that valid.
 *
 * @category groups
 * @since 0.1.0
 */
export class ComplianceApi extends HttpApiGroup.make("compliance").add(
  HttpApiEndpoint.get("export", "/compliance/export/:tenant_id", {
    params: { tenant_id: TenantId },
    query: {
      format: Schema.optionalKey(Schema.Literals(["json", "pdf"])),
      from: Schema.optionalKey(Day),
      to: Schema.optionalKey(Day)
    },
    success: [ComplianceExportBody, HttpApiSchema.StreamUint8Array({ contentType: "application/pdf" })],
    error: [...Refusals, NotImplemented501]
  })
).middleware(ApiKey) {}
