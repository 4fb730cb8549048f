/**
 * The embedded gateway for tests: every service over a gateway in memory, with its switches at hand. With a test clock,
 * expiry, hours and limits follow it.
 *
 * **Example** (What does my agent do while the policy engine is away?)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ToolCalls } from "effect-vargate"
 * import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
 *
 * const test = Effect.gen(function*() {
 *   const gateway = yield* GatewayMemory.GatewayMemory
 *   yield* gateway.setOpaOutage(true)
 *   return yield* Effect.flip(ToolCalls.call({ tool: "http", method: "GET" }))
 * }).pipe(Effect.provide(GatewayMemory.layer()))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import { AuditRecord } from "../audit/AuditRecord.ts"
import type { VargateError } from "../errors/VargateError.ts"
import * as Gateway from "../gateway/Gateway.ts"
import { genesis, hashRecord } from "../gateway/ledger/internal/chain.ts"
import { Ledger } from "../gateway/ledger/Ledger.ts"
import { PolicyOutage } from "../gateway/policy/PolicyOutage.ts"
import { checkTenant } from "../gateway/tenants/internal/checkOptions.ts"
import { type Tenant, type TenantOptions, Tenants } from "../gateway/tenants/Tenants.ts"
import * as Vargate from "../Vargate.ts"

/**
 * How to falsify a ledger.
 *
 * @category options
 * @since 0.1.0
 */
export interface TamperOptions {
  /** Receives the records, oldest first, and returns those that replace them. */
  readonly edit: (records: ReadonlyArray<AuditRecord>) => ReadonlyArray<AuditRecord>
  /**
   * Recomputes every link and hash afterwards, as a forger with access to the gateway would: then the gateway's own
   * verification finds nothing. Default: false.
   */
  readonly rehash?: boolean | undefined
  /** Default: the first tenant. */
  readonly tenantId?: string | undefined
}

/**
 * The handles of a gateway in memory.
 *
 * @category services
 * @since 0.1.0
 */
export class GatewayMemory extends Context.Service<GatewayMemory, {
  /** Makes the policy engine unavailable, or available again. */
  readonly setOpaOutage: (isOut: boolean) => Effect.Effect<void>
  /** Adds a tenant, or changes its key, template or switches. */
  readonly putTenant: (tenant: TenantOptions) => Effect.Effect<Tenant, VargateError>
  /** What the gateway really recorded, oldest first, past all interfaces. */
  readonly records: (tenantId?: string) => Effect.Effect<ReadonlyArray<AuditRecord>>
  /** Falsifies what was recorded, past all interfaces, to see who notices. */
  readonly tamperWithLedger: (options: TamperOptions) => Effect.Effect<void>
}>()("effect-vargate/testing/GatewayMemory") {}

/**
 * Every service, those of operators among them, over a fresh gateway in memory. They act for the first tenant.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Gateway.Options = {}
): Layer.Layer<GatewayMemory | Vargate.OperatorServices | HttpClient.HttpClient, VargateError> => {
  const tenant = options.tenants?.[0] ?? Gateway.localTenant
  const handles = Layer.effect(
    GatewayMemory,
    Effect.gen(function*() {
      const tenants = yield* Tenants
      const outage = yield* PolicyOutage
      const ledger = yield* Ledger
      return GatewayMemory.of({
        setOpaOutage: outage.set,
        putTenant: (tenant) => Effect.andThen(checkTenant("GatewayMemory.putTenant", tenant), tenants.put(tenant)),
        records: (tenantId = tenant.id) => ledger.records(tenantId),
        tamperWithLedger: ({ edit, rehash = false, tenantId = tenant.id }) =>
          Effect.flatMap(ledger.records(tenantId), (records) => {
            const edited = edit(records)
            return ledger.replaceRecords(tenantId, rehash ? rehashed(edited) : edited)
          })
      })
    })
  )
  return handles.pipe(
    Layer.provideMerge(Vargate.layerOperator({ apiKey: tenant.apiKey })),
    Layer.provideMerge(Gateway.layerMemory(options))
  )
}

const rehashed = (records: ReadonlyArray<AuditRecord>): ReadonlyArray<AuditRecord> => {
  let prevHash: string = genesis
  return records.map((record) => {
    const recordHash = hashRecord({ ...record, prevHash })
    const forged = new AuditRecord({ ...record, prevHash, recordHash })
    prevHash = recordHash
    return forged
  })
}
