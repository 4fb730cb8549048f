/**
 * `evidence verify`: a file that was exported elsewhere.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Option from "effect/Option"
import type { Checkpoint } from "../../audit/Checkpoint.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import * as ReviewVerifier from "../../reviews/ReviewVerifier.ts"
import type { ChainReport } from "../../verify/ChainReport.ts"
import type { SizeOptions } from "../../verify/ChainVerifier.ts"
import * as Evidence from "../../verify/Evidence.ts"
import type { EvidenceReport } from "../../verify/EvidenceReport.ts"
import { Concluded, FileFailed, Usage } from "../core/failure.ts"
import { EvidenceVerdict, ExitCode } from "../Output.ts"
import * as ReviewVerdict from "../reviews/verdict.ts"
import { Printer } from "../screen/Printer.ts"
import { facts } from "../screen/table.ts"
import { dim, green, type Line, red } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import { anchorLines, anchorsWord, readAnchors } from "../verify/anchors.ts"
import { ofTenant, readKept } from "../verify/kept.ts"
import { namingFlags, sizeFlags, sizeOptions } from "../verify/limits.ts"
import { measured } from "../verify/progress.ts"
import { findingLines, findingsFor, treesWord, verdictLine } from "../verify/report.ts"

const aboutFile = (path: string) => ({ reason }: VargateError) =>
  new Usage({
    message: reason._tag !== "InvalidRequest" ?
      reason.message :
      `${path} cannot be verified as evidence: ${
        namingFlags(reason.issues.slice(0, 3).map(({ message, path }) => [...path, message].join(": ")).join("; "))
      }.`
  })

const run = Effect.fnUntraced(function*(
  path: string,
  checkpoint: Option.Option<string>,
  anchors: Option.Option<string>,
  publicKeys: ReadonlyArray<string>,
  size: SizeOptions
) {
  const files = yield* FileSystem.FileSystem
  const printer = yield* Printer
  const content = yield* Effect.mapError(files.readFile(path), FileFailed.of("read", path))
  const kept = yield* readKept(checkpoint)
  const pins = (yield* readAnchors(anchors))?.options
  const maxFindings = findingsFor(printer)
  const verify = (checkpoints: ReadonlyArray<Checkpoint>) =>
    Evidence.verify(content, { ...size, checkpoints, maxFindings, anchors: pins })
  const tenantId = Effect.map(verify([]), ({ chain }) => chain.tenantId)
  const verification = Effect.flatMap(ofTenant(kept, tenantId), verify)
  const { result: report, seconds } = yield* measured(verification, "verifying", () => 0).pipe(
    Effect.mapError(aboutFile(path))
  )
  const reviews = publicKeys.length === 0
    ? undefined
    : yield* Effect.mapError(ReviewVerifier.verifyEvidence(content, { ...size, publicKeys }), aboutFile(path))
  const verdict = { file: path, report, ...reviews === undefined ? {} : { reviews } }
  yield* printer.print(EvidenceVerdict, verdict, (width) => [
    ...screen(report, kept.length, seconds, width),
    ...reviews === undefined ? [] : [ReviewVerdict.verdictLine(reviews), ...ReviewVerdict.findingLines(reviews)]
  ])
  if (!report.valid || reviews?.valid === false) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  if (report.anchors?.isChecked === false) return yield* new Concluded({ exitCode: ExitCode.unreachable })
})

const screen = (
  { anchors, ballots, chain, contradictions, isWhole, proofs, valid }: EvidenceReport,
  checkpoints: number,
  seconds: number,
  width: number | undefined
): ReadonlyArray<Line> => {
  const bad = proofs.filter(({ inclusion, isInPages }) =>
    !isInPages || !(inclusion.valid || inclusion.reason === "ErasedLeaves")
  )
  return [
    valid
      ? [green("✓ holds"), ": every hash, link and proof in it was computed anew"]
      : chain.valid && contradictions.length === 0 && bad.length === 0 && (anchors?.findings.length ?? 0) === 0
      ? [red("✗ is not complete"), ": what is in it holds, but records are missing between those"]
      : [red("✗ does not hold")],
    ...facts([
      ["Tenant", chain.tenantId ?? dim("not told")],
      ["Chain", verdictLine(chain, seconds)],
      ["Covers", coverage(chain, isWhole, checkpoints)],
      chain.trees === undefined ? undefined : ["Trees", treesWord(chain.trees)],
      anchors === undefined ? undefined : ["Anchors", anchorsWord(anchors)],
      ballots === undefined
        ? undefined
        : ["Ballots", `${ballots} in it, verified by the panel's public keys alone (--ballot-key)`],
      [
        "Proofs",
        bad.length === 0
          ? (proofs.length === 0 ? dim("none in it") : [green("✓ valid"), `, ${Words.count(proofs.length, "proof")}`])
          : red(`✗ ${bad.length} of ${Words.count(proofs.length, "proof")} not valid`)
      ]
    ], width),
    ...findingLines(chain, width),
    ...(anchors === undefined ? [] : anchorLines(anchors, width)),
    ...contradictions.map((contradiction): Line => [red("Contradiction"), `  ${contradiction}`]),
    ...bad.map(({ inclusion, isInPages, recordHash }): Line => [
      red(inclusion.reason ?? "NotInPages"),
      `  proof of ${recordHash.slice(0, 12)}...${isInPages ? "" : ", a record that is not in the file"}`
    ])
  ]
}

/** Exactly what the verdict is about: of what is not there, nothing is said. */
const coverage = (chain: ChainReport, isWhole: boolean, checkpoints: number): Line => {
  const missing = chain.gaps.reduce((sum, { size }) => sum + size, 0)
  const records = chain.firstId === undefined ? "no record" : `records ${chain.firstId} to ${chain.lastId}`
  if (missing > 0) {
    return [
      records,
      red(` without ${Words.count(missing, "record")}`),
      dim("; not the whole log, nor the whole of this part")
    ]
  }
  if (!isWhole) return [records, dim("; it says nothing about what is older or newer")]
  return [
    records,
    ", the whole log",
    dim(
      checkpoints > 0
        ? " as it was exported"
        : " as it was exported; that nothing newer was cut off, only --checkpoint can show"
    )
  ]
}

/** @internal */
export const command = Command.make(
  "verify",
  {
    file: Argument.String("file").pipe(Argument.withDescription("As it was exported, .gz too")),
    checkpoint: Flag.String("checkpoint").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Compare it with the checkpoints of this file"),
      Flag.optional
    ),
    anchors: Flag.String("anchors").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Compare its anchors with the chain and contract of this file"),
      Flag.optional
    ),
    ballotKey: Flag.String("ballot-key").pipe(
      Flag.withMetavar("<key>"),
      Flag.withDescription("Verify its ballots by this public key of the panel; again for each one"),
      Flag.atLeast(0)
    ),
    ...sizeFlags
  },
  ({ anchors, ballotKey, checkpoint, file, ...size }) => run(file, checkpoint, anchors, ballotKey, sizeOptions(size))
).pipe(Command.withDescription("Verify exported evidence, with neither a gateway nor a key"))
