/**
 * Which routes read all of a tenant's log, or the hours of it that a proof is about.
 *
 * @since 0.1.0
 */

/**
 * Endpoints by their groups.
 *
 * @category constants
 * @since 0.1.0
 */
export const wholeLogRoutes: Readonly<Record<string, ReadonlySet<string>>> = {
  audit: new Set(["verify"]),
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
 * Whether an endpoint is one of them.
 *
 * @category predicates
 * @since 0.1.0
 */
export const readsWholeLog = (group: string, endpoint: string): boolean =>
  Object.hasOwn(wholeLogRoutes, group) && wholeLogRoutes[group]!.has(endpoint)
