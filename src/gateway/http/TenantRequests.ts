/**
 * Requests of one tenant at a time.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { Budget } from "./Budget.ts"

/**
 * More than a tenant's agents ever have, and too few to crowd out the others.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxRequestsOfTenant = 512

/**
 * The requests under way, by their tenants.
 *
 * @category services
 * @since 0.2.0
 */
export class TenantRequests
  extends Context.Service<TenantRequests, Budget>()("effect-vargate/gateway/TenantRequests")
{}

/**
 * One for all routes of a gateway.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<TenantRequests> = Layer.sync(
  TenantRequests,
  () => new Budget({ perOwner: maxRequestsOfTenant })
)
