/**
 * `verify --file`: saved logs, with neither a gateway nor a key.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import type { Checkpoint } from "../../audit/Checkpoint.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import type { ChainReport } from "../../verify/ChainReport.ts"
import * as ChainVerifier from "../../verify/ChainVerifier.ts"
import { Concluded, FileFailed, Usage } from "../core/failure.ts"
import { ExitCode, Verdict } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { bold, type Line, spansOf, widthOf } from "../screen/text.ts"
import { ofTenant } from "./kept.ts"
import { namingFlags } from "./limits.ts"
import { measured } from "./progress.ts"
import { findingLines, findingsFor, verdictLine } from "./report.ts"

type SavedOptions = Pick<ChainVerifier.Options, "maxFindings"> & ChainVerifier.SizeOptions

/** A log, as it was saved: in one file, or in pages. */
interface SavedLog {
  readonly name: string
  readonly check: (
    checkpoints: ReadonlyArray<Checkpoint>
  ) => Effect.Effect<ChainReport, VargateError | FileFailed, FileSystem.FileSystem>
  /** How much of it was read, from 0 to 1. */
  readonly fraction: () => number
}

const oneFile = Effect.fnUntraced(function*(path: string, options: SavedOptions) {
  const files = yield* FileSystem.FileSystem
  const { size } = yield* Effect.mapError(files.stat(path), FileFailed.of("read", path))
  let read = 0
  const chunks = Stream.suspend(() => {
    read = 0
    return files.stream(path, { chunkSize: 256 * 1024 })
  }).pipe(
    Stream.tap((chunk) => Effect.sync(() => void (read += chunk.length))),
    Stream.mapError(FileFailed.of("read", path))
  )
  const log: SavedLog = {
    name: path,
    check: (checkpoints) => ChainVerifier.verifyFile(chunks, { ...options, checkpoints }),
    fraction: () => read / Math.max(1, Number(size))
  }
  return log
})

const pages = Effect.fnUntraced(function*(paths: ReadonlyArray<string>, options: SavedOptions) {
  const files = yield* FileSystem.FileSystem
  let read = 0
  const bytes = Stream.fromIterable(paths).pipe(
    Stream.mapEffect((path) => Effect.mapError(files.readFile(path), FileFailed.of("read", path))),
    Stream.tap(() => Effect.sync(() => void read++))
  )
  const log: SavedLog = {
    name: paths.length === 1 ? paths[0]! : `${paths[0]} and ${paths.length - 1} more`,
    check: (checkpoints) => ChainVerifier.verifyPages(bytes, { ...options, checkpoints }),
    fraction: () => read / paths.length
  }
  return log
})

/** What the library says about a request is here said about a file. */
const aboutFile = (name: string) => (error: VargateError | FileFailed) =>
  error._tag !== "VargateError" || error.reason._tag !== "InvalidRequest" ? error : new Usage({
    message: `${name} cannot be verified: it ${
      namingFlags(error.reason.issues.map(({ message }) => message).join("; "))
    }.`
  })

const verifyOne = Effect.fnUntraced(function*(log: SavedLog, kept: ReadonlyArray<Checkpoint>, isAlone: boolean) {
  const paths = yield* Path.Path
  const printer = yield* Printer
  const tenantId = Effect.map(log.check([]), ({ tenantId }) => tenantId)
  const checking = Effect.flatMap(ofTenant(kept, tenantId), log.check)
  const { result: report, seconds } = yield* measured(checking, paths.basename(log.name), log.fraction).pipe(
    Effect.mapError(aboutFile(log.name))
  )
  const verdict = { _tag: "Independent", source: log.name, seconds, isKept: false, report } as const
  yield* printer.print(Verdict, verdict, (width) => [
    ...headline(log.name, verdictLine(report, seconds), width),
    ...findingLines(report, width === undefined ? undefined : width - 2).map(indented)
  ])
  const isPart = report.findings.some(({ _tag }) => _tag === "DoesNotReachGenesis")
  if (isPart && !isAlone) yield* printer.note("If these files are pages of one log, pass --pages.")
  return report.valid
})

const indented = (line: Line): Line => ["  ", ...spansOf(line)]

const headline = (name: string, verdict: Line, width = Infinity): ReadonlyArray<Line> => {
  const line = [bold(name), "  ", ...spansOf(verdict)]
  return widthOf(line, width) <= width ? [line] : [bold(name), indented(verdict)]
}

/**
 * Verifies each file, or all of them as the pages of one log. A file that is no log does not keep the others from being
 * verified.
 *
 * @internal
 */
export const verifyFiles = Effect.fnUntraced(function*(
  paths: ReadonlyArray<string>,
  arePages: boolean,
  kept: ReadonlyArray<Checkpoint>,
  size: ChainVerifier.SizeOptions
) {
  const printer = yield* Printer
  const options = { ...size, maxFindings: findingsFor(printer) }
  if (arePages || paths.length === 1) {
    const log = yield* arePages ? pages(paths, options) : oneFile(paths[0]!, options)
    if (yield* verifyOne(log, kept, true)) return
    return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  }
  const results = yield* Effect.forEach(
    paths,
    (path) =>
      Effect.flatMap(oneFile(path, options), (log) => verifyOne(log, kept, false)).pipe(
        Effect.catchTag(["Usage", "FileFailed"], (error) => {
          const exitCode = error._tag === "Usage" ? ExitCode.usage : ExitCode.file
          return Effect.as(printer.fail({ error: error._tag, message: error.message, exitCode }), exitCode)
        })
      )
  )
  if (results.includes(false)) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  const exitCode = results.find((result) => typeof result === "number")
  if (exitCode !== undefined) return yield* new Concluded({ exitCode })
})
