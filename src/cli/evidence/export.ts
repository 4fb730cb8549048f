/**
 * `evidence export`: a part of the log in one file, for others to verify.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { AuditLog } from "../../audit/AuditLog.ts"
import * as FileCheckpoints from "../../node/FileCheckpoints.ts"
import { encodeBallots, encodeGrants } from "../../reviews/ReviewVerifier.ts"
import { AnchorVerifier, layer as anchorVerifier } from "../../verify/anchors/AnchorVerifier.ts"
import { CheckpointStore, layerMemory as noCheckpoints } from "../../verify/Checkpoints.ts"
import { Evidence } from "../../verify/Evidence.ts"
import { connected } from "../core/connected.ts"
import { Usage } from "../core/failure.ts"
import { positive } from "../core/flags.ts"
import { writeWhole } from "../core/writeWhole.ts"
import { Exported } from "../Output.ts"
import { allBallots, allGrants, withBallots, withGrants } from "../reviews/store.ts"
import { Printer } from "../screen/Printer.ts"
import { bold, green, visibleJson } from "../screen/text.ts"
import { aboutAnchors, readAnchors } from "../verify/anchors.ts"
import { readKept } from "../verify/kept.ts"

interface Options {
  readonly from: Option.Option<number>
  readonly to: Option.Option<number>
  readonly proofs: "all" | "ends" | "none"
  readonly ballots: ReadonlyArray<unknown> | undefined
  readonly grants: ReadonlyArray<unknown> | undefined
  readonly anchors: Effect.Success<ReturnType<typeof readAnchors>>
}

const latestCheckpoint = Effect.gen(function*() {
  const store = yield* CheckpointStore
  if ((yield* store.tenants).length === 0) return undefined
  const auditLog = yield* AuditLog
  const { tenantId } = yield* auditLog.page({ limit: 1 })
  return tenantId === undefined ? undefined : yield* store.latest(tenantId)
})

const run = Effect.fnUntraced(function*(path: string, { anchors, ballots, from, grants, proofs, to }: Options) {
  const evidence = yield* Evidence
  const printer = yield* Printer
  printer.progress("reading the log, its trees and proofs ...")
  const gathered = anchors === undefined ?
    undefined :
    yield* AnchorVerifier.use((verifier) => verifier.gather(anchors.options)).pipe(
      Effect.mapError(aboutAnchors(anchors.path)),
      Effect.provide(anchorVerifier)
    )
  const text = yield* evidence.export({
    fromId: Option.getOrUndefined(from),
    toId: Option.getOrUndefined(to),
    proofs,
    anchors: gathered?.evidence,
    ballots,
    grants,
    checkpoint: yield* latestCheckpoint
  }).pipe(Effect.ensuring(Effect.sync(() => printer.progress())))
  if (path === "-") return yield* printer.raw(visibleJson(text))
  yield* writeWhole(path, text)
  yield* printer.print(Exported, { path, bytes: Buffer.byteLength(text) }, () => [
    [green("✓ written"), "; it can be verified with neither a gateway nor a key:"],
    bold(`  effect-vargate evidence verify ${path}`)
  ])
})

/** @internal */
export const command = Command.make(
  "export",
  {
    path: Argument.String("file").pipe(Argument.withDescription("Where to; - is stdout")),
    from: positive("from").pipe(
      Flag.withMetavar("<id>"),
      Flag.withDescription("The oldest record (the first)"),
      Flag.optional
    ),
    to: positive("to").pipe(
      Flag.withMetavar("<id>"),
      Flag.withDescription("The newest record (the last)"),
      Flag.optional
    ),
    proofs: Flag.Literals("proofs", ["all", "ends", "none"]).pipe(
      Flag.withDescription("Merkle proofs of which"),
      Flag.withDefault("ends" as const)
    ),
    checkpoint: Flag.String("checkpoint").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Put the last checkpoint of this file in"),
      Flag.optional
    ),
    anchors: Flag.String("anchors").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Put in what the nodes of this file say of the trees"),
      Flag.optional
    ),
    ballots: Flag.String("ballots").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Put in the ballots of a review panel, from its SQLite file"),
      Flag.optional
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Overwrite an existing file")
    )
  },
  Effect.fnUntraced(function*({ anchors, ballots: file, checkpoint, force, path, ...options }) {
    const files = yield* FileSystem.FileSystem
    if (path !== "-" && !force && (yield* Effect.orElseSucceed(files.exists(path), () => false))) {
      return yield* new Usage({ message: `${path} exists already: name another file, or pass --force.` })
    }
    yield* readKept(checkpoint)
    const asked = yield* readAnchors(anchors)
    const ballots = Option.isNone(file) ? undefined : encodeBallots(yield* withBallots(file, allBallots))
    const made = Option.isNone(file) ? [] : yield* withGrants(file, allGrants)
    // Without any, the file is as it was before there were grants.
    const grants = made.length === 0 ? undefined : encodeGrants(made)
    const store = Option.match(checkpoint, { onNone: () => noCheckpoints, onSome: FileCheckpoints.layer })
    yield* Effect.provide(connected(run(path, { ...options, anchors: asked, ballots, grants })), store)
  })
).pipe(Command.withDescription("Write the log, or a part of it, into one file"))
