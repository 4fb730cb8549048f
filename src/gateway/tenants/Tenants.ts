/**
 * The tenants of a gateway: who may call, under which template, with which switches.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { renameKeys, toSnakeCase } from "../../internal/casing.ts"
import type { KeyScope } from "../../model/KeyScope.ts"
import type * as Parameters from "../../model/PolicyTemplate.ts"
import type { PolicyChoice } from "../../model/PolicyTemplate.ts"
import { CurrentTenant } from "../../transport/wire/ApiKey.ts"

/**
 * What a gateway does when something behind it is away.
 *
 * @category models
 * @since 0.1.0
 */
export type FailureMode = "fail_closed" | "fail_open" | "fail_to_queue"

/**
 * What an operator vouches for about an agent. Policies find it in the decision document; a caller cannot send it.
 *
 * **Gotchas**
 *
 * A caller with the tenant's key chooses its agent's name. Where agents of one tenant must not pass for each other,
 * give each a tenant of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentRegistration {
  /** `agent.roles` */
  readonly roles?: ReadonlyArray<string> | undefined
  /** `agent.jurisdiction`, such as `EU`. */
  readonly jurisdiction?: string | undefined
  /** `agent.deployment`, such as `bridge`. */
  readonly deployment?: string | undefined
  /** `agent.enclave_verified` */
  readonly enclaveVerified?: boolean | undefined
  /** `history.flagged`, which is also true while the anomaly score is above the threshold. */
  readonly flagged?: boolean | undefined
}

/**
 * What an operator says about the data of a tenant. Policies find it in the decision document.
 *
 * @category models
 * @since 0.1.0
 */
export interface DataHandling {
  /** `data.classification`, such as `internal`. */
  readonly classification?: string | undefined
  /** `data.residency_required`, such as `EU`. */
  readonly residencyRequired?: string | undefined
  /** `data.destination`, by tool. */
  readonly destinations?: Readonly<Record<string, { readonly type: string; readonly approved: boolean }>> | undefined
}

/**
 * A key for some scopes, to be made. Its name tells the keys of a tenant apart.
 *
 * @category options
 * @since 0.1.0
 */
export interface ScopedKeyOptions {
  readonly name: string
  readonly scopes: ReadonlyArray<KeyScope>
  readonly apiKey: string | Redacted.Redacted
}

/**
 * The templates that the embedded gateway has built in.
 *
 * @category models
 * @since 0.1.0
 */
export type TemplateName = PolicyChoice["template"]

/**
 * A template that another engine knows, such as an OPA server, with parameters in its own spelling. The built-in engine
 * judges by `general` then.
 *
 * @category models
 * @since 0.1.0
 */
export interface CustomTemplate {
  readonly custom: string
  readonly config?: Readonly<Record<string, unknown>> | undefined
}

/**
 * The parameters of all templates, as in the settings of a tenant (`Tenant.plan`).
 *
 * @category models
 * @since 0.1.0
 */
export interface TemplateParameters
  extends GeneralParameters, FinancialParameters, EmailParameters, CrmParameters, DataAccessParameters
{}

type GeneralParameters = typeof Parameters.GeneralParameters.Type
type FinancialParameters = typeof Parameters.FinancialParameters.Type
type EmailParameters = typeof Parameters.EmailParameters.Type
type CrmParameters = typeof Parameters.CrmParameters.Type
type DataAccessParameters = typeof Parameters.DataAccessParameters.Type

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
  /** The address of the user who signed up. At most one tenant has it. */
  readonly email?: string | undefined
  /** Whose tenant it is on GitHub: sessions switch between the tenants of one account. */
  readonly githubLogin?: string | undefined
  /** Where its public dashboard is found. At most one tenant has it. */
  readonly slug?: string | undefined
  readonly publicDashboard?: boolean | undefined
  /** Default: `polygon`. */
  readonly anchorChain?: string | undefined
  /** Default: `general`. */
  readonly policyTemplate?: TemplateName | CustomTemplate | undefined
  /**
   * Overrides parameters of the template one by one, such as `{ transactionLimit: 2000 }`. A gateway does not start with one
   * that its template does not have; a value of another type than the default is ignored.
   */
  readonly policyConfig?: TemplateParameters | undefined
  /** What to do while the policy engine is away. Default: `fail_closed`. */
  readonly opaFailure?: FailureMode | undefined
  /** What to do while the counters are away. Default: `fail_open`. Kept, but nothing here can be away. */
  readonly redisFailure?: FailureMode | undefined
  /** What to do while the chain is away. Default: `fail_open`. Kept, but nothing here can be away. */
  readonly blockchainFailure?: FailureMode | undefined
  /** Pairs `tool/method` that are allowed although they would need an approval. */
  readonly autoApproveTools?: ReadonlyArray<string> | undefined
  /** Where events are sent to. Default: nowhere. */
  readonly webhookUrl?: string | undefined
  /** What events are signed with. */
  readonly webhookSecret?: string | Redacted.Redacted | undefined
  /** Which events are sent. Default: none. */
  readonly webhookEvents?: ReadonlyArray<string> | undefined
  /** Keys that may do less than `apiKey`, which has every scope. Default: none but those that were made before. */
  readonly keys?: ReadonlyArray<ScopedKeyOptions> | undefined
  /** Calls in any sliding second. Default: 20. */
  readonly burst?: number | undefined
  /** What is true of every agent of the tenant. Default: nothing is known. */
  readonly agentDefaults?: AgentRegistration | undefined
  /** What is true of single agents by id, field by field in the place of the defaults. */
  readonly agents?: Readonly<Record<string, AgentRegistration>> | undefined
  /** Default: nothing is known. */
  readonly dataHandling?: DataHandling | undefined
}

