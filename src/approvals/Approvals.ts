/**
 * Pending actions, from the agent's side: it can look and wait, never decide.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { AuditApi } from "../audit/wire/AuditApi.ts"
import { fuseOf } from "../calls/internal/duplicateFuse.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  type ApprovalError,
  ApprovalTimeout,
  type Expired,
  type OperationError,
  type Rejected
} from "../errors/VargateError.ts"
import { monotonicMillisOf } from "../internal/elapsed.ts"
import { annotate, withSpan } from "../internal/spans.ts"
import type { ActionId } from "../model/ActionId.ts"
import { approvalWaitOf } from "../transport/Metrics.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import * as Transport from "../transport/Transport.ts"
import { type Approved, type DecidedAction, type PendingList, Waiting } from "./Approval.ts"
import * as ApprovalLook from "./internal/approvalLook.ts"
import * as ApprovalPoller from "./internal/approvalPoller.ts"
import { CurrentLedger, reaches } from "./internal/ledgers.ts"
import { offersWatching, type Watching } from "./internal/watching.ts"
import { ApprovalsApi } from "./wire/ApprovalsApi.ts"

/**
 * The models that these operations speak of.
 *
 * @since 0.1.0
 */
export * from "./Approval.ts"

/**
 * The outcome of a pending action, as values. `Rejected` and `Expired` are the classes that `await` fails with.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome = Waiting | Approved | Rejected | Expired

/**
 * How to wait for one action.
 *
 * @category options
 * @since 0.1.0
 */
export interface AwaitOptions {
  /** How long at most. Default: 65 minutes, a little more than the hour after which the gateway lets the action expire. */
  readonly timeout?: Duration.Input | undefined
  /** Looks more often than the layer's rhythm while this wait lasts. */
  readonly poll?: Schedule.Schedule<unknown> | undefined
}

/**
 * Looks at the approval queue and waits for decisions. To decide takes `Reviews`, a service of its own.
 *
 * @category services
 * @since 0.1.0
 */
export class Approvals extends Context.Service<Approvals, {
  /**
   * What waits now: the newest 50 by the time of queueing, with the counts of all (GET /approvals). Reading this list is
   * what makes the gateway notice expiry.
   */
  readonly pending: Effect.Effect<PendingList, OperationError>
  /** What was decided: the newest 50 by the time of queueing, not of deciding (GET /approvals/history). */
  readonly history: Effect.Effect<ReadonlyArray<DecidedAction>, OperationError>
  /** One look at one action, also beyond the two windows. Fails with `NotFound` when nothing is known of it. */
  readonly outcome: (actionId: ActionId) => Effect.Effect<Outcome, OperationError>
  /**
   * Waits until the action is approved, and says what became of its execution.
   *
   * All waits of a layer share one poller: one GET /approvals per tick, however many wait, and none when none waits;
   * the history and the audit log are read only when a watched action has left the pending list. A look that fails is
   * tried again and fails no wait. Interrupting a wait removes it.
   */
  readonly await: (actionId: ActionId, options?: AwaitOptions) => Effect.Effect<Approved, ApprovalError>
  /**
   * Makes the poller look at once, for instance because a webhook came; when it is looking, once more after that. Does
   * nothing while there is no wait.
   */
  readonly nudge: Effect.Effect<void>
}>()("effect-vargate/Approvals") {}

/**
 * How the layer's poller works.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The rhythm of looks while there are waits. Starts anew with the first wait. Default: every second. */
  readonly poll?: Schedule.Schedule<unknown> | undefined
}

