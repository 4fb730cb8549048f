/**
 * What stands before governed calls where a program provides it: the memory of decisions, the kill switch, budgets, shadow
 * mode. Each is an optional service; without any, a call pays a few looks into its context.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import type { Approved } from "../../approvals/Approval.ts"
import type * as Approvals from "../../approvals/Approvals.ts"
import type * as ToolCalls from "../../calls/ToolCalls.ts"
import type {
  ApprovalError,
  Expired,
  PendingApproval,
  Rejected,
  SubmitError,
  VargateError
} from "../../errors/VargateError.ts"
import { annotate } from "../../internal/spans.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { interventions } from "../../transport/Metrics.ts"

/**
 * How a call that joins another one's wait waits, and what it does meanwhile.
 *
 * @internal
 */
export interface Join extends Approvals.AwaitOptions {
  readonly whileWaiting?: ((pending: PendingApproval) => Effect.Effect<void>) | undefined
}

/**
 * A call that is about to be submitted.
 *
 * @internal
 */
export interface GuardedCall {
  readonly agentId: string
  readonly tool: string
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  /** Of the params' bytes. Computed when it is read. */
  readonly digest: string
  /** What the tool's author takes for the same, in place of the bytes. */
  readonly same: ((params: Readonly<Record<string, unknown>>) => unknown) | undefined
  readonly allowDuplicate: boolean
  /** Names this submission: a durable call that is submitted again by another process is still the same one. */
  readonly token: string
  /** Undefined where it does not wait with another one. */
  readonly join: Join | undefined
}

/**
 * A reviewer's decision, or that there was none in time.
 *
 * @internal
 */
export type Decided = Approved | Rejected | Expired

/** @internal */
export type Submitting = Effect.Effect<ToolCalls.Decision, SubmitError>

/**
 * One of them.
 *
 * @internal
 */
export interface Guard {
  /** Submits a call, or fails before anything is sent. */
  readonly submit: (call: GuardedCall, submitting: Submitting) => Submitting
  /** Fails where a wait has to end before its time. `facts` say whose call it is, where the waiter knows. */
  readonly stopped?:
    | ((
      actionId: ActionId,
      facts?: Pick<GuardedCall, "agentId" | "tool">
    ) => Effect.Effect<never, VargateError>)
    | undefined
  /** A program waits for the decision on an action. */
  readonly waiting?: ((actionId: ActionId) => Effect.Effect<void>) | undefined
  /** A wait has ended without a decision. */
  readonly left?: ((actionId: ActionId) => Effect.Effect<void>) | undefined
  /** A decision was learned. */
  readonly decided?: ((decided: Decided) => Effect.Effect<void>) | undefined
  /** Runs the agent's own action, or fails before it has begun. */
  readonly act: <A, E, R>(
    actionId: ActionId,
    action: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | VargateError, R>
}

/**
 * Where each stands in a context.
 *
 * @internal
 */
export const guardKeys = {
  suspension: "effect-vargate/Suspension",
  shadow: "effect-vargate/Shadow",
  decisions: "effect-vargate/Decisions",
  budgets: "effect-vargate/Budgets"
} as const

/** The services by their keys, so that a program loads those alone that it uses. */
const Suspension = Context.Service<Guard>(guardKeys.suspension)
const Shadow = Context.Service<Guard>(guardKeys.shadow)
const Decisions = Context.Service<Guard>(guardKeys.decisions)
const Budgets = Context.Service<Guard>(guardKeys.budgets)

/**
 * All that stand before a call.
 *
 * @internal
 */
export class Guards {
  private readonly guards: ReadonlyArray<Guard>

  constructor(guards: ReadonlyArray<Guard>) {
    this.guards = guards
  }

  submit(call: GuardedCall, submitting: Submitting): Submitting {
    return this.guards.reduceRight((inner, guard) => guard.submit(call, inner), submitting)
  }

  /** A decision was learned in another way than by waiting here. */
  decided(decision: Decided): Effect.Effect<void> {
    return Effect.forEach(this.guards, (guard) => guard.decided?.(decision) ?? Effect.void, { discard: true })
  }

  /** Nothing here waits for a decision any more, or acts on it. */
  private left(actionId: ActionId): Effect.Effect<void> {
    return Effect.forEach(this.guards, (guard) => guard.left?.(actionId) ?? Effect.void, { discard: true })
  }

