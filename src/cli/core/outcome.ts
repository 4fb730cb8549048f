/**
 * What became of an action: its screen, and the exit code that says the same.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type { Approved, Waiting } from "../../approvals/Approval.ts"
import type { Denied, Expired, PendingApproval, Rejected } from "../../errors/VargateError.ts"
import type { Allowed } from "../../model/Allowed.ts"
import { ExitCode } from "../Output.ts"
import { facts } from "../screen/table.ts"
import { bold, dim, green, type Line, red, yellow } from "../screen/text.ts"
import * as Words from "../screen/words.ts"
import { Concluded } from "./failure.ts"

type Entry = readonly [name: string, value: Line]

/** @internal */
export type Outcome = Allowed | Denied | PendingApproval | Approved | Rejected | Expired | Waiting

/** @internal */
export const exitCodeOf = (outcome: Outcome): number => {
  switch (outcome._tag) {
    case "Allowed":
    case "Approved":
      if (outcome.execution._tag === "ExecutionFailed") return ExitCode.toolFailed
      return isCutOff(outcome.execution) ? ExitCode.unknown : ExitCode.good
    case "Waiting":
      return outcome.isApproved ? ExitCode.unknown : ExitCode.pending
    case "PendingApproval":
      return ExitCode.pending
    case "Denied":
    case "Rejected":
    case "Expired":
      return ExitCode.denied
  }
}

/**
 * Ends the command as the outcome was.
 *
 * @internal
 */
export const conclude = (outcome: Outcome): Effect.Effect<void, Concluded> => {
  const exitCode = exitCodeOf(outcome)
  return exitCode === ExitCode.good ? Effect.void : Effect.fail(new Concluded({ exitCode }))
}

/** @internal */
export const screen = (outcome: Outcome, width: number | undefined): ReadonlyArray<Line> => {
  const action: Entry = ["Action", outcome.actionId]
  switch (outcome._tag) {
    case "Allowed":
      return [
        headline(outcome.execution, "allowed"),
        ...page(
          [action, outcome.reconciled ? ["Found", "in the audit log: the answer itself was lost"] : undefined],
          outcome.execution,
          width
        )
      ]
    case "Denied":
      return [
        [red("✗ denied"), " by policy; not executed"],
        ...facts([
          action,
          ["Violations", outcome.violations.length === 0 ? dim("none named") : outcome.violations.join(", ")],
          ["Severity", [Words.severe(outcome.severity), alertOf(outcome.alertTier)]]
        ], width)
      ]
    case "PendingApproval":
      return [
        [yellow("! pending"), ": a reviewer must decide; to wait for that:"],
        [bold(`  effect-vargate approvals show ${outcome.actionId} --wait`)]
      ]
    case "Waiting":
      return [
        outcome.isApproved
          ? [green("✓ approved"), "; whether it was executed is unknown: it is not on record yet"]
          : [yellow("! pending"), ": a reviewer must decide"],
        ...facts(
          [action, outcome.timeoutAt === null ? undefined : ["Expires", Words.fullStamp(outcome.timeoutAt)]],
          width
        )
      ]
    case "Approved":
      return [
        headline(outcome.execution, "approved"),
        ...page(
          [
            action,
            ["Reviewer", reviewOf(outcome.reviewer, outcome.note)],
            ["Decided", Words.fullStamp(outcome.reviewedAt)]
          ],
          outcome.execution,
          width
        )
      ]
    case "Rejected":
      return [
        [red("✗ rejected"), " by a reviewer; not executed"],
        ...facts([action, ["Reviewer", reviewOf(outcome.reviewer, outcome.note)]], width)
      ]
    case "Expired":
      return [[red("✗ expired"), " before a reviewer decided; not executed"], ...facts([action], width)]
  }
}

const alertOf = (tier: string) => tier === "none" ? "" : dim(`, alert ${tier}`)

/** The gateway writes "unknown" for a reviewer who came with an API key. */
const reviewOf = (reviewer: string | null, note: string | null): Line => [
  reviewer === null || reviewer === "unknown" ? dim("by API key") : reviewer,
  note === null || note === "" ? "" : `: ${note}`
]

type Execution = Allowed["execution"]

const isCutOff = (execution: Execution) => execution._tag === "ExecutedUnseen" && execution.isCutOff === true

const headline = (execution: Execution, word: "allowed" | "approved"): Line => {
  switch (execution._tag) {
    case "Executed":
      return [green(`✓ ${word}`), ", and executed by the gateway"]
    case "ExecutedUnseen":
      if (isCutOff(execution)) {
        return [green(`✓ ${word}`), "; whether it was executed is unknown: the gateway stopped during the execution"]
      }
      return [
        green(`✓ ${word}`),
        ", and executed by the gateway; its result ",
        execution.isTooDeep === true ? "nests too deep to be used" : "was not recorded"
      ]
    case "ExecutionFailed":
      return [green(`✓ ${word}`), ", but ", red("the tool failed")]
    case "NotExecuted":
      return [green(`✓ ${word}`), "; the gateway executes nothing here, so the agent may act now"]
  }
}

const page = (entries: ReadonlyArray<Entry | undefined>, execution: Execution, width: number | undefined) => {
  switch (execution._tag) {
    case "Executed":
      return withValue(entries, "Result", execution.result, width)
    case "ExecutionFailed":
      return withValue(entries, "Error", execution.error, width)
    default:
      return facts(entries, width)
  }
}

const maxLines = 40

/**
 * Facts, and a value among them where it is short, otherwise below them.
 *
 * @internal
 */
export const withValue = (
  entries: ReadonlyArray<Entry | undefined>,
  name: string,
  value: unknown,
  width: number | undefined
): ReadonlyArray<Line> => {
  const short = typeof value === "string" ? value : JSON.stringify(value) ?? "nothing"
  if (short.length <= (width ?? 1000) - 12) return facts([...entries, [name, short]], width)
  const lines = (typeof value === "string" ? value : JSON.stringify(value, undefined, 2)).split("\n")
  const shown = lines.slice(0, maxLines).map((line): Line => `  ${line}`)
  const left = lines.length - shown.length
  return [
    ...facts([...entries, [name, ""]], width),
    ...shown,
    ...left > 0 ? [dim(`  ... and ${Words.count(left, "line")} more: --json has them`)] : []
  ]
}

/**
 * The name of an action on the screen.
 *
 * @internal
 */
export const shortId = (actionId: string): string => /^[0-9a-f]{8}-/.test(actionId) ? actionId.slice(0, 8) : actionId
