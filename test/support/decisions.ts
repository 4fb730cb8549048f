/** Every answer that a governed call can get, and what each way to an action must make of it. */
import { DateTime, Duration, Effect, Exit, Layer } from "effect"
import { ActionId, Allowed, Approvals, AuditLog, Execution, ToolCalls, VargateError } from "effect-vargate"
import * as Approval from "effect-vargate/approvals/Approval"
import type * as ToolCall from "effect-vargate/model/ToolCall"

export const actionId = ActionId.ActionId.make("a-1")

const executions = {
  "not executed": new Execution.NotExecuted(),
  executed: new Execution.Executed({ result: { paid: 7 }, latency: {} }),
  "executed unseen": new Execution.ExecutedUnseen(),
  "cut off": new Execution.ExecutedUnseen({ isCutOff: true }),
  "too deep": new Execution.ExecutedUnseen({ isTooDeep: true }),
  "execution failed": new Execution.ExecutionFailed({ error: "no funds", latency: {} })
}

export type Ending =
  | "performed"
  | "executed"
  | "result lost"
  | "ToolFailed"
  | VargateError.ApprovalError["_tag"]
  | "Denied"

const endings = {
  "not executed": "performed",
  executed: "executed",
  "executed unseen": "result lost",
  "cut off": "result lost",
  "too deep": "result lost",
  "execution failed": "ToolFailed"
} as const

export interface Case {
  readonly name: string
  readonly decision: ToolCalls.Decision
  /** What a wait for the reviewer ends with. */
  readonly approval: Exit.Exit<Approval.Approved, VargateError.ApprovalError>
  readonly ending: Ending
}

const pending = new VargateError.PendingApproval({ actionId, message: "It waits." })
const neverAsked = Exit.die("nothing is pending")
const reviewedAt = DateTime.makeUnsafe(0)

export const cases: ReadonlyArray<Case> = [
  ...Object.entries(executions).flatMap(([name, execution]): ReadonlyArray<Case> => {
    const ending = endings[name as keyof typeof endings]
    const approved = new Approval.Approved({ actionId, reviewer: "ann", note: null, reviewedAt, execution })
    return [
      {
        name: `allowed, ${name}`,
        decision: new Allowed.Allowed({ actionId, execution }),
        approval: neverAsked,
        ending
      },
      { name: `approved, ${name}`, decision: pending, approval: Exit.succeed(approved), ending }
    ]
  }),
  {
    name: "denied",
    decision: new VargateError.Denied({ actionId, violations: ["r"], severity: "high", alertTier: "none" }),
    approval: neverAsked,
    ending: "Denied"
  },
  ...[
    new VargateError.Rejected({ actionId, reviewer: "ann", note: null, reviewedAt: null }),
    new VargateError.Expired({ actionId, timeoutAt: null }),
    new VargateError.ApprovalTimeout({ actionId, waited: Duration.minutes(1) }),
    new VargateError.VargateError({ operation: "o", reason: new VargateError.NotFound({ detail: "gone" }) })
  ].map((error): Case => ({
    name: `pending, ${error._tag}`,
    decision: pending,
    approval: Exit.fail(error),
    ending: error._tag
  }))
]

/** The services of an agent whose every call gets that answer. `submitted` is what was asked. */
export const answering = ({ approval, decision }: Case, submitted: Array<ToolCall.ToolCallRequest> = []) =>
  Layer.mergeAll(
    Layer.mock(ToolCalls.ToolCalls, {
      decide: (request) =>
        Effect.sync(() => {
          submitted.push(request)
          return decision
        })
    }),
    Layer.mock(Approvals.Approvals, { await: () => approval }),
    Layer.mock(AuditLog.AuditLog, {})
  )
