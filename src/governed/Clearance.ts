/**
 * A governed call as toolkits and MCP servers make it: submitted, waited for, performed by the handler or taken from the
 * gateway, with the span of a tool call.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import type { Approved } from "../approvals/Approval.ts"
import * as Approvals from "../approvals/Approvals.ts"
import * as AuditLog from "../audit/AuditLog.ts"
import * as ToolCalls from "../calls/ToolCalls.ts"
import {
  type ApprovalError,
  type Denied,
  type PendingApproval,
  ResultUnusable,
  type SubmitError,
  type ToolFailed,
  type VargateError
} from "../errors/VargateError.ts"
import { monotonicMillis } from "../internal/elapsed.ts"
import { isTraced } from "../internal/spans.ts"
import type { ActionId } from "../model/ActionId.ts"
import { Agent } from "../model/Agent.ts"
import type { ToolCallRequest } from "../model/ToolCall.ts"
import * as Transport from "../transport/Transport.ts"
import * as Governed from "./Governed.ts"
import { begun } from "./internal/begun.ts"
import { CurrentRound, type Round } from "./internal/currentRound.ts"
import { decide as submit } from "./internal/decide.ts"
import { guardedWait, type Join, withGuardsOf } from "./internal/guards.ts"
import { reviserOf } from "./internal/proposed.ts"

/**
 * The services that asking needs.
 *
 * @category models
 * @since 0.1.0
 */
export type Services = ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog

/**
 * What a call is asked with.
 *
 * @category options
 * @since 0.1.0
 */
export interface Request extends ToolCallRequest, Governed.Submission {
  /** Default: `Governed.wait()`. */
  readonly onPending?: Governed.Wait | Governed.Fail | undefined
  /** How long a call that joins the wait of the same one (`Decisions`) waits. Default: as `onPending` says. */
  readonly joins?: Approvals.AwaitOptions | undefined
  /** Runs while the call waits for a reviewer, and is interrupted when the wait is over. */
  readonly whileWaiting?: ((pending: PendingApproval) => Effect.Effect<void>) | undefined
}

/**
 * Why a call may not be performed, or not yet.
 *
 * @category models
 * @since 0.1.0
 */
export type ClearanceError = SubmitError | Denied | PendingApproval | ApprovalError

/**
 * Submits a call and writes `vargate.action_id` and `vargate.decision` on the current span.
 *
 * @category asking
 * @since 0.1.0
 */
export const decide = (
  request: ToolCallRequest & Governed.Submission
): Effect.Effect<ToolCalls.Decision, SubmitError, Services> => deciding(request)

const deciding = (
  request: ToolCallRequest & Governed.Submission,
  join?: Join
): Effect.Effect<ToolCalls.Decision, SubmitError, Services> =>
  Effect.withFiber((fiber) => {
    const deciding = submit(request, join)
    return isTraced(fiber)
      ? Effect.tap(
        deciding,
        ({ _tag, actionId }) => Effect.annotateCurrentSpan({ "vargate.action_id": actionId, "vargate.decision": _tag })
      )
      : deciding
  })

/**
 * Submits a call, waits for the reviewer's decision where it is pending, and then has `act` run once or returns the
 * gateway's result.
 *
 * **Details**
 *
 * Writes on the current span: `vargate.action_id`, `vargate.decision`, and after a wait `vargate.approval.outcome` and
 * `vargate.approval.wait_ms`.
 *
 * Where a reviewer proposes other params, `changed` says what to do with these, and `Proposals` is provided, they are
 * submitted once. Everywhere else that is a rejection like any other.
 *
 * @category asking
 * @since 0.1.0
 */
export const run = <A, E, R>(
  request: Request,
  act: (actionId: ActionId) => Effect.Effect<A, E, R>,
  changed?: Changed<A, E, R>
): Effect.Effect<Governed.Done<A>, ClearanceError | ToolFailed | E, Services | R> =>
  Effect.flatMap(CurrentRound, (current) => {
    const round = current?.take() === true ? current : undefined
    const waiting = hold(request)
    return Effect.flatMap(
      round?.resumes === undefined ? deciding(request, joinOf(request, round)) : resumed(round.resumes),
      (decision) =>
        decision._tag === "PendingApproval" && changed !== undefined && round === undefined
          ? settle(decision, request, { hold: waiting, act: (actionId) => begun(actionId, act(actionId)), changed })
          : Governed.settle(decision, {
            act: decision._tag === "PendingApproval"
              ? (actionId) => Effect.andThen(round?.claim(actionId) ?? Effect.void, begun(actionId, act(actionId)))
              : act,
            hold: round === undefined ? waiting : (pending) => round.wait(pending, waiting(pending))
          })
    )
  })

