/**
 * `workflows`: durable calls, from their journal.
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
import { type GovernedExecution, Journal, State } from "../workflow/Journal.ts"
import { beginningWith } from "./core/beginningOfId.ts"
import { cannotRead, database } from "./core/database.ts"
import { Usage } from "./core/failure.ts"
import { positive } from "./core/flags.ts"
import { shortId } from "./core/outcome.ts"
import { ExecutionEntry, ExecutionRequested } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts, table } from "./screen/table.ts"
import { dim, green, type Line, red, yellow } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const data = Flag.String("data").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription("The SQLite file of the engine; without it, the Postgres of VARGATE_POSTGRES_URL"),
  Flag.optional
)

const withJournal = <A, E, R>(file: Option.Option<string>, effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.gen(function*() {
    const JournalSql = yield* Effect.promise(() => import("../workflow/JournalSql.ts"))
    const journal = Layer.provide(JournalSql.layer, yield* database(file, "executions"))
    return yield* Effect.provide(effect, yield* Effect.mapError(Layer.build(journal), cannotRead("executions")))
  }))

// --- screens ---------------------------------------------------------------------------------------------------------

const stateOf = ({ outcome, request, state }: GovernedExecution): Line => {
  if (request !== null) return [yellow(request === "interrupt" ? "to be ended" : "to be woken")]
  if (state === "blocked") return [red("blocked")]
  if (state !== "done") return [state === "held" ? yellow("waits") : dim(state)]
  if (outcome === "agent" || outcome === "gateway") return [green(`done by ${outcome}`)]
  return [outcome === "OutcomeUnknown" ? red("unknown") : red(outcome ?? "done")]
}

const columns = [
  { title: "EXECUTION" },
  { title: "WORKFLOW", min: 8 },
  { title: "CALL", min: 12 },
  { title: "STATE", min: 8 },
  { title: "SINCE" }
] as const

const rowOf = (now: DateTime.Utc) => (execution: GovernedExecution) => [
  shortId(execution.executionId),
  execution.workflow,
  `${execution.tool}/${execution.method}`,
  stateOf(execution),
  dim(Words.ago(execution.changedAt, now))
]

// --- commands --------------------------------------------------------------------------------------------------------

const list = Effect.fnUntraced(function*(state: Option.Option<typeof State.Type>, limit: number) {
  const printer = yield* Printer
  const executions = yield* Journal.use((journal) => journal.list({ state: Option.getOrUndefined(state), limit }))
  if (printer.isJson) {
    return yield* Effect.forEach(executions, (entry) => printer.print(ExecutionEntry, entry, () => []), {
      discard: true
    })
  }
  if (executions.length === 0) return yield* printer.note(dim("There is no such execution."))
  yield* printer.show(table(columns, executions.map(rowOf(yield* DateTime.now)), printer.width()))
})

/** As much of the id as it takes. */
const find = Effect.fnUntraced(function*(id: string) {
  const journal = yield* Journal
  const whole = yield* journal.find(id)
  if (whole !== undefined) return whole
  const executions = yield* journal.list({ limit: 10_000 })
  return yield* beginningWith(id, executions, ({ executionId }) => executionId, "execution")
})

const show = Effect.fnUntraced(function*(id: string) {
  const printer = yield* Printer
  const execution = yield* find(id)
  yield* printer.print(ExecutionEntry, execution, (width) =>
    facts([
      ["Execution", execution.executionId],
      ["Workflow", execution.workflow],
      ["Call", `${execution.tool}/${execution.method}`],
      ["Agent", execution.agentId],
      execution.version === null ? undefined : ["Version", execution.version],
      ["State", stateOf(execution)],
      execution.problem === null ? undefined : ["Problem", execution.problem],
      execution.params === null ? undefined : ["Params", execution.params],
      execution.actionId === null ? undefined : ["Action", execution.actionId],
      ["Started", Words.fullStamp(execution.startedAt)],
      ["Changed", Words.fullStamp(execution.changedAt)]
    ], width))
})

const ask = Effect.fnUntraced(function*(id: string, request: "interrupt" | "resume") {
  const printer = yield* Printer
  const { executionId } = yield* find(id)
  const isPossible = yield* Journal.use((journal) => journal.request(executionId, request))
  if (!isPossible) {
    return yield* new Usage({ message: `${executionId} has ended: it can be neither interrupted nor resumed.` })
  }
  yield* printer.print(ExecutionRequested, { executionId, request }, () => [
    [green("✓ asked"), `: the engine ${request === "interrupt" ? "ends" : "wakes"} it at its next look.`]
  ])
})

const id = Argument.String("id").pipe(Argument.withDescription("Of the execution, or the beginning of it"))

const group = Command.make("workflows").pipe(Command.withSharedFlags({ data }))

/** The file may be named before the subcommand or after it. */
const inJournal = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(group, ({ data }) => withJournal(data, effect))

/** @internal */
export const command = group.pipe(
  Command.withDescription("Durable calls: list, show, interrupt and resume them"),
  Command.withSubcommands([
    Command.make(
      "list",
      {
        state: Flag.Literals("state", State.literals).pipe(Flag.optional),
        limit: positive("limit").pipe(Flag.withMetavar("<n>"), Flag.withDefault(20))
      },
      ({ limit, state }) => inJournal(list(state, limit))
    ).pipe(Command.withDescription("The latest, or those in one state"), Command.withAlias("ls")),
    Command.make("show", { id }, ({ id }) => inJournal(show(id))).pipe(
      Command.withDescription("All that is known of one")
    ),
    Command.make("interrupt", { id }, ({ id }) => inJournal(ask(id, "interrupt"))).pipe(
      Command.withDescription("End one; what is pending at the gateway stays pending")
    ),
    Command.make("resume", { id }, ({ id }) => inJournal(ask(id, "resume"))).pipe(
      Command.withDescription("Resume one that waits although it need not")
    )
  ])
)
