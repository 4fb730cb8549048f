/**
 * Taking a decision again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ActionId } from "./domain/ActionId.ts"
import type { ReplayReport } from "./domain/ReplayReport.ts"
import * as Transport from "./Transport.ts"
import type { OperationError } from "./VargateError.ts"

/**
 * Replays decisions with their recorded input (POST /audit/replay).
 *
 * **Gotchas**
 *
 * The gateway replays the policy bundle of that day. Pending actions and denials by the gateway itself never match; a
 * reviewer's decision has no input and fails with `InvalidRequest`; a bundle that is not archived is a `GatewayFault`.
 *
 * @category services
 * @since 0.1.0
 */
export class Replay extends Context.Service<Replay, {
  readonly replay: (actionId: ActionId) => Effect.Effect<ReplayReport, OperationError>
}>()("effect-vargate/Replay") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport

  const replay = Effect.fn("Replay.replay")((actionId: ActionId) =>
    transport.request(
      { name: "Replay.replay", sideEffect: "none" },
      (client) => client.audit.replay({ payload: { action_id: actionId } })
    )
  )

  return Replay.of({ replay })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Replay, never, Transport.Transport> = Layer.effect(Replay, make)
