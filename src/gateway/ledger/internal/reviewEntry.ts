/**
 * The records of reviewers' decisions, `approval-{id}` and `rejection-{id}`, as GET /audit/log shows them.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import { writeToolAnswer } from "../../../calls/wire/ToolCallsApi.ts"
import { ActionId } from "../../../model/ActionId.ts"
import type { Execution } from "../../../model/Execution.ts"
import { noRevision } from "../../policy/PolicyEngine.ts"
import type { Entry } from "../Ledger.ts"

/**
 * A reviewer's decision over a pending action.
 *
 * @category models
 * @since 0.1.0
 */
export interface Review {
  readonly tenantId: string
  readonly actionId: ActionId
  readonly note: string | null | undefined
  readonly at: DateTime.Utc
}

const entryOf = (
  { actionId, at, note, tenantId }: Review,
  method: "approve" | "reject",
  outcome: Readonly<Record<string, unknown>>
): Entry => ({
  tenantId,
  actionId: ActionId.make(`${method === "approve" ? "approval" : "rejection"}-${actionId}`),
  agentId: "human-reviewer",
  tool: "approval_queue",
  method,
  params: { target_action: actionId, note: note === undefined ? "" : note, ...outcome },
  requestedAt: at,
  decision: method === "approve" ? "allow" : "deny",
  violations: [],
  severity: "none",
  alertTier: "none",
  bundleRevision: noRevision,
  executionMode: "agent_direct",
  anomalyScore: 0,
  containsPii: false,
  piiFields: []
})

/**
 * An approval, with what became of the action and whom it was written to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const approvalOf = (review: Review, execution: Execution, contacts: ReadonlyArray<string>): Entry => ({
  ...entryOf(review, "approve", executionFields(execution)),
  contacts,
  executed: execution._tag === "NotExecuted" ? undefined : review.actionId
})

/**
 * An approval whose execution was cut off by the end of the process: its outcome is unknown. Clients read
 * anything but `executed: false` as "may have been executed".
 *
 * @category constructors
 * @since 0.1.0
 */
export const interruptedApprovalOf = (review: Review): Entry => ({
  ...entryOf(review, "approve", { executed: null, execution_note: "The gateway stopped during the execution." }),
  executed: review.actionId
})

/**
 * A call whose execution was cut off by the end of the process. Its record is that of any execution by the gateway, which
 * tells clients that the action may have been executed, and is marked for readers of the log.
 *
 * @category constructors
 * @since 0.1.0
 */
export const interruptedCallOf = (entry: Entry): Entry => ({
  ...entry,
  violations: [...entry.violations, executionOutcomeUnknown]
})

/**
 * Marks the record of a call that was executed, or not: the gateway stopped during the execution. It is the gateway's own
 * word, not the policy's.
 *
 * @category constants
 * @since 0.1.0
 */
export const executionOutcomeUnknown = "execution_outcome_unknown"

/**
 * A rejection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rejectionOf = (review: Review): Entry => entryOf(review, "reject", {})

const executionFields = (execution: Execution) => {
  if (execution._tag === "NotExecuted") return { executed: false }
  return {
    executed: true,
    ...(execution._tag === "ExecutionFailed" ? { execution_error: execution.error } : {}),
    execution_result: { result: writeToolAnswer(execution), execution_ms: execution.latency.executionMs ?? 0 }
  }
}