/** A client that comes in rounds waits with another call as long as its first one. */
const joinOf = (
  { joins, onPending = Governed.wait(), whileWaiting }: Request,
  round: Round | undefined
): Join | undefined => {
  const options = joins ?? (onPending._tag === "Wait" ? onPending : undefined)
  return options && { ...options, ...round === undefined ? {} : { timeout: round.patience }, whileWaiting }
}

/**
 * What to do with params that a reviewer proposes instead of those that were submitted. What it fails with is a rejection
 * of the call.
 *
 * @category options
 * @since 0.2.0
 */
export type Changed<A, E, R> = (
  params: Readonly<Record<string, unknown>>
) => Effect.Effect<(actionId: ActionId) => Effect.Effect<A, E, R>, unknown, R>

/**
 * Waits for the decision on a pending call, and continues with it, or once with what a reviewer proposes instead. `act` begins
 * the action that is pending.
 *
 * @category asking
 * @since 0.2.0
 */
export const settle = Effect.fnUntraced(function*<A, E, R>(
  pending: PendingApproval,
  request: Request,
  steps: {
    readonly act: (actionId: ActionId) => Effect.Effect<A, E | VargateError, R | Approvals.Approvals>
    readonly changed: Changed<A, E, R>
    /** Default: as the request says. */
    readonly hold?:
      | ((pending: PendingApproval) => Effect.Effect<Approved, PendingApproval | ApprovalError, Approvals.Approvals>)
      | undefined
  }
): Effect.fn.Return<Governed.Done<A>, ClearanceError | ToolFailed | E, Services | R> {
  const { changed, hold: waiting = hold(request) } = steps
  const revise = yield* reviserOf(request, (changes) => decide({ ...request, ...changes, ...onceOnly(request) }))
  const go = (
    decision: ToolCalls.Decision,
    act: (actionId: ActionId) => Effect.Effect<A, E | VargateError, R | Approvals.Approvals>
  ): Effect.Effect<Governed.Done<A>, ClearanceError | ToolFailed | E, Services | R> => {
    if (decision._tag !== "PendingApproval") return Governed.settle(decision, { act, hold: () => Effect.never })
    return Effect.flatMap(Effect.result(waiting(decision)), (result) => {
      if (Result.isSuccess(result)) return Governed.settle(result.success, { act })
      const error = result.failure
      if (error._tag !== "Rejected" || error.proposal === undefined) return Effect.fail(error)
      return Effect.flatMap(
        revise(error, changed),
        ({ decision, proposal, read }) =>
          Effect.map(
            go(decision, (actionId) => begun(actionId, read(actionId))),
            (done) => ({ proposal, ...done })
          )
      )
    })
  }
  return yield* go(pending, steps.act)
})

/** Of a proposal at most one action lives. */
const onceOnly = ({ reconcile }: Governed.Submission): Governed.Submission => ({
  reconcile: reconcile === false ? false : { ...reconcile, resend: false }
})

/** An action that was submitted before: it may have been decided, and it is not submitted again. */
const resumed = (pending: PendingApproval) =>
  Effect.as(
    Effect.annotateCurrentSpan({ "vargate.action_id": pending.actionId, "vargate.decision": pending._tag }),
    pending
  )

/** Waits, and runs `whileWaiting` meanwhile, or fails at once. */
const hold = ({ onPending = Governed.wait(), whileWaiting }: Pick<Request, "onPending" | "whileWaiting">) =>
(
  pending: PendingApproval
): Effect.Effect<Approved, PendingApproval | ApprovalError, Approvals.Approvals> => {
  if (onPending._tag === "Fail") return Effect.fail(pending)
  const waiting = wait(pending.actionId, onPending)
  return whileWaiting === undefined
    ? waiting
    : Effect.raceFirst(waiting, Effect.andThen(whileWaiting(pending), Effect.never))
}

/**
 * Waits for the decision on an action that was submitted before, and writes the wait on the current span.
 *
 * @category asking
 * @since 0.1.0
 */
