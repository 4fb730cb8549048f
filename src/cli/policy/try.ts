/**
 * `policy try`: what a policy would have decided otherwise.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PastDecisions from "../../policy/PastDecisions.ts"
import * as PolicyTrial from "../../policy/PolicyTrial.ts"
import type { Excess, NotCompared, TrialReport } from "../../policy/TrialReport.ts"
import { connected } from "../core/connected.ts"
import { Concluded, FileFailed, Usage } from "../core/failure.ts"
import { positive } from "../core/flags.ts"
import { shortId } from "../core/outcome.ts"
import { aboutPolicy } from "../core/rego.ts"
import { ExitCode, PolicyTried } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { table } from "../screen/table.ts"
import { alarm, dim, green, type Line, red, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import * as Candidate from "./candidate.ts"

const limit = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("<n|%>"), Flag.withDescription(description), Flag.optional)

const flags = {
  candidate: Argument.String("candidate").pipe(Argument.withDescription(Candidate.description)),
  last: positive("last").pipe(
    Flag.withMetavar("<n>"),
    Flag.withDescription("How many of the newest records (1000)"),
    Flag.withDefault(1000)
  ),
  data: Flag.String("data").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("From the ledger of a gateway that is stopped, instead of a gateway's replays"),
    Flag.optional
  ),
  tenant: Flag.String("tenant").pipe(
    Flag.withMetavar("<id>"),
    Flag.withDescription("Whose, with --data (local)"),
    Flag.withDefault("local")
  ),
  evidence: Flag.String("evidence").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("From a file of evidence, which has little of what was decided on"),
    Flag.optional
  ),
  examples: Flag.Int("examples").pipe(
    Flag.withMetavar("<n>"),
    Flag.withDescription("How many changed calls to show (10)"),
    Flag.withDefault(10)
  ),
  maxDenied: limit("max-denied", "End with 1 where more calls would be denied: a number, or a share like 1%"),
  maxPending: limit("max-pending", "The same for calls that would need an approval"),
  maxAllowed: limit("max-allowed", "The same for calls that would be allowed at once"),
  maxUndecided: limit("max-undecided", "The same for calls whose documents lack something")
}

const fromData = Effect.fnUntraced(function*(file: string, tenant: string, last: number) {
  const files = yield* FileSystem.FileSystem
  // Opening a ledger that is not there would make one.
  yield* Effect.mapError(files.access(file), FileFailed.of("read", file))
  const Database = yield* Effect.promise(() => import("../../gateway/sqlite/Database.ts"))
  const LedgerSqlite = yield* Effect.promise(() => import("../../gateway/sqlite/LedgerSqlite.ts"))
  return yield* PastDecisions.fromLedger(tenant, last).pipe(
    Effect.provide(Layer.provide(LedgerSqlite.layer, Database.layer({ filename: file })))
  )
})

const fromEvidence = Effect.fnUntraced(function*(file: string, last: number) {
  const files = yield* FileSystem.FileSystem
  const content = yield* Effect.mapError(files.readFile(file), FileFailed.of("read", file))
  return yield* Effect.mapError(PastDecisions.fromEvidence(content, last), aboutPolicy(file))
})

const fromGateway = Effect.fnUntraced(function*(last: number) {
  const printer = yield* Printer
  printer.progress(`replaying the last ${Words.count(last, "decision")} ...`)
  return yield* Effect.ensuring(connected(PastDecisions.fromReplays(last)), Effect.sync(() => printer.progress()))
})

/** @internal */
export const command = Command.make(
  "try",
  flags,
  Effect.fnUntraced(function*({ candidate, data, evidence, examples, last, tenant, ...limits }) {
    const printer = yield* Printer
    if (Option.isSome(data) && Option.isSome(evidence)) {
      return yield* new Usage({ message: "Say either --data or --evidence." })
    }
    if (examples < 0) return yield* new Usage({ message: "--examples: a number from 0 on." })
    const budget: PolicyTrial.Budget = {
      denied: Option.getOrUndefined(limits.maxDenied),
      pending: Option.getOrUndefined(limits.maxPending),
      allowed: Option.getOrUndefined(limits.maxAllowed),
      undecided: Option.getOrUndefined(limits.maxUndecided)
    }
    const hasBudget = Object.values(budget).some((limit) => limit !== undefined)
    const policy = yield* Candidate.open(candidate)
    const past = Option.isSome(data)
      ? yield* fromData(data.value, tenant, last)
      : Option.isSome(evidence)
      ? yield* fromEvidence(evidence.value, last)
      : yield* fromGateway(last)
    const report = yield* PolicyTrial.run(policy, past, { examples })
    const exceeded = hasBudget
      ? yield* Effect.mapError(PolicyTrial.exceeding(report, budget), aboutPolicy("The budget"))
      : []
    yield* printer.print(PolicyTried, { report, exceeded }, (width) => screen(report, exceeded, width))
    if (exceeded.length > 0) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
  }, Effect.scoped)
).pipe(
  Command.withDescription("What a policy would have decided otherwise; ends with 1 where that is more than a limit"),
  Command.withExamples([
    { command: "effect-vargate policy try stricter.json --last 1000 --max-denied 1%" },
    { command: "effect-vargate policy try ./policies --data ./vargate.db --json" }
  ])
)

