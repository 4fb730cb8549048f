/**
 * Who sends a request, by its API key.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { KeyScope } from "../../model/KeyScope.ts"
import type { CurrentTenant } from "../../transport/wire/ApiKey.ts"
import { hashOfKey, hashOfText } from "../tenants/internal/apiKeys.ts"
import { ScopedKeys } from "../tenants/ScopedKeys.ts"
import { type Tenant, Tenants } from "../tenants/Tenants.ts"

/**
 * A tenant, and what its key may do.
 *
 * @category models
 * @since 0.2.0
 */
export interface Caller {
  readonly tenant: Tenant
  readonly identity: CurrentTenant["Service"]
}

/**
 * Knows callers by their keys. Every request asks, so what was found is kept until a key or a tenant changes.
 *
 * @category services
 * @since 0.2.0
 */
export class Callers extends Context.Service<Callers, {
  /** Undefined for a key that opens nothing. */
  readonly byKey: (apiKey: string) => Effect.Effect<Caller | undefined>
  /** The hash of the key that has this name now; null names a tenant's first key. */
  readonly hashNow: (tenantId: string, name: string | null) => Effect.Effect<string | undefined>
  /** Another number after every change of a key or a tenant. */
  readonly revision: () => number
}>()("effect-vargate/gateway/Callers") {}

/** Of how many keys what was found is kept. */
const maxKnown = 2000

const make = Effect.gen(function*() {
  const tenants = yield* Tenants
  const scopedKeys = yield* ScopedKeys
  const revision = () => tenants.revision() + scopedKeys.revision()

  const hashNow = (tenantId: string, name: string | null) =>
    name === null
      ? Effect.map(tenants.byId(tenantId), (tenant) => tenant && hashOfKey(tenant.apiKey))
      : Effect.map(scopedKeys.byName(tenantId, name), (key) => key?.hash)

  const find = Effect.fnUntraced(function*(apiKey: Redacted.Redacted, hash: string) {
    const owner = yield* tenants.byKey(apiKey)
    const scoped = owner === undefined ? yield* scopedKeys.byKey(apiKey) : undefined
    const tenant = owner ?? (scoped === undefined ? undefined : yield* tenants.byId(scoped.tenantId))
    if (tenant === undefined) return undefined
    const { id } = tenant
    const name = scoped?.name ?? null
    return {
      tenant,
      identity: {
        id,
        apiKey,
        keyName: scoped?.name,
        scopes: scoped?.scopes ?? KeyScope.literals,
        bonds: [{ tenantId: id, name, hash }],
        isStillGood: Effect.map(hashNow(id, name), (now) => now === hash),
        keysRevision: revision
      }
    }
  })

  /** By the hashes of their keys. */
  const known = new Map<string, Caller>()
  let knownAt = revision()

  const byKey = (apiKey: string): Effect.Effect<Caller | undefined> =>
    Effect.suspend(() => {
      const before = revision()
      if (knownAt !== before || known.size >= maxKnown) {
        known.clear()
        knownAt = before
      }
      const hash = hashOfText(apiKey)
      const caller = known.get(hash)
      if (caller !== undefined) return Effect.succeed(caller)
      return Effect.map(find(Redacted.make(apiKey), hash), (found) => {
        // What was read while something changed may be of before.
        if (found !== undefined && before === revision() && before === knownAt) known.set(hash, found)
        return found
      })
    })

  return Callers.of({ byKey, hashNow, revision })
})

/**
 * Callers of the tenants in context.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Callers, never, Tenants | ScopedKeys> = Layer.effect(Callers, make)
