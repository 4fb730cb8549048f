/**
 * Merkle trees over the audit log: one tree per full hour and tenant.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { RecordHash } from "../model/RecordHash.ts"

/**
 * A stored tree (GET /audit/merkle/roots).
 *
 * **Details**
 *
 * `prevRoot` of the first tree is SHA-256 of `VARGATE_GENESIS`. `anchorTx`, `anchorChain` and `anchorBlock` name the
 * blockchain transaction, where one exists: a claim, which `AnchorVerifier` checks.
 *
 * @category models
 * @since 0.1.0
 */
export class MerkleTree extends Schema.Class<MerkleTree>("effect-vargate/MerkleTree")({
  index: Schema.Int,
  root: RecordHash,
  records: Schema.Int,
  height: Schema.optional(Schema.Int),
  fromRecordId: Schema.optional(Schema.Int),
  toRecordId: Schema.optional(Schema.Int),
  periodStart: Schema.DateTimeUtc,
  periodEnd: Schema.DateTimeUtc,
  createdAt: Schema.optional(Schema.DateTimeUtc),
  prevRoot: Schema.optional(Schema.NullOr(RecordHash)),
  anchorTx: Schema.optional(Schema.NullOr(Schema.String)),
  anchorChain: Schema.optional(Schema.NullOr(Schema.String)),
  /** The block of that transaction, as the gateway noted it. */
  anchorBlock: Schema.optional(Schema.NullOr(Schema.Int))
}) {}

/**
 * One step from a leaf to the root. `side` says on which side the sibling stands.
 *
 * @category models
 * @since 0.1.0
 */
export const ProofStep = Schema.Struct({
  sibling: RecordHash,
  /** Absent in the dialect of the guide, whose steps are bare hashes. */
  side: Schema.optional(Schema.Literals(["left", "right"]))
})

/**
 * The gateway's proof that a record is in a tree (GET /audit/merkle/proof/{hash}).
 *
 * **Gotchas**
 *
 * `root` and `claimedValid` are rebuilt by the gateway from today's rows and stay good after tampering. A proof is worth
 * something only against a root that was stored or pinned earlier.
 *
 * @category models
 * @since 0.1.0
 */
export class MerkleProof extends Schema.Class<MerkleProof>("effect-vargate/MerkleProof")({
  recordHash: RecordHash,
  root: RecordHash,
  steps: Schema.Array(ProofStep),
  actionId: Schema.optional(ActionId),
  leafIndex: Schema.optional(Schema.Int),
  treeIndex: Schema.optional(Schema.Int),
  treeSize: Schema.optional(Schema.Int),
  treeHeight: Schema.optional(Schema.Int),
  periodStart: Schema.optional(Schema.DateTimeUtc),
  periodEnd: Schema.optional(Schema.DateTimeUtc),
  claimedValid: Schema.optional(Schema.Boolean),
  anchorTx: Schema.optional(Schema.NullOr(Schema.String)),
  anchorChain: Schema.optional(Schema.NullOr(Schema.String))
}) {}
