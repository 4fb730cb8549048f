/**
 * `head verify`: a head, or a proof of a record, by a policy and nothing else.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TlogProof from "../../verify/witness/TlogProof.ts"
import * as WitnessPolicy from "../../verify/witness/WitnessPolicy.ts"
import { Concluded, Usage } from "../core/failure.ts"
import { ExitCode, HeadVerdict } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { facts } from "../screen/table.ts"
import { dim, green, type Line, red, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import { readPolicy, textOf } from "./files.ts"

const reasons: Readonly<Record<TlogProof.ProofFailure, string>> = {
  NotANote: "it holds no signed head",
  NotAProof: "it is no proof of a record",
  UnknownLog: "no log of the policy has signed it",
  NoQuorum: "too few witnesses have cosigned it",
  NotSupported: "too few witnesses have cosigned it by what this version of Node can verify (ML-DSA-44 needs 24.6)",
  NotIncluded: "the record is not at that place of the log"
}

const timeOf = (seconds: number) => {
  const time = DateTime.make(1000 * seconds)
  return Option.isSome(time) ? DateTime.formatIso(time.value) : "an unknown time"
}

/** @internal */
export const command = Command.make(
  "verify",
  {
    file: Argument.String("file").pipe(Argument.withDescription("A signed head, or a .tlog-proof")),
    policy: Flag.String("policy").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Whose signatures it needs")
    ),
    record: Flag.String("record").pipe(
      Flag.withMetavar("<hash>"),
      Flag.withDescription("The record that a proof is about"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ file, policy, record }) {
    const printer = yield* Printer
    const rules = yield* readPolicy(policy)
    const text = yield* textOf(file)
    const isProof = text.startsWith("c2sp.org/tlog-proof@")
    if (isProof && Option.isNone(record)) {
      return yield* new Usage({ message: "A proof is about a record: give its hash with --record." })
    }
    if (!isProof && Option.isSome(record)) return yield* new Usage({ message: `${file} is no proof of a record.` })
    const verdict: TlogProof.ProofVerdict = Option.isSome(record)
      ? yield* TlogProof.verify(text, record.value, rules)
      : yield* WitnessPolicy.verifyHead(text, rules)
    const { head, index, reason, unsupported, valid } = verdict
    const witnesses = [...verdict.witnesses].map(([name, seconds]) => ({ name, seconds }))
    const result = {
      file,
      valid,
      ...(reason === undefined ? {} : { reason }),
      ...(head === undefined ? {} : { origin: head.origin, size: head.size, root: head.root }),
      ...(index === undefined ? {} : { index }),
      witnesses,
      ...(unsupported === undefined ? {} : { unsupported })
    }
    yield* printer.print(HeadVerdict, result, (width) =>
      [
        valid
          ? [green("✓ holds")]
          : [
            reason === "NotSupported" ? yellow("? not known") : red("✗ does not hold"),
            `: ${reasons[reason ?? "NotANote"]}`
          ],
        ...facts([
          head === undefined
            ? undefined
            : ["Head", [Words.count(head.size, "record"), dim(`  ${head.root.slice(0, 32)}...`)]],
          index === undefined ? undefined : ["Record", `number ${index + 1}`],
          ["Cosigned", witnesses.length === 0 ? dim("by no witness of the policy") : witnesses.map(wordOf).join(", ")],
          unsupported === undefined ? undefined : ["Not known", unsupported.join(", ")]
        ], width)
      ] as ReadonlyArray<Line>)
    if (reason === "NotSupported") return yield* new Concluded({ exitCode: ExitCode.unreachable })
    if (!valid) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  })
).pipe(Command.withDescription("Verify a head or a proof, with neither a gateway nor a key"))

const wordOf = ({ name, seconds }: { readonly name: string; readonly seconds: number }) =>
  `${name} at ${timeOf(seconds)}`
