/**
 * What a reviewer proposes instead of a call that was rejected: read, claimed, and submitted once.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import { type Params, snapshotParams } from "../../calls/internal/paramsSnapshot.ts"
import type * as ToolCalls from "../../calls/ToolCalls.ts"
import type { Rejected, StorageFailed, SubmitError } from "../../errors/VargateError.ts"
import { Agent, type AgentIdentity } from "../../model/Agent.ts"
import type { ToolCallRequest } from "../../model/ToolCall.ts"
import { digestOf } from "../../reviews/internal/ballotText.ts"
import { type Proposal, Proposals } from "../../reviews/Proposals.ts"

/** @internal */
export type { Params }

/**
 * Reads proposed params before they are claimed: what a handler could not read is not submitted.
 *
 * @internal
 */
export type Reader<Read, R> = (params: Params) => Effect.Effect<Read, unknown, R>

/**
 * A proposal that was submitted: the policy's decision on it.
 *
 * @internal
 */
export interface Submitted<Read> {
  readonly decision: ToolCalls.Decision
  readonly proposal: Proposal
  readonly read: Read
}

/**
 * Claims the proposal that a rejection names and submits it, or fails with the rejection.
 *
 * @internal
 */
export type Reviser<R2> = <Read, R>(
  rejected: Rejected,
  read: Reader<Read, R>
) => Effect.Effect<Submitted<Read>, Rejected | SubmitError, R | R2>

/** A store may be away for a moment. */
const patience = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 4 }))

const valueOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * How rejections of a call are revised, with the services of now. `decide` submits a call with these params.
 *
 * @internal
 */
export const reviserOf = Effect.fnUntraced(function*<R>(
  call: Pick<ToolCallRequest, "agent" | "method" | "tool">,
  decide: (
    changed: { readonly params: Params; readonly agent: AgentIdentity; readonly allowDuplicate: true }
  ) => Effect.Effect<ToolCalls.Decision, SubmitError, R>
): Effect.fn.Return<Reviser<R>> {
  const service = yield* Effect.serviceOption(Proposals)
  const { method, tool } = call
  const agent = call.agent ?? (yield* Agent)

  return Effect.fnUntraced(function*<Read, R2>(rejected: Rejected, read: Reader<Read, R2>) {
    const named = rejected.proposal
    if (named === undefined || Option.isNone(service)) return yield* rejected
    const proposals = service.value
    const refuse = (why: string) =>
      Effect.andThen(
        Effect.logWarning(`What a reviewer proposes instead of ${rejected.actionId} is not submitted: ${why}`),
        Effect.fail(rejected)
      )
    /** What cannot be claimed is not submitted. */
    const asked = <A>(effect: Effect.Effect<A, StorageFailed>) =>
      Effect.catch(Effect.retry(effect, patience), (error) => refuse(error.message))
    /** What became of it is written down where that can be. */
    const told = (effect: Effect.Effect<void, StorageFailed>) =>
      Effect.catch(Effect.retry(effect, patience), (error) => Effect.logWarning(error.message))

    const proposal = yield* asked(proposals.find(named.id))
    if (proposal === undefined) return yield* refuse("it is not in the store")
    const snapshot = snapshotParams(valueOf(proposal.params))
    if (Result.isFailure(snapshot) || snapshot.success.text !== proposal.params) {
      return yield* refuse("its params are not what a panel writes")
    }
    const params = snapshot.success.remembered().value
    // The gateway's note has the digest: no store and no panel can put other params in their place.
    const digest = digestOf({ agentId: agent.id, tool, method, params })
    if (digest !== named.digest || proposal.actionId !== rejected.actionId) {
      return yield* refuse("it is not what the note at the gateway names, or is another agent's")
    }
    const taken = yield* Effect.result(read(params))
    if (Result.isFailure(taken)) return yield* refuse("the tool cannot read its params")
    const token = crypto.randomUUID()
    if (!(yield* asked(proposals.claim(named.id, token)))) {
      return yield* refuse("another process has claimed it")
    }
    yield* Effect.annotateCurrentSpan({ "vargate.proposal_id": named.id, "vargate.proposal_of": rejected.actionId })
    const decision = yield* decide({ params, agent, allowDuplicate: true }).pipe(
      Effect.tap(({ actionId }) => told(proposals.submitted(named.id, token, actionId))),
      Effect.tapError((error) => error.sideEffect === "none" ? told(proposals.release(named.id, token)) : Effect.void)
    )
    yield* Effect.logDebug(
      `${proposal.editor} changed ${tool}/${method}: submitted as ${decision.actionId} instead of ${rejected.actionId}`
    )
    return { decision, proposal, read: taken.success }
  }) as Reviser<R>
})
