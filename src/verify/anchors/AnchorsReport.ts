/**
 * What checking anchors at nodes of the auditor's own choice found, and why.
 *
 * @since 0.2.0
 */
import * as Schema from "effect/Schema"
import { ChainReport } from "../ChainReport.ts"

/**
 * The node is on another chain than the pinned one. Nothing that it answers was looked at.
 *
 * @category findings
 * @since 0.2.0
 */
export class ForeignChain extends Schema.TaggedClass<ForeignChain>("effect-vargate/anchors/ForeignChain")(
  "ForeignChain",
  { node: Schema.String, expected: Schema.Int, found: Schema.Int }
) {}

/**
 * At the pinned address there is no contract, or none that answers as one that keeps anchors does.
 *
 * @category findings
 * @since 0.2.0
 */
export class NoContract extends Schema.TaggedClass<NoContract>("effect-vargate/anchors/NoContract")("NoContract", {
  contract: Schema.String
}) {}

/**
 * The contract's code has another SHA-256 than the pinned one.
 *
 * @category findings
 * @since 0.2.0
 */
export class WrongCode extends Schema.TaggedClass<WrongCode>("effect-vargate/anchors/WrongCode")("WrongCode", {
  expected: Schema.String,
  found: Schema.String
}) {}

/**
 * The contract belongs to another account than the pinned one, which alone may write anchors. `found` is undefined where
 * the contract does not say.
 *
 * @category findings
 * @since 0.2.0
 */
export class WrongOwner extends Schema.TaggedClass<WrongOwner>("effect-vargate/anchors/WrongOwner")("WrongOwner", {
  expected: Schema.String,
  found: Schema.optional(Schema.String)
}) {}

/**
 * The contract went from one owner to another in a block from which on it must not have: also where it has come back since.
 * Who owns it writes anchors.
 *
 * @category findings
 * @since 0.2.0
 */
export class OwnershipTransferred
  extends Schema.TaggedClass<OwnershipTransferred>("effect-vargate/anchors/OwnershipTransferred")(
    "OwnershipTransferred",
    { block: Schema.Int, tx: Schema.String, from: Schema.String, to: Schema.String }
  )
{}

/**
 * The tree was anchored while the contract belonged to another account than to the one that it should belong to.
 *
 * @category findings
 * @since 0.2.0
 */
export class AnchoredByAnother
  extends Schema.TaggedClass<AnchoredByAnother>("effect-vargate/anchors/AnchoredByAnother")("AnchoredByAnother", {
    tree: Schema.Int,
    anchorIndex: Schema.Int,
    owner: Schema.String
  })
{}

/**
 * The gateway names something as the tree's transaction that is no transaction hash. No node was asked for it.
 *
 * @category findings
 * @since 0.2.0
 */
export class MalformedTransaction
  extends Schema.TaggedClass<MalformedTransaction>("effect-vargate/anchors/MalformedTransaction")(
    "MalformedTransaction",
    { tree: Schema.Int }
  )
{}

const named = { tree: Schema.Int, tx: Schema.String }

/**
 * The chain does not have the transaction that the gateway names: it was reorganized away, or there never was one.
 *
 * @category findings
 * @since 0.2.0
 */
export class TransactionMissing
  extends Schema.TaggedClass<TransactionMissing>("effect-vargate/anchors/TransactionMissing")(
    "TransactionMissing",
    named
  )
{}

/**
 * The transaction that the gateway names failed, so it wrote nothing.
 *
 * @category findings
 * @since 0.2.0
 */
export class Reverted extends Schema.TaggedClass<Reverted>("effect-vargate/anchors/Reverted")("Reverted", named) {}

/**
 * The transaction that the gateway names wrote an anchor to another contract than the pinned one.
 *
 * @category findings
 * @since 0.2.0
 */
export class ForeignContract extends Schema.TaggedClass<ForeignContract>("effect-vargate/anchors/ForeignContract")(
  "ForeignContract",
  { ...named, found: Schema.String }
) {}

