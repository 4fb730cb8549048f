/**
 * `suspension`: the kill switch of agents and tools, from where it is kept.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Suspension from "../governed/Suspension.ts"
import { beginningWith } from "./core/beginningOfId.ts"
import { cannotRead, database } from "./core/database.ts"
import { Usage } from "./core/failure.ts"
import { positive } from "./core/flags.ts"
import { shortId } from "./core/outcome.ts"
import { SuspensionLine } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { table } from "./screen/table.ts"
import { dim, green, type Line, red } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const data = Flag.String("data").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription("The SQLite file of GovernedSql; without it, the Postgres of VARGATE_POSTGRES_URL"),
  Flag.optional
)

const group = Command.make("suspension").pipe(Command.withSharedFlags({ data }))

/** The file may be named before the subcommand or after it. */
const withSwitch = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(group, ({ data }) =>
    Effect.scoped(Effect.gen(function*() {
      const GovernedSql = yield* Effect.promise(() => import("../node/GovernedSql.ts"))
      const stores = Layer.provide(GovernedSql.layer, yield* database(data, "suspensions"))
      const context = yield* Effect.mapError(
        Layer.build(Layer.provide(Suspension.layerSwitch, stores)),
        cannotRead("suspensions")
      )
      return yield* Effect.provide(effect, context)
    })))

// --- screens ---------------------------------------------------------------------------------------------------------

const stateOf = ({ liftedAt, liftedBy }: Suspension.SuspensionEntry): Line =>
  liftedAt === null ? [red("holds")] : [green("lifted"), dim(` by ${liftedBy}`)]

const columns = [
  { title: "ID" },
  { title: "STOPS", min: 12 },
  { title: "STATE", min: 8 },
  { title: "BY", min: 4 },
  { title: "SINCE" },
  { title: "NOTE", min: 4 }
] as const

const rowOf = (now: DateTime.Utc) => (entry: Suspension.SuspensionEntry) => [
  shortId(entry.id),
  entry.scope,
  stateOf(entry),
  entry.by,
  dim(Words.ago(entry.at, now)),
  [entry.note, entry.liftNote].filter((note) => note !== null).join("; ")
]

const lineOf = (entry: Suspension.SuspensionEntry): Line =>
  [stateOf(entry), " ", entry.scope, dim(`  ${entry.id}`)].flat()

// --- commands --------------------------------------------------------------------------------------------------------

const list = Effect.fnUntraced(function*(all: boolean, limit: number) {
  const printer = yield* Printer
  const entries = yield* Suspension.KillSwitch.use(({ active, history }) => all ? history(limit) : active)
  if (printer.isJson) {
    return yield* Effect.forEach(entries, (entry) => printer.print(SuspensionLine, entry, () => []), { discard: true })
  }
  if (entries.length === 0) return yield* printer.note(dim("Nothing is suspended."))
  yield* printer.show(table(columns, entries.map(rowOf(yield* DateTime.now)), printer.width()))
})

interface StopOptions {
  readonly agent: Option.Option<string>
  readonly tool: Option.Option<string>
  readonly everything: boolean
  readonly by: string
  readonly note: Option.Option<string>
}

const stop = Effect.fnUntraced(function*({ agent, by, everything, note, tool }: StopOptions) {
  const printer = yield* Printer
  if ((Option.isNone(agent) && Option.isNone(tool)) !== everything) {
    return yield* new Usage({ message: "Pass --agent, --tool or both, or --everything alone." })
  }
  const entry = yield* Suspension.KillSwitch.use(({ suspend }) =>
    suspend({
      agentId: Option.getOrUndefined(agent),
      tool: Option.getOrUndefined(tool),
      everything,
      by,
      note: Option.getOrUndefined(note)
    })
  )
  yield* printer.print(SuspensionLine, entry, () => [lineOf(entry)])
})

const lift = Effect.fnUntraced(function*(
  { by, id, note }: { readonly id: string; readonly by: string; readonly note: Option.Option<string> }
) {
  const printer = yield* Printer
  const { active, lift } = yield* Suspension.KillSwitch
  const found = yield* beginningWith(id, yield* active, (entry) => entry.id, "suspension in force")
  const lifted = yield* lift(found.id, { by, note: Option.getOrUndefined(note) })
  if (lifted === undefined) return yield* new Usage({ message: `${found.id} was lifted just now by another operator.` })
  yield* printer.print(SuspensionLine, lifted, () => [lineOf(lifted)])
})

const by = Flag.String("by").pipe(Flag.withMetavar("<name>"), Flag.withDescription("Who you are, for the record"))
const note = Flag.String("note").pipe(
  Flag.withAlias("n"),
  Flag.withMetavar("<text>"),
  Flag.withDescription("Why, for the record"),
  Flag.optional
)

/** @internal */
export const command = group.pipe(
  Command.withDescription("Stop an agent, a tool or everything, at once"),
  Command.withSubcommands([
    Command.make(
      "list",
      {
        all: Flag.Boolean("all").pipe(
          Flag.withoutNegation,
          Flag.withDefault(false),
          Flag.withDescription("Those that were lifted too, the latest first")
        ),
        limit: positive("limit").pipe(Flag.withMetavar("<n>"), Flag.withDefault(100))
      },
      ({ all, limit }) => withSwitch(list(all, limit))
    ).pipe(Command.withDescription("What is suspended"), Command.withAlias("ls")),
    Command.make(
      "stop",
      {
        agent: Flag.String("agent").pipe(
          Flag.withMetavar("<id>"),
          Flag.withDescription("The agent, or whose calls of --tool"),
          Flag.optional
        ),
        tool: Flag.String("tool").pipe(Flag.withMetavar("<name>"), Flag.withDescription("The tool"), Flag.optional),
        everything: Flag.Boolean("everything").pipe(
          Flag.withoutNegation,
          Flag.withDefault(false),
          Flag.withDescription("Every call of every agent")
        ),
        by,
        note
      },
      (options) => withSwitch(stop(options))
    ).pipe(Command.withDescription("Suspend: nothing is sent or begun, and waits end")),
    Command.make(
      "lift",
      {
        id: Argument.String("id").pipe(Argument.withDescription("Of the suspension, or the beginning of it")),
        by,
        note
      },
      (options) => withSwitch(lift(options))
    ).pipe(Command.withDescription("Let calls pass again"))
  ])
)
