/**
 * The gateway itself, as every client may see it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OperationError } from "../errors/VargateError.ts"
import * as Transport from "../transport/Transport.ts"
import type { Health } from "./Health.ts"
import type { MetricFamily } from "./MetricFamily.ts"
import type { OutreachStats, PublicDashboard, Transparency } from "./Transparency.ts"
import { AgentsApi } from "./wire/AgentsApi.ts"
import { SystemApi } from "./wire/SystemApi.ts"

/**
 * Asks the gateway how it is. Nothing here changes anything: see `Maintenance` for that.
 *
 * @category services
 * @since 0.1.0
 */
export class System extends Context.Service<System, {
  /** GET /health. `status` says `ok` even while parts are away: look at them one by one. */
  readonly health: Effect.Effect<Health, OperationError>
  /**
   * GET /metrics, the Prometheus text read into families. `MetricFamily.valueOf` finds one value. Deployments often hide
   * this route from the outside.
   */
  readonly metrics: Effect.Effect<ReadonlyArray<MetricFamily>, OperationError>
  /** Figures over all tenants (GET /transparency). */
  readonly transparency: Effect.Effect<Transparency, OperationError>
  /** Figures of one tenant (GET /transparency/{tenant_id}). `Forbidden` unless its page is public. */
  readonly transparencyOf: (tenantId: string) => Effect.Effect<Transparency, OperationError>
  /** A tenant's public page (GET /dashboard/public/{slug}). `NotFound` unless there is one. */
  readonly publicDashboard: (slug: string) => Effect.Effect<PublicDashboard, OperationError>
  /** How far the limits on sales messages are used up (GET /gtm/stats). `NotSupported` on a gateway without them. */
  readonly outreach: Effect.Effect<OutreachStats, OperationError>
  /** How odd an agent's behaviour looks, from 0 to 1 (GET /agents/{id}/anomaly_score). 0 for an unknown agent. */
  readonly anomalyScore: (agentId: string) => Effect.Effect<number, OperationError>
}>()("effect-vargate/System") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(AgentsApi, SystemApi)

  const read = <A, E>(method: string, sending: Effect.Effect<A, E>) =>
    transport.request({ name: `System.${method}`, sideEffect: "none" }, sending)

  const health = read("health", client.system.health({})).pipe(Effect.withSpan("System.health"))

  const metrics = read("metrics", client.system.metrics({})).pipe(Effect.withSpan("System.metrics"))

  const transparency = read("transparency", client.system.transparency({})).pipe(
    Effect.withSpan("System.transparency")
  )

  const transparencyOf = Effect.fn("System.transparencyOf")((tenantId: string) =>
    read("transparencyOf", client.system.transparencyOf({ params: { tenant_id: tenantId } }))
  )

  const publicDashboard = Effect.fn("System.publicDashboard")((slug: string) =>
    read("publicDashboard", client.system.publicDashboard({ params: { slug } }))
  )

  const outreach = read("outreach", client.system.outreach({})).pipe(Effect.withSpan("System.outreach"))

  const anomalyScore = Effect.fn("System.anomalyScore")((agentId: string) =>
    read("anomalyScore", client.agents.anomalyScore({ params: { id: agentId } })).pipe(
      Effect.map(({ anomaly_score }) => anomaly_score)
    )
  )

  return System.of({ health, metrics, transparency, transparencyOf, publicDashboard, outreach, anomalyScore })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<System, never, Transport.Transport> = Layer.effect(System, make)
