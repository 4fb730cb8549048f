/**
 * Follows a Merkle proof from its leaf to the root.
 *
 * @internal
 */
import type { MerkleProof } from "../domain/MerkleProof.ts"
import { Inclusion, type InclusionFailure } from "../domain/TreesReport.ts"
import { type Hashing, writeHash } from "./hashing.ts"

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

const scratch = new Uint8Array(32)

const refused = (reason: InclusionFailure, computedRoot?: string) =>
  new Inclusion({ valid: false, reason, computedRoot })

/** A tree of one has one step, in which the leaf is its own sibling. */
const depthOf = (size: number) => Math.max(1, Math.ceil(Math.log2(size)))

/** What is wrong before anything is hashed, or undefined. Writes the siblings as bytes. */
const malformed = (
  proof: MerkleProof,
  trusted: TrustedTree,
  siblings: Uint8Array
): InclusionFailure | undefined => {
  const { leafIndex, recordHash, steps, treeIndex, treeSize } = proof
  if (!writeHash(scratch, 0, trusted.root) || !writeHash(scratch, 0, recordHash)) return "MalformedHash"
  if (!steps.every(({ sibling }, height) => writeHash(siblings, 32 * height, sibling))) return "MalformedHash"
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
function* follow(
  { recordHash, steps }: MerkleProof,
  siblings: Uint8Array,
  leafIndex: number,
  size: number | undefined,
  root: string
): Hashing<Inclusion> {
  const pair = new Uint8Array(64)
  let node: string = recordHash
  let index = leafIndex
  let width = size
  for (let height = 0; height < steps.length; height++) {
    const { side, sibling } = steps[height]!
    const demanded: Side = index % 2 === 0 ? "right" : "left"
    if (side !== undefined && side !== demanded) return refused("WrongSide")
    // Records are unique, so a node is its own sibling only at the end of an odd level. Without this check a tree that
    // really repeats its last record would pass for one that does not.
    const isOwn = sibling === node
    const isLast = width === undefined ? undefined : demanded === "right" && index === width - 1
    if (isLast === undefined ? isOwn && demanded === "left" : isOwn !== isLast) return refused("NotTheLastNode")
    const place = demanded === "right" ? 32 : 0
    writeHash(pair, 32 - place, node)
    for (let i = 0; i < 32; i++) pair[place + i] = siblings[32 * height + i]!
    node = yield pair
    index = Math.floor(index / 2)
    if (width !== undefined) width = Math.ceil(width / 2)
  }
  return node === root
    ? new Inclusion({ valid: true, computedRoot: node })
    : refused("RootMismatch", node)
}

/** The place that the sides of a proof speak of, if all steps have one. */
const indexOfSides = ({ steps }: MerkleProof): number | undefined =>
  steps.every(({ side }) => side !== undefined)
    ? steps.reduce((index, { side }, height) => side === "left" ? index + 2 ** height : index, 0)
    : undefined

/** @internal */
export function* inclusionHashing(proof: MerkleProof, trusted: TrustedTree): Hashing<Inclusion> {
  if (proof.steps.length > maxSteps) return refused("WrongDepth")
  const siblings = new Uint8Array(32 * proof.steps.length)
  const failure = malformed(proof, trusted, siblings)
  if (failure !== undefined) return refused(failure)
  const { leafIndex, steps, treeSize } = proof
  const size = treeSize ?? trusted.records
  const known = leafIndex ?? indexOfSides(proof)
  if (known !== undefined) {
    if (size !== undefined && known >= size) return refused("IndexOutOfRange")
    return yield* follow(proof, siblings, known, size, trusted.root)
  }
  // The dialect of the guide: bare hashes and no index. One of the places leads to the root, or none does.
  if (steps.length > maxSearchedSteps) return refused("WrongDepth")
  for (let place = 0; place < Math.min(2 ** steps.length, size ?? Infinity); place++) {
    const result = yield* follow(proof, siblings, place, size, trusted.root)
    if (result.valid) return result
  }
  return refused("RootMismatch")
}