/**
 * The part of the service that waits for nothing, over a transport.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReader = (transport: Transport.Transport["Service"]) => {
  const client = transport.client(ApprovalsApi, AuditApi)
  const fuse = fuseOf(transport)

  const pending = transport.request(
    { name: "Approvals.pending", sideEffect: "none" },
    client.approvals.pending({})
  ).pipe(Effect.withSpan("Approvals.pending"))

  const history = transport.request(
    { name: "Approvals.history", sideEffect: "none" },
    client.approvals.history({})
  ).pipe(Effect.map(({ history }) => history), Effect.withSpan("Approvals.history"))

  const source: ApprovalLook.Source = {
    pending,
    history,
    redact: transport.redact,
    page: (query) => transport.request({ name: "Approvals.outcome", sideEffect: "none" }, client.audit.log({ query }))
  }

  const outcome = Effect.fn("Approvals.outcome")(function*(actionId: ActionId) {
    const watch = ApprovalLook.makeWatch(actionId)
    const verdict = (yield* ApprovalLook.make(source)(new Map([[actionId, watch]]))).get(watch)
    if (verdict === undefined) {
      return new Waiting({
        actionId,
        isApproved: watch.approved !== undefined,
        timeoutAt: ApprovalLook.timeoutAt(watch)
      })
    }
    if (verdict._tag === "VargateError") return yield* verdict
    fuse.decided(actionId, verdict._tag)
    return verdict
  })

  return { pending, history, source, outcome }
}

/**
 * Builds the service over the transport in context. The poller lives as long as the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Approvals["Service"], never, Transport.Transport | Scope.Scope> {
  const transport = yield* Transport.Transport
  const { history, outcome, pending, source } = makeReader(transport)
  const fuse = fuseOf(transport)
  const look = ApprovalLook.make(source)
  const looked = new Set<(position: ApprovalLook.LogPosition) => void>()
  const poller = yield* ApprovalPoller.make(
    (watches) => Effect.retry(look(watches), RetryPolicy.reads),
    options.poll ?? Schedule.spaced("1 second"),
    () => {
      const position = look.position()
      if (position !== undefined) { for (const hear of looked) hear(position) }
    }
  )

  const decided: Watching["decided"] = (actionId, outcome, seconds, context) => {
    approvalWaitOf(outcome._tag).updateUnsafe(seconds, context)
    fuse.decided(actionId, outcome._tag)
  }

  // Ten thousand of these may wait at once, so a wait is one callback, and no span but for a tracer.
  const wait = (actionId: ActionId, timeout: Duration.Duration): Effect.Effect<Approved, ApprovalError> =>
    Effect.withFiber((fiber) => {
      const clock = fiber.getRef(Clock.Clock)
      const now = monotonicMillisOf(clock)
      return Effect.callback<Approved, ApprovalError>((resume) => {
        const end = (outcome: Approved | ApprovalError) => {
          const seconds = (monotonicMillisOf(clock) - now) / 1000
          decided(actionId, outcome, seconds, fiber.context)
          annotate(fiber, () => ({ "vargate.approval.outcome": outcome._tag }))
          resume(outcome._tag === "Approved" ? Effect.succeed(outcome) : Effect.fail(outcome))
        }
        const waiter: ApprovalPoller.Waiter = {
          deadline: Duration.isFinite(timeout) ? now + Duration.toMillis(timeout) : undefined,
          onVerdict: end,
          onDeadline: (lastFailure) => end(new ApprovalTimeout({ actionId, waited: timeout, lastFailure })),
          onClose: () => resume(Effect.interrupt)
        }
        poller.enter(actionId, waiter)
        return Effect.sync(() => poller.leave(actionId, waiter))
      })
    })

  const approvals = Approvals.of({
    pending,
    history,
    outcome,
    await: (actionId, options) => {
      const timeout = Duration.fromInput(options?.timeout ?? "65 minutes")
      if (Option.isNone(timeout)) return Effect.fail(invalidTimeout)
      const waiting = withSpan("Approvals.await", wait(actionId, timeout.value), { "vargate.action_id": actionId })
      return options?.poll === undefined
        ? waiting
        : Effect.raceFirst(waiting, Effect.andThen(Effect.repeat(pulse(poller), options.poll), Effect.never))
    },
    nudge: poller.nudge
  })
  offersWatching(approvals, {
    enter: poller.enter,
    leave: poller.leave,
    afterLook: (f) =>
      Effect.callback((resume) => {
        const hear = (position: ApprovalLook.LogPosition) => {
          looked.delete(hear)
          resume(Effect.succeed(f(position)))
        }
        looked.add(hear)
        return Effect.sync(() => looked.delete(hear))
      }),
    resume: look.resume,
    decided
  })
  return reaches(approvals, yield* CurrentLedger)
})

/** Asks for a look unless there was one since the last pulse, so that many waits with a rhythm share their looks. */
const pulse = (poller: ApprovalPoller.ApprovalPoller) => {
  let seen = poller.looks()
  return Effect.suspend(() => {
    const isIdle = poller.looks() === seen
    seen = poller.looks() + (isIdle ? 1 : 0)
    return isIdle ? poller.nudge : Effect.void
  })
}

const invalidTimeout = invalidRequest("Approvals.await", [{
  path: ["timeout"],
  message: "Expected a duration, like \"20 minutes\""
}])

/**
 * The service over a transport, with a poller of the given rhythm.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<Approvals, never, Transport.Transport> =>
  Layer.effect(Approvals, make(options))

/**
 * The service over a transport, with a poller that looks every second.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Approvals, never, Transport.Transport> = layerWith({})

/**
 * Makes the poller look at once whenever a hint comes that something was decided, though not more than once a second.
 *
 * **Gotchas**
 *
 * A gateway's webhooks do not say what a reviewer decided, so they are hints and no more: a wait still needs the
 * poller's rhythm.
 *
 * **Example** (Every webhook is a hint)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Approvals, WebhookRoute, Webhooks } from "effect-vargate"
 *
 * const layer = Layer.merge(WebhookRoute.layer("/webhooks/vargate"), Approvals.nudgedBy(Webhooks.events)).pipe(
 *   Layer.provide(Webhooks.layerConfig())
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const nudgedBy = <R>(
  hints: Stream.Stream<unknown, never, R>
): Layer.Layer<never, never, Approvals | Exclude<R, Scope.Scope>> =>
  Layer.effectDiscard(Effect.flatMap(Approvals, ({ nudge }) =>
    hints.pipe(
      // Of all that comes within the second one is kept, so that the last one is followed by a look too.
      Stream.buffer({ capacity: 1, strategy: "sliding" }),
      Stream.runForEach(() => Effect.andThen(nudge, Effect.sleep("1 second"))),
      Effect.forkScoped({ startImmediately: true })
    )))
