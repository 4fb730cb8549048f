/**
 * `head prove`: that records are in the log of a head, a file for each.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { join } from "node:path"
import * as LogHead from "../../verify/witness/LogHead.ts"
import * as Note from "../../verify/witness/Note.ts"
import * as TlogProof from "../../verify/witness/TlogProof.ts"
import * as VerifiedRecords from "../../verify/witness/VerifiedRecords.ts"
import { connected } from "../core/connected.ts"
import { Usage } from "../core/failure.ts"
import { positive } from "../core/flags.ts"
import { writeWhole } from "../core/writeWhole.ts"
import { ProvedRecord } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { dim } from "../screen/text.ts"
import { textOf } from "./files.ts"

interface Wanted {
  readonly hashes: ReadonlyArray<string>
  readonly from: Option.Option<number>
  readonly to: Option.Option<number>
}

const placesOf = Effect.fnUntraced(function*({ from, hashes, to }: Wanted, recordHashes: ReadonlyArray<string>) {
  const places: Array<number> = []
  for (const hash of hashes) {
    const place = recordHashes.indexOf(hash)
    if (place < 0) return yield* new Usage({ message: `No record of the head has the hash ${hash.slice(0, 64)}.` })
    places.push(place)
  }
  if (Option.isSome(from) || Option.isSome(to)) {
    const first = Option.getOrElse(from, () => 1) - 1
    const last = Math.min(Option.getOrElse(to, () => recordHashes.length), recordHashes.length) - 1
    for (let place = first; place <= last; place++) places.push(place)
  }
  if (places.length === 0) return yield* new Usage({ message: "Name records by their hashes, or by --from and --to." })
  return [...new Set(places)]
})

const run = Effect.fnUntraced(function*(path: string, folder: string, wanted: Wanted) {
  const printer = yield* Printer
  const note = yield* textOf(path)
  const head = yield* Effect.mapError(
    Effect.flatMap(Note.parse(note), ({ text }) => LogHead.parse(text)),
    () => new Usage({ message: `${path} holds no signed head.` })
  )
  const records = (yield* VerifiedRecords.read()).recordHashes.slice(0, head.size)
  const root = yield* Effect.flatMap(LogHead.grow(records), LogHead.rootOf)
  if (records.length < head.size || root !== head.root) {
    return yield* new Usage({ message: `The log is not the one of ${path}: nothing can be proved to be in it.` })
  }
  const places = yield* placesOf(wanted, records)
  const paths = yield* LogHead.proveRecords(records, places)
  for (const [place, proof] of paths.entries()) {
    const index = places[place]!
    const recordHash = records[index]!
    const file = join(folder, `${recordHash.slice(0, 16)}.tlog-proof`)
    yield* writeWhole(file, TlogProof.format({ index, path: proof, head: note }))
    yield* printer.print(ProvedRecord, { path: file, recordHash, index }, () => [[file, dim(`  record ${index}`)]])
  }
})

/** @internal */
export const command = Command.make(
  "prove",
  {
    head: Argument.String("head").pipe(Argument.withDescription("A signed head")),
    hashes: Argument.String("record").pipe(Argument.withDescription("Hashes of records"), Argument.variadic()),
    from: positive("from").pipe(
      Flag.withMetavar("<n>"),
      Flag.withDescription("The first record of a range, counted from 1"),
      Flag.optional
    ),
    to: positive("to").pipe(
      Flag.withMetavar("<n>"),
      Flag.withDescription("The last record of a range"),
      Flag.optional
    ),
    folder: Flag.String("folder").pipe(
      Flag.withMetavar("<folder>"),
      Flag.withDescription("Where the proofs are written (here)"),
      Flag.withDefault(".")
    )
  },
  ({ folder, head, ...wanted }) => connected(run(head, folder, wanted))
).pipe(Command.withDescription("Write proofs that records are in a head"))
