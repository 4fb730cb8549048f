/**
 * `verify`: the gateway's word on its log, and our own.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Option from "effect/Option"
import { AuditLog } from "../audit/AuditLog.ts"
import type { ChainStatus } from "../audit/AuditRecord.ts"
import { Checkpoint } from "../audit/Checkpoint.ts"
import type { OperationError } from "../errors/VargateError.ts"
import * as FileCheckpoints from "../node/FileCheckpoints.ts"
import type * as Transport from "../transport/Transport.ts"
import { AnchorsReport } from "../verify/anchors/AnchorsReport.ts"
import * as AnchorVerifier from "../verify/anchors/AnchorVerifier.ts"
import type { ChainReport } from "../verify/ChainReport.ts"
import * as ChainVerifier from "../verify/ChainVerifier.ts"
import { CheckpointStore, layerMemory as noCheckpoints } from "../verify/Checkpoints.ts"
import { connected } from "./core/connected.ts"
import { Connection } from "./core/connection.ts"
import { Concluded, Usage } from "./core/failure.ts"
import { ExitCode, Verdict } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { bold, dim, green, type Line, red } from "./screen/text.ts"
import * as Words from "./screen/words.ts"
import { aboutAnchors, anchorLines, anchorsWord, readAnchors } from "./verify/anchors.ts"
import { verifyFiles } from "./verify/files.ts"
import { readKept } from "./verify/kept.ts"
import { sizeFlags, sizeOptions } from "./verify/limits.ts"
import { measured } from "./verify/progress.ts"
import { findingLines, findingsFor, headWord, treesWord, verdictLine } from "./verify/report.ts"

interface Options {
  readonly independent: boolean
  readonly since: boolean
  readonly trees: boolean
  readonly keep: boolean
  readonly anchors: Effect.Success<ReturnType<typeof readAnchors>>
}

const gatewayWord = (status: ChainStatus): Line =>
  status.valid
    ? [green("✓ valid"), status.records === undefined ? "" : `, ${Words.count(status.records, "record")}`]
    : [red("✗ broken"), `: ${status.reason ?? "no reason given"} at ${status.failedAt ?? "an unknown record"}`]

/** A gateway that takes too long over its own log does not keep us from reading it. */
const patient = (word: Effect.Effect<ChainStatus, OperationError>) =>
  Effect.catchReasons(word, "VargateError", {
    Timeout: (reason) => noWord(reason.message),
    GatewayFault: (reason) => noWord(reason.message)
  })

const noWord = (why: string) =>
  Effect.as(Printer.use(({ warn }) => warn(`the gateway does not say whether its log is whole: ${why}`)), undefined)

interface Verification {
  readonly report: ChainReport
  readonly anchors: AnchorsReport | undefined
}

const verifying = (
  asked: Options["anchors"],
  options: Pick<ChainVerifier.VerifyOptions, "checkpoints" | "since" | "maxFindings">,
  trees: boolean
): Effect.Effect<
  Verification,
  OperationError | Usage,
  ChainVerifier.ChainVerifier | Transport.Transport | HttpClient.HttpClient
> =>
  asked === undefined
    ? Effect.map(ChainVerifier.verify({ ...options, trees }), (report) => ({ report, anchors: undefined }))
    : AnchorVerifier.verify({ ...asked.options, ...options }).pipe(
      Effect.map((anchors) => ({
        report: anchors.chain!,
        anchors: new AnchorsReport({ ...anchors, chain: undefined })
      })),
      Effect.mapError(aboutAnchors(asked.path)),
      Effect.provide(AnchorVerifier.layer)
    )

/** Reads and verifies the log, against what is kept of it, and keeps what is new. */
const recompute = Effect.fnUntraced(function*({ anchors: asked, keep, since, trees }: Options) {
  const auditLog = yield* AuditLog
  const store = yield* CheckpointStore
  const { tenantId, total } = yield* auditLog.page({ limit: 1 })
  const kept = tenantId === undefined ? [] : yield* store.all(tenantId)
  const latest = kept.at(-1)
  const expected = since && latest !== undefined ? Math.max(1, total - latest.count) : Math.max(1, total)
  const options = {
    checkpoints: kept,
    since: since ? latest : undefined,
    maxFindings: findingsFor(yield* Printer)
  }
  const verification = verifying(asked, options, trees)
  const { result: { anchors, report }, seconds } = yield* measured(
    verification,
    "verifying",
    (records) => records / expected
  )
  const { checkpoint } = report
  const isKept = keep && checkpoint !== undefined && (anchors?.findings.length ?? 0) === 0
  if (isKept) {
    // Without the trees, their roots must not be forgotten.
    const roots = checkpoint.roots.length === 0 ? latest?.roots ?? [] : checkpoint.roots
    yield* store.keep(new Checkpoint({ ...checkpoint, roots }))
  }
  return { anchors, report, seconds, isKept, against: kept.length }
})

