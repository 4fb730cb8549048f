/**
 * The file of evidence, and what it says when it is examined.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Checkpoint } from "../../audit/Checkpoint.ts"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import { maxPageSize } from "../../internal/limits.ts"
import { AnchorEvidence } from "../anchors/AnchorEvidence.ts"
import type { AnchorsReport } from "../anchors/AnchorsReport.ts"
import type { checkPins } from "../anchors/internal/anchorOptions.ts"
import { examineAnchors } from "../anchors/internal/examine.ts"
import type { CheckedTree } from "../anchors/internal/judge.ts"
import { askNotes } from "../anchors/internal/node.ts"
import { ChainReport } from "../ChainReport.ts"
import type { SizeOptions } from "../ChainVerifier.ts"
import { Hasher } from "../Hasher.ts"
import type { MerkleProof, MerkleTree } from "../MerkleProof.ts"
import { Inclusion } from "../TreesReport.ts"
import { ProofBody, TreeRow } from "../wire/MerkleApi.ts"
import { type CheckOptions, invalid, startCheck } from "./chain/chainReport.ts"
import { inclusionWith } from "./merkle/inclusion.ts"
import { readPage } from "./scan/readLog.ts"
import { inMemory, sizeLimits, textOf, wordOf } from "./scan/savedText.ts"

const File = Schema.fromJsonString(Schema.Struct({
  format: Schema.Literal("vargate-evidence"),
  /** 2 where there is something in it that 1 does not have: `anchors`, `ballots`, `grants`. */
  version: Schema.Literals([1, 2]),
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
  anchors: Schema.optionalKey(AnchorEvidence),
  /** Ballots of a review panel, as `ReviewVerifier` writes and reads them. */
  ballots: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  /** Standing approvals of that panel, likewise. */
  grants: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  report: ChainReport
}))

/** @internal */
export type File = typeof File.Type

/** @internal */
export const encodeFile = Schema.encodeSync(File)
/** @internal */
export const decodeFile = Schema.decodeEffect(File)
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Reads a file of evidence, as a text or as bytes, gzipped too. Fails with `InvalidRequest` where it is none.
 *
 * @internal
 */
export const openFile = Effect.fnUntraced(
  function*(operation: string, content: string | Uint8Array, size: SizeOptions) {
    const limits = yield* sizeLimits(operation, size, inMemory)
    const text = typeof content === "string" ? content : yield* textOf(content, limits).pipe(
      Effect.mapError((error) => invalid(operation, [], wordOf(error))),
      Effect.flatMap((bytes) =>
        Effect.try({
          try: () => decoder.decode(bytes),
          catch: () => invalid(operation, [], `holds ${bytes.length} bytes, which are too many for one text`)
        })
      )
    )
    return yield* decodeFile(text).pipe(
      Effect.mapError(({ issue }) => invalidRequest(operation, fieldIssues(issue, [])))
    )
  }
)

/**
 * Verifies what a file holds: its pages, its trees, its proofs.
 *
 * @internal
 */
export const examine = Effect.fnUntraced(function*(
  operation: string,
  { anchors, checkpoint, isWhole, pages, proofs, trees, unreadable }: Pick<
    File,
    "isWhole" | "pages" | "unreadable" | "trees" | "proofs" | "checkpoint" | "anchors"
  >,
  { checkpoints = [], maxFindings, pins }: Pick<CheckOptions, "checkpoints" | "maxFindings"> & {
    readonly pins?: CheckedPins | undefined
  } = {}
) {
  const states = new Map<number, Omit<CheckedTree, "tree">>()
  const wanted = new Set<string>(proofs.map(({ recordHash }) => recordHash))
  const inPages = new Set<string>()
  const check = yield* startCheck(operation, {
    checkpoints: checkpoint === null ? checkpoints : [...checkpoints, checkpoint],
    trees,
    isPart: !isWhole,
    maxFindings,
    onHash: (hash) => {
      if (wanted.has(hash)) inPages.add(hash)
    },
    onTree: ({ index }, isRebuilt, lastRequest) => void states.set(index, { isRebuilt, lastRequest })
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
  const known = trees.map((tree): CheckedTree => ({
    isRebuilt: undefined,
    lastRequest: undefined,
    ...states.get(tree.index),
    tree
  }))
  const anchored = anchors === undefined ? undefined : yield* replayAnchors(known, anchors, pins, maxFindings)
  return { anchors: anchored, chain, contradictions, proofs: checked }
})

type CheckedPins = Effect.Success<ReturnType<typeof checkPins>>

/** Asks what the nodes answered then. Where the reader pins something else, it was not asked, and is not checked. */
const replayAnchors = (
  trees: ReadonlyArray<CheckedTree>,
  { askedAt, codeHash, logRange = 1, maxLagSeconds, nodes, owner, ownerSince, seenAt, toTree, ...rest }: AnchorEvidence,
  pins: CheckedPins | undefined,
  maxFindings = 100
): Effect.Effect<AnchorsReport> =>
  examineAnchors({
    questions: nodes.map(({ exchanges, label }) => ({ label, ask: askNotes(exchanges) })),
    // What was stored later was not asked about.
    trees: trees.filter(({ tree }) => tree.index <= toTree),
    settings: {
      ...rest,
      owner,
      ownerSince,
      codeHash,
      // A range that says nothing is none that anything was asked in.
      logRange: Math.max(1, logRange),
      maxFindings,
      maxLag: Duration.seconds(maxLagSeconds),
      nodeTimeout: Duration.infinity,
      ...pins
    },
    seenAt: seenAt.epochMilliseconds,
    now: askedAt.epochMilliseconds,
    chain: undefined
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
