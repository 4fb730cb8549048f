/**
 * Follows a Merkle proof from its leaf to the root.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import type { HasherService } from "../../Hasher.ts"
import type { MerkleProof } from "../../MerkleProof.ts"
import { Inclusion, type InclusionFailure } from "../../TreesReport.ts"
import { depthOf, NodePair, writeHashes } from "./merkleNodes.ts"

/** @internal */
export interface TrustedTree {
  readonly root: string
  readonly index?: number | undefined
  readonly records?: number | undefined
}

type Side = "left" | "right"

/** A tree of one hour with more records than this has never been. It bounds what a hostile proof can cost. */
const maxSteps = 40
/** Without an index every combination of sides is tried, which doubles with each step. */
const maxSearchedSteps = 16

/** Where the nodes stand that a proof speaks of: the root, the leaf, and from here on the siblings. */
const root = 0
const leaf = 1
const siblings = 2

class Nodes {
  readonly bytes = new Uint8Array(32 * (siblings + maxSteps))
  readonly row = new Int32Array(this.bytes.buffer)
  readonly pair = new NodePair()
}

/** For proofs that are followed without waiting: they come one after the other. */
const reused = new Nodes()

const refused = (reason: InclusionFailure, computedRoot?: string) =>
  new Inclusion({ valid: false, reason, computedRoot })

/** What is wrong before anything is hashed, or undefined. Writes the nodes as bytes. */
const malformed = (proof: MerkleProof, trusted: TrustedTree, { bytes }: Nodes): InclusionFailure | undefined => {
  const { leafIndex, recordHash, steps, treeIndex, treeSize } = proof
  const hashes: Array<string> = [trusted.root, recordHash]
  for (const { sibling } of steps) hashes.push(sibling)
  if (!writeHashes(bytes, hashes)) return "MalformedHash"
  if (trusted.index !== undefined && treeIndex !== undefined && treeIndex !== trusted.index) return "WrongTree"
  const size = treeSize ?? trusted.records
  if (trusted.records !== undefined && size !== trusted.records) return "WrongSize"
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 1)) return "WrongSize"
  if (steps.length < 1) return "WrongDepth"
  if (size !== undefined && steps.length !== depthOf(size)) return "WrongDepth"
  if (leafIndex === undefined) return undefined
  if (!Number.isSafeInteger(leafIndex) || leafIndex < 0) return "IndexOutOfRange"
  return leafIndex >= (size ?? 2 ** steps.length) ? "IndexOutOfRange" : undefined
}

/** Follows the path of a leaf whose place is known. */
const follow = (
  { hashAll, hashInto }: HasherService,
  { steps }: MerkleProof,
  { pair, row }: Nodes,
  leafIndex: number,
  size: number | undefined,
  trustedRoot: string
): Effect.Effect<Inclusion> => {
  let height = 0
  let index = leafIndex
  let width = size
  pair.takeOne(index % 2, row, leaf)
  const climb = (): Effect.Effect<Inclusion> => {
    while (height < steps.length) {
      const { side } = steps[height]!
      const demanded: Side = index % 2 === 0 ? "right" : "left"
      if (side !== undefined && side !== demanded) return Effect.succeed(refused("WrongSide"))
      pair.takeOne(demanded === "right" ? 1 : 0, row, siblings + height)
      // Records are unique, so a node is its own sibling only at the end of an odd level. Without this check a tree that
      // really repeats its last record would pass for one that does not.
      const isOwn = pair.isTwice
      const isLast = width === undefined ? undefined : demanded === "right" && index === width - 1
      if (isLast === undefined ? isOwn && demanded === "left" : isOwn !== isLast) {
        return Effect.succeed(refused("NotTheLastNode"))
      }
      height++
      index = Math.floor(index / 2)
      if (width !== undefined) width = Math.ceil(width / 2)
      const offset = 32 * (index % 2)
      if (hashInto === undefined) {
        return Effect.flatMap(hashAll([pair.bytes]), ([hash]) => {
          writeHashes(pair.bytes.subarray(offset), [hash!])
          return climb()
        })
      }
      hashInto(pair.bytes, offset, pair.bytes)
    }
    return Effect.succeed(
      pair.has(0, row, root)
        ? new Inclusion({ valid: true, computedRoot: trustedRoot })
        : refused("RootMismatch", Hex.encode(pair.bytes.subarray(0, 32)))
    )
  }
  return climb()
}

/** The place that the sides of a proof speak of, if all steps have one. */
const indexOfSides = ({ steps }: MerkleProof): number | undefined =>
  steps.every(({ side }) => side !== undefined)
    ? steps.reduce((index, { side }, height) => side === "left" ? index + 2 ** height : index, 0)
    : undefined

/** The dialect of the guide: bare hashes and no index. One of the places leads to the root, or none does. */
const search = Effect.fnUntraced(function*(
  hasher: HasherService,
  proof: MerkleProof,
  nodes: Nodes,
  size: number | undefined,
  trustedRoot: string
): Effect.fn.Return<Inclusion> {
  const places = Math.min(2 ** proof.steps.length, size ?? Infinity)
  for (let place = 0; place < places; place++) {
    const result = yield* follow(hasher, proof, nodes, place, size, trustedRoot)
    if (result.valid) return result
  }
  return refused("RootMismatch")
})

/** @internal */
export const inclusionWith = (
  hasher: HasherService,
  proof: MerkleProof,
  trusted: TrustedTree
): Effect.Effect<Inclusion> =>
  Effect.suspend(() => {
    const { leafIndex, steps, treeSize } = proof
    if (steps.length > maxSteps) return Effect.succeed(refused("WrongDepth"))
    const known = leafIndex ?? indexOfSides(proof)
    const nodes = hasher.hashInto === undefined || known === undefined ? new Nodes() : reused
    const failure = malformed(proof, trusted, nodes)
    if (failure !== undefined) return Effect.succeed(refused(failure))
    const size = treeSize ?? trusted.records
    if (known === undefined) {
      return steps.length > maxSearchedSteps
        ? Effect.succeed(refused("WrongDepth"))
        : search(hasher, proof, nodes, size, trusted.root)
    }
    if (size !== undefined && known >= size) return Effect.succeed(refused("IndexOutOfRange"))
    return follow(hasher, proof, nodes, known, size, trusted.root)
  })
