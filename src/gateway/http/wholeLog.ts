/**
 * Which routes read all of a tenant's log, or the hours of it that a proof is about.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"

/**
 * Endpoints by their groups. Those who verify a chain wait together for one reading of it: see `ChainVerdicts`.
 *
 * @category constants
 * @since 0.1.0
 */
export const wholeLogRoutes: Readonly<Record<string, ReadonlySet<string>>> = {
  merkle: new Set(["roots", "proof", "consistency", "verify"]),
  anchors: new Set(["status", "proof", "roots"]),
  managedSessions: new Set(["list", "status", "audit", "compliance", "replay"]),
  compliance: new Set(["export"]),
  tenant: new Set(["me"])
}

/**
 * How many of them are at work at a time. Tenants that wait take turns, so that none of them waits for all requests of
 * another one; calls get their turn between two slices of a log.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxWholeLogs = 4

/**
 * Admits them, by their tenants.
 *
 * @category services
 * @since 0.2.0
 */
export class WholeLogs extends Context.Service<WholeLogs, PartitionedSemaphore.PartitionedSemaphore<string>>()(
  "effect-vargate/gateway/WholeLogs"
) {}

/**
 * One for all routes of a gateway.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<WholeLogs> = Layer.effect(
  WholeLogs,
  PartitionedSemaphore.make<string>({ permits: maxWholeLogs })
)

/**
 * Whether an endpoint is one of them.
 *
 * @category predicates
 * @since 0.1.0
 */
export const readsWholeLog = (group: string, endpoint: string): boolean =>
  Object.hasOwn(wholeLogRoutes, group) && wholeLogRoutes[group]!.has(endpoint)
