/** What a gateway refuses to start with, and the hours that it keeps. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import type { VargateError } from "../../src/errors/VargateError.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import type { TenantOptions } from "../../src/gateway/tenants/Tenants.ts"
import * as Refusal from "../../src/governed/Refusal.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { folder } from "../support/folder.ts"

const acme = { id: "acme", apiKey: "acme-key" }

const issuesOf = <A>(layer: Layer.Layer<A, VargateError>) =>
  Effect.map(Effect.flip(Effect.scoped(Layer.build(layer))), ({ reason }) => {
    assert(reason._tag === "InvalidRequest")
    return reason.issues.map(({ message, path }) => `${path.join(".")}: ${message}`)
  })

const financial = "transactionLimit, currency, businessHoursOnly, approvalThreshold, dailyTransactionCap"
const templates = "general, financial, email, crm, data_access"

describe("the options of a gateway", () => {
  it.effect("name only templates that it has", () =>
    Effect.gen(function*() {
      // @ts-expect-error no such template
      const tenant: TenantOptions = { ...acme, policyTemplate: "finnancial" }
      const issue = "tenants.0.policyTemplate: \"finnancial\" is no template; known are " + templates +
        ". One of another engine is { custom: \"name\" }"
      assert.deepStrictEqual(yield* issuesOf(Gateway.layerMemory({ tenants: [tenant] })), [issue])
      assert.deepStrictEqual(yield* issuesOf(GatewayMemory.layer({ tenants: [tenant] })), [issue])
    }))

  it.effect("name only parameters that the template has", () =>
    Effect.gen(function*() {
      // @ts-expect-error no such parameter
      const misspelt: TenantOptions = { ...acme, policyTemplate: "financial", policyConfig: { transactionLimt: 5 } }
      const elsewhere: TenantOptions = { ...acme, policyTemplate: "financial", policyConfig: { allowDelete: false } }
      assert.deepStrictEqual(yield* issuesOf(GatewayMemory.layer({ tenants: [misspelt, elsewhere] })), [
        `tenants.0.policyConfig.transactionLimt: "transactionLimt" is no parameter of financial; known are ${financial}`,
        `tenants.1.policyConfig.allowDelete: "allowDelete" is no parameter of financial; known are ${financial}`
      ])
    }))

  it.effect("have no keys that it does not know", () =>
    Effect.gen(function*() {
      // @ts-expect-error no such option
      const tenant: TenantOptions = { ...acme, polcyTemplate: "financial" }
      // @ts-expect-error no such option
      const options: Gateway.Options = { tenant: acme }
      assert.match((yield* issuesOf(GatewayMemory.layer({ tenants: [tenant] }))).join(), /"polcyTemplate" is not known/)
      assert.match(
        (yield* issuesOf(GatewayMemory.layer(options))).join(),
        /^tenant: "tenant" is not known; known are tenants,/
      )
      const filename = `${yield* folder}/vargate.db`
      const onDisk = Gateway.layerSqlite({ filename, tenants: [tenant] }).pipe(
        Layer.catchTag("StorageError", (error) => Layer.effectDiscard(Effect.die(error)))
      )
      assert.match((yield* issuesOf(onDisk)).join(), /tenants\.0\.polcyTemplate/)
    }))

  it.effect("are refused for a tenant that is put later", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      // @ts-expect-error no such template
      const error = yield* Effect.flip(gateway.putTenant({ ...acme, policyTemplate: "finnancial" }))
      assert.include(error.message, `known are ${templates}`)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("tune a template in either spelling of a parameter", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      const spelt = { approval_threshold: 10 }
      for (const policyConfig of [{ approvalThreshold: 10 }, spelt as object]) {
        yield* gateway.putTenant({ ...Gateway.localTenant, policyTemplate: "financial", policyConfig })
        const decision = yield* ToolCalls.decide({
          tool: "bank",
          method: "pay",
          params: { amount: 10 },
          allowDuplicate: true
        })
        assert.strictEqual(decision._tag, "PendingApproval")
      }
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("take any template and parameters of another engine", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      const config = { any_limit: 7, nestedToo: { a: 1 } }
      const tenant = yield* gateway.putTenant({ ...acme, policyTemplate: { custom: "lenient", config } })
      assert.deepInclude(tenant, { policyTemplate: "lenient", policyConfig: config })
    }).pipe(Effect.provide(GatewayMemory.layer({ tenants: [{ ...acme, policyTemplate: { custom: "lenient" } }] }))))
})

describe("business hours", () => {
  const pay = { tool: "bank", method: "pay", params: { amount: 150 } }
  const tenants = [{ ...acme, policyTemplate: "financial" }] as const

  it.effect("are those of weekdays, and a denial for them alone says when they are", () =>
    Effect.gen(function*() {
      const denied = yield* Effect.flip(ToolCalls.call(pay))
      assert.include(denied.message, "ask again within business hours, Monday to Friday, 9:00 to 18:00 UTC")
      // The test clock stands at midnight of a Thursday.
      assert.include(denied.message, "(the next begin at 1970-01-01T09:00:00.000Z)")
      for (
        const [at, opening] of [
          [Date.UTC(2026, 10, 26, 18), "2026-11-27T09:00:00.000Z"],
          [Date.UTC(2026, 10, 27, 18), "2026-11-30T09:00:00.000Z"],
          [Date.UTC(2026, 10, 28, 12), "2026-11-30T09:00:00.000Z"],
          [Date.UTC(2026, 10, 29, 8, 59), "2026-11-30T09:00:00.000Z"]
        ] as const
      ) {
        yield* TestClock.setTime(at)
        const later = yield* Effect.flip(ToolCalls.call(pay))
        assert(later._tag === "Denied" && later.opensAt !== undefined)
        assert.strictEqual(DateTime.formatIso(later.opensAt), opening)
        assert.include(Refusal.reasonOf(later), `from ${opening} on`)
      }
      // A call that says so of itself does not pass at any time.
      const own = yield* Effect.flip(ToolCalls.call({ ...pay, isBusinessHours: false }))
      assert(own._tag === "Denied" && own.opensAt === undefined)
      yield* TestClock.setTime(0)
      const twice = yield* Effect.flip(ToolCalls.call({ ...pay, params: { amount: 9000 } }))
      assert.notInclude(twice.message, "business hours, Monday")
      yield* TestClock.setTime(Date.UTC(2026, 10, 23, 9))
      assert.strictEqual((yield* ToolCalls.decide(pay))._tag, "Allowed")
    }).pipe(Effect.provide(GatewayMemory.layer({ tenants }))))

  it.effect("are always where that is wanted, unless a call says otherwise of itself", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* ToolCalls.decide(pay))._tag, "Allowed")
      assert.strictEqual((yield* ToolCalls.decide({ ...pay, isBusinessHours: false }))._tag, "Denied")
    }).pipe(Effect.provide(GatewayMemory.layer({ tenants, businessHours: "always" }))))
})