/**
 * A tenant with its defaults filled in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tenant {
  readonly id: string
  readonly apiKey: Redacted.Redacted
  readonly createdAt: DateTime.Utc
  readonly name: string
  readonly email: string | null
  readonly githubLogin: string | null
  readonly slug: string | null
  readonly publicDashboard: boolean
  readonly anchorChain: string
  readonly policyTemplate: string
  readonly policyConfig: Readonly<Record<string, unknown>>
  readonly opaFailure: FailureMode
  readonly redisFailure: FailureMode
  readonly blockchainFailure: FailureMode
  readonly autoApproveTools: ReadonlyArray<string>
  readonly webhookUrl: string | null
  /** Stays when the URL is removed: a URL that is set again is signed for as before. */
  readonly webhookSecret: Redacted.Redacted | null
  readonly webhookEvents: ReadonlyArray<string>
  readonly burst: number
  readonly agentDefaults?: AgentRegistration
  readonly agents?: Readonly<Record<string, AgentRegistration>>
  readonly dataHandling?: DataHandling
}

/**
 * What can be changed of a tenant by {@link Tenants}' `update`. The key has a way of its own, and what tenants are found
 * by never changes.
 *
 * @category models
 * @since 0.1.0
 */
export type TenantChanges = Partial<
  Omit<Tenant, "id" | "apiKey" | "createdAt" | "email" | "githubLogin" | "slug">
>

/**
 * The register of tenants. Every method is atomic. Tenants are never removed.
 *
 * @category services
 * @since 0.1.0
 */
export class Tenants extends Context.Service<Tenants, {
  readonly byKey: (apiKey: Redacted.Redacted) => Effect.Effect<Tenant | undefined>
  readonly byId: (id: string) => Effect.Effect<Tenant | undefined>
  /** Every tenant, oldest first. */
  readonly all: Effect.Effect<ReadonlyArray<Tenant>>
  /** How many there are. */
  readonly count: Effect.Effect<number>
  /** The tenant with an e-mail address. */
  readonly byEmail: (email: string) => Effect.Effect<Tenant | undefined>
  /** The tenant of the request at hand. */
  readonly current: Effect.Effect<Tenant, never, CurrentTenant>
  /**
   * Puts a tenant in the place of the one with its id, or adds it. What the options do not name gets its default, except
   * for the time of creation and the webhook's secret.
   */
  readonly put: (tenant: TenantOptions) => Effect.Effect<Tenant>
  /** Adds a tenant. Undefined where its id, key, e-mail address or slug is taken: of two, only one wins. */
  readonly add: (tenant: TenantOptions) => Effect.Effect<Tenant | undefined>
  /** Changes a tenant by what it is at that moment. Undefined where there is none of this id. */
  readonly update: (id: string, change: (tenant: Tenant) => TenantChanges) => Effect.Effect<Tenant | undefined>
  /**
   * Puts one key in the place of another, which opens nothing from then on. False where the tenant's key is not `from`
   * (any more): of two rotations with the same old key, only one wins.
   */
  readonly rotateKey: (id: string, from: Redacted.Redacted, to: Redacted.Redacted) => Effect.Effect<boolean>
  /** Another number after every change: until then, what was looked up need not be looked up again. */
  readonly revision: () => number
}>()("effect-vargate/gateway/Tenants") {}

const redacted = (secret: string | Redacted.Redacted): Redacted.Redacted =>
  Redacted.isRedacted(secret) ? secret : Redacted.make(secret)