const run = Effect.fnUntraced(function*(options: Options, hasCheckpoints: boolean) {
  const auditLog = yield* AuditLog
  const printer = yield* Printer
  const { url } = yield* Connection
  const status = yield* options.independent ? patient(auditLog.verify) : auditLog.verify
  if (status !== undefined) {
    yield* printer.print(
      Verdict,
      { _tag: "Gateway", status },
      (width) => facts([["Gateway says", gatewayWord(status)]], width)
    )
  }
  if (!options.independent) {
    return status?.valid === true ? undefined : yield* new Concluded({ exitCode: ExitCode.badVerdict })
  }
  const { against, anchors, isKept, report, seconds } = yield* recompute(options)
  yield* printer.print(
    Verdict,
    { _tag: "Independent", source: url, seconds, isKept, report, ...(anchors === undefined ? {} : { anchors }) },
    (width) => [
      ...facts([
        ["Recomputed", verdictLine(report, seconds)],
        ["Newest", headWord(report)],
        report.trees === undefined ? undefined : ["Trees", treesWord(report.trees)],
        anchors === undefined ? undefined : ["Anchors", anchorsWord(anchors)],
        hasCheckpoints ? ["Checkpoints", checkpointWord(report, against, isKept)] : undefined
      ], width),
      ...findingLines(report, width),
      ...(anchors === undefined ? [] : anchorLines(anchors, width)),
      ...advice(status, report)
    ]
  )
  const isBad = !report.valid || status?.valid === false || (anchors !== undefined && anchors.findings.length > 0)
  if (isBad) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  if (anchors?.isChecked === false) return yield* new Concluded({ exitCode: ExitCode.unreachable })
})

const checkpointWord = (report: ChainReport, against: number, isKept: boolean): Line => [
  against === 0 ? "none yet, so the log as it is now is taken as the first" : `compared with ${against}`,
  against > 0 && report.valid ? against === 1 ? ", and it stands" : ", and all of them stand" : "",
  isKept ? dim(`; ${Words.count(report.checkpoint?.count ?? 0, "record")} kept`) : dim("; none was added")
]

const advice = (status: ChainStatus | undefined, report: ChainReport): ReadonlyArray<Line> =>
  report.valid ? [] : [
    "",
    status?.valid === true
      ? "The gateway finds nothing wrong with it. Before anything changes, keep the evidence:"
      : "Keep the evidence:",
    bold("  effect-vargate evidence export evidence.json")
  ]

/** @internal */
export const command = Command.make(
  "verify",
  {
    files: Argument.String("file").pipe(Argument.withDescription("Further saved logs"), Argument.variadic()),
    file: Flag.String("file").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("A saved GET /audit/log, .gz too; needs no key"),
      Flag.atLeast(0)
    ),
    pages: Flag.Boolean("pages").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("The files are the pages of one log")
    ),
    checkpoint: Flag.String("checkpoint").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Compare the log with the checkpoints of this file, and add new ones"),
      Flag.optional
    ),
    since: Flag.Boolean("since-checkpoint").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Read only what is newer than the last checkpoint")
    ),
    keep: Flag.Boolean("keep").pipe(
      Flag.withDefault(true),
      Flag.withDescription("--no-keep leaves the checkpoints as they are")
    ),
    trees: Flag.Boolean("trees").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Rebuild the stored Merkle trees too")
    ),
    anchors: Flag.String("anchors").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Look for the trees on a chain, at the nodes of this file"),
      Flag.optional
    ),
    independent: Flag.Boolean("independent").pipe(
      Flag.withDefault(true),
      Flag.withDescription("--no-independent only asks the gateway")
    ),
    ...sizeFlags
  },
  Effect.fnUntraced(function*({ anchors, checkpoint, file, files, independent, keep, pages, since, trees, ...size }) {
    const saved = [...file, ...files]
    const path = Option.getOrUndefined(checkpoint)
    const store = path === undefined ? noCheckpoints : FileCheckpoints.layer(path)
    if (since && path === undefined) return yield* new Usage({ message: "--since-checkpoint needs --checkpoint FILE." })
    if (pages && saved.length === 0) return yield* new Usage({ message: "--pages needs files." })
    if (Option.isSome(anchors) && (saved.length > 0 || !independent)) {
      return yield* new Usage({ message: "--anchors needs the log of a gateway, recomputed." })
    }
    const asked = yield* readAnchors(anchors)
    const kept = yield* readKept(checkpoint, { mayBeMissing: saved.length === 0 })
    if (saved.length > 0) return yield* verifyFiles(saved, pages, kept, sizeOptions(size))
    const options = { anchors: asked, independent, keep: keep && path !== undefined, since, trees }
    yield* connected(run(options, path !== undefined)).pipe(Effect.provide(store))
  })
).pipe(
  Command.withDescription("The gateway's report on its log, and every hash recomputed"),
  Command.withShortDescription("Verify the audit log, here or in files"),
  Command.withExamples([
    { command: "effect-vargate verify --checkpoint ~/.vargate/checkpoints.json --trees" },
    { command: "effect-vargate verify --anchors polygon.json" },
    { command: "effect-vargate verify --file log.json.gz" },
    { command: "effect-vargate verify --pages page-*.json" }
  ])
)
