/**
 * What wipes or copies the gateway's own state.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OperationError } from "../errors/VargateError.ts"
import * as Transport from "../transport/Transport.ts"
import type { Backup } from "./Backup.ts"
import { AgentsApi } from "./wire/AgentsApi.ts"
import { SystemApi } from "./wire/SystemApi.ts"

/**
 * Changes the gateway's own state.
 *
 * **Details**
 *
 * A layer of its own, like `Reviews`: policies deny agents that behave oddly, so an agent must not be able to wipe what
 * is remembered of it.
 *
 * @category services
 * @since 0.1.0
 */
export class Maintenance extends Context.Service<Maintenance, {
  /** Forgets how an agent behaved, its anomaly score too (DELETE /agents/{id}/history). The audit log stays. */
  readonly clearHistory: (agentId: string) => Effect.Effect<void, OperationError>
  /** Forgets an agent's counters and latest actions, and keeps its anomaly score (DELETE /agents/{id}/counters). */
  readonly clearCounters: (agentId: string) => Effect.Effect<void, OperationError>
  /**
   * Copies the gateway's database on its own disk (POST /backup/trigger), at most twice a minute. `NotSupported` where
   * there is none.
   */
  readonly backup: Effect.Effect<Backup, OperationError>
}>()("effect-vargate/Maintenance") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(AgentsApi, SystemApi)

  const clearHistory = Effect.fn("Maintenance.clearHistory")((agentId: string) =>
    transport.request(
      { name: "Maintenance.clearHistory", sideEffect: "possible" },
      Effect.asVoid(client.agents.clearHistory({ params: { id: agentId } }))
    )
  )

  const clearCounters = Effect.fn("Maintenance.clearCounters")((agentId: string) =>
    transport.request(
      { name: "Maintenance.clearCounters", sideEffect: "possible" },
      Effect.asVoid(client.agents.clearCounters({ params: { id: agentId } }))
    )
  )

  const backup = transport.request(
    { name: "Maintenance.backup", sideEffect: "possible" },
    client.system.backup({})
  ).pipe(Effect.map(({ backup }) => backup), Effect.withSpan("Maintenance.backup"))

  return Maintenance.of({ clearHistory, clearCounters, backup })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Maintenance, never, Transport.Transport> = Layer.effect(Maintenance, make)
