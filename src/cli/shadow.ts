/**
 * `shadow`: what shadow mode has seen, from where it is kept, and its pending actions.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Shadow from "../governed/Shadow.ts"
import { connectedAsOperator } from "./core/connected.ts"
import { cannotRead, database } from "./core/database.ts"
import { Concluded } from "./core/failure.ts"
import { positive } from "./core/flags.ts"
import { shortId } from "./core/outcome.ts"
import { ExitCode, ShadowClosedLine, ShadowReported } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { table } from "./screen/table.ts"
import { alarm, dim, green, type Line, red, yellow } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const data = Flag.String("data").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription("The SQLite file of GovernedSql; without it, the Postgres of VARGATE_POSTGRES_URL"),
  Flag.optional
)

const group = Command.make("shadow").pipe(Command.withSharedFlags({ data }))

const withStoreOf = (data: Option.Option<string>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const GovernedSql = yield* Effect.promise(() => import("../node/GovernedSql.ts"))
    const stores = Layer.provide(GovernedSql.layer, yield* database(data, "observations of shadow mode"))
    const context = yield* Effect.mapError(Layer.build(stores), cannotRead("observations of shadow mode"))
    return yield* Effect.provide(effect, context)
  }))

/** The file may be named before the subcommand or after it. */
const withStore = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(group, ({ data }) => withStoreOf(data)(effect))

/**
 * What shadow mode has seen in the last days, for the doctor.
 *
 * @internal
 */
export const lately = (data: Option.Option<string>, days: number) => withStoreOf(data)(Shadow.report({ days }))

// --- screens ---------------------------------------------------------------------------------------------------------

const verdicts: Readonly<Record<Shadow.Verdict, Line>> = {
  denied: red("would have been denied"),
  pending: yellow("would have been pending"),
  error: dim("error"),
  allowed: green("allowed")
}

const columns = [
  { title: "CALLS", align: "right" },
  { title: "VERDICT", min: 7 },
  { title: "RULE", min: 12 },
  { title: "AGENT", min: 8 },
  { title: "TOOL", min: 8 },
  { title: "LAST" },
  { title: "ACTION" }
] as const

const rowOf = (now: DateTime.Utc) => (line: Shadow.ReportLine) => [
  line.calls.toLocaleString("en"),
  verdicts[line.verdict],
  line.rule ?? dim(line.verdict === "allowed" ? "" : "(no rule named)"),
  line.agentId,
  `${line.tool}/${line.method}`,
  dim(Words.ago(line.lastAt, now)),
  dim(line.lastActionId === null ? "" : shortId(line.lastActionId))
]

const totalsOf = ({ allowed, calls, denied, errors, pending, since }: Shadow.ShadowReport): Line =>
  [
    `${Words.count(calls, "call")} in shadow since ${DateTime.formatIsoDateUtc(since)}: ${allowed} allowed, `,
    `${denied} would have been denied, ${pending} would have been pending, ${Words.count(errors, "error")}`
  ].join("")

const outcomes: Readonly<Record<Shadow.ClosedAction["outcome"], Line>> = {
  closed: green("closed"),
  rejected: dim("rejected by a reviewer before"),
  expired: dim("expired before"),
  approved: yellow("approved before; it is not begun again"),
  "executed twice": alarm("executed twice: approved after the agent had acted, and executed by the gateway"),
  "not found": red("not known to the gateway; it stays open")
}

// --- commands --------------------------------------------------------------------------------------------------------

const report = Effect.fnUntraced(function*(days: number) {
  const printer = yield* Printer
  const report = yield* Shadow.report({ days })
  const now = yield* DateTime.now
  yield* printer.print(ShadowReported, report, (width) => [
    totalsOf(report),
    ...(report.executedByGateway.length === 0
      ? []
      : [yellow(`The gateway executes ${report.executedByGateway.join(", ")} itself: take it out of shadow.`)]),
    ...(report.lines.length === 0 ? [] : ["", ...table(columns, report.lines.map(rowOf(now)), width)])
  ])
})

const close = Effect.fnUntraced(function*(note: Option.Option<string>) {
  const printer = yield* Printer
  const closed = yield* Shadow.close(note._tag === "Some" ? { note: note.value } : {})
  if (closed.length === 0) yield* printer.note(dim("Nothing that was acted on in shadow is open."))
  yield* Effect.forEach(closed, (action) =>
    printer.print(ShadowClosedLine, action, () => [
      [outcomes[action.outcome], ` ${action.tool}/${action.method} `, dim(`${action.agentId}  ${action.actionId}`)]
        .flat()
    ]), { discard: true })
  if (closed.some(({ outcome }) => outcome === "executed twice")) {
    return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  }
})

/** @internal */
export const command = group.pipe(
  Command.withDescription("What a policy would have stopped, before it is switched on"),
  Command.withSubcommands([
    Command.make(
      "report",
      {
        days: positive("days").pipe(
          Flag.withMetavar("<n>"),
          Flag.withDescription("How many days of UTC, today among them"),
          Flag.withDefault(90)
        )
      },
      ({ days }) => withStore(report(days))
    ).pipe(Command.withDescription("What would have been denied, or pending, by rule, agent and tool")),
    Command.make(
      "close",
      {
        note: Flag.String("note").pipe(
          Flag.withAlias("n"),
          Flag.withMetavar("<text>"),
          Flag.withDescription("For the record, in place of the usual one"),
          Flag.optional
        )
      },
      ({ note }) => withStore(connectedAsOperator(close(note)))
    ).pipe(Command.withDescription("Reject, by a reviewer's key, what was acted on and is pending still"))
  ])
)
