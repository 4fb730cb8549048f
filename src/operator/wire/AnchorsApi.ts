/**
 * GET /anchor/status, GET /anchor/verify, GET /anchor/log, GET /anchor/chain-verify, GET /anchor/proof/{action_id},
 * GET /anchor/consistency-proof, POST /anchor/trigger, GET /merkle/roots
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
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { MerkleProof, ProofStep } from "../../verify/MerkleProof.ts"
import {
  Anchor,
  AnchorChain,
  AnchorCheck,
  AnchorConsistency,
  AnchorNetwork,
  AnchorStatus,
  LoggedRoot
} from "../Anchor.ts"

/**
 * A 200 that says in its body that it failed.
 *
 * @category bodies
 * @since 0.1.0
 */
export const AnchorFailure = Schema.Struct({
  error: Schema.String,
  match: Schema.optionalKey(Schema.Boolean),
  computed_root: Schema.optionalKey(Schema.NullOr(Schema.String)),
  on_chain_root: Schema.optionalKey(Schema.NullOr(Schema.String)),
  record_count: Schema.optionalKey(Schema.Int)
}).annotate({ identifier: "AnchorFailure" })

const NetworkRow = AnchorNetwork.pipe(
  Schema.encodeKeys({ isConnected: "connected", chainId: "chain_id", anchors: "anchor_count" })
)

const StatusBody = Schema.Struct({
  ...AnchorStatus.fields,
  chains: Schema.optional(Schema.Record(Schema.String, NetworkRow)),
  lastAnchoredAt: Schema.optional(Schema.NullOr(Timestamp))
}).annotate({ identifier: "AnchorStatusBody" }).pipe(
  Schema.encodeKeys({
    isConnected: "blockchain_connected",
    connectedChains: "connected_chains",
    contractAddress: "contract_address",
    deployerAddress: "deployer_address",
    anchors: "anchor_count",
    latestRoot: "latest_merkle_root",
    lastAnchoredAt: "last_anchor_time",
    intervalSeconds: "anchor_interval_seconds",
    mode: "anchor_mode",
    trees: "merkle_trees"
  }),
  Schema.decodeTo(AnchorStatus)
)

const CheckWire = Schema.Struct({
  match: Schema.Boolean,
  computed_root: Schema.optionalKey(Schema.NullOr(Schema.String)),
  on_chain_root: Schema.optionalKey(Schema.NullOr(Schema.String)),
  record_count: Schema.optionalKey(Schema.Int),
  on_chain_record_count: Schema.optionalKey(Schema.Int),
  anchor_index: Schema.optionalKey(Schema.Int),
  anchor_mode: Schema.optionalKey(Schema.String),
  chain: Schema.optionalKey(Schema.String),
  last_anchor_tx: Schema.optionalKey(Schema.NullOr(Schema.String)),
  last_anchor_time: Schema.optionalKey(Schema.NullOr(Timestamp)),
  // An older mechanism names the same things otherwise.
  current_chain_tip: Schema.optionalKey(Schema.NullOr(Schema.String)),
  current_record_count: Schema.optionalKey(Schema.Int),
  latest_anchor: Schema.optionalKey(Schema.NullOr(Schema.Struct({
    chain_tip_hash: Schema.optionalKey(Schema.String),
    record_count: Schema.optionalKey(Schema.Int),
    anchor_index: Schema.optionalKey(Schema.Int)
  }))),
  interpretation: Schema.optionalKey(Schema.String)
})

const CheckBody = CheckWire.annotate({ identifier: "AnchorCheckBody" }).pipe(Schema.decodeTo(
  Schema.toType(AnchorCheck),
  SchemaTransformation.transform({
    decode: (wire) =>
      new AnchorCheck({
        matches: wire.match,
        computedRoot: wire.computed_root ?? wire.current_chain_tip,
        onChainRoot: wire.on_chain_root ?? wire.latest_anchor?.chain_tip_hash,
        records: wire.record_count ?? wire.current_record_count,
        onChainRecords: wire.on_chain_record_count ?? wire.latest_anchor?.record_count,
        anchorIndex: wire.anchor_index ?? wire.latest_anchor?.anchor_index,
        mode: wire.anchor_mode,
        chain: wire.chain,
        lastTx: wire.last_anchor_tx,
        lastAnchoredAt: wire.last_anchor_time,
        interpretation: wire.interpretation
      }),
    encode: (check) => ({
      match: check.matches,
      computed_root: check.computedRoot ?? null,
      on_chain_root: check.onChainRoot ?? null,
      ...(check.records === undefined ? {} : { record_count: check.records }),
      ...(check.onChainRecords === undefined ? {} : { on_chain_record_count: check.onChainRecords }),
      ...(check.anchorIndex === undefined ? {} : { anchor_index: check.anchorIndex }),
      ...(check.mode === undefined ? {} : { anchor_mode: check.mode }),
      ...(check.chain === undefined ? {} : { chain: check.chain }),
      last_anchor_tx: check.lastTx ?? null,
      last_anchor_time: check.lastAnchoredAt ?? null,
      ...(check.interpretation === undefined ? {} : { interpretation: check.interpretation })
    })
  })
))

