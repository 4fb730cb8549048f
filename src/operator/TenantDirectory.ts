/**
 * The tenants of a gateway, for those who run it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { checkObject } from "../errors/internal/checkInput.ts"
import type { OperationError } from "../errors/VargateError.ts"
import { withoutUndefined } from "../internal/withoutUndefined.ts"
import * as Transport from "../transport/Transport.ts"
import type { NewTenant, TenantEntry } from "./TenantEntry.ts"
import { TenantsApi } from "./wire/TenantsApi.ts"

/**
 * A tenant to make.
 *
 * @category models
 * @since 0.1.0
 */
export interface TenantRequest {
  readonly tenantId: string
  readonly name: string
  /** Calls a second, for the record. Default: 10. */
  readonly rateLimit?: number | undefined
  /** Calls in any sliding second. Default: 20. */
  readonly burst?: number | undefined
}

/**
 * Makes and lists tenants.
 *
 * **Gotchas**
 *
 * On the measured gateway every tenant sees, and makes, all others. An embedded one shows those of the same account.
 *
 * @category services
 * @since 0.1.0
 */
export class TenantDirectory extends Context.Service<TenantDirectory, {
  /**
   * POST /tenants. Fails with `Conflict` when there is one of this id. Its key is shown this once, so should the answer
   * be lost, there is a tenant whose key is not known to any client.
   */
  readonly create: (tenant: TenantRequest) => Effect.Effect<NewTenant, OperationError>
  /** GET /tenants */
  readonly list: Effect.Effect<ReadonlyArray<TenantEntry>, OperationError>
  /** GET /tenants/{tenant_id}. Fails with `NotFound` when there is none. */
  readonly get: (tenantId: string) => Effect.Effect<TenantEntry, OperationError>
}>()("effect-vargate/TenantDirectory") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const client = transport.client(TenantsApi)

  const create = Effect.fn("TenantDirectory.create")(function*(tenant: TenantRequest) {
    const { burst, name, rateLimit, tenantId } = yield* checkObject("TenantDirectory.create", tenant)
    return yield* transport.request(
      { name: "TenantDirectory.create", sideEffect: "possible", isAnswerSecret: true },
      client.tenants.create({
        payload: {
          tenant_id: tenantId,
          name,
          ...withoutUndefined({ rate_limit_rps: rateLimit, rate_limit_burst: burst })
        }
      })
    )
  })

  const list = transport.request(
    { name: "TenantDirectory.list", sideEffect: "none" },
    client.tenants.list({})
  ).pipe(Effect.map(({ tenants }) => tenants), Effect.withSpan("TenantDirectory.list"))

  const get = Effect.fn("TenantDirectory.get")((tenantId: string) =>
    transport.request(
      { name: "TenantDirectory.get", sideEffect: "none" },
      client.tenants.get({ params: { tenant_id: tenantId } })
    )
  )

  return TenantDirectory.of({ create, list, get })
})

/**
 * The service over a transport. Built anew wherever it is provided, so that it always acts for the nearest transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<TenantDirectory, never, Transport.Transport> = Layer.fresh(
  Layer.effect(TenantDirectory, make)
)
