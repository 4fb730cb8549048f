/**
 * GET /audit/merkle/roots, GET /audit/merkle/proof/{hash}, GET /audit/merkle/consistency/{n}/{m}, GET /audit/merkle/verify
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { ActionId } from "../../model/ActionId.ts"
import { RecordHash } from "../../model/RecordHash.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { HourStamp, Timestamp } from "../../transport/wire/Timestamp.ts"
import { MerkleProof, MerkleTree } from "../MerkleProof.ts"
import { type ComparedTree, TreeConsistency, TreesStatus } from "../TreesStatus.ts"

/** A number, or its decimal digits. Anything else names no block. */
const blockOf = (block: unknown): number | null | undefined => {
  if (block === undefined) return undefined
  const number = typeof block === "string" && /^\d{1,15}$/.test(block) ? Number(block) : block
  return Number.isSafeInteger(number) ? number as number : null
}

/**
 * A stored tree.
 *
 * @category codecs
 * @since 0.1.0
 */
export const TreeRow = Schema.Struct({
  tree_index: Schema.Int,
  merkle_root: RecordHash,
  record_count: Schema.Int,
  tree_height: Schema.optionalKey(Schema.Int),
  from_record_id: Schema.optionalKey(Schema.Int),
  to_record_id: Schema.optionalKey(Schema.Int),
  period_start: HourStamp,
  period_end: HourStamp,
  created_at: Schema.optionalKey(Timestamp),
  prev_tree_root: Schema.optionalKey(Schema.NullOr(RecordHash)),
  anchor_tx_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
  anchor_chain: Schema.optionalKey(Schema.NullOr(Schema.String)),
  anchor_block: Schema.optionalKey(Schema.NullOr(Schema.Unknown)),
  anchored: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "TreeRow" }).pipe(Schema.decodeTo(
  Schema.toType(MerkleTree),
  SchemaTransformation.transform({
    decode: (row) =>
      new MerkleTree({
        index: row.tree_index,
        root: row.merkle_root,
        records: row.record_count,
        height: row.tree_height,
        fromRecordId: row.from_record_id,
        toRecordId: row.to_record_id,
        periodStart: row.period_start,
        periodEnd: row.period_end,
        createdAt: row.created_at,
        prevRoot: row.prev_tree_root,
        anchorTx: row.anchor_tx_hash,
        anchorChain: row.anchor_chain,
        anchorBlock: blockOf(row.anchor_block)
      }),
    encode: (tree) => ({
      tree_index: tree.index,
      merkle_root: tree.root,
      record_count: tree.records,
      ...(tree.height === undefined ? {} : { tree_height: tree.height }),
      ...(tree.fromRecordId === undefined ? {} : { from_record_id: tree.fromRecordId }),
      ...(tree.toRecordId === undefined ? {} : { to_record_id: tree.toRecordId }),
      period_start: tree.periodStart,
      period_end: tree.periodEnd,
      ...(tree.createdAt === undefined ? {} : { created_at: tree.createdAt }),
      prev_tree_root: tree.prevRoot ?? null,
      anchor_tx_hash: tree.anchorTx ?? null,
      anchor_chain: tree.anchorChain ?? null,
      anchor_block: tree.anchorBlock ?? null,
      anchored: tree.anchorTx !== undefined && tree.anchorTx !== null
    })
  })
))

const RootsBody = Schema.Struct({
  trees: Schema.Array(TreeRow),
  count: Schema.optionalKey(Schema.Int),
  tenant_id: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "MerkleRootsBody" })

const Step = Schema.Union([
  Schema.Struct({ sibling: RecordHash, position: Schema.Literals(["left", "right"]) }),
  RecordHash
])

