/**
 * The file of evidence, and what it says when it is examined.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Checkpoint } from "../../audit/Checkpoint.ts"
import { maxPageSize } from "../../internal/limits.ts"
import { ChainReport } from "../ChainReport.ts"
import { Hasher } from "../Hasher.ts"
import type { MerkleProof, MerkleTree } from "../MerkleProof.ts"
import { Inclusion } from "../TreesReport.ts"
import { ProofBody, TreeRow } from "../wire/MerkleApi.ts"
import { type CheckOptions, invalid, startCheck } from "./chain/chainReport.ts"
import { inclusionWith } from "./merkle/inclusion.ts"
import { readPage } from "./scan/readLog.ts"

const File = Schema.fromJsonString(Schema.Struct({
  format: Schema.Literal("vargate-evidence"),
  version: Schema.Literal(1),
  writtenBy: Schema.String,
  writtenAt: Schema.DateTimeUtcFromString,
  source: Schema.String,
  /** Whether the pages claim to be the whole log. */
  isWhole: Schema.Boolean,
  /** Answers to GET /audit/log, character by character, newest first. */
  pages: Schema.Array(Schema.String),
  /** Records that the gateway could not show, between or beside the pages. */
  unreadable: Schema.Int,
  trees: Schema.Array(TreeRow),
  proofs: Schema.Array(ProofBody),
  checkpoint: Schema.NullOr(Checkpoint),
  report: ChainReport
}))

/** @internal */
export type File = typeof File.Type

/** @internal */
export const encodeFile = Schema.encodeSync(File)
/** @internal */
export const decodeFile = Schema.decodeEffect(File)
const encoder = new TextEncoder()
/**
 * Verifies what a file holds: its pages, its trees, its proofs.
 *
 * @internal
 */
export const examine = Effect.fnUntraced(function*(
  operation: string,
  { checkpoint, isWhole, pages, proofs, trees, unreadable }: Pick<
    File,
    "isWhole" | "pages" | "unreadable" | "trees" | "proofs" | "checkpoint"
  >,
  { checkpoints = [], maxFindings }: Pick<CheckOptions, "checkpoints" | "maxFindings"> = {}
) {
  const wanted = new Set<string>(proofs.map(({ recordHash }) => recordHash))
  const inPages = new Set<string>()
  const check = yield* startCheck(operation, {
    checkpoints: checkpoint === null ? checkpoints : [...checkpoints, checkpoint],
    trees,
    isPart: !isWhole,
    maxFindings,
    onHash: (hash) => {
      if (wanted.has(hash)) inPages.add(hash)
    }
  })
  check.assembly.unreadable = unreadable
  const contradictions: Array<string> = []
  let beginsWithNewest = false
  yield* Effect.forEach(pages, (page, index) =>
    readPage(check.assembly, encoder.encode(page), check.hasher).pipe(
      Effect.mapError(({ expected, position }) =>
        invalid(
          operation,
          ["pages", index],
          `is not a page of an audit log: ${expected} was expected at byte ${position}`
        )
      ),
      Effect.tap(({ offset, rows }) => {
        beginsWithNewest ||= offset === 0
        // Of longer pages not every hash is kept, so that an overlap could hide what it does not share.
        if (rows > maxPageSize) {
          contradictions.push(`page ${index} holds ${rows} records, and no gateway sends more than ${maxPageSize}`)
        }
        return Effect.void
      }),
      Effect.flatMap(check.afterPage)
    ), { discard: true })
  const chain = yield* check.finish
  const erased = new Set(
    chain.trees?.findings.flatMap((finding) => finding._tag === "ErasedLeaves" ? [finding.index] : [])
  )
  const checked = yield* Effect.forEach(
    proofs,
    (proof) =>
      Effect.map(inclusionOf(proof, trees, erased), (inclusion) => ({
        recordHash: proof.recordHash,
        isInPages: inPages.has(proof.recordHash),
        inclusion
      }))
  )
  if (isWhole) {
    if (!beginsWithNewest) contradictions.push("no page begins with the newest record, so this is not the whole log")
    const outside = trees.filter(({ fromRecordId, toRecordId }) =>
      (fromRecordId ?? Infinity) < (chain.firstId ?? Infinity) ||
      (toRecordId ?? -Infinity) > (chain.lastId ?? -Infinity)
    )
    if (outside.length > 0) {
      const indexes = outside.slice(0, 10).map(({ index }) => index).join(", ")
      contradictions.push(`stored trees hold records that are not here, so this is not the whole log: ${indexes}`)
    }
  }
  return { chain, contradictions, proofs: checked }
})

/**
 * The stored tree that a proof is about.
 *
 * @internal
 */
export const treeOf = (proof: MerkleProof, trees: ReadonlyArray<MerkleTree>): MerkleTree | undefined =>
  trees.find(({ index, root }) => proof.treeIndex === undefined ? root === proof.root : index === proof.treeIndex)

const inclusionOf = (proof: MerkleProof, trees: ReadonlyArray<MerkleTree>, erased: ReadonlySet<number>) => {
  const tree = treeOf(proof, trees)
  if (tree === undefined) return Effect.succeed(new Inclusion({ valid: false, reason: "NoTrustedRoot" }))
  return Effect.map(
    Effect.flatMap(Hasher, (hasher) => inclusionWith(hasher, proof, tree)),
    // The record itself was found in the rebuilt tree; only the gateway's path to it has changed.
    (inclusion) =>
      !inclusion.valid && erased.has(tree.index)
        ? new Inclusion({ ...inclusion, reason: "ErasedLeaves" })
        : inclusion
  )
}

/** @internal */
export const contradictionsOf = (stated: ChainReport, found: ChainReport): ReadonlyArray<string> =>
  [
    ...(["valid", "tenantId", "records", "firstId", "lastId"] as const)
      .map((field) => [field, stated[field], found[field]] as const),
    ["missing", missingIn(stated), missingIn(found)] as const
  ].flatMap(([field, stated, found]) => stated === found ? [] : [`${field} is ${String(found)}, not ${String(stated)}`])

const missingIn = ({ gaps }: ChainReport) => gaps.reduce((sum, { size }) => sum + size, 0)
