/**
 * `replay`: decisions taken again.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Replay } from "../audit/Replay.ts"
import type { DriftReport, LeftOut, ReplayReport } from "../audit/ReplayReport.ts"
import { ActionId } from "../model/ActionId.ts"
import { findRecord } from "./audit/find.ts"
import { connected } from "./core/connected.ts"
import { Concluded, Usage } from "./core/failure.ts"
import { positive } from "./core/flags.ts"
import { shortId } from "./core/outcome.ts"
import { Drift, ExitCode, Replayed } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { table } from "./screen/table.ts"
import { alarm, dim, green, type Line, red, yellow } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const isActionId = Schema.is(ActionId)
const isWhole = (text: string): text is ActionId => isActionId(text) && text.length >= 36

const badVerdict = new Concluded({ exitCode: ExitCode.badVerdict })

/** What a replay cannot repeat: it asks the policy alone, and neither reviewers nor the gateway's own switches. */
const gatewayViolations = ["unknown_tool_no_execution_handler", "auto_approved"]

const verdictOf = ({ consistent, original }: ReplayReport): (typeof Replayed.Type)["verdict"] => {
  if (consistent) return "same"
  const isPolicys = (original.decision === "allow" || original.decision === "deny") &&
    !original.violations?.some((violation) => gatewayViolations.includes(violation))
  return isPolicys ? "changed" : "notComparable"
}

const replayOne = Effect.fnUntraced(function*(text: string) {
  const replay = yield* Replay
  const printer = yield* Printer
  const actionId = isWhole(text) ? text : (yield* findRecord(text)).actionId
  const report = yield* replay.replay(actionId)
  const verdict = verdictOf(report)
  yield* printer.print(Replayed, { verdict, report }, (width) => [
    headlines[verdict],
    ...table([{ title: "" }, { title: "THEN", min: 12 }, { title: "AGAIN", min: 12 }], [
      ["decision", Words.decision(report.original.decision), Words.decision(report.replayed.decision)],
      ["violations", listOf(report.original.violations), listOf(report.replayed.violations)],
      ["severity", report.original.severity ?? "", report.replayed.severity ?? ""],
      ["policy", dim(report.original.bundleRevision ?? ""), dim(report.replayed.bundleRevision ?? "")],
      ["at", timeOf(report.original), timeOf(report.replayed)]
    ], width)
  ])
  if (verdict === "changed") return yield* badVerdict
})

const listOf = (violations: ReadonlyArray<string> | undefined): string => violations?.join(", ") || "none"

const timeOf = ({ at }: ReplayReport["original"]): Line => dim(at === undefined ? "" : Words.fullStamp(at).slice(0, 19))

const headlines: Readonly<Record<(typeof Replayed.Type)["verdict"], Line>> = {
  same: [green("✓ the same"), " decision, with the recorded input"],
  changed: [red("✗ changed"), ": with the recorded input, it is decided otherwise now"],
  notComparable: [
    yellow("! not comparable"),
    ": it was pending, or decided by the gateway itself, which no replay repeats"
  ]
}

const replayLast = Effect.fnUntraced(function*(count: number) {
  const replay = yield* Replay
  const printer = yield* Printer
  printer.progress(`replaying the last ${Words.count(count, "decision")} ...`)
  const report = yield* Effect.ensuring(replay.drift(count), Effect.sync(() => printer.progress()))
  yield* printer.print(Drift, report, (width) => driftScreen(report, width))
  if (report.exitCode !== 0) return yield* badVerdict
})

const driftScreen = (report: DriftReport, width: number | undefined): ReadonlyArray<Line> => {
  const leftOut = Object.entries(Object.groupBy(report.leftOut, ({ reason }) => reason)).map(([reason, group]) =>
    `${group.length} ${leftOutWords[reason as LeftOut]}`
  )
  return [
    [
      report.exitCode === 0 ? green("✓ no drift") : red("✗ drift"),
      `: ${report.same} the same`,
      report.changed.length === 0 ? "" : [alarm(`, ${report.changed.length} changed`)],
      report.failures.length === 0 ? "" : [yellow(`, ${report.failures.length} not replayed`)]
    ].flat(),
    ...leftOut.length === 0 ? [] : [dim(`left out, since no replay repeats them: ${leftOut.join(", ")}`)],
    ...report.changed.length === 0 ? [] : [
      "",
      ...table(
        [{ title: "ACTION" }, { title: "THEN" }, { title: "AGAIN" }, { title: "VIOLATIONS NOW", min: 12 }],
        report.changed.map(({ actionId = "", original, replayed }) => [
          shortId(actionId),
          Words.decision(original.decision),
          Words.decision(replayed.decision),
          listOf(replayed.violations)
        ]),
        width
      )
    ],
    ...report.failures.length === 0 ? [] : [
      "",
      ...table(
        [{ title: "ACTION" }, { title: "NOT REPLAYED", min: 12 }],
        report.failures.map(({ actionId = "", detail }) => [shortId(actionId), detail]),
        width
      )
    ]
  ]
}

const leftOutWords: Readonly<Record<LeftOut, string>> = {
  Pending: "pending",
  HumanDecision: "by reviewers",
  GatewayDecision: "by the gateway itself"
}

/** @internal */
export const command = Command.make(
  "replay",
  {
    record: Argument.String("id").pipe(
      Argument.withDescription("Of the action, or the record's number"),
      Argument.optional
    ),
    last: positive("last").pipe(
      Flag.withMetavar("<n>"),
      Flag.withDescription("How many of the newest decisions"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ last, record }) {
    if (Option.isSome(record) === Option.isSome(last)) {
      return yield* new Usage({ message: "Say either which decision to replay, or --last N." })
    }
    yield* connected(Option.isSome(record) ? replayOne(record.value) : replayLast(Option.getOrElse(last, () => 0)))
  })
).pipe(
  Command.withDescription("Evaluate a decision again, with its recorded input; a difference is drift"),
  Command.withShortDescription("Take decisions again, to find drift")
)