/**
 * What options register of agents and data, without what they leave out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const registrationOf = (
  { agentDefaults, agents, dataHandling }: Pick<TenantOptions, "agentDefaults" | "agents" | "dataHandling">
): Pick<Tenant, "agentDefaults" | "agents" | "dataHandling"> => ({
  ...(agentDefaults === undefined ? {} : { agentDefaults }),
  ...(agents === undefined ? {} : { agents }),
  ...(dataHandling === undefined ? {} : { dataHandling })
})

const policyOf = ({ policyConfig = {}, policyTemplate = "general" }: TenantOptions) =>
  typeof policyTemplate === "string"
    ? { policyTemplate, policyConfig: renameKeys({ ...policyConfig }, toSnakeCase) }
    : { policyTemplate: policyTemplate.custom, policyConfig: policyTemplate.config ?? {} }

/**
 * Fills the defaults in.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fill = (options: TenantOptions, createdAt: DateTime.Utc): Tenant => ({
  id: options.id,
  apiKey: redacted(options.apiKey),
  createdAt,
  name: options.name ?? options.id,
  email: options.email ?? null,
  githubLogin: options.githubLogin ?? null,
  slug: options.slug ?? null,
  publicDashboard: options.publicDashboard ?? false,
  anchorChain: options.anchorChain ?? "polygon",
  ...policyOf(options),
  opaFailure: options.opaFailure ?? "fail_closed",
  redisFailure: options.redisFailure ?? "fail_open",
  blockchainFailure: options.blockchainFailure ?? "fail_open",
  autoApproveTools: options.autoApproveTools ?? [],
  webhookUrl: options.webhookUrl ?? null,
  webhookSecret: options.webhookSecret === undefined ? null : redacted(options.webhookSecret),
  webhookEvents: options.webhookEvents ?? [],
  burst: options.burst ?? 20,
  ...registrationOf(options)
})

/**
 * Whether two tenants are one, or belong to the same account on GitHub.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOfOnePerson = (tenant: Tenant, other: Tenant): boolean =>
  tenant.id === other.id || (tenant.githubLogin !== null && tenant.githubLogin === other.githubLogin)

/**
 * The calls a second that a gateway reports, which are not what it enforces.
 *
 * @category constants
 * @since 0.1.0
 */
export const reportedRate = 10

const isSame = (a: Redacted.Redacted, b: Redacted.Redacted) => Redacted.value(a) === Redacted.value(b)

/** Whether two tenants cannot both be. */
const collide = (a: Tenant, b: Tenant): boolean =>
  a.id === b.id || isSame(a.apiKey, b.apiKey) ||
  (a.email !== null && a.email === b.email) || (a.slug !== null && a.slug === b.slug)

const make = Effect.fnUntraced(function*(initial: ReadonlyArray<TenantOptions>) {
  const startedAt = yield* DateTime.now
  const tenants = new Map(initial.map((options) => [options.id, fill(options, startedAt)]))
  let revision = 0
  const store = (tenant: Tenant): Tenant => {
    tenants.set(tenant.id, tenant)
    revision++
    return tenant
  }

  return Tenants.of({
    revision: () => revision,
    byKey: (apiKey) => Effect.sync(() => [...tenants.values()].find((tenant) => isSame(tenant.apiKey, apiKey))),
    byId: (id) => Effect.sync(() => tenants.get(id)),
    all: Effect.sync(() => [...tenants.values()]),
    count: Effect.sync(() => tenants.size),
    byEmail: (email) => Effect.sync(() => [...tenants.values()].find((tenant) => tenant.email === email)),
    // Only a key of a registered tenant gets this far, and tenants are never removed.
    current: Effect.map(CurrentTenant, ({ id }) => tenants.get(id)!),

    put: (options) =>
      Effect.map(DateTime.now, (now) => {
        const before = tenants.get(options.id)
        const tenant = fill(options, before?.createdAt ?? now)
        return store({ ...tenant, webhookSecret: tenant.webhookSecret ?? before?.webhookSecret ?? null })
      }),

    add: (options) =>
      Effect.map(DateTime.now, (now) => {
        const tenant = fill(options, now)
        return [...tenants.values()].some((other) => collide(tenant, other)) ? undefined : store(tenant)
      }),

    update: (id, change) =>
      Effect.sync(() => {
        const tenant = tenants.get(id)
        return tenant === undefined ? undefined : store({ ...tenant, ...change(tenant) })
      }),

    rotateKey: (id, from, to) =>
      Effect.sync(() => {
        const tenant = tenants.get(id)
        if (tenant === undefined || !isSame(tenant.apiKey, from)) return false
        store({ ...tenant, apiKey: to })
        return true
      })
  })
})

/**
 * Tenants in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (initial: ReadonlyArray<TenantOptions>): Layer.Layer<Tenants> =>
  Layer.effect(Tenants, make(initial))