/**
 * A proof. The guide says `merkle_root` for `tree_root` and lists bare hashes; a gateway of ours sends the measured names
 * and the guide's root beside them.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ProofBody = Schema.Struct({
  record_hash: RecordHash,
  action_id: Schema.optionalKey(ActionId),
  leaf_index: Schema.optionalKey(Schema.Int),
  tree_index: Schema.optionalKey(Schema.Int),
  tree_root: Schema.optionalKey(RecordHash),
  merkle_root: Schema.optionalKey(RecordHash),
  tree_size: Schema.optionalKey(Schema.Int),
  tree_height: Schema.optionalKey(Schema.Int),
  period_start: Schema.optionalKey(HourStamp),
  period_end: Schema.optionalKey(HourStamp),
  proof: Schema.Array(Step),
  proof_depth: Schema.optionalKey(Schema.Int),
  verified: Schema.optionalKey(Schema.Boolean),
  anchor_tx_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
  anchor_chain: Schema.optionalKey(Schema.NullOr(Schema.String))
}).annotate({ identifier: "MerkleProofBody" }).check(
  Schema.makeFilter((wire) => wire.tree_root !== undefined || wire.merkle_root !== undefined, {
    expected: "a root in tree_root or merkle_root"
  })
).pipe(Schema.decodeTo(
  Schema.toType(MerkleProof),
  SchemaTransformation.transform({
    decode: (wire) =>
      new MerkleProof({
        recordHash: wire.record_hash,
        root: (wire.tree_root ?? wire.merkle_root)!,
        steps: wire.proof.map((step) =>
          typeof step === "string" ? { sibling: step } : { sibling: step.sibling, side: step.position }
        ),
        actionId: wire.action_id,
        leafIndex: wire.leaf_index,
        treeIndex: wire.tree_index,
        treeSize: wire.tree_size,
        treeHeight: wire.tree_height,
        periodStart: wire.period_start,
        periodEnd: wire.period_end,
        claimedValid: wire.verified,
        anchorTx: wire.anchor_tx_hash,
        anchorChain: wire.anchor_chain
      }),
    encode: (proof) => ({
      record_hash: proof.recordHash,
      ...(proof.actionId === undefined ? {} : { action_id: proof.actionId }),
      ...(proof.leafIndex === undefined ? {} : { leaf_index: proof.leafIndex }),
      ...(proof.treeIndex === undefined ? {} : { tree_index: proof.treeIndex }),
      tree_root: proof.root,
      merkle_root: proof.root,
      ...(proof.treeSize === undefined ? {} : { tree_size: proof.treeSize }),
      ...(proof.treeHeight === undefined ? {} : { tree_height: proof.treeHeight }),
      ...(proof.periodStart === undefined ? {} : { period_start: proof.periodStart }),
      ...(proof.periodEnd === undefined ? {} : { period_end: proof.periodEnd }),
      proof: proof.steps.map(({ sibling, side }) => side === undefined ? sibling : { sibling, position: side }),
      proof_depth: proof.steps.length,
      ...(proof.claimedValid === undefined ? {} : { verified: proof.claimedValid }),
      anchor_tx_hash: proof.anchorTx ?? null,
      anchor_chain: proof.anchorChain ?? null
    })
  })
))

const TreeEnd = Schema.Struct({
  index: Schema.Int,
  merkle_root: RecordHash,
  record_count: Schema.Int,
  period: Schema.Tuple([HourStamp, HourStamp]),
  root_verified: Schema.Boolean
})

const readEnd = (end: number | typeof TreeEnd.Type): ComparedTree =>
  typeof end === "number" ? { index: end } : {
    index: end.index,
    root: end.merkle_root,
    records: end.record_count,
    periodStart: end.period[0],
    periodEnd: end.period[1],
    claimedValid: end.root_verified
  }

const writeEnd = (
  { claimedValid, index, periodEnd, periodStart, records, root }: ComparedTree
): number | typeof TreeEnd.Type =>
  root === undefined || records === undefined || periodStart === undefined || periodEnd === undefined
    ? index
    : {
      index,
      merkle_root: root,
      record_count: records,
      period: [periodStart, periodEnd],
      root_verified: claimedValid ?? false
    }

/** The trees are bare numbers where the records of the first one do not fit its root. */
const ConsistencyBody = Schema.Struct({
  tree_n: Schema.Union([TreeEnd, Schema.Int]),
  tree_m: Schema.Union([TreeEnd, Schema.Int]),
  consistent: Schema.Boolean,
  chain_valid: Schema.optionalKey(Schema.Boolean),
  broken_at_tree: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  trees_between: Schema.optionalKey(Schema.Int),
  total_records_spanned: Schema.optionalKey(Schema.Int),
  reason: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "TreeConsistencyBody" }).pipe(Schema.decodeTo(
  Schema.toType(TreeConsistency),
  SchemaTransformation.transform({
    decode: (wire) =>
      new TreeConsistency({
        claimedConsistent: wire.consistent,
        from: readEnd(wire.tree_n),
        to: readEnd(wire.tree_m),
        chainClaimedValid: wire.chain_valid,
        brokenAt: wire.broken_at_tree,
        treesBetween: wire.trees_between,
        records: wire.total_records_spanned,
        reason: wire.reason
      }),
    encode: (consistency) => ({
      tree_n: writeEnd(consistency.from),
      tree_m: writeEnd(consistency.to),
      consistent: consistency.claimedConsistent,
      ...(consistency.chainClaimedValid === undefined ? {} : {
        chain_valid: consistency.chainClaimedValid,
        broken_at_tree: consistency.brokenAt ?? null
      }),
      ...(consistency.treesBetween === undefined ? {} : { trees_between: consistency.treesBetween }),
      ...(consistency.records === undefined ? {} : { total_records_spanned: consistency.records }),
      ...(consistency.reason === undefined ? {} : { reason: consistency.reason })
    })
  })
))

