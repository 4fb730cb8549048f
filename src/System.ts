/**
 * The gateway itself.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Health } from "./domain/Health.ts"
import * as Transport from "./Transport.ts"
import type { OperationError } from "./VargateError.ts"

/**
 * Asks the gateway how it is.
 *
 * @category services
 * @since 0.1.0
 */
export class System extends Context.Service<System, {
  /** GET /health. `status` says `ok` even while parts are away: look at them one by one. */
  readonly health: Effect.Effect<Health, OperationError>
}>()("effect-vargate/System") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport

  const health = transport.request(
    { name: "System.health", sideEffect: "none" },
    (client) => client.system.health({})
  ).pipe(Effect.withSpan("System.health"))

  return System.of({ health })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<System, never, Transport.Transport> = Layer.effect(System, make)
