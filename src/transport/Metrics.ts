/**
 * What to watch of governed calls. Every figure is recorded in Effect's metric registry, from where
 * `effect/observability` exports it (Prometheus, OTLP).
 *
 * | metric | kind | meaning |
 * | --- | --- | --- |
 * | `vargate_decisions` | frequency | what the policy decided: `Allowed`, `Denied`, `PendingApproval` |
 * | `vargate_interventions` | frequency | calls that were not sent: `joined`, `refused_again`, `suspended`, `over_budget` |
 * | `vargate_shadow_calls` | frequency | what the policy would have done with calls in shadow: `allowed`, `denied`, `pending`, `error` |
 * | `vargate_unknown_outcomes` | counter | tool calls whose answer was lost: look them up |
 * | `vargate_retries` | frequency | operations that were sent again after one of our errors, by name |
 * | `vargate_approval_wait_seconds` | histogram | how long a wait took; its attribute `outcome` says how it ended |
 * | `vargate_approval_poll_lag_seconds` | gauge | the age of the previous look at the queue when a look ended |
 * | `vargate_verifier_records_per_second` | gauge | the speed of the last verification of a log |
 *
 * Metrics of durable calls stand in `effect-vargate/workflow/WorkflowMetrics`.
 *
 * @since 0.1.0
 */
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type { Verdict } from "../errors/Reason.ts"

/**
 * What the policy decided.
 *
 * @category metrics
 * @since 0.1.0
 */
export const decisions = Metric.frequency("vargate_decisions", {
  description: "What the policy decided",
  preregisteredWords: ["Allowed", "Denied", "PendingApproval"]
})

/**
 * What kept calls from being sent or begun: `joined` and `refused_again` are those of `Decisions`, `suspended` of
 * `Suspension`, `over_budget` of `Budgets`.
 *
 * @category metrics
 * @since 0.2.0
 */
export const interventions = Metric.frequency("vargate_interventions", {
  description: "What kept calls from being sent",
  preregisteredWords: ["joined", "refused_again", "suspended", "over_budget"]
})

/**
 * What the policy would have done with calls in shadow (`Shadow`): those that it denied, or that are pending, were acted on
 * nevertheless. An `error` was not.
 *
 * @category metrics
 * @since 0.2.0
 */
export const shadowCalls = Metric.frequency("vargate_shadow_calls", {
  description: "What the policy would have done with calls in shadow",
  preregisteredWords: ["allowed", "denied", "pending", "error"]
})

/**
 * Tool calls whose answer was lost (`OutcomeUnknown`).
 *
 * @category metrics
 * @since 0.1.0
 */
export const unknownOutcomes = Metric.counter("vargate_unknown_outcomes", {
  description: "Tool calls whose answer was lost",
  incremental: true
})

/**
 * Operations that were sent again after one of our errors, by their names.
 *
 * @category metrics
 * @since 0.1.0
 */
export const retries = Metric.frequency("vargate_retries", {
  description: "Operations that were sent again after an error"
})

/**
 * How long a wait for a decision took, in seconds, whatever its end. A series for each `outcome`: see
 * {@link approvalWaitOf}.
 *
 * @category metrics
 * @since 0.1.0
 */
export const approvalWait = Metric.histogram("vargate_approval_wait_seconds", {
  description: "How long a wait for a decision took",
  boundaries: [1, 5, 15, 60, 300, 900, 1800, 3600]
})

/**
 * The series of {@link approvalWait} for one outcome.
 *
 * @category metrics
 * @since 0.1.0
 */
export const approvalWaitOf = (outcome: "Approved" | "Rejected" | "Expired" | "ApprovalTimeout" | "VargateError") =>
  waits[outcome]

const waits = {
  Approved: Metric.withAttributes(approvalWait, { outcome: "Approved" }),
  Rejected: Metric.withAttributes(approvalWait, { outcome: "Rejected" }),
  Expired: Metric.withAttributes(approvalWait, { outcome: "Expired" }),
  ApprovalTimeout: Metric.withAttributes(approvalWait, { outcome: "ApprovalTimeout" }),
  VargateError: Metric.withAttributes(approvalWait, { outcome: "VargateError" })
}

/**
 * The age of the previous look at the queue when a look ended, in seconds: the poller's rhythm, and everything that
 * made it late.
 *
 * @category metrics
 * @since 0.1.0
 */
export const pollLag = Metric.gauge("vargate_approval_poll_lag_seconds", {
  description: "The age of the previous look at the approval queue when a look ended"
})

/**
 * How fast the last verification of an audit log went.
 *
 * @category metrics
 * @since 0.1.0
 */
export const verifierRate = Metric.gauge("vargate_verifier_records_per_second", {
  description: "How fast the last verification of an audit log went"
})

/**
 * Counts an operation that is sent again: a schedule brought it back after one of our errors.
 *
 * @internal
 */
export const recordRetry = (operation: string, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const { attempt, input } = fiber.getRef(Schedule.CurrentMetadata)
  if (attempt > 0 && isVerdict(input)) retries.updateUnsafe(operation, fiber.context)
}

const isVerdict = (input: unknown): input is Verdict =>
  typeof input === "object" && input !== null && "isRetryable" in input && "sideEffect" in input
