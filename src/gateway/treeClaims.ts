/**
 * What the gateway says about its own Merkle trees when it is asked: rebuilt from today's records, as on the measured
 * gateway, so that an erasure looks like a break.
 *
 * @since 0.1.0
 */
import type { AuditRecord } from "../domain/AuditRecord.ts"
import type { MerkleTree } from "../domain/MerkleProof.ts"
import { type ComparedTree, TreeConsistency, TreesStatus } from "../domain/TreesStatus.ts"
import { levelsOf } from "../internal/merkleTree.ts"
import { hashPair, merkleGenesis } from "./chain.ts"
import { leavesOf } from "./MerkleTrees.ts"

const shown = (hash: string) => `${hash.slice(0, 16)}...`

/** Undefined where no record is left. */
const rebuiltRoot = (tree: MerkleTree, records: ReadonlyArray<AuditRecord>): string | undefined => {
  const leaves = leavesOf(tree, records)
  return leaves.length === 0 ? undefined : levelsOf(leaves, hashPair).at(-1)![0]
}

/** The first of the trees that does not name the root of the one before. */
const brokenAt = (trees: ReadonlyArray<MerkleTree>): MerkleTree | undefined =>
  trees.find(({ prevRoot }, index) => index > 0 && prevRoot !== trees[index - 1]!.root)

/**
 * What becomes of all trees when they are rebuilt, oldest first.
 *
 * @category claims
 * @since 0.1.0
 */
export const treesStatus = (trees: ReadonlyArray<MerkleTree>, records: ReadonlyArray<AuditRecord>): TreesStatus => {
  const issues = trees.flatMap((tree, position) => {
    const rebuilt = rebuiltRoot(tree, records)
    const expected = trees[position - 1]?.root ?? merkleGenesis
    return [
      ...(rebuilt === tree.root ? [] : [{
        treeIndex: tree.index,
        type: "root_mismatch",
        detail: `rebuilt=${rebuilt === undefined ? "nothing" : shown(rebuilt)} stored=${shown(tree.root)}`
      }]),
      ...(tree.prevRoot === expected ? [] : [{
        treeIndex: tree.index,
        type: "broken_chain",
        detail: `prev_tree_root=${shown(tree.prevRoot ?? "")} expected=${shown(expected)}`
      }])
    ]
  })
  return new TreesStatus({
    valid: issues.length === 0,
    trees: trees.length,
    records: trees.reduce((sum, { records }) => sum + records, 0),
    firstPeriod: trees[0]?.periodStart,
    lastPeriod: trees.at(-1)?.periodEnd,
    issues
  })
}

/**
 * What lies between the first and the last of these trees, which follow upon one another.
 *
 * @category claims
 * @since 0.1.0
 */
export const treeConsistency = (
  trees: ReadonlyArray<MerkleTree>,
  records: ReadonlyArray<AuditRecord>
): TreeConsistency => {
  const [first, last] = [trees[0]!, trees.at(-1)!]
  const rebuilt = rebuiltRoot(first, records)
  if (rebuilt !== first.root) {
    return new TreeConsistency({
      claimedConsistent: false,
      from: { index: first.index },
      to: { index: last.index },
      reason: `Tree ${first.index} records have been modified. Recomputed root=${
        rebuilt === undefined ? "nothing" : shown(rebuilt)
      } != stored=${shown(first.root)}`
    })
  }
  const compared = (tree: MerkleTree): ComparedTree => ({
    index: tree.index,
    root: tree.root,
    records: tree.records,
    periodStart: tree.periodStart,
    periodEnd: tree.periodEnd,
    claimedValid: rebuiltRoot(tree, records) === tree.root
  })
  const broken = brokenAt(trees)
  const to = compared(last)
  return new TreeConsistency({
    claimedConsistent: broken === undefined && to.claimedValid === true,
    from: compared(first),
    to,
    chainClaimedValid: broken === undefined,
    brokenAt: broken?.index ?? null,
    treesBetween: trees.length - 1,
    records: trees.reduce((sum, { records }) => sum + records, 0)
  })
}
