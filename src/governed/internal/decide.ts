/**
 * How a governed call is submitted: under the guards of the context, again where certainly nothing happened, and looked
 * up where its answer was lost.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as AuditLog from "../../audit/AuditLog.ts"
import { capture, type CapturedRequest } from "../../calls/internal/capturedRequest.ts"
import type { ParamsSnapshot } from "../../calls/internal/paramsSnapshot.ts"
import * as Reconcile from "../../calls/Reconcile.ts"
import * as ToolCalls from "../../calls/ToolCalls.ts"
import type { SubmitError, VargateError } from "../../errors/VargateError.ts"
import { Agent, type AgentIdentity } from "../../model/Agent.ts"
import type { ToolCallRequest } from "../../model/ToolCall.ts"
import * as RetryPolicy from "../../transport/RetryPolicy.ts"
import { type GuardedCall, guardsOf, type Join, type Submitting } from "./guards.ts"

/**
 * How a call is submitted.
 *
 * @category options
 * @since 0.1.0
 */
export interface Submission {
  /**
   * When to submit again. Default: `RetryPolicy.standard`, which repeats only what certainly did nothing. Whatever is given
   * is made safe (`RetryPolicy.make`).
   */
  readonly retry?: RetryPolicy.RetryPolicy | undefined
  /**
   * How to find out what became of a call whose answer was lost. Default: as `Reconcile.reconcile` does; `false` leaves it
   * unknown.
   */
  readonly reconcile?: Reconcile.Options | false | undefined
  /**
   * What makes two calls of one agent, tool and method the same, where `Decisions` is in context: calls are, where this
   * returns the same JSON for their params. Default: the bytes of the params.
   */
  readonly same?: ((params: Readonly<Record<string, unknown>>) => unknown) | undefined
}

/**
 * Submits a call. Where `join` is given, a call that another one waits for already waits with it. What `answered` makes of
 * the gateway's answer is the answer for the guards, and for the caller.
 *
 * @internal
 */
export const decide = (
  request: ToolCallRequest & Submission,
  join?: Join,
  answered?: (decision: ToolCalls.Decision) => Effect.Effect<ToolCalls.Decision, VargateError>
): Effect.Effect<ToolCalls.Decision, SubmitError, ToolCalls.ToolCalls | AuditLog.AuditLog> =>
  Effect.withFiber((fiber) => {
    const { reconcile, retry = RetryPolicy.standard } = request
    const toolCalls = Context.get(fiber.context as Context.Context<ToolCalls.ToolCalls>, ToolCalls.ToolCalls)
    const agent = fiber.getRef(Agent)
    // Read here, once: however often it is submitted, it is this call of this agent.
    const captured = capture(request, agent)
    const submit = toolCalls.decide(captured ?? request)
    // Only a call that fails pays for what follows.
    const asking = Effect.catch(submit, (error) => {
      let isFirst = true
      const submitAgain = Effect.suspend(() => {
        if (!isFirst) return submit
        isFirst = false
        return Effect.fail(error)
      })
      const retried = Effect.retry(submitAgain, RetryPolicy.ensureSafe(retry))
      return reconcile === false ? retried : Reconcile.reconcileDecision(reconcile)(retried)
    })
    const submitting = answered === undefined ? asking : Effect.flatMap(asking, answered)
    const guards = guardsOf(fiber)
    // What cannot be read is refused before anything is sent.
    if (guards === undefined || captured === undefined || Result.isFailure(captured.snapshot)) return submitting
    const call = new Captured(captured, captured.snapshot.success, agent, request.same, join)
    return guards.submit(call, submitting as Submitting)
  })

class Captured implements GuardedCall {
  readonly agentId: string
  readonly tool: string
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly same: GuardedCall["same"]
  readonly allowDuplicate: boolean
  readonly token = crypto.randomUUID()
  readonly join: Join | undefined
  private readonly snapshot: ParamsSnapshot

  constructor(
    { agent, allowDuplicate, method, tool }: CapturedRequest,
    snapshot: ParamsSnapshot,
    ambient: AgentIdentity,
    same: GuardedCall["same"],
    join: Join | undefined
  ) {
    this.agentId = (agent ?? ambient).id
    this.tool = tool
    this.method = method
    this.params = snapshot.value
    this.same = same
    this.allowDuplicate = allowDuplicate === true
    this.join = join
    this.snapshot = snapshot
  }

  get digest() {
    return this.snapshot.digest
  }
}
