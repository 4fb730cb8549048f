/**
 * Decisions of reviewers over pending actions. A service of its own, so that a program which is not given it cannot
 * approve its own actions.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { reviewed } from "../calls/internal/duplicateFuse.ts"
import { Conflict, type OperationError, VargateError } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import * as Transport from "../transport/Transport.ts"
import { ApprovalReceipt, type PendingAction, RejectionReceipt } from "./Approval.ts"
import * as Approvals from "./Approvals.ts"
import { newcomers } from "./internal/newcomers.ts"
import { ApprovalsApi } from "./wire/ApprovalsApi.ts"

/**
 * Approves and rejects (POST /approve/{id}, POST /reject/{id}).
 *
 * **Details**
 *
 * Both are idempotent: when the answer is lost, or the gateway says that the action is already decided, they look at what
 * was decided. The requested outcome is success, and its receipt says whether it is an `earlier` decision; the other one is
 * a `Conflict`. They are never sent twice by themselves.
 *
 * **Gotchas**
 *
 * The gateway executes on approval where it can, and its receipt says what became of that; an approval that could not be
 * executed is spent all the same. A rejection is accepted even after the action's time is over.
 *
 * @category services
 * @since 0.1.0
 */
export class Reviews extends Context.Service<Reviews, {
  /** Fails with `Conflict` when the action was rejected or has expired, `NotFound` when the tenant has no such action. */
  readonly approve: (actionId: ActionId, note?: string) => Effect.Effect<ApprovalReceipt, OperationError>
  /** Fails with `Conflict` when the action was approved or has expired, `NotFound` when the tenant has no such action. */
  readonly reject: (actionId: ActionId, note?: string) => Effect.Effect<RejectionReceipt, OperationError>
  /**
   * Newly pending actions, the oldest first, each once, beginning with those that are pending already. Looks every
   * second by default, and continues after failed looks as long as `RetryPolicy.reads` does. Of more than 50 new ones
   * between two looks, the gateway shows the newest 50.
   */
  readonly stream: (options?: {
    readonly poll?: Schedule.Schedule<unknown> | undefined
  }) => Stream.Stream<PendingAction, OperationError>
}>()("effect-vargate/Reviews") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(ApprovalsApi)
  const approvals = Approvals.makeReader(transport)

  /** What was decided, when an answer was lost or came too late to say. */
  const decided = Effect.fnUntraced(function*(actionId: ActionId, error: OperationError) {
    const isOpen = error._tag === "VargateError" &&
      (error.sideEffect === "possible" || error.reason._tag === "Conflict")
    if (!isOpen) return yield* error
    const outcome = yield* Effect.retry(approvals.outcome(actionId), RetryPolicy.reads).pipe(
      // Approved already, but the execution has not ended: its record is written at the end.
      Effect.repeat({
        while: (outcome) => outcome._tag === "Waiting" && outcome.isApproved,
        schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ times: 60 }))
      }),
      // Should the look fail too, then the first error is the one that matters.
      Effect.mapError(() => error)
    )
    return outcome._tag === "Waiting" ? yield* error : outcome
  })

  /** A refusal says that the decision was made before; after a lost answer, a note that is not ours does. */
  const earlierOf = (error: OperationError, recorded: string | null, note: string | undefined) =>
    (error._tag === "VargateError" && error.reason._tag === "Conflict") || (recorded ?? "") !== (note ?? "")
      ? { note: recorded }
      : undefined

  const conflict = (operation: string, outcome: { readonly _tag: string }) =>
    new VargateError({
      operation,
      reason: new Conflict({ detail: `Action already ${outcome._tag.toLowerCase()}` })
    })

  const approve = Effect.fn("Reviews.approve")((actionId: ActionId, note?: string) =>
    transport.request(
      { name: "Reviews.approve", sideEffect: "possible" },
      client.approvals.approve({ params: { id: actionId }, payload: note === undefined ? {} : { note } })
    ).pipe(
      Effect.catch(Effect.fnUntraced(function*(error) {
        const outcome = yield* decided(actionId, error)
        if (outcome._tag !== "Approved") return yield* conflict("Reviews.approve", outcome)
        const { execution, reviewedAt, reviewer } = outcome
        const earlier = earlierOf(error, outcome.note, note)
        return new ApprovalReceipt({ actionId, reviewer: reviewer ?? "unknown", reviewedAt, execution, earlier })
      })),
      Effect.tap(() => noted(actionId, "Approved"))
    )
  )

  const reject = Effect.fn("Reviews.reject")((actionId: ActionId, note?: string) =>
    transport.request(
      { name: "Reviews.reject", sideEffect: "possible" },
      client.approvals.reject({ params: { id: actionId }, payload: note === undefined ? {} : { note } })
    ).pipe(
      Effect.catch(Effect.fnUntraced(function*(error) {
        const outcome = yield* decided(actionId, error)
        if (outcome._tag !== "Rejected") return yield* conflict("Reviews.reject", outcome)
        const reviewedAt = outcome.reviewedAt ?? (yield* DateTime.now)
        const earlier = earlierOf(error, outcome.note, note)
        return new RejectionReceipt({ actionId, reviewer: outcome.reviewer ?? "unknown", reviewedAt, earlier })
      })),
      Effect.tap(() => noted(actionId, "Rejected"))
    )
  )

  const stream: Reviews["Service"]["stream"] = ({ poll = Schedule.spaced("1 second") } = {}) =>
    Stream.suspend(() => {
      const known = new Map<ActionId, DateTime.Utc>()
      return Stream.fromEffectSchedule(Effect.retry(approvals.pending, RetryPolicy.reads), poll).pipe(
        Stream.mapEffect(({ pending }) => Effect.map(DateTime.now, (now) => newcomers(pending, known, now))),
        Stream.flattenIterable
      )
    })

  return Reviews.of({ approve, reject, stream })
})

/** An agent in the same program may submit such a call again. */
const noted = (actionId: ActionId, outcome: "Approved" | "Rejected") =>
  Effect.withFiberSucceed((fiber) => reviewed(actionId, outcome, fiber))

/**
 * The service over a transport. Built anew wherever it is provided, so that it always acts for the nearest transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Reviews, never, Transport.Transport> = Layer.fresh(Layer.effect(Reviews, make))