/**
 * The transaction that the gateway names wrote no anchor.
 *
 * @category findings
 * @since 0.2.0
 */
export class NoAnchorWritten extends Schema.TaggedClass<NoAnchorWritten>("effect-vargate/anchors/NoAnchorWritten")(
  "NoAnchorWritten",
  named
) {}

/**
 * The transaction that the gateway names anchored another root (`found`) than the one that the gateway shows of this tree
 * now.
 *
 * @category findings
 * @since 0.2.0
 */
export class AnchoredOtherRoot
  extends Schema.TaggedClass<AnchoredOtherRoot>("effect-vargate/anchors/AnchoredOtherRoot")("AnchoredOtherRoot", {
    ...named,
    expected: Schema.String,
    found: Schema.String
  })
{}

/**
 * The gateway names another block (`expected`) than that of the transaction (`found`). After a reorganization of the chain
 * an honest gateway may not have noticed.
 *
 * @category findings
 * @since 0.2.0
 */
export class WrongBlock extends Schema.TaggedClass<WrongBlock>("effect-vargate/anchors/WrongBlock")("WrongBlock", {
  ...named,
  expected: Schema.Int,
  found: Schema.Int
}) {}

/**
 * The transaction's receipt belongs to a block that is not the chain's block of that number.
 *
 * @category findings
 * @since 0.2.0
 */
export class NotOnChain extends Schema.TaggedClass<NotOnChain>("effect-vargate/anchors/NotOnChain")("NotOnChain", {
  ...named,
  block: Schema.Int
}) {}

/**
 * The contract's entry for the tree's root differs from the tree in `field`.
 *
 * @category findings
 * @since 0.2.0
 */
export class EntryDiffers extends Schema.TaggedClass<EntryDiffers>("effect-vargate/anchors/EntryDiffers")(
  "EntryDiffers",
  {
    tree: Schema.Int,
    anchorIndex: Schema.Int,
    field: Schema.Literals(["prevRoot", "records", "fromRecordId", "toRecordId", "systemId", "block", "time"]),
    expected: Schema.String,
    found: Schema.String
  }
) {}

/**
 * The contract has no entry for the tree, although it should have been anchored by `due`.
 *
 * @category findings
 * @since 0.2.0
 */
export class MissingAnchor extends Schema.TaggedClass<MissingAnchor>("effect-vargate/anchors/MissingAnchor")(
  "MissingAnchor",
  { tree: Schema.Int, due: Schema.DateTimeUtcFromString }
) {}

/**
 * The tree was anchored so many seconds after its hour, which is more than was permitted. A rewrite in that time leaves no
 * trace on the chain.
 *
 * @category findings
 * @since 0.2.0
 */
export class LateAnchor extends Schema.TaggedClass<LateAnchor>("effect-vargate/anchors/LateAnchor")("LateAnchor", {
  tree: Schema.Int,
  seconds: Schema.Int,
  permitted: Schema.Int
}) {}

/**
 * The tree was anchored before its hour was over: it cannot hold all of it.
 *
 * @category findings
 * @since 0.2.0
 */
export class AnchoredTooEarly extends Schema.TaggedClass<AnchoredTooEarly>("effect-vargate/anchors/AnchoredTooEarly")(
  "AnchoredTooEarly",
  { tree: Schema.Int, seconds: Schema.Int }
) {}

/**
 * A record of the tree claims to have been requested after its root was anchored.
 *
 * @category findings
 * @since 0.2.0
 */
export class RecordAfterAnchor
  extends Schema.TaggedClass<RecordAfterAnchor>("effect-vargate/anchors/RecordAfterAnchor")("RecordAfterAnchor", {
    tree: Schema.Int,
    requestedAt: Schema.DateTimeUtcFromString,
    anchoredAt: Schema.DateTimeUtcFromString
  })
{}

/**
 * The tree's stored root is anchored, and the records of the log do not lead to it any more.
 *
 * @category findings
 * @since 0.2.0
 */
