/**
 * A call in shadow: submitted and noted, and acted on whatever the policy says.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Approvals } from "../../approvals/Approvals.ts"
import type { AuditLog } from "../../audit/AuditLog.ts"
import type { CapturedRequest } from "../../calls/internal/capturedRequest.ts"
import type * as ToolCalls from "../../calls/ToolCalls.ts"
import { ShadowRefused, type SubmitError, type VargateError } from "../../errors/VargateError.ts"
import type { ActionId } from "../../model/ActionId.ts"
import type { AgentIdentity } from "../../model/Agent.ts"
import { Allowed } from "../../model/Allowed.ts"
import { NotExecuted } from "../../model/Execution.ts"
import { shadowCalls } from "../../transport/Metrics.ts"
import type { Shadow, Verdict } from "../Shadow.ts"
import { begun } from "./begun.ts"
import { decide, type Submission } from "./decide.ts"

/** Whose call it is, and of what. */
interface Call {
  readonly agentId: string
  readonly tool: string
  readonly method: string
}

/**
 * What the policy said, and what follows from that in shadow.
 *
 * @internal
 */
export interface InShadow {
  readonly verdict: Exclude<Verdict, "error">
  readonly answer: ToolCalls.Decision
  /** What is acted on. */
  readonly decision: Allowed
  /** Begins the agent's own action, once it is certain that nothing else will. */
  readonly begin: <A, E, R>(action: Effect.Effect<A, E, R>) => Effect.Effect<A, E | VargateError, R | Approvals>
}

const verdicts = { Allowed: "allowed", Denied: "denied", PendingApproval: "pending" } as const

/** The policy is on trial, so that its denial and its need for a reviewer stop nothing. */
const letThrough = (actionId: ActionId) => new Allowed({ actionId, execution: new NotExecuted() })

/**
 * Submits a call that is in shadow. Fails where it may not be acted on.
 *
 * @internal
 */
export const submitInShadow = Effect.fnUntraced(function*(
  shadow: Shadow["Service"],
  captured: CapturedRequest & { readonly agent: AgentIdentity },
  submission: Submission
): Effect.fn.Return<InShadow, SubmitError | ShadowRefused, ToolCalls.ToolCalls | AuditLog> {
  const { agent, isBusinessHours, method, params, reference, tool } = captured
  const call: Call = { agentId: agent.id, tool, method }
  yield* Effect.annotateCurrentSpan({ "vargate.shadow": true })
  if (shadow.isFirst(tool)) {
    yield* Effect.logWarning(
      `SHADOW MODE: calls of ${tool} are acted on although the policy denies them, or a reviewer has to decide.`
    )
  }
  let answer: ToolCalls.Decision | undefined
  const decision = yield* decide(
    {
      agent,
      isBusinessHours,
      method,
      params,
      reference,
      tool,
      // Ungoverned, each of two identical calls would be performed.
      allowDuplicate: true,
      retry: submission.retry,
      // Without a reference the record that is found may be another process's, and so may its denial.
      reconcile: reference === undefined ? false : submission.reconcile
    },
    undefined,
    (given) => {
      answer = given
      return answered(shadow, call, given)
    }
  ).pipe(
    Effect.tapError((error) => answer === undefined ? failed(shadow, call, error) : Effect.void)
  )
  if (decision._tag !== "Allowed") return yield* new ShadowRefused({ actionId: decision.actionId, tool })
  const { actionId } = decision
  return {
    verdict: verdicts[answer!._tag],
    answer: answer!,
    decision,
    begin: (action) =>
      answer!._tag === "PendingApproval"
        // Written down first: should this process end now, nothing acts on it any more.
        ? Effect.andThen(shadow.claim(call, actionId), begun(actionId, action))
        : action
  }
})

/**
 * Notes an answer, and says what it is in shadow. The guards see that: budgets count what is performed, and a call that is
 * acted on at once is no wait that another could join.
 */
const answered = Effect.fnUntraced(function*(
  shadow: Shadow["Service"],
  call: Call,
  answer: ToolCalls.Decision
): Effect.fn.Return<ToolCalls.Decision, VargateError> {
  const { _tag, actionId } = answer
  const verdict = verdicts[_tag]
  yield* Effect.annotateCurrentSpan({
    "vargate.shadow.verdict": verdict,
    "vargate.action_id": actionId,
    "vargate.decision": _tag
  })
  yield* Metric.update(shadowCalls, verdict)
  const noting = shadow.note(call, verdict, { rules: _tag === "Denied" ? answer.violations : [], actionId })
  switch (_tag) {
    case "Allowed":
      yield* Effect.catch(noting, (error) => Effect.logWarning(`A call in shadow was not noted: ${error.message}`))
      return answer
    case "Denied":
      // What cannot be written down is not done against the policy's word.
      yield* noting
      return letThrough(actionId)
    case "PendingApproval":
      yield* noting
      return (yield* shadow.isExecutedByGateway(call.tool)) ? answer : letThrough(actionId)
  }
})

/** Notes that the policy could not be asked. A request that cannot be sent at all says nothing about a policy. */
const failed = Effect.fnUntraced(function*(shadow: Shadow["Service"], call: Call, error: SubmitError) {
  const tag = error._tag === "VargateError" ? error.reason._tag : error._tag
  if (tag === "InvalidRequest" || tag === "PayloadTooLarge") return
  yield* Effect.annotateCurrentSpan({ "vargate.shadow.verdict": "error" })
  yield* Metric.update(shadowCalls, "error")
  yield* Effect.catch(
    shadow.note(call, "error", { rules: [tag], actionId: null }),
    (error) => Effect.logWarning(`A call in shadow was not noted: ${error.message}`)
  )
})
