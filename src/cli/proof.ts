/**
 * `proof`: whether a record is in the tree that was stored of its hour.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { RecordHash } from "../model/RecordHash.ts"
import { Merkle, type ProvenRecord } from "../verify/Merkle.ts"
import type { InclusionFailure } from "../verify/TreesReport.ts"
import { findRecord } from "./audit/find.ts"
import { connected } from "./core/connected.ts"
import { Concluded, Usage } from "./core/failure.ts"
import { duration } from "./core/flags.ts"
import { ExitCode, Proof } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { dim, green, type Line, red } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const isHash = Schema.is(RecordHash)

const hashOf = Effect.fnUntraced(function*(text: string) {
  if (isHash(text)) return text
  const { recordHash } = yield* findRecord(text)
  return recordHash
})

const rootOf = (root: Option.Option<string>) =>
  Option.isNone(root) || isHash(root.value)
    ? Effect.succeed(Option.getOrUndefined(root) as RecordHash | undefined)
    : Effect.fail(new Usage({ message: "--root takes 64 lower-case hex digits." }))

const run = Effect.fnUntraced(function*(
  text: string,
  root: Option.Option<string>,
  wait: Option.Option<Duration.Duration>
) {
  const merkle = yield* Merkle
  const printer = yield* Printer
  const trusted = yield* rootOf(root)
  const recordHash = yield* hashOf(text)
  if (Option.isSome(wait)) {
    yield* printer.note(dim("Waiting until the hour of this record is over, if it is not."))
    yield* merkle.awaitProof(recordHash, { timeout: wait.value })
  }
  const proven = yield* merkle.prove(recordHash, trusted)
  const { inclusion, proof, tree } = proven
  yield* printer.print(
    Proof,
    { inclusion, proof, ...tree === undefined ? {} : { tree } },
    (width) => screen(proven, trusted, width)
  )
  if (!inclusion.valid) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
})

const screen = (
  { inclusion, proof, tree }: ProvenRecord,
  trusted: RecordHash | undefined,
  width: number | undefined
): ReadonlyArray<Line> => [
  inclusion.valid
    ? [
      green("✓ proven"),
      `: the record is in the tree, by ${
        Words.count(proof.steps.length, "step that was", "steps that were")
      } computed here`
    ]
    : [red("✗ not proven"), `: ${reasons[inclusion.reason ?? "RootMismatch"]}`],
  ...facts([
    ["Record", proof.recordHash],
    proof.actionId === undefined ? undefined : ["Action", proof.actionId],
    ["Root", trusted ?? tree?.root ?? dim("none to be trusted")],
    trusted === undefined ? undefined : ["", dim("as you gave it")],
    proof.treeIndex === undefined ? undefined : ["Tree", [
      `${proof.treeIndex}`,
      tree === undefined ?
        "" :
        dim(
          `, ${Words.fullStamp(tree.periodStart).slice(0, 16)} to ${
            Words.fullStamp(tree.periodEnd).slice(11, 16)
          } UTC, ${Words.count(tree.records, "record")}`
        )
    ]],
    proof.leafIndex === undefined ? undefined : ["Leaf", `${proof.leafIndex} of ${proof.treeSize ?? "?"}`],
    proof.claimedValid === undefined || proof.claimedValid === inclusion.valid
      ? undefined
      : ["Claimed", red(proof.claimedValid ? "the gateway says it is valid" : "the gateway says it is not valid")],
    proof.anchorTx == null ? undefined : ["Anchored", `${proof.anchorChain ?? "a blockchain"}  ${proof.anchorTx}`]
  ], width)
]

const reasons: Readonly<Record<InclusionFailure, string>> = {
  MalformedHash: "a hash in it is none",
  IndexOutOfRange: "it speaks of a place that its tree does not have",
  WrongRecord: "it is about another record",
  WrongTree: "it is about another tree",
  WrongSize: "it speaks of a tree of another size",
  WrongDepth: "it has too many or too few steps",
  WrongSide: "a step stands on the wrong side",
  NotTheLastNode: "a node is its own sibling where that cannot be, or is not where it must be",
  RootMismatch: "its steps lead to another root than the stored one",
  ErasedLeaves: "records of this tree were erased since it was stored, so nothing can be proven in it any more",
  NoTrustedRoot: "no root of its tree is stored"
}

/** @internal */
export const command = Command.make(
  "proof",
  {
    record: Argument.String("hash").pipe(
      Argument.withDescription("Of the record; or its number, or its action's id")
    ),
    root: Flag.String("root").pipe(
      Flag.withMetavar("<hash>"),
      Flag.withDescription("A root you kept, instead of the stored one"),
      Flag.optional
    ),
    wait: duration("wait").pipe(
      Flag.withOptionalValue("90m"),
      Flag.withDescription("If the record's hour is not over, wait (90m)"),
      Flag.optional
    )
  },
  ({ record, root, wait }) => connected(run(record, root, wait))
).pipe(
  Command.withDescription("Whether a record is in the stored Merkle tree of its hour"),
  Command.withShortDescription("Prove that a record is in its Merkle tree")
)
