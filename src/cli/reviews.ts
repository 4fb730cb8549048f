/**
 * `reviews`: the ballots of a review panel, from where they are kept.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { AuditLog } from "../audit/AuditLog.ts"
import { type Ballot, Ballots } from "../reviews/Ballots.ts"
import { wordsOfBallot } from "../reviews/internal/words.ts"
import * as ReviewVerifier from "../reviews/ReviewVerifier.ts"
import { connected } from "./core/connected.ts"
import { Concluded, Usage } from "./core/failure.ts"
import { moment, positive } from "./core/flags.ts"
import { shortId } from "./core/outcome.ts"
import { BallotEntry, ExitCode, ReviewVerdict } from "./Output.ts"
import { pendingCommand, voteCommand } from "./reviews/panel.ts"
import { allBallots, allGrants, withBallots, withGrants } from "./reviews/store.ts"
import { tokenCommand } from "./reviews/token.ts"
import { findingLines, verdictLine } from "./reviews/verdict.ts"
import { Printer } from "./screen/Printer.ts"
import { facts, table } from "./screen/table.ts"
import { dim, green, type Line, red, yellow } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const data = Flag.String("data").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription("The SQLite file of the panel; without it, the Postgres of VARGATE_POSTGRES_URL"),
  Flag.optional
)

// --- screens ---------------------------------------------------------------------------------------------------------

const stateOf = ({ outcome, state }: Ballot): Line => {
  if (outcome === null) return [state === "deciding" ? yellow("deciding") : yellow("open")]
  const style = outcome.result === "approved" ? green : outcome.result === "rejected" ? red : dim
  return [style(outcome.result), outcome.byPanel ? "" : dim(" not by the panel")]
}

const columns = [
  { title: "ACTION" },
  { title: "CALL", min: 12 },
  { title: "STATE", min: 8 },
  { title: "VOTES" },
  { title: "SINCE" }
] as const

const rowOf = (now: DateTime.Utc) => (ballot: Ballot) => [
  shortId(ballot.opening.actionId),
  `${ballot.opening.tool}/${ballot.opening.method}`,
  stateOf(ballot),
  String(ballot.votes.length),
  dim(Words.ago(ballot.opening.createdAt, now))
]

const details = (ballot: Ballot, now: DateTime.Utc, width: number | undefined): ReadonlyArray<Line> => [
  ...facts([
    ["Action", ballot.opening.actionId],
    ["Call", `${ballot.opening.tool}/${ballot.opening.method}`],
    ["Agent", ballot.opening.agentId],
    ["Digest", ballot.opening.digest],
    ["State", stateOf(ballot)],
    ...ballot.votes.map(({ at, choice, note, onBehalfOf, proposal, reviewerId }) =>
      [
        "Vote",
        [
          choice === "approve" ? green("approve") : red(proposal === undefined ? "reject" : "change"),
          ` ${reviewerId}${onBehalfOf === null ? "" : ` for ${onBehalfOf}`}`,
          dim(`  ${Words.stamp(at)}${note === null ? "" : `  ${note}`}`)
        ]
      ] as const
    )
  ], width),
  ...wordsOfBallot(ballot.opening, ballot.votes, now.epochMilliseconds)
]

// --- commands --------------------------------------------------------------------------------------------------------

const list = Effect.fnUntraced(function*(limit: number, open: boolean) {
  const printer = yield* Printer
  const ballots = yield* Ballots.use((ballots) => ballots.list({ limit, ...open ? { ended: false } : {} }))
  if (printer.isJson) {
    return yield* Effect.forEach(ballots, (ballot) => printer.print(BallotEntry, ballot, () => []), { discard: true })
  }
  if (ballots.length === 0) return yield* printer.note(dim("There is no such ballot."))
  yield* printer.show(table(columns, ballots.map(rowOf(yield* DateTime.now)), printer.width()))
})

/** As much of the id as it takes. */
const find = Effect.fnUntraced(function*(id: string) {
  const ballots = yield* Ballots.use(({ list }) => list({ limit: 10_000 }))
  const found = ballots.filter(({ opening }) => opening.actionId.startsWith(id))
  const [first] = found
  if (first === undefined) {
    return yield* new Usage({ message: `There is no ballot on an action that begins with ${id}.` })
  }
  const ids = new Set(found.map(({ opening }) => opening.actionId))
  return ids.size === 1 ? found.find(({ outcome }) => outcome === null) ?? first : yield* new Usage({
    message: `${ids.size} actions begin with ${id}: pass more of the id.`
  })
})

const status = Effect.fnUntraced(function*(id: string) {
  const printer = yield* Printer
  const ballot = yield* find(id)
  const now = yield* DateTime.now
  yield* printer.print(BallotEntry, ballot, (width) => details(ballot, now, width))
})

const verify = Effect.fnUntraced(function*(
  publicKeys: ReadonlyArray<string>,
  since: Option.Option<DateTime.Utc>,
  file: Option.Option<string>
) {
  const printer = yield* Printer
  const ballots = yield* withBallots(file, allBallots)
  const grants = yield* withGrants(file, allGrants)
  const { records } = yield* AuditLog
  printer.progress("reading the log ...")
  const report = yield* ReviewVerifier.verify(ballots, records(), {
    publicKeys,
    grants,
    since: Option.getOrUndefined(since)
  })
  yield* printer.print(ReviewVerdict, report, () => [
    verdictLine(report),
    ...findingLines(report),
    dim("Whether the log is whole: effect-vargate verify")
  ])
  if (!report.valid) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
})

const id = Argument.String("id").pipe(Argument.withDescription("Of the action, or the beginning of it"))

const group = Command.make("reviews").pipe(Command.withSharedFlags({ data }))

/** The file may be named before the subcommand or after it. */
const inStore = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(group, ({ data }) => withBallots(data, effect))

/** @internal */
export const command = group.pipe(
  Command.withDescription("A review panel: vote, and list, show and verify its ballots"),
  Command.withSubcommands([
    pendingCommand,
    voteCommand,
    tokenCommand,
    Command.make(
      "list",
      {
        limit: positive("limit").pipe(Flag.withMetavar("<n>"), Flag.withDefault(20)),
        open: Flag.Boolean("open").pipe(
          Flag.withoutNegation,
          Flag.withDefault(false),
          Flag.withDescription("Only those that have not ended")
        )
      },
      ({ limit, open }) => inStore(list(limit, open))
    ).pipe(Command.withDescription("The latest ballots"), Command.withAlias("ls")),
    Command.make("status", { id }, ({ id }) => inStore(status(id))).pipe(
      Command.withDescription("The votes on an action, and what is still needed")
    ),
    Command.make(
      "verify",
      {
        key: Flag.String("key").pipe(
          Flag.withMetavar("<key>"),
          Flag.withDescription("A public key of the panel's; again for each one"),
          Flag.atLeast(1)
        ),
        since: moment("since").pipe(
          Flag.withDescription("From when on the panel was in force (default: always)"),
          Flag.optional
        )
      },
      ({ key, since }) => Effect.flatMap(group, ({ data }) => connected(verify(key, since, data)))
    ).pipe(Command.withDescription("Check votes, signatures and rules against the audit log"))
  ])
)
