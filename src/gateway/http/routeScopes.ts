/**
 * Which scope a route needs. A route that is not listed here is closed to every key.
 *
 * @since 0.1.0
 */
import type { KeyScope } from "../../model/KeyScope.ts"

/**
 * What a key must have: a scope, or any. Every key may read what its tenant's agents did and are allowed; what an agent
 * needs for waiting and for finding lost answers is among it.
 *
 * @category models
 * @since 0.1.0
 */
export type Needed = KeyScope | "any"

/**
 * The needed scopes by group and endpoint.
 *
 * @category constants
 * @since 0.1.0
 */
export const routeScopes: Readonly<Record<string, Readonly<Record<string, Needed>>>> = {
  toolCalls: { call: "agent" },
  mcpDoor: { exchange: "agent" },
  approvals: { pending: "any", history: "any", approve: "reviewer", reject: "reviewer" },
  inbox: { events: "reviewer" },
  audit: { log: "any", verify: "any", agents: "any", replay: "any", replayBulk: "any" },
  merkle: { roots: "any", proof: "any", consistency: "any", verify: "any" },
  anchors: {
    status: "any",
    verify: "any",
    log: "any",
    chain: "any",
    proof: "any",
    consistency: "any",
    trigger: "operator",
    roots: "any"
  },
  subjects: { list: "any", erase: "operator", verifyErasure: "any" },
  agents: { anomalyScore: "any", clearHistory: "operator", clearCounters: "operator" },
  policies: { templates: "any", rules: "any", bundle: "any" },
  managedAgents: { create: "operator", list: "any", get: "any", consumers: "any" },
  managedSessions: {
    start: "agent",
    list: "any",
    status: "any",
    audit: "any",
    compliance: "any",
    interrupt: "reviewer",
    replay: "any"
  },
  system: { outreach: "any", backup: "operator" },
  compliance: { export: "operator" },
  credentials: {
    register: "operator",
    list: "operator",
    accessLog: "operator",
    status: "operator",
    remove: "operator"
  },
  tenant: { me: "any", updateSettings: "operator", testWebhook: "operator" },
  tenants: { create: "operator", list: "operator", get: "operator" },
  account: { session: "reviewer", rotateKey: "operator", tenants: "any", switchTenant: "operator" },
  keys: { list: "operator", put: "operator", remove: "operator" }
}

/**
 * The scope that a key lacks for a route; undefined where it may use it. No key has what a route that is not listed needs.
 *
 * @category refusals
 * @since 0.1.0
 */
export const missingScope = (
  group: string,
  endpoint: string,
  scopes: ReadonlyArray<KeyScope>
): KeyScope | undefined => {
  const needed = Object.hasOwn(routeScopes, group) && Object.hasOwn(routeScopes[group]!, endpoint)
    ? routeScopes[group]![endpoint]!
    : undefined
  if (needed === undefined) return "operator"
  return needed === "any" || scopes.includes(needed) ? undefined : needed
}