export class RewrittenAfterAnchoring
  extends Schema.TaggedClass<RewrittenAfterAnchoring>("effect-vargate/anchors/RewrittenAfterAnchoring")(
    "RewrittenAfterAnchoring",
    { tree: Schema.Int, anchorIndex: Schema.Int }
  )
{}

/**
 * The contract has an entry that follows our tree before this one, with another root (`anchored`) than the tree that the
 * gateway shows now: it told two stories. `stored` is undefined where it shows no such tree.
 *
 * @category findings
 * @since 0.2.0
 */
export class ForkedTree extends Schema.TaggedClass<ForkedTree>("effect-vargate/anchors/ForkedTree")("ForkedTree", {
  tree: Schema.Int,
  anchorIndex: Schema.Int,
  anchored: Schema.String,
  stored: Schema.optional(Schema.String)
}) {}

/**
 * Nodes of the same chain do not answer alike: at least one of them is wrong, or shows another fork. `tree` is undefined
 * where it is not about a tree.
 *
 * @category findings
 * @since 0.2.0
 */
export class NodesDisagree extends Schema.TaggedClass<NodesDisagree>("effect-vargate/anchors/NodesDisagree")(
  "NodesDisagree",
  {
    about: Schema.Literals(["block", "code", "owner", "transfers", "entries", "tree"]),
    tree: Schema.optional(Schema.Int),
    answers: Schema.Array(Schema.Struct({ node: Schema.String, answer: Schema.String }))
  }
) {}

/**
 * What can be said about anchors.
 *
 * @category findings
 * @since 0.2.0
 */
export const AnchorFinding = Schema.Union([
  ForeignChain,
  NoContract,
  WrongCode,
  WrongOwner,
  OwnershipTransferred,
  AnchoredByAnother,
  MalformedTransaction,
  TransactionMissing,
  Reverted,
  ForeignContract,
  NoAnchorWritten,
  AnchoredOtherRoot,
  WrongBlock,
  NotOnChain,
  EntryDiffers,
  MissingAnchor,
  LateAnchor,
  AnchoredTooEarly,
  RecordAfterAnchor,
  RewrittenAfterAnchoring,
  ForkedTree,
  NodesDisagree
])

/**
 * The type of {@link AnchorFinding}.
 *
 * @category findings
 * @since 0.2.0
 */
export type AnchorFinding = typeof AnchorFinding.Type

/**
 * What the chain says about one tree.
 *
 * | state | meaning |
 * | --- | --- |
 * | `anchored` | its root is on the chain, final, in time, and its records lead to it |
 * | `pending` | it is not on the chain yet, or not final, and may still be in time |
 * | `faulty` | a finding says what is wrong |
 * | `disputed` | nodes do not answer alike |
 * | `notChecked` | its records were not read, or no node could be asked |
 *
 * @category models
 * @since 0.2.0
 */
export const TreeAnchor = Schema.Struct({
  index: Schema.Int,
  state: Schema.Literals(["anchored", "pending", "faulty", "disputed", "notChecked"]),
  /** Where the contract has it. */
  anchorIndex: Schema.optional(Schema.Int),
  block: Schema.optional(Schema.Int),
  blockHash: Schema.optional(Schema.String),
  anchoredAt: Schema.optional(Schema.DateTimeUtcFromString),
  /** From the end of its hour to its block: in that time a rewrite leaves no trace on the chain. */
  delaySeconds: Schema.optional(Schema.Int)
})

/**
 * The type of {@link TreeAnchor}.
 *
 * @category models
 * @since 0.2.0
 */
export type TreeAnchor = typeof TreeAnchor.Type

/**
 * Whether a node could be asked. `why` says why not, and holds nothing of its URL and none of its texts.
 *
 * @category models
 * @since 0.2.0
 */
export const NodeState = Schema.Struct({
  label: Schema.String,
  isChecked: Schema.Boolean,
  why: Schema.optional(Schema.String)
})

/**
 * The type of {@link NodeState}.
 *
 * @category models
 * @since 0.2.0
 */
export type NodeState = typeof NodeState.Type

