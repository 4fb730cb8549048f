/**
 * The vault of tool credentials: what the gateway needs to act for an agent, which the agent never sees.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"

/**
 * A credential that the vault holds, without its value.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredCredential {
  readonly toolId: string
  readonly name: string
  /** When its present value was registered. */
  readonly createdAt: DateTime.Utc
}

/**
 * One use of a credential.
 *
 * @category models
 * @since 0.1.0
 */
export interface CredentialUse {
  readonly toolId: string
  readonly name: string
  readonly actionId: string
  readonly agentId: string
  readonly accessedAt: DateTime.Utc
}

/**
 * Keeps credentials, per tenant, by tool and name. Every method is atomic.
 *
 * **Details**
 *
 * On the measured gateway all tenants share one vault. Here each has its own.
 *
 * @category services
 * @since 0.1.0
 */
export class CredentialVault extends Context.Service<CredentialVault, {
  /** Stores a value under a tool and a name, in the place of one that is there. */
  readonly register: (
    tenantId: string,
    credential: { readonly toolId: string; readonly name: string; readonly value: Redacted.Redacted }
  ) => Effect.Effect<void>
  /** What is there, by tool and name. */
  readonly list: (tenantId: string) => Effect.Effect<ReadonlyArray<StoredCredential>>
  /** The tools that have a credential, in order. Every decision asks for them. */
  readonly tools: (tenantId: string) => Effect.Effect<ReadonlyArray<string>>
  /** False where there was none. */
  readonly remove: (tenantId: string, toolId: string, name: string) => Effect.Effect<boolean>
  /** A tool's values by name, for one execution, noted in the access log. */
  readonly open: (
    tenantId: string,
    toolId: string,
    use: { readonly actionId: string; readonly agentId: string }
  ) => Effect.Effect<ReadonlyMap<string, Redacted.Redacted>>
  /** The latest 50 uses, newest first. */
  readonly accessLog: (tenantId: string) => Effect.Effect<ReadonlyArray<CredentialUse>>
}>()("effect-vargate/gateway/CredentialVault") {}

interface Safe {
  /** By tool, then by name. */
  readonly tools: Map<string, Map<string, { readonly value: Redacted.Redacted; readonly createdAt: DateTime.Utc }>>
  /** Oldest first. */
  readonly uses: Array<CredentialUse>
}

const logLimit = 50

/**
 * A vault in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<CredentialVault> = Layer.sync(CredentialVault, () => {
  const safes = new Map<string, Safe>()
  const safeOf = (tenantId: string): Safe => {
    const safe = safes.get(tenantId) ?? { tools: new Map(), uses: [] }
    safes.set(tenantId, safe)
    return safe
  }

  return CredentialVault.of({
    register: (tenantId, { name, toolId, value }) =>
      Effect.map(DateTime.now, (createdAt) => {
        const { tools } = safeOf(tenantId)
        const names = tools.get(toolId) ?? new Map()
        tools.set(toolId, names.set(name, { value, createdAt }))
      }),

    list: (tenantId) =>
      Effect.sync(() =>
        [...safeOf(tenantId).tools].flatMap(([toolId, names]) =>
          [...names].map(([name, { createdAt }]) => ({ toolId, name, createdAt }))
        ).sort((a, b) => compare(a.toolId, b.toolId) || compare(a.name, b.name))
      ),

    tools: (tenantId) => Effect.sync(() => [...safeOf(tenantId).tools].map(([toolId]) => toolId).sort(compare)),

    remove: (tenantId, toolId, name) =>
      Effect.sync(() => {
        const { tools } = safeOf(tenantId)
        const names = tools.get(toolId)
        const isRemoved = names?.delete(name) ?? false
        if (names?.size === 0) tools.delete(toolId)
        return isRemoved
      }),

    open: (tenantId, toolId, { actionId, agentId }) =>
      Effect.map(DateTime.now, (accessedAt) => {
        const { tools, uses } = safeOf(tenantId)
        const names = [...tools.get(toolId) ?? []]
        for (const [name] of names) uses.push({ toolId, name, actionId, agentId, accessedAt })
        uses.splice(0, uses.length - logLimit)
        return new Map(names.map(([name, { value }]) => [name, value]))
      }),

    accessLog: (tenantId) => Effect.sync(() => safeOf(tenantId).uses.toReversed())
  })
})

const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0