const outcomes = { allowed: green, pending: yellow, denied: red } as const

const changesTable = (
  title: string,
  changes: TrialReport["byRule"],
  width: number | undefined
): ReadonlyArray<Line> =>
  changes.length === 0 ? [] : [
    "",
    ...table(
      [
        { title, min: 12 },
        { title: "DENIED", align: "right" },
        { title: "PENDING", align: "right" },
        { title: "ALLOWED", align: "right" }
      ],
      changes.slice(0, 20).map(({ allowed, denied, pending, name }) => [name, `${denied}`, `${pending}`, `${allowed}`]),
      width
    )
  ]

const limitWords: Readonly<Record<(typeof Excess.Type)["what"], string>> = {
  denied: "newly denied",
  pending: "newly pending",
  allowed: "newly allowed",
  undecided: "undecided",
  failed: "without a decision",
  tried: "decided"
}

const screen = (
  report: TrialReport,
  exceeded: ReadonlyArray<typeof Excess.Type>,
  width: number | undefined
): ReadonlyArray<Line> => {
  const { byAgent, byRule, byTool, derived, examples, failures, lacking, leftOut, newly, same, tried } = report
  const fieldsLine = (fields: typeof lacking) =>
    fields.slice(0, 10).map(({ documents, field }) => `${field} (${documents})`).join(", ")
  return [
    [
      `${Words.count(tried, "decision")}: ${same} the same`,
      newly.denied === 0 ? "" : red(`, ${newly.denied} newly denied`),
      newly.pending === 0 ? "" : yellow(`, ${newly.pending} newly pending`),
      newly.allowed === 0 ? "" : green(`, ${newly.allowed} newly allowed`),
      report.undecided === 0 ? "" : dim(`, ${report.undecided} undecided`)
    ],
    ...(lacking.length === 0 ? [] : [dim(`undecided, since documents lack: ${fieldsLine(lacking)}`)]),
    ...(derived.length === 0 ? [] : [dim(`computed from other fields: ${fieldsLine(derived)}`)]),
    ...(leftOut.length === 0
      ? []
      : [dim(`left out: ${leftOut.map(({ reason, records }) => `${records} ${leftOutWords[reason]}`).join(", ")}`)]),
    ...failures.map(({ detail, documents }): Line => [yellow(`${documents} without a decision: `), detail]),
    ...exceeded.map(({ found, limit, what }): Line =>
      alarm(`✗ ${found} ${limitWords[what]}, where ${what === "tried" ? "at least" : "at most"} ${limit} may be`)
    ),
    ...changesTable("RULE", byRule, width),
    ...changesTable("AGENT", byAgent, width),
    ...changesTable("TOOL", byTool, width),
    ...(examples.length === 0 ? [] : [
      "",
      ...table(
        [
          { title: "ACTION" },
          { title: "CALL", min: 12 },
          { title: "WAS" },
          { title: "WOULD BE" },
          { title: "BY", min: 12 }
        ],
        examples.map(({ actionId, from, method, rules, to, tool }) => [
          shortId(actionId),
          `${tool}/${method}`,
          outcomes[from](from),
          outcomes[to](to),
          rules.join(", ")
        ]),
        width
      )
    ])
  ]
}

const leftOutWords: Readonly<Record<typeof NotCompared.Type, string>> = {
  HumanDecision: "by reviewers",
  GatewayDecision: "by the gateway itself",
  NoDocument: "without a document"
}
