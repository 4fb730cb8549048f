/**
 * What rebuilding the stored Merkle trees from the verified records found, and whether one proof holds.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The records of this tree do not have its stored root: one was changed, removed or added after the tree was built.
 *
 * @category findings
 * @since 0.1.0
 */
export class Tampered extends Schema.TaggedClass<Tampered>("effect-vargate/Tampered")("Tampered", {
  index: Schema.Int,
  stored: Schema.String,
  rebuilt: Schema.String,
  /** How many records stand in the tree's range, and how many there were. */
  found: Schema.Int,
  expected: Schema.Int
}) {}

/**
 * Records of this tree (`erased` of them) were erased under data protection law, and that alone is the difference: with
 * the hashes that the log still shows for them, or without, the tree has its stored root. It does not make a report
 * invalid.
 *
 * **Details**
 *
 * The gateway leaves erased records out when it rebuilds a tree, so its own verification (GET /audit/merkle/verify) and
 * its proofs contradict the stored root from then on.
 *
 * @category findings
 * @since 0.1.0
 */
export class ErasedLeaves extends Schema.TaggedClass<ErasedLeaves>("effect-vargate/ErasedLeaves")("ErasedLeaves", {
  index: Schema.Int,
  erased: Schema.Int
}) {}

/**
 * The tree names a predecessor (`expected`) whose root is another (`found`).
 *
 * @category findings
 * @since 0.1.0
 */
export class BrokenTreeChain extends Schema.TaggedClass<BrokenTreeChain>("effect-vargate/BrokenTreeChain")(
  "BrokenTreeChain",
  { index: Schema.Int, expected: Schema.String, found: Schema.String }
) {}

/**
 * There is no tree of this index, although there are earlier and later ones.
 *
 * @category findings
 * @since 0.1.0
 */
export class MissingTree extends Schema.TaggedClass<MissingTree>("effect-vargate/MissingTree")("MissingTree", {
  index: Schema.Int
}) {}

/**
 * Records that stand between the stored trees and are in none of them; `firstId` is the oldest.
 *
 * @category findings
 * @since 0.1.0
 */
export class UncoveredRecords extends Schema.TaggedClass<UncoveredRecords>("effect-vargate/UncoveredRecords")(
  "UncoveredRecords",
  { firstId: Schema.Int, records: Schema.Int }
) {}

/**
 * A root that was seen earlier is another now, or its tree is gone.
 *
 * @category findings
 * @since 0.1.0
 */
export class RootChanged extends Schema.TaggedClass<RootChanged>("effect-vargate/RootChanged")("RootChanged", {
  index: Schema.Int,
  expected: Schema.String,
  found: Schema.optional(Schema.String)
}) {}

/**
 * What can be said about stored trees.
 *
 * @category findings
 * @since 0.1.0
 */
export const TreeFinding = Schema.Union([
  Tampered,
  ErasedLeaves,
  BrokenTreeChain,
  MissingTree,
  UncoveredRecords,
  RootChanged
])

/**
 * The type of {@link TreeFinding}.
 *
 * @category findings
 * @since 0.1.0
 */
export type TreeFinding = typeof TreeFinding.Type

/**
 * The verdict on stored trees.
 *
 * @category models
 * @since 0.1.0
 */
export class TreesReport extends Schema.Class<TreesReport>("effect-vargate/TreesReport")({
  /** Whether nothing but lawful erasures was found. */
  valid: Schema.Boolean,
  /** Trees whose records were all there to rebuild them. */
  rebuilt: Schema.Int,
  /** Trees whose records were not, or not all, read. */
  notRead: Schema.Int,
  findings: Schema.Array(TreeFinding)
}) {}

/**
 * Why a proof does not hold.
 *
 * | reason | meaning |
 * | --- | --- |
 * | `MalformedHash` | a hash is not 64 lower-case hex digits |
 * | `IndexOutOfRange` | `leaf_index` is no place in a tree of `tree_size` |
 * | `WrongRecord` | the proof is about another record than the one that was asked for |
 * | `WrongTree` | the proof speaks of another tree than the trusted one |
 * | `WrongSize` | `tree_size` is not the trusted tree's number of records |
 * | `WrongDepth` | too many or too few steps for a tree of that size |
 * | `WrongSide` | a sibling stands on the other side than `leaf_index` demands |
 * | `NotTheLastNode` | a node is its own sibling, or is not, where the size demands otherwise |
 * | `RootMismatch` | the path leads to another root |
 * | `ErasedLeaves` | the path leads to another root because records of this tree were erased since it was stored |
 * | `NoTrustedRoot` | no stored root is known for the proof's tree |
 *
 * @category models
 * @since 0.1.0
 */
export const InclusionFailure = Schema.Literals([
  "MalformedHash",
  "IndexOutOfRange",
  "WrongRecord",
  "WrongTree",
  "WrongSize",
  "WrongDepth",
  "WrongSide",
  "NotTheLastNode",
  "RootMismatch",
  "ErasedLeaves",
  "NoTrustedRoot"
])

/**
 * The type of {@link InclusionFailure}.
 *
 * @category models
 * @since 0.1.0
 */
export type InclusionFailure = typeof InclusionFailure.Type

/**
 * Whether a proof holds, and why not.
 *
 * @category models
 * @since 0.1.0
 */
export class Inclusion extends Schema.Class<Inclusion>("effect-vargate/Inclusion")({
  valid: Schema.Boolean,
  reason: Schema.optional(InclusionFailure),
  /** Where the path leads, where it could be followed. */
  computedRoot: Schema.optional(Schema.String)
}) {}
