/**
 * `head sign` and `head cosign`: the log is verified, its head is noted, signed, and shown to witnesses.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileHeads from "../../node/FileHeads.ts"
import type * as HeadStoreModule from "../../verify/witness/HeadStore.ts"
import { HeadStore } from "../../verify/witness/HeadStore.ts"
import * as LogHead from "../../verify/witness/LogHead.ts"
import * as Note from "../../verify/witness/Note.ts"
import * as VerifiedRecords from "../../verify/witness/VerifiedRecords.ts"
import * as WitnessClient from "../../verify/witness/WitnessClient.ts"
import type { WitnessPolicy } from "../../verify/witness/WitnessPolicy.ts"
import { connected } from "../core/connected.ts"
import { Concluded } from "../core/failure.ts"
import { writeWhole } from "../core/writeWhole.ts"
import { ExitCode, SignedHead } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { facts } from "../screen/table.ts"
import { dim, green, type Line, red, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import { readPolicy, readSigner } from "./files.ts"

const signedHead = Effect.fnUntraced(function*(key: Note.SignerKey, full: boolean) {
  const store = yield* HeadStore
  const printer = yield* Printer
  const origin = key.verifier.name
  const since = full ? undefined : (yield* store.get(origin))?.prefix
  printer.progress("verifying the log ...")
  const records = yield* Effect.ensuring(VerifiedRecords.read({ since }), Effect.sync(() => printer.progress()))
  const kept = yield* store.advance(origin, records.recordHashes, records)
  const text = LogHead.format(new LogHead.LogHead({ ...kept, extensions: [] }))
  const note = Note.format({ text, signatures: [yield* Note.sign(text, key, 0)] })
  return { kept, note, records }
})

const write = Effect.fnUntraced(function*(
  path: string,
  { origin, root, size }: HeadStoreModule.KeptHead,
  note: string,
  cosigned?: WitnessClient.Cosigned
) {
  const printer = yield* Printer
  if (path === "-") yield* printer.raw(note)
  else yield* writeWhole(path, note)
  const missing = cosigned?.missing ?? []
  const cosigners = cosigned === undefined ? undefined : [...cosigned.sizes.keys()]
  if (path === "-") return
  const result = {
    path,
    origin,
    size,
    root,
    ...(cosigners === undefined ? {} : { cosigners, missing, isQuorum: cosigned?.isQuorum === true })
  }
  yield* printer.print(SignedHead, result, (width) => [
    ...facts([
      ["Head", [Words.count(size, "record"), dim(`  ${root.slice(0, 32)}...`)]],
      cosigners === undefined
        ? undefined
        : ["Cosigned", [
          cosigned?.isQuorum === true ? green("✓ by enough") : red("✗ by too few"),
          `: ${cosigners.length === 0 ? "no witness" : cosigners.join(", ")}`
        ]],
      ["Written", path]
    ], width),
    ...missing.map(({ name, why }): Line => [yellow("Missing"), `  ${name} ${why}`])
  ])
})

const common = {
  path: Argument.String("file").pipe(Argument.withDescription("Where to; - is stdout")),
  key: Flag.String("key").pipe(Flag.withMetavar("<file>"), Flag.withDescription("The log's key, from head keygen")),
  state: Flag.String("state").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("What was signed last: of one key there is one such file")
  ),
  full: Flag.Boolean("full").pipe(
    Flag.withoutNegation,
    Flag.withDescription("Read the whole log again, and not only what has come since the last head"),
    Flag.withDefault(false)
  )
}

/** @internal */
export const sign = Command.make(
  "sign",
  common,
  Effect.fnUntraced(function*({ full, key, path, state }) {
    const signer = yield* readSigner(key)
    yield* Effect.gen(function*() {
      const { kept, note } = yield* signedHead(signer, full)
      yield* write(path, kept, note)
    }).pipe(connected, Effect.provide(FileHeads.layer(state)))
  })
).pipe(Command.withDescription("Verify the log, and sign its head"))

const isContradicted = ({ why }: WitnessClient.Missing, seen: number | undefined) =>
  seen !== undefined || why.includes("has seen another log")

const askWitnesses = Effect.fnUntraced(function*(
  path: string,
  signer: Note.SignerKey,
  policy: WitnessPolicy,
  full: boolean
) {
  const store = yield* HeadStore
  const { kept, note, records } = yield* signedHead(signer, full)
  const cosigned = yield* WitnessClient.cosign({
    ...WitnessClient.growthOf(records),
    note,
    policy,
    known: kept.witnesses,
    readAfter: (size) => Effect.map(VerifiedRecords.read({ since: kept.prefixAt(size) }), WitnessClient.growthOf)
  })
  yield* store.cosigned(kept.origin, cosigned.sizes)
  yield* write(path, kept, cosigned.note, cosigned)
  if (cosigned.missing.some((missing) => isContradicted(missing, missing.seen))) {
    return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  }
  if (!cosigned.isQuorum) return yield* new Concluded({ exitCode: ExitCode.unreachable })
})

/** @internal */
export const cosign = Command.make(
  "cosign",
  {
    ...common,
    policy: Flag.String("policy").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("The witnesses to ask, and how many are enough")
    )
  },
  Effect.fnUntraced(function*({ full, key, path, policy, state }) {
    const signer = yield* readSigner(key)
    const rules = yield* readPolicy(policy)
    yield* askWitnesses(path, signer, rules, full).pipe(connected, Effect.provide(FileHeads.layer(state)))
  })
).pipe(Command.withDescription("Verify the log, sign its head, and have it cosigned"))
