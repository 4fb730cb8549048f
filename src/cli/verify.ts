/**
 * `verify`: the gateway's word on its log, and our own.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AuditLog } from "../audit/AuditLog.ts"
import type { ChainStatus } from "../audit/AuditRecord.ts"
import { Checkpoint } from "../audit/Checkpoint.ts"
import type { OperationError } from "../errors/VargateError.ts"
import * as FileCheckpoints from "../node/FileCheckpoints.ts"
import type { ChainReport } from "../verify/ChainReport.ts"
import * as ChainVerifier from "../verify/ChainVerifier.ts"
import { CheckpointStore, layerMemory as noCheckpoints } from "../verify/Checkpoints.ts"
import { connected, Connection } from "./core/connection.ts"
import { Concluded, Usage } from "./core/failure.ts"
import { ExitCode, Verdict } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { bold, dim, green, type Line, red } from "./screen/text.ts"
import * as Words from "./screen/words.ts"
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

/** Reads and verifies the log, against what is kept of it, and keeps what is new. */
const recompute = Effect.fnUntraced(function*({ keep, since, trees }: Options) {
  const auditLog = yield* AuditLog
  const store = yield* CheckpointStore
  const { tenantId, total } = yield* auditLog.page({ limit: 1 })
  const kept = tenantId === undefined ? [] : yield* store.all(tenantId)
  const latest = kept.at(-1)
  const expected = since && latest !== undefined ? Math.max(1, total - latest.count) : Math.max(1, total)
  const verification = ChainVerifier.verify({
    checkpoints: kept,
    trees,
    since: since ? latest : undefined,
    maxFindings: findingsFor(yield* Printer)
  })
  const { result: report, seconds } = yield* measured(verification, "verifying", (records) => records / expected)
  const { checkpoint } = report
  const isKept = keep && checkpoint !== undefined
  if (isKept) {
    // Without the trees, their roots must not be forgotten.
    const roots = checkpoint.roots.length === 0 ? latest?.roots ?? [] : checkpoint.roots
    yield* store.keep(new Checkpoint({ ...checkpoint, roots }))
  }
  return { report, seconds, isKept, against: kept.length }
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
  const { against, isKept, report, seconds } = yield* recompute(options)
  yield* printer.print(
    Verdict,
    { _tag: "Independent", source: url, seconds, isKept, report },
    (width) => [
      ...facts([
        ["Recomputed", verdictLine(report, seconds)],
        ["Newest", headWord(report)],
        report.trees === undefined ? undefined : ["Trees", treesWord(report.trees)],
        hasCheckpoints ? ["Checkpoints", checkpointWord(report, against, isKept)] : undefined
      ], width),
      ...findingLines(report, width),
      ...advice(status, report)
    ]
  )
  if (!report.valid || status?.valid === false) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
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
    independent: Flag.Boolean("independent").pipe(
      Flag.withDefault(true),
      Flag.withDescription("--no-independent only asks the gateway")
    ),
    ...sizeFlags
  },
  Effect.fnUntraced(function*({ checkpoint, file, files, independent, keep, pages, since, trees, ...size }) {
    const saved = [...file, ...files]
    const path = Option.getOrUndefined(checkpoint)
    const store = path === undefined ? noCheckpoints : FileCheckpoints.layer(path)
    if (since && path === undefined) return yield* new Usage({ message: "--since-checkpoint needs --checkpoint FILE." })
    if (pages && saved.length === 0) return yield* new Usage({ message: "--pages needs files." })
    const kept = yield* readKept(checkpoint, { mayBeMissing: saved.length === 0 })
    if (saved.length > 0) return yield* verifyFiles(saved, pages, kept, sizeOptions(size))
    yield* connected(run({ independent, keep: keep && path !== undefined, since, trees }, path !== undefined)).pipe(
      Effect.provide(store)
    )
  })
).pipe(
  Command.withDescription("The gateway's report on its log, and every hash recomputed"),
  Command.withShortDescription("Verify the audit log, here or in files"),
  Command.withExamples([
    { command: "effect-vargate verify --checkpoint ~/.vargate/checkpoints.json --trees" },
    { command: "effect-vargate verify --file log.json.gz" },
    { command: "effect-vargate verify --pages page-*.json" }
  ])
)
