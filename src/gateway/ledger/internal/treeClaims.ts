/**
 * What the gateway says about its own Merkle trees when it is asked: rebuilt from today's records, as on the measured
 * gateway, so that an erasure looks like a break.
 *
 * @since 0.1.0
 */
import type { RecordHash } from "../../../model/RecordHash.ts"
import type { MerkleTree } from "../../../verify/MerkleProof.ts"
import { type ComparedTree, TreeConsistency, TreesStatus } from "../../../verify/TreesStatus.ts"
import { merkleGenesis } from "./chain.ts"

/**
 * A stored tree, and the root that its records lead to today. There is none where no record is left.
 *
 * @category models
 * @since 0.1.0
 */
export interface RebuiltTree {
  readonly tree: MerkleTree
  readonly root: RecordHash | undefined
}

const shown = (hash: string | undefined) => hash === undefined ? "nothing" : `${hash.slice(0, 16)}...`

const recordsIn = (trees: ReadonlyArray<RebuiltTree>) => trees.reduce((sum, { tree }) => sum + tree.records, 0)

/**
 * What became of all trees when they were rebuilt, oldest first.
 *
 * @category claims
 * @since 0.1.0
 */
export const treesStatus = (trees: ReadonlyArray<RebuiltTree>): TreesStatus => {
  const issues = trees.flatMap(({ root, tree }, position) => {
    const expected = trees[position - 1]?.tree.root ?? merkleGenesis
    return [
      ...(root === tree.root ? [] : [{
        treeIndex: tree.index,
        type: "root_mismatch",
        detail: `rebuilt=${shown(root)} stored=${shown(tree.root)}`
      }]),
      ...(tree.prevRoot === expected ? [] : [{
        treeIndex: tree.index,
        type: "broken_chain",
        detail: `prev_tree_root=${shown(tree.prevRoot ?? undefined)} expected=${shown(expected)}`
      }])
    ]
  })
  return new TreesStatus({
    valid: issues.length === 0,
    trees: trees.length,
    records: recordsIn(trees),
    firstPeriod: trees[0]?.tree.periodStart,
    lastPeriod: trees.at(-1)?.tree.periodEnd,
    issues
  })
}

const compared = ({ root, tree }: RebuiltTree): ComparedTree => ({
  index: tree.index,
  root: tree.root,
  records: tree.records,
  periodStart: tree.periodStart,
  periodEnd: tree.periodEnd,
  claimedValid: root === tree.root
})

/**
 * What lies between the first and the last of these trees, which follow upon one another.
 *
 * @category claims
 * @since 0.1.0
 */
export const treeConsistency = (trees: ReadonlyArray<RebuiltTree>): TreeConsistency => {
  const [first, last] = [trees[0]!, trees.at(-1)!]
  if (first.root !== first.tree.root) {
    return new TreeConsistency({
      claimedConsistent: false,
      from: { index: first.tree.index },
      to: { index: last.tree.index },
      reason: `Tree ${first.tree.index} records have been modified. ` +
        `Recomputed root=${shown(first.root)} != stored=${shown(first.tree.root)}`
    })
  }
  const broken = trees.find(({ tree }, position) => position > 0 && tree.prevRoot !== trees[position - 1]!.tree.root)
  return new TreeConsistency({
    claimedConsistent: broken === undefined && last.root === last.tree.root,
    from: compared(first),
    to: compared(last),
    chainClaimedValid: broken === undefined,
    brokenAt: broken?.tree.index ?? null,
    treesBetween: trees.length - 1,
    records: recordsIn(trees)
  })
}