const AnchorWire = Schema.Struct({
  anchor_index: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  merkle_root: Schema.optionalKey(Schema.NullOr(Schema.String)),
  // An older mechanism wrote the newest hash of the chain.
  chain_tip_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
  tx_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
  block_number: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  anchor_chain: Schema.optionalKey(Schema.NullOr(Schema.String)),
  chain: Schema.optionalKey(Schema.NullOr(Schema.String)),
  record_count: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  from_record: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  to_record: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  anchored_at: Schema.optionalKey(Schema.NullOr(Timestamp)),
  prev_merkle_root: Schema.optionalKey(Schema.NullOr(Schema.String)),
  root_chain_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
  explorer_url: Schema.optionalKey(Schema.NullOr(Schema.String)),
  sepolia_explorer_url: Schema.optionalKey(Schema.NullOr(Schema.String)),
  source: Schema.optionalKey(Schema.String)
})

const chainOf = ({ anchor_chain, chain }: typeof AnchorWire.Type) => anchor_chain ?? chain

const readAnchor = (wire: typeof AnchorWire.Type) =>
  new Anchor({
    index: wire.anchor_index,
    root: wire.merkle_root ?? wire.chain_tip_hash ?? null,
    tx: wire.tx_hash ?? null,
    block: wire.block_number,
    chain: chainOf(wire),
    records: wire.record_count,
    fromRecordId: wire.from_record,
    toRecordId: wire.to_record,
    anchoredAt: wire.anchored_at,
    prevRoot: wire.prev_merkle_root,
    rootChainHash: wire.root_chain_hash,
    // A measured gateway links every transaction to Sepolia's explorer, whatever chain it is on.
    explorerUrl: wire.explorer_url ?? (chainOf(wire) === "sepolia" ? wire.sepolia_explorer_url : undefined),
    source: wire.source
  })

const writeAnchor = (anchor: Anchor): typeof AnchorWire.Type => ({
  anchor_index: anchor.index ?? null,
  merkle_root: anchor.root,
  tx_hash: anchor.tx,
  block_number: anchor.block ?? null,
  anchor_chain: anchor.chain ?? null,
  record_count: anchor.records ?? null,
  from_record: anchor.fromRecordId ?? null,
  to_record: anchor.toRecordId ?? null,
  anchored_at: anchor.anchoredAt ?? null,
  prev_merkle_root: anchor.prevRoot ?? null,
  root_chain_hash: anchor.rootChainHash ?? null,
  explorer_url: anchor.explorerUrl ?? null,
  ...(anchor.source === undefined ? {} : { source: anchor.source })
})

const betweenAnchors = SchemaTransformation.transform({ decode: readAnchor, encode: writeAnchor })

/**
 * An anchor.
 *
 * @category codecs
 * @since 0.1.0
 */
export const AnchorRow = AnchorWire.annotate({ identifier: "AnchorRow" }).pipe(
  Schema.decodeTo(Schema.toType(Anchor), betweenAnchors)
)

/** Nothing was anchored without a transaction. */
const TriggerBody = AnchorWire.check(
  Schema.makeFilter((wire) => typeof wire.tx_hash === "string", { expected: "a transaction in tx_hash" })
).annotate({ identifier: "AnchorTriggerBody" }).pipe(Schema.decodeTo(Schema.toType(Anchor), betweenAnchors))

const ChainLink = Schema.Struct({
  index: Schema.Int,
  root: Schema.String,
  prevRoot: Schema.String,
  rootChainHash: Schema.String,
  expectedHash: Schema.optional(Schema.String),
  claimedValid: Schema.Boolean
}).pipe(Schema.encodeKeys({
  index: "anchor_index",
  root: "merkle_root",
  prevRoot: "prev_merkle_root",
  rootChainHash: "root_chain_hash",
  expectedHash: "expected_hash",
  claimedValid: "match"
}))

const ChainBody = Schema.Struct({
  valid: Schema.Boolean,
  anchor_count: Schema.optionalKey(Schema.Int),
  broken_at: Schema.NullOr(Schema.Int),
  chain: Schema.Array(ChainLink)
}).annotate({ identifier: "AnchorChainBody" }).pipe(Schema.decodeTo(
  Schema.toType(AnchorChain),
  SchemaTransformation.transform({
    decode: (wire) => new AnchorChain({ claimedValid: wire.valid, brokenAt: wire.broken_at, links: wire.chain }),
    encode: ({ brokenAt, claimedValid, links }) => ({
      valid: claimedValid,
      anchor_count: links.length,
      broken_at: brokenAt,
      chain: links
    })
  })
))

