/**
 * `policy explain`: which rules decided over an action, and what they saw.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Replay } from "../../audit/Replay.ts"
import type { ReplayReport } from "../../audit/ReplayReport.ts"
import { ActionId } from "../../model/ActionId.ts"
import { completed } from "../../policy/PastDecisions.ts"
import * as PolicyCandidate from "../../policy/PolicyCandidate.ts"
import { Explanation, type PolicyOutcome } from "../../policy/TrialReport.ts"
import { findRecord } from "../audit/find.ts"
import { connected } from "../core/connected.ts"
import { Usage } from "../core/failure.ts"
import { aboutPolicy } from "../core/rego.ts"
import { PolicyExplained } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { facts, table } from "../screen/table.ts"
import { bold, dim, green, type Line, red, visibleJson, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import * as Candidate from "./candidate.ts"

const isActionId = Schema.is(ActionId)

const recordedOutcome = ({ decision, violations = [] }: ReplayReport["original"]): PolicyOutcome =>
  decision === "deny"
    ? "denied"
    : decision === "pending_approval" || violations.includes("auto_approved")
    ? "pending"
    : "allowed"

/** A policy in Rego names its violations, and does not say what it read. */
const explainWith = Effect.fnUntraced(function*(
  candidate: PolicyCandidate.PolicyCandidate,
  known: PolicyCandidate.KnownDocument
) {
  if (candidate.explain !== undefined) return candidate.explain(known)
  const judgement = yield* candidate.judge(known)
  switch (judgement._tag) {
    case "Failed":
      return yield* new Usage({ message: `${candidate.name} gave no decision: ${judgement.detail}.` })
    case "Undecided":
      return new Explanation({
        violations: [],
        rules: [],
        unjudged: [{ name: "*", lacking: judgement.lacking }]
      })
    case "Decided": {
      const { decision, rules } = judgement
      return new Explanation({
        outcome: PolicyCandidate.outcomeOf(decision),
        violations: decision.violations,
        rules: rules.map((name) => ({
          name,
          type: decision.allow ? "approval" : "deny",
          severity: decision.severity,
          saw: []
        })),
        unjudged: []
      })
    }
  }
})

const run = Effect.fnUntraced(function*(action: string, candidate: PolicyCandidate.PolicyCandidate) {
  const printer = yield* Printer
  const replay = yield* Replay
  const actionId = isActionId(action) && action.length >= 36 ? action : (yield* findRecord(action)).actionId
  const { input, original } = yield* replay.replay(actionId)
  if (input === undefined || input === null) {
    return yield* new Usage({ message: `The gateway does not say what ${action} was decided on.` })
  }
  const known = completed(input)
  const explanation = yield* explainWith(candidate, known)
  const recorded = original.violations?.filter((violation) => violation !== "auto_approved") ?? []
  const agrees = explanation.outcome === recordedOutcome(original) &&
    String([...explanation.violations].sort()) === String([...recorded].sort())
  yield* printer.print(
    PolicyExplained,
    { actionId, candidate: candidate.name, recorded: original, explanation, agrees },
    (width) => screen(original, candidate.name, explanation, agrees, width)
  )
})

const outcomeStyles = { allowed: green, pending: yellow, denied: red } as const

const screen = (
  recorded: ReplayReport["original"],
  candidate: string,
  { outcome, rules, unjudged }: Explanation,
  agrees: boolean,
  width: number | undefined
): ReadonlyArray<Line> => [
  ...facts([
    ["Recorded", [Words.decision(recorded.decision), dim(`  ${recorded.bundleRevision ?? ""}`)].flat()],
    ["Violations", recorded.violations?.join(", ") || dim("none")],
    ["By", candidate],
    ["Decides", outcome === undefined ? yellow("cannot be told") : outcomeStyles[outcome](outcome)],
    agrees ? undefined : ["", yellow("not as was recorded: other rules or a switch decided (--candidate)")]
  ], width),
  ...(rules.length === 0 && unjudged.length === 0 ? ["", dim("No rule fired.")] : []),
  ...rules.flatMap(({ name, saw, severity, type }): ReadonlyArray<Line> => [
    "",
    [bold(name), dim(type === "deny" ? `  denies, ${severity}` : "  holds for a reviewer")],
    ...(saw.length === 0
      ? [dim("it does not say what it saw")]
      : table(
        [{ title: "SAW", min: 12 }, { title: "VALUE", min: 12 }],
        saw.map(({ field, value }) => [
          field,
          visibleJson(JSON.stringify(value))
        ]),
        width
      ))
  ]),
  ...unjudged.map(({ lacking, name }): Line => [yellow(`${name} cannot be judged`), dim(`: ${lacking.join(", ")}`)])
]

/** @internal */
export const command = Command.make(
  "explain",
  {
    action: Argument.String("id").pipe(Argument.withDescription("Of the action, or the record's number")),
    candidate: Flag.String("candidate").pipe(
      Flag.withMetavar("<candidate>"),
      Flag.withDescription("Explain by these rules instead of the tenant's template; see policy try"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ action, candidate }) {
    const policy = Option.isSome(candidate)
      ? yield* Candidate.open(candidate.value)
      : yield* Effect.mapError(PolicyCandidate.builtin(), aboutPolicy("The built-in rules"))
    yield* connected(run(action, policy))
  }, Effect.scoped)
).pipe(
  Command.withDescription("Which rules decided over an action, with the values that they saw"),
  Command.withExamples([{ command: "effect-vargate policy explain 42" }])
)