const VerifyTreesBody = Schema.Struct({
  valid: Schema.Boolean,
  tree_count: Schema.Int,
  record_count: Schema.optionalKey(Schema.Int),
  first_period: Schema.optionalKey(HourStamp),
  last_period: Schema.optionalKey(HourStamp),
  issues: Schema.Array(Schema.Struct({
    tree_index: Schema.Int,
    type: Schema.String,
    detail: Schema.optionalKey(Schema.String)
  }))
}).annotate({ identifier: "VerifyTreesBody" }).pipe(Schema.decodeTo(
  Schema.toType(TreesStatus),
  SchemaTransformation.transform({
    decode: (wire) =>
      new TreesStatus({
        valid: wire.valid,
        trees: wire.tree_count,
        records: wire.record_count,
        firstPeriod: wire.first_period,
        lastPeriod: wire.last_period,
        issues: wire.issues.map(({ detail, tree_index, type }) => ({ treeIndex: tree_index, type, detail }))
      }),
    encode: (status) => ({
      valid: status.valid,
      tree_count: status.trees,
      ...(status.records === undefined ? {} : { record_count: status.records }),
      ...(status.firstPeriod === undefined ? {} : { first_period: status.firstPeriod }),
      ...(status.lastPeriod === undefined ? {} : { last_period: status.lastPeriod }),
      issues: status.issues.map(({ detail, treeIndex, type }) => ({
        tree_index: treeIndex,
        type,
        ...(detail === undefined ? {} : { detail })
      }))
    })
  })
))

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class MerkleApi extends HttpApiGroup.make("merkle").add(
  HttpApiEndpoint.get("roots", "/audit/merkle/roots", {
    query: { limit: Schema.optionalKey(Schema.Int.check(Schema.isLessThanOrEqualTo(500))) },
    success: RootsBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("proof", "/audit/merkle/proof/:hash", {
    params: { hash: RecordHash },
    success: ProofBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("consistency", "/audit/merkle/consistency/:tree_n/:tree_m", {
    params: { tree_n: Schema.Int, tree_m: Schema.Int },
    success: ConsistencyBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("verify", "/audit/merkle/verify", { success: VerifyTreesBody, error: Refusals })
).middleware(ApiKey) {}
