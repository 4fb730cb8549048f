/**
 * Decisions of people over held actions. A service of its own, so that a program which is not given it cannot approve
 * its own actions.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ActionId } from "./domain/ActionId.ts"
import type { ApprovalReceipt, RejectionReceipt } from "./domain/Approval.ts"
import * as Transport from "./Transport.ts"
import type { OperationError } from "./VargateError.ts"

/**
 * Approves and rejects (POST /approve/{id}, POST /reject/{id}).
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
  /** Fails with `Conflict` when the action is already decided or expired, `NotFound` when the tenant has no such action. */
  readonly approve: (actionId: ActionId, note?: string) => Effect.Effect<ApprovalReceipt, OperationError>
  /** Fails with `Conflict` when the action is already decided or expired, `NotFound` when the tenant has no such action. */
  readonly reject: (actionId: ActionId, note?: string) => Effect.Effect<RejectionReceipt, OperationError>
}>()("effect-vargate/Reviews") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport

  const approve = Effect.fn("Reviews.approve")((actionId: ActionId, note?: string) =>
    transport.request(
      { name: "Reviews.approve", sideEffect: "possible" },
      (client) => client.approvals.approve({ params: { id: actionId }, payload: note === undefined ? {} : { note } })
    )
  )

  const reject = Effect.fn("Reviews.reject")((actionId: ActionId, note?: string) =>
    transport.request(
      { name: "Reviews.reject", sideEffect: "possible" },
      (client) => client.approvals.reject({ params: { id: actionId }, payload: note === undefined ? {} : { note } })
    )
  )

  return Reviews.of({ approve, reject })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Reviews, never, Transport.Transport> = Layer.effect(Reviews, make)