/**
 * Whether the contract has had one owner since a block, as its logs show.
 *
 * | state | meaning |
 * | --- | --- |
 * | `unchanged` | there is no transfer in the logs |
 * | `changed` | a finding says when, from which account and to which |
 * | `disputed` | nodes do not answer alike |
 * | `notChecked` | too few nodes have shown their logs: nothing is known |
 *
 * @category models
 * @since 0.2.0
 */
export const Ownership = Schema.Struct({
  since: Schema.Int,
  state: Schema.Literals(["unchanged", "changed", "disputed", "notChecked"]),
  /** Which nodes have shown their logs. */
  nodes: Schema.Array(NodeState)
})

/**
 * The type of {@link Ownership}.
 *
 * @category models
 * @since 0.2.0
 */
export type Ownership = typeof Ownership.Type

/**
 * The verdict on anchors.
 *
 * **Details**
 *
 * `valid` means: enough nodes could be asked and answer alike; they are on the pinned chain; the pinned contract, with the
 * pinned code and owner, has an entry with the root, size and range of each tree, in a final block, in time; none of its
 * entries continues our trees otherwise; where a block is pinned from which on its owner must not have changed, its logs show
 * no transfer; and the records of the log, each verified, lead to those roots.
 *
 * **Gotchas**
 *
 * - Not checked is not valid: where too few nodes could be asked, `isChecked` is false, and nothing is known.
 * - Nothing is said about a tree before it is anchored: `delaySeconds` of it is the time in which a rewrite leaves no trace.
 * - A fork of the very first tree cannot be told from another tenant's first tree, and other tenants' entries cannot be
 *   judged.
 * - A node that is asked alone is believed.
 * - Without `ownerSince` the owner is that of one block: one that was changed and changed back since is not noticed. With it,
 *   nothing is said about who owned the contract before that block.
 * - What was never recorded is not on the chain either.
 *
 * @category models
 * @since 0.2.0
 */
export class AnchorsReport extends Schema.Class<AnchorsReport>("effect-vargate/AnchorsReport")({
  valid: Schema.Boolean,
  /** Whether as many nodes as demanded could be asked, also for logs where these are needed. */
  isChecked: Schema.Boolean,
  chainId: Schema.Int,
  contract: Schema.String,
  /** The final block at which the contract was read. */
  block: Schema.optional(Schema.Struct({
    number: Schema.Int,
    hash: Schema.String,
    at: Schema.DateTimeUtcFromString
  })),
  nodes: Schema.Array(NodeState),
  /** Whether the owner has changed, where a block was pinned from which on it must not have. */
  ownership: Schema.optional(Ownership),
  /** Oldest first. */
  trees: Schema.Array(TreeAnchor),
  /** Entries of the contract that were read, and how many of them belong to none of these trees. */
  entries: Schema.Int,
  otherEntries: Schema.Int,
  findings: Schema.Array(AnchorFinding),
  /** Further findings that were counted and not kept. */
  omittedFindings: Schema.Int,
  /** What the verification of the records found, where it was part of this one. */
  chain: Schema.optional(ChainReport)
}) {
  /** Whether every node could be asked, and every tree is anchored or may still be in time. */
  get isComplete(): boolean {
    return [...this.nodes, ...this.ownership?.nodes ?? []].every(({ isChecked }) => isChecked) &&
      this.trees.every(({ state }) => state !== "notChecked")
  }

  /** What could not be asked, a sentence without its end for each node. */
  get gaps(): ReadonlyArray<string> {
    const whyOf = ({ label, why }: NodeState) => why === undefined ? [] : [`node ${label} ${why}`]
    const gone = new Set(this.nodes.flatMap(({ isChecked, label }) => isChecked ? [] : [label]))
    const withoutLogs = this.ownership?.nodes.filter(({ label }) => !gone.has(label)) ?? []
    return [
      ...this.nodes.flatMap(whyOf),
      ...withoutLogs.flatMap(whyOf).map((why) => `${why}: its owners are not known`)
    ]
  }
}
