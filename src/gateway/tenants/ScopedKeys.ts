/**
 * Keys that may do less than a tenant's first one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { KeyScope } from "../../model/KeyScope.ts"
import { hashOfKey } from "./internal/apiKeys.ts"
import type { ScopedKeyOptions, TenantOptions } from "./Tenants.ts"

/**
 * A key as it is kept: without the key.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScopedKey {
  readonly tenantId: string
  /** Tells the keys of a tenant apart. */
  readonly name: string
  readonly scopes: ReadonlyArray<KeyScope>
  /** SHA-256, in hexadecimal digits. */
  readonly hash: string
  readonly createdAt: DateTime.Utc
}

/**
 * The scoped keys of all tenants. Every method is atomic.
 *
 * @category services
 * @since 0.1.0
 */
export class ScopedKeys extends Context.Service<ScopedKeys, {
  /** Puts a key in the place of the one with its name, which opens nothing from then on. */
  readonly put: (tenantId: string, key: ScopedKeyOptions) => Effect.Effect<ScopedKey>
  readonly byKey: (apiKey: Redacted.Redacted) => Effect.Effect<ScopedKey | undefined>
  readonly byName: (tenantId: string, name: string) => Effect.Effect<ScopedKey | undefined>
  /** A tenant's keys by their names. */
  readonly list: (tenantId: string) => Effect.Effect<ReadonlyArray<ScopedKey>>
  /** False where there was none. */
  readonly remove: (tenantId: string, name: string) => Effect.Effect<boolean>
  /** Another number after every change: until then, what was looked up need not be looked up again. */
  readonly revision: () => number
}>()("effect-vargate/gateway/ScopedKeys") {}

/**
 * A key without the key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const seal = (
  tenantId: string,
  { apiKey, name, scopes }: ScopedKeyOptions,
  createdAt: DateTime.Utc
): ScopedKey => ({
  tenantId,
  name,
  scopes: [...new Set(scopes)],
  hash: hashOfKey(Redacted.isRedacted(apiKey) ? apiKey : Redacted.make(apiKey)),
  createdAt
})

/**
 * Puts the keys that tenants are given as options.
 *
 * @category constructors
 * @since 0.1.0
 */
export const putAll = (keys: ScopedKeys["Service"], tenants: ReadonlyArray<TenantOptions>) =>
  Effect.forEach(
    tenants.flatMap(({ id, keys = [] }) => keys.map((key) => [id, key] as const)),
    ([id, key]) => keys.put(id, key),
    { discard: true }
  )

/**
 * Keys in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (tenants: ReadonlyArray<TenantOptions>): Layer.Layer<ScopedKeys> =>
  Layer.effect(
    ScopedKeys,
    Effect.suspend(() => {
      const byHash = new Map<string, ScopedKey>()
      const named = (tenantId: string, name: string) =>
        [...byHash.values()].find((key) => key.tenantId === tenantId && key.name === name)
      let revision = 0
      const remove = (tenantId: string, name: string) => {
        revision++
        return byHash.delete(named(tenantId, name)?.hash ?? "")
      }
      const keys = ScopedKeys.of({
        revision: () => revision,
        put: (tenantId, options) =>
          Effect.map(DateTime.now, (now) => {
            const key = seal(tenantId, options, now)
            remove(tenantId, key.name)
            byHash.set(key.hash, key)
            return key
          }),
        byKey: (apiKey) => Effect.sync(() => byHash.get(hashOfKey(apiKey))),
        byName: (tenantId, name) => Effect.sync(() => named(tenantId, name)),
        list: (tenantId) =>
          Effect.sync(() =>
            [...byHash.values()].filter((key) => key.tenantId === tenantId).sort((a, b) => a.name < b.name ? -1 : 1)
          ),
        remove: (tenantId, name) => Effect.sync(() => remove(tenantId, name))
      })
      return Effect.as(putAll(keys, tenants), keys)
    })
  )
