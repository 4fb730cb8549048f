/**
 * `doctor`: whether the gateway really stands between agents and their tools.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { version } from "../internal/version.ts"
import type { AgentIdentity } from "../model/Agent.ts"
import { connectedAsOperator } from "./core/connected.ts"
import { Concluded } from "./core/failure.ts"
import * as Checks from "./doctor/checks.ts"
import { choose, flags, inFull, type Probes } from "./doctor/probes.ts"
import { Check, ExitCode } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { bold, dim, type Line, pad, spansOf, wrap } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const marks = { ok: Words.yes, warning: Words.attention, failed: Words.no, skipped: dim("-") } as const

const column = 16

const screen = ({ check, message, outcome }: Checks.Check, width: number | undefined): ReadonlyArray<Line> =>
  (width === undefined ? [message] : wrap(message, Math.max(20, width - column - 2))).map((line, index): Line =>
    index === 0
      ? [marks[outcome], " ", ...spansOf(pad(bold(check), column)), ...spansOf(line)]
      : [" ".repeat(column + 2), ...spansOf(line)]
  )

const announce = Effect.fnUntraced(function*({ allowed, forbidden }: Probes, agent: AgentIdentity) {
  const printer = yield* Printer
  const lines = [
    `The doctor asks for tool calls as agent ${agent.id}; each leaves a record in the audit log:`,
    ...allowed.map((probe, index) => `  ${index === 0 ? "should be allowed" : "or, if it is not "}  ${inFull(probe)}`),
    ...forbidden.map((probe, index) =>
      `  ${index === 0 ? "should be stopped" : "or, if it is not "}  ${inFull(probe)}`
    ),
    ""
  ]
  yield* Effect.forEach(lines, (line) => printer.note(dim(line)), { discard: true })
})

const run = Effect.fnUntraced(function*(probes: Probes, hasCalls: boolean, data: Option.Option<string>) {
  const printer = yield* Printer
  const bad: Array<Checks.Check> = []
  const report = Effect.fnUntraced(function*(check: Checks.Check) {
    if (check.outcome === "failed") bad.push(check)
    yield* printer.print(Check, check, (width) => screen(check, width))
  })

  // A fresh one each time, or the violations of earlier runs would count against it.
  const agent = { id: `vargate-doctor-${randomUUID().slice(0, 8)}`, type: "doctor", version }
  if (hasCalls) yield* announce(probes, agent)
  yield* report(yield* Checks.connection)
  yield* report(yield* Checks.gateway)
  yield* report(yield* Checks.key)
  yield* report(yield* Checks.separation)
  yield* report(yield* Checks.failOpen)
  yield* report(yield* Checks.chain)
  if (Option.isSome(data)) {
    // Not a part of the bundle: it needs a database.
    const { lately } = yield* Effect.promise(() => import("./shadow.ts"))
    yield* report(Checks.shadow(yield* lately(data, Checks.shadowDays)))
  }
  if (hasCalls) {
    const allowed = yield* Checks.allowed(probes, agent)
    yield* report(allowed.check)
    const forbidden = yield* Checks.forbidden(probes.forbidden, agent)
    yield* report(forbidden.check)
    const answers = [...allowed.answers, ...forbidden.answers]
    const ownTools = Checks.ownTools(allowed.answers)
    if (ownTools !== undefined) yield* report(ownTools)
    yield* Effect.forEach(yield* Checks.recorded(answers), report, { discard: true })
    yield* Checks.tidyUp(answers)
  }
  if (bad.length > 0) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
})

/** @internal */
export const command = Command.make(
  "doctor",
  {
    ...flags,
    calls: Flag.Boolean("calls").pipe(
      Flag.withDefault(true),
      Flag.withDescription("--no-calls only reads, and submits no call")
    ),
    data: Flag.String("data").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("The SQLite file of GovernedSql: whether agents are in shadow mode"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ allowed, calls, data, forbidden }) {
    const probes = yield* choose({ allowed, forbidden })
    yield* connectedAsOperator(run(probes, calls, data))
  })
).pipe(
  Command.withDescription(
    "Prove that a forbidden call is stopped and an allowed one is not"
  ),
  Command.withShortDescription("Prove that the gateway does its work"),
  Command.withExamples([
    { command: "effect-vargate doctor" },
    { command: `effect-vargate doctor --forbidden bank/pay --forbidden-params '{"sum":9000}'` }
  ])
)
