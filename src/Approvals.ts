/**
 * Actions that wait for people, seen from the agent's side: it can look and wait, never decide.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DecidedAction, PendingList } from "./domain/Approval.ts"
import * as Transport from "./Transport.ts"
import type { OperationError } from "./VargateError.ts"

/**
 * Looks at the approval queue. Whoever may decide needs `Reviews`, a service of its own.
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
}>()("effect-vargate/Approvals") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport

  const pending = transport.request(
    { name: "Approvals.pending", sideEffect: "none" },
    (client) => client.approvals.pending({})
  ).pipe(Effect.withSpan("Approvals.pending"))

  const history = transport.request(
    { name: "Approvals.history", sideEffect: "none" },
    (client) => client.approvals.history({})
  ).pipe(Effect.map(({ history }) => history), Effect.withSpan("Approvals.history"))

  return Approvals.of({ pending, history })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Approvals, never, Transport.Transport> = Layer.effect(Approvals, make)
