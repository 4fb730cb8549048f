/**
 * Evidence for others: one file that holds a part of the log byte for byte, with the Merkle trees and proofs and our
 * own verdict, and that can be verified with neither a gateway nor a key.
 *
 * **Example** (Handing over)
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Console, Effect, FileSystem } from "effect"
 * import { Evidence } from "effect-vargate"
 *
 * const handOver = Evidence.exportFile("evidence.json", { fromId: 1000, toId: 1999 })
 *
 * const receive = Effect.gen(function*() {
 *   const files = yield* FileSystem.FileSystem
 *   const report = yield* Evidence.verify(yield* files.readFile("evidence.json"))
 *   yield* Console.log(report.valid ? "holds" : report.chain.findings)
 * }).pipe(Effect.provide(NodeFileSystem.layer))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Checkpoint } from "../audit/Checkpoint.ts"
import { forEachPage } from "../audit/internal/logPages.ts"
import { rawPageReader } from "../audit/internal/rawAuditPage.ts"
import type { OperationError, VargateError } from "../errors/VargateError.ts"
import { maxPageSize } from "../internal/limits.ts"
import { version } from "../internal/version.ts"
import { RecordHash } from "../model/RecordHash.ts"
import * as Transport from "../transport/Transport.ts"
import type { AnchorEvidence } from "./anchors/AnchorEvidence.ts"
import { checkPins, type Pins } from "./anchors/internal/anchorOptions.ts"
import type { SizeOptions } from "./ChainVerifier.ts"
import { EvidenceReport } from "./EvidenceReport.ts"
import { invalid } from "./internal/chain/chainReport.ts"
import { contradictionsOf, encodeFile, examine, openFile, treeOf } from "./internal/evidenceFile.ts"
import { scanAuditPage } from "./internal/scan/auditScanner.ts"
import type { MerkleProof } from "./MerkleProof.ts"
import { MerkleApi } from "./wire/MerkleApi.ts"

/**
 * Which part of the log. Without bounds: all of it, and then the file also shows that it is all.
 *
 * @category options
 * @since 0.1.0
 */
export interface Range {
  /** The oldest record wanted, by its id. */
  readonly fromId?: number | undefined
  /** The newest record wanted, by its id. */
  readonly toId?: number | undefined
  /**
   * Records per page of the file, from 1 to 1000. Pages are never cut, so up to this many records beside the range go
   * into the file. Default: 1000.
   */
  readonly pageSize?: number | undefined
  /** Which records get a Merkle proof: `all`, those at the `ends` of the range (default), or `none`. */
  readonly proofs?: "all" | "ends" | "none" | undefined
  /** A checkpoint kept earlier, to be stored in the file and compared with the log. */
  readonly checkpoint?: Checkpoint | undefined
  /** What nodes of a chain answered about the trees, from `AnchorVerifier.gather`. */
  readonly anchors?: AnchorEvidence | undefined
  /** Ballots of a review panel, from `ReviewVerifier.encodeBallots`. */
  readonly ballots?: ReadonlyArray<unknown> | undefined
  /** Standing approvals under which some of their votes were cast, from `ReviewVerifier.encodeGrants`. */
  readonly grants?: ReadonlyArray<unknown> | undefined
}

/**
 * Gathers evidence.
 *
 * @category services
 * @since 0.1.0
 */
export class Evidence extends Context.Service<Evidence, {
  /**
   * The file's text, JSON. What is wrong with the log is in it too: the verdict is not a condition for exporting.
   *
   * **Details**
   *
   * Reads GET /audit/log from the newest record on, GET /audit/merkle/roots (up to 500 trees) and the proofs. The whole
   * file is built in memory. Fails with `NotFound` where no record is in the range.
   */
  readonly export: (range?: Range) => Effect.Effect<string, OperationError>
}>()("effect-vargate/Evidence") {}

