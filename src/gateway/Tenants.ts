/**
 * The tenants of a gateway: who may call, under which template, with which switches.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { CurrentTenant } from "../api/ApiKey.ts"

/**
 * What a gateway does when something behind it is away.
 *
 * @category models
 * @since 0.1.0
 */
export type FailureMode = "fail_closed" | "fail_open" | "fail_to_queue"

/**
 * A tenant of an embedded gateway. Only `id` and `apiKey` are required.
 *
 * @category models
 * @since 0.1.0
 */
export interface TenantOptions {
  readonly id: string
  readonly apiKey: string | Redacted.Redacted
  readonly name?: string | undefined
  /** Where its public dashboard is found. At most one tenant has it. */
  readonly slug?: string | undefined
  readonly publicDashboard?: boolean | undefined
  /** `general` (default), `financial`, `email`, `crm` or `data_access`. */
  readonly policyTemplate?: string | undefined
  /** Overrides parameters of the template one by one. */
  readonly policyConfig?: Readonly<Record<string, unknown>> | undefined
  /** What to do while the policy engine is away. Default: `fail_closed`. */
  readonly opaFailure?: FailureMode | undefined
  /** Pairs `tool/method` that are allowed where a human would be asked. */
  readonly autoApproveTools?: ReadonlyArray<string> | undefined
  /** Calls in any sliding second. Default: 20. */
  readonly burst?: number | undefined
}

/**
 * A tenant with its defaults filled in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tenant {
  readonly id: string
  readonly name: string
  readonly apiKey: Redacted.Redacted
  readonly slug: string | null
  readonly publicDashboard: boolean
  readonly policyTemplate: string
  readonly policyConfig: Readonly<Record<string, unknown>>
  readonly opaFailure: FailureMode
  readonly autoApproveTools: ReadonlyArray<string>
  readonly burst: number
}

/**
 * The register of tenants.
 *
 * @category services
 * @since 0.1.0
 */
export class Tenants extends Context.Service<Tenants, {
  readonly byKey: (apiKey: Redacted.Redacted) => Effect.Effect<Tenant | undefined>
  readonly byId: (id: string) => Effect.Effect<Tenant | undefined>
  /** Every tenant, oldest first. */
  readonly all: Effect.Effect<ReadonlyArray<Tenant>>
  /** The tenant of the request at hand. */
  readonly current: Effect.Effect<Tenant, never, CurrentTenant>
  /** Changes a tenant, or adds one. */
  readonly put: (tenant: TenantOptions) => Effect.Effect<Tenant>
}>()("effect-vargate/gateway/Tenants") {}

const fill = (options: TenantOptions): Tenant => ({
  id: options.id,
  name: options.name ?? options.id,
  apiKey: Redacted.isRedacted(options.apiKey) ? options.apiKey : Redacted.make(options.apiKey),
  slug: options.slug ?? null,
  publicDashboard: options.publicDashboard ?? false,
  policyTemplate: options.policyTemplate ?? "general",
  policyConfig: options.policyConfig ?? {},
  opaFailure: options.opaFailure ?? "fail_closed",
  autoApproveTools: options.autoApproveTools ?? [],
  burst: options.burst ?? 20
})

/**
 * Tenants in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (initial: ReadonlyArray<TenantOptions>): Layer.Layer<Tenants> =>
  Layer.sync(Tenants, () => {
    const tenants = new Map(initial.map((options) => [options.id, fill(options)]))
    return Tenants.of({
      byKey: (apiKey) =>
        Effect.sync(() =>
          [...tenants.values()].find((tenant) => Redacted.value(tenant.apiKey) === Redacted.value(apiKey))
        ),
      byId: (id) => Effect.sync(() => tenants.get(id)),
      all: Effect.sync(() => [...tenants.values()]),
      // Only a key of a registered tenant gets this far, and tenants are never removed.
      current: Effect.map(CurrentTenant, ({ id }) => tenants.get(id)!),
      put: (options) =>
        Effect.sync(() => {
          const tenant = fill(options)
          tenants.set(tenant.id, tenant)
          return tenant
        })
    })
  })