export const wait = Effect.fnUntraced(function*(
  actionId: ActionId,
  options?: Approvals.AwaitOptions
): Effect.fn.Return<Approved, ApprovalError, Approvals.Approvals> {
  const approvals = yield* Approvals.Approvals
  const since = yield* monotonicMillis
  return yield* guardedWait(actionId, approvals.await(actionId, options)).pipe(
    Effect.tap((approved) => annotateOutcome(approved._tag, since)),
    Effect.tapError((error) => annotateOutcome(error._tag, since))
  )
})

const annotateOutcome = (outcome: string, since: number) =>
  Effect.flatMap(monotonicMillis, (now) =>
    Effect.annotateCurrentSpan({
      "vargate.approval.outcome": outcome,
      "vargate.approval.wait_ms": Math.round(now - since)
    }))

/**
 * What the gateway's execution returned. Fails where the answer was lost.
 *
 * @category asking
 * @since 0.1.0
 */
export const resultOf = (
  { actionId, isResultLost, result }: Governed.DoneByGateway
): Effect.Effect<unknown, ResultUnusable> =>
  isResultLost
    ? Effect.fail(
      new ResultUnusable({
        actionId,
        detail: "the answer was lost or nests too deep, and the log does not tell what the tool said"
      })
    )
    : Effect.succeed(result)

/**
 * The services of the current context, and nothing else of it, for calls that come later on other fibers.
 *
 * @category asking
 * @since 0.1.0
 */
export const services: Effect.Effect<Context.Context<Services>, never, Services> = Effect.gen(function*() {
  const transport = yield* Effect.serviceOption(Transport.Transport)
  const context = Context.empty().pipe(
    Context.add(ToolCalls.ToolCalls, yield* ToolCalls.ToolCalls),
    Context.add(Approvals.Approvals, yield* Approvals.Approvals),
    Context.add(AuditLog.AuditLog, yield* AuditLog.AuditLog)
  )
  const guarded = withGuardsOf(yield* Effect.context<never>(), context)
  // A lost call is looked up with the transport's care for the key.
  return Option.isSome(transport) ? Context.add(guarded, Transport.Transport, transport.value) : guarded
})

// --- the span of a call ----------------------------------------------------------------------------------------------

const whereTraced = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  inSpan: Effect.Effect<A, E, R | Tracer.ParentSpan>
): Effect.Effect<A, E, R> => Effect.withFiber((fiber) => isTraced(fiber) ? inSpan as Effect.Effect<A, E, R> : effect)

const noStack = { captureStackTrace: false } as const

const optionsOf = (tool: string, callId: string | undefined) =>
  Effect.map(Agent, (agent) => ({
    kind: "internal" as const,
    attributes: {
      "gen_ai.operation.name": "execute_tool",
      "gen_ai.tool.name": tool,
      "gen_ai.tool.type": "function",
      "gen_ai.agent.id": agent.id,
      ...(callId === undefined ? {} : { "gen_ai.tool.call.id": callId })
    }
  }))

/**
 * Runs a call in a span by the names of the OpenTelemetry conventions for generative AI: `execute_tool NAME` with
 * `gen_ai.operation.name`, `gen_ai.tool.name`, `gen_ai.tool.type`, `gen_ai.agent.id` and, where known,
 * `gen_ai.tool.call.id`. Without a tracer there is no span.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const withSpan =
  (tool: string, callId: string | undefined) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    whereTraced(
      effect,
      Effect.flatMap(
        optionsOf(tool, callId),
        (options) => effect.pipe(Effect.withSpan(`execute_tool ${tool}`, options, noStack))
      )
    )

/**
 * Runs a call that results in a stream in the same span, which ends with the stream.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const withSpanStream =
  (tool: string, callId: string | undefined) =>
  <A, E, R, E2, R2>(effect: Effect.Effect<Stream.Stream<A, E, R>, E2, R2>): Effect.Effect<
    Stream.Stream<A, E, R>,
    E2,
    R2
  > => {
    const spanned = Effect.gen(function*() {
      const span = yield* Effect.makeSpan(`execute_tool ${tool}`, yield* optionsOf(tool, callId))
      const end = (exit: Exit.Exit<unknown, unknown>) =>
        Effect.clockWith((clock) => Effect.sync(() => span.end(clock.currentTimeNanosUnsafe(), exit)))
      const stream = yield* Effect.withParentSpan(effect, span, noStack).pipe(
        Effect.onError((cause) => end(Exit.failCause(cause)))
      )
      return Stream.onExit(stream, end)
    })
    return whereTraced(effect, spanned as typeof effect)
  }