const AnchorEnd = Schema.Struct({
  index: Schema.Int,
  root: Schema.String,
  records: Schema.Array(Schema.Int)
}).pipe(Schema.encodeKeys({ root: "merkle_root", records: "record_range" }))

const ConsistencyWire = Schema.Struct({
  consistent: Schema.Boolean,
  from_anchor: Schema.optionalKey(AnchorEnd),
  to_anchor: Schema.optionalKey(AnchorEnd),
  added_records: Schema.optionalKey(Schema.Int),
  verification: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String)
})

const ConsistencyBody = ConsistencyWire.annotate({ identifier: "AnchorConsistencyBody" }).pipe(Schema.decodeTo(
  Schema.toType(AnchorConsistency),
  SchemaTransformation.transform({
    decode: (wire) =>
      new AnchorConsistency({
        claimedConsistent: wire.consistent,
        from: wire.from_anchor,
        to: wire.to_anchor,
        addedRecords: wire.added_records,
        detail: wire.verification ?? wire.reason
      }),
    encode: (consistency) => ({
      consistent: consistency.claimedConsistent,
      ...(consistency.from === undefined ? {} : { from_anchor: consistency.from }),
      ...(consistency.to === undefined ? {} : { to_anchor: consistency.to }),
      ...(consistency.addedRecords === undefined ? {} : { added_records: consistency.addedRecords }),
      ...(consistency.detail === undefined ? {} : { verification: consistency.detail })
    })
  })
))

const ProofWire = Schema.Struct({
  action_id: ActionId,
  record_hash: RecordHash,
  leaf_index: Schema.Int,
  proof: Schema.Array(ProofStep.pipe(Schema.encodeKeys({ side: "position" }))),
  current_root: RecordHash,
  verified: Schema.Boolean,
  tree_size: Schema.Int,
  proof_depth: Schema.optionalKey(Schema.Int)
})

const ProofBody = ProofWire.annotate({ identifier: "AnchorProofBody" }).pipe(Schema.decodeTo(
  Schema.toType(MerkleProof),
  SchemaTransformation.transform({
    decode: (wire) =>
      new MerkleProof({
        recordHash: wire.record_hash,
        root: wire.current_root,
        steps: wire.proof,
        actionId: wire.action_id,
        leafIndex: wire.leaf_index,
        treeSize: wire.tree_size,
        claimedValid: wire.verified
      }),
    encode: (proof) => ({
      // The gateway's own proofs of this kind are always complete.
      action_id: proof.actionId!,
      record_hash: proof.recordHash,
      leaf_index: proof.leafIndex!,
      proof: proof.steps,
      current_root: proof.root,
      verified: proof.claimedValid!,
      tree_size: proof.treeSize!,
      proof_depth: proof.steps.length
    })
  })
))

const RootRow = Schema.Struct({ ...LoggedRoot.fields, computedAt: Timestamp }).pipe(
  Schema.encodeKeys({
    root: "merkle_root",
    records: "record_count",
    computedAt: "computed_at",
    isAnchored: "anchored",
    anchorId: "anchor_id"
  }),
  Schema.decodeTo(LoggedRoot)
)

/**
 * The routes of this group.
 *
 * **Details**
 *
 * A measured gateway asks for no key, except to trigger, and answers over all tenants.
 *
 * @category groups
 * @since 0.1.0
 */
export class AnchorsApi extends HttpApiGroup.make("anchors").add(
  HttpApiEndpoint.get("status", "/anchor/status", { success: StatusBody, error: Refusals }),
  HttpApiEndpoint.get("verify", "/anchor/verify", { success: [AnchorFailure, CheckBody], error: Refusals }),
  HttpApiEndpoint.get("log", "/anchor/log", {
    success: Schema.Struct({
      anchors: Schema.Array(AnchorRow),
      count: Schema.optionalKey(Schema.Int)
    }).annotate({ identifier: "AnchorLogBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.get("chain", "/anchor/chain-verify", { success: [AnchorFailure, ChainBody], error: Refusals }),
  HttpApiEndpoint.get("proof", "/anchor/proof/:action_id", {
    params: { action_id: ActionId },
    success: [AnchorFailure, ProofBody],
    error: Refusals
  }),
  HttpApiEndpoint.get("consistency", "/anchor/consistency-proof", {
    query: { from_anchor_index: Schema.Int, to_anchor_index: Schema.Int },
    success: [AnchorFailure, ConsistencyBody],
    error: Refusals
  }),
  HttpApiEndpoint.post("trigger", "/anchor/trigger", { success: [AnchorFailure, TriggerBody], error: Refusals }),
  HttpApiEndpoint.get("roots", "/merkle/roots", {
    success: Schema.Struct({
      roots: Schema.Array(RootRow),
      count: Schema.optionalKey(Schema.Int),
      interval_seconds: Schema.optionalKey(Schema.Finite)
    }).annotate({ identifier: "LoggedRootsBody" }),
    error: Refusals
  })
).middleware(ApiKey) {}