const writtenBy = `effect-vargate ${version}`
const maxTrees = 500
const decoder = new TextDecoder()

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(MerkleApi)
  const operation = "Evidence.export"
  const request = { name: operation, sideEffect: "none" } as const

  const read = rawPageReader(transport, operation)

  const pagesOf = Effect.fnUntraced(function*({ fromId = 0, pageSize = maxPageSize, toId = Infinity }: Range) {
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > maxPageSize) {
      return yield* invalid(operation, ["pageSize"], `must be between 1 and ${maxPageSize}`)
    }
    const pages: Array<string> = []
    const records: Array<{ readonly id: number; readonly recordHash: string }> = []
    let unreadable = 0
    const takePage = (text: Uint8Array) => {
      const found: typeof records = []
      const page = scanAuditPage(text, ({ id, recordHash }) => void found.push({ id, recordHash }))
      if (Result.isFailure(page)) {
        return invalid(operation, ["pages", pages.length], "the gateway's answer is no page of an audit log")
      }
      const { total } = page.success
      const wanted = found.filter(({ id }) => id >= fromId && id <= toId)
      if (wanted.length > 0 || total === 0) pages.push(decoder.decode(text))
      records.push(...wanted)
      const oldest = found.at(-1)
      return Effect.succeed({ rows: found.length, total, isEnough: oldest !== undefined && oldest.id < fromId })
    }
    yield* forEachPage(read, { firstPageSize: pageSize, pageSize }, { gap: () => void unreadable++, page: takePage })
    return { pages, records, unreadable }
  })

  const proofsOf = (hashes: ReadonlyArray<string>) =>
    Effect.forEach(
      hashes.filter((hash) => Schema.is(RecordHash)(hash)),
      (hash) =>
        transport.request(request, client.merkle.proof({ params: { hash } })).pipe(
          Effect.map((proof): ReadonlyArray<MerkleProof> => [proof]),
          // Its hour is not over, or it was erased.
          Effect.catchReason("VargateError", "NotFound", () => Effect.succeed([]))
        ),
      { concurrency: 4 }
    ).pipe(Effect.map((proofs) => proofs.flat()))

  const exportRange = Effect.fn("Evidence.export")(function*(range: Range = {}) {
    const isWhole = range.fromId === undefined && range.toId === undefined
    // Before the records: a tree that is stored meanwhile may hold records newer than those of the file.
    const { trees } = yield* transport.request(request, client.merkle.roots({ query: { limit: maxTrees } }))
    const { pages, records, unreadable } = yield* pagesOf(range)
    if (records.length === 0 && !isWhole) {
      return yield* invalid(operation, ["fromId", "toId"], "no record is in this range")
    }
    const { anchors, ballots, checkpoint, grants, proofs = "ends" } = range
    const ends = new Set([records[0], records.at(-1)].flatMap((record) => record === undefined ? [] : [record]))
    const chosen = proofs === "none" ? [] : proofs === "all" ? records : [...ends]
    const content = {
      isWhole,
      pages,
      unreadable,
      trees,
      proofs: (yield* proofsOf(chosen.map(({ recordHash }) => recordHash)))
        .filter((proof) => treeOf(proof, trees) !== undefined),
      checkpoint: checkpoint ?? null,
      ...(anchors === undefined ? {} : { anchors }),
      ...(ballots === undefined ? {} : { ballots }),
      ...(grants === undefined ? {} : { grants })
    }
    return encodeFile({
      format: "vargate-evidence",
      version: anchors === undefined && ballots === undefined && grants === undefined ? 1 : 2,
      writtenBy,
      writtenAt: yield* DateTime.now,
      source: transport.baseUrl,
      ...content,
      report: (yield* examine(operation, content)).chain
    })
  })

  return Evidence.of({ export: exportRange })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Evidence, never, Transport.Transport> = Layer.effect(Evidence, make)

/**
 * Writes the evidence of a range to a file.
 *
 * @category exporting
 * @since 0.1.0
 */
export const exportFile = (
  path: string,
  range?: Range
): Effect.Effect<void, OperationError | PlatformError.PlatformError, Evidence | FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const evidence = yield* Evidence
    const files = yield* FileSystem.FileSystem
    yield* files.writeFileString(path, yield* evidence.export(range))
  })

// --- without a gateway -----------------------------------------------------------------------------------------------

/**
 * What the reader of evidence trusts already.
 *
 * @category options
 * @since 0.1.0
 */
export interface Trusted extends SizeOptions {
  /** Your own checkpoints: their records, where they fall into the range, and their tree roots must be there. */
  readonly checkpoints?: ReadonlyArray<Checkpoint> | undefined
  /** What you know about the chain of the anchors. Default: what the file says of it. */
  readonly anchors?: Pins | undefined
  /** The oldest so many findings are kept, the others counted. Default: 100. */
  readonly maxFindings?: number | undefined
}

/**
 * Verifies a file of evidence from its raw pages: every hash, every link, the trees whose records are all in it, every
 * proof, the checkpoints, and whether the report in it says the same. Needs neither a gateway nor a key.
 *
 * **Details**
 *
 * Takes the content of the file, as a text or as bytes, gzipped too. Fails with `InvalidRequest` where that is no file of
 * evidence. A file that is one and does not hold is a report that is not valid, and so is one in which records are
 * missing between others: whether the gateway could not show them or they were cut out of the file cannot be told.
 *
 * **Gotchas**
 *
 * What nodes answered about anchors is what the exporter was told. Where `isChecked` of `anchors` is false, too few of them
 * had answered, and the file says nothing about anchors: that alone does not make it invalid.
 *
 * Ballots of a review panel are counted only: `ReviewVerifier.verifyEvidence` verifies them, by the keys of the panel.
 *
 * A file from which the newest records were cut, and whose counts were corrected, is like one that was exported earlier:
 * only your own checkpoint shows the difference.
 *
 * @category verifying
 * @since 0.1.0
 */
export const verify: (
  content: string | Uint8Array,
  trusted?: Trusted
) => Effect.Effect<EvidenceReport, VargateError> = Effect.fn("Evidence.verify")(function*(
  content: string | Uint8Array,
  trusted: Trusted = {}
) {
  const operation = "Evidence.verify"
  const file = yield* openFile(operation, content, trusted)
  const pins = trusted.anchors === undefined ? undefined : yield* checkPins(operation, trusted.anchors)
  const { anchors, chain, contradictions: own, proofs } = yield* examine(operation, file, { ...trusted, pins })
  const contradictions = [...own, ...contradictionsOf(file.report, chain)]
  const valid = chain.valid && chain.isComplete && contradictions.length === 0 &&
    (anchors === undefined || anchors.findings.length === 0) &&
    proofs.every(({ inclusion, isInPages }) => isInPages && (inclusion.valid || inclusion.reason === "ErasedLeaves"))
  // Trees and checkpoints may contradict records of which none is missing.
  const isWhole = file.isWhole && chain.isComplete && own.length === 0
  return new EvidenceReport({ valid, isWhole, chain, proofs, contradictions, anchors, ballots: file.ballots?.length })
})
