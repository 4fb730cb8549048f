/**
 * What the gateway says about its own Merkle trees.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { RecordHash } from "../model/RecordHash.ts"

/**
 * What the gateway found when it rebuilt all its trees (GET /audit/merkle/verify): a claim, not a proof. To verify them
 * yourself, see `ChainVerifier.verify({ trees: true })`.
 *
 * **Gotchas**
 *
 * After an erasure a measured gateway calls its own trees broken, because erased records are left out of the rebuilding.
 *
 * @category models
 * @since 0.1.0
 */
export class TreesStatus extends Schema.Class<TreesStatus>("effect-vargate/TreesStatus")({
  valid: Schema.Boolean,
  trees: Schema.Int,
  records: Schema.optional(Schema.Int),
  /** The beginning of the first hour with a tree. */
  firstPeriod: Schema.optional(Schema.DateTimeUtc),
  /** The end of the last hour with a tree. */
  lastPeriod: Schema.optional(Schema.DateTimeUtc),
  /** `type` (root_mismatch, broken_chain, ...) is an open vocabulary. */
  issues: Schema.Array(Schema.Struct({
    treeIndex: Schema.Int,
    type: Schema.String,
    detail: Schema.optional(Schema.String)
  }))
}) {}

/**
 * One of two trees that were compared. Only its index is known where the gateway stopped before it.
 *
 * @category models
 * @since 0.1.0
 */
export const ComparedTree = Schema.Struct({
  index: Schema.Int,
  root: Schema.optional(RecordHash),
  records: Schema.optional(Schema.Int),
  periodStart: Schema.optional(Schema.DateTimeUtc),
  periodEnd: Schema.optional(Schema.DateTimeUtc),
  /** Whether the gateway says that today's records lead to the stored root. */
  claimedValid: Schema.optional(Schema.Boolean)
})

/**
 * The type of {@link ComparedTree}.
 *
 * @category models
 * @since 0.1.0
 */
export type ComparedTree = typeof ComparedTree.Type

/**
 * What the gateway says about the way from one tree to a later one (GET /audit/merkle/consistency/{n}/{m}): a claim, not a
 * proof.
 *
 * @category models
 * @since 0.1.0
 */
export class TreeConsistency extends Schema.Class<TreeConsistency>("effect-vargate/TreeConsistency")({
  claimedConsistent: Schema.Boolean,
  from: ComparedTree,
  to: ComparedTree,
  /** Whether each tree between names the root of the one before. */
  chainClaimedValid: Schema.optional(Schema.Boolean),
  brokenAt: Schema.optional(Schema.NullOr(Schema.Int)),
  treesBetween: Schema.optional(Schema.Int),
  /** In all trees from the first to the last. */
  records: Schema.optional(Schema.Int),
  reason: Schema.optional(Schema.String)
}) {}