  /** Waits, unless that has to end before its time. */
  untilStopped<A, E, R>(
    actionId: ActionId,
    waiting: Effect.Effect<A, E, R>,
    facts?: Pick<GuardedCall, "agentId" | "tool">
  ): Effect.Effect<A, E | VargateError, R> {
    return this.guards.reduce(
      (raced: Effect.Effect<A, E | VargateError, R>, { stopped }) =>
        stopped === undefined ? raced : Effect.raceFirst(raced, stopped(actionId, facts)),
      waiting
    )
  }

  wait<R>(
    actionId: ActionId,
    waiting: Effect.Effect<Approved, ApprovalError, R>
  ): Effect.Effect<Approved, ApprovalError, R> {
    const raced = this.untilStopped(actionId, waiting)
    return Effect.uninterruptibleMask((restore) =>
      Effect.andThen(
        Effect.forEach(this.guards, (guard) => guard.waiting?.(actionId) ?? Effect.void, { discard: true }),
        Effect.matchCauseEffect(restore(raced), {
          onSuccess: (approved) => Effect.as(this.decided(approved), approved),
          onFailure: (cause) => {
            const error = cause.reasons.find((reason) => reason._tag === "Fail")?.error
            const isDecided = error !== undefined && (error._tag === "Rejected" || error._tag === "Expired")
            return Effect.andThen(
              isDecided ? this.decided(error) : this.left(actionId),
              Effect.failCause(cause)
            )
          }
        })
      )
    )
  }

  act<A, E, R>(actionId: ActionId, action: Effect.Effect<A, E, R>): Effect.Effect<A, E | VargateError, R> {
    let isBegun = false
    const guarded = this.guards.reduceRight(
      (inner: Effect.Effect<A, E | VargateError, R>, guard) => guard.act(actionId, inner),
      Effect.suspend(() => {
        isBegun = true
        return action
      })
    )
    // One that is not begun after all is not waited for.
    return Effect.onError(guarded, () => isBegun ? Effect.void : this.left(actionId))
  }
}

/**
 * Those of a fiber, the outermost first; undefined where there are none.
 *
 * @internal
 */
export const guardsOf = (fiber: Fiber.Fiber<unknown, unknown>): Guards | undefined => {
  const context = fiber.context as Context.Context<Guard>
  const suspension = Context.getOrUndefined(context, Suspension)
  const shadow = Context.getOrUndefined(context, Shadow)
  const decisions = Context.getOrUndefined(context, Decisions)
  const budgets = Context.getOrUndefined(context, Budgets)
  if (suspension === undefined && shadow === undefined && decisions === undefined && budgets === undefined) {
    return undefined
  }
  return new Guards([suspension, shadow, decisions, budgets].filter((guard) => guard !== undefined))
}

/**
 * Waits for a decision, under the guards of the fiber.
 *
 * @internal
 */
export const guardedWait = <R>(
  actionId: ActionId,
  waiting: Effect.Effect<Approved, ApprovalError, R>
): Effect.Effect<Approved, ApprovalError, R> =>
  Effect.withFiber((fiber) => guardsOf(fiber)?.wait(actionId, waiting) ?? waiting)

/**
 * Acts, under the guards of the fiber.
 *
 * @internal
 */
export const guardedAct = <A, E, R>(
  actionId: ActionId,
  action: Effect.Effect<A, E, R>
): Effect.Effect<A, E | VargateError, R> =>
  Effect.withFiber((fiber): Effect.Effect<A, E | VargateError, R> => guardsOf(fiber)?.act(actionId, action) ?? action)

/**
 * Puts the guards of one context into another, for calls that come later on other fibers.
 *
 * @internal
 */
export const withGuardsOf = <A>(from: Context.Context<never>, to: Context.Context<A>): Context.Context<A> =>
  [Suspension, Shadow, Decisions, Budgets].reduce<Context.Context<A>>((context, key) => {
    const guard = Context.getOrUndefined(from as Context.Context<Guard>, key)
    return guard === undefined ? context : Context.add(context, key, guard) as Context.Context<A>
  }, to)

/**
 * How often a guard has spoken.
 *
 * @internal
 */
export const count = (word: "joined" | "refused_again" | "suspended" | "over_budget"): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    annotate(fiber, () => ({ "vargate.decision": word }))
    return Metric.update(interventions, word)
  })
