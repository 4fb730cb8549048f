import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { TenantDirectory, type VargateError } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { answering } from "../support/operations.ts"

const directory = <A, E>(use: (directory: TenantDirectory.TenantDirectory["Service"]) => Effect.Effect<A, E>) =>
  TenantDirectory.TenantDirectory.use(use)

const reasonOf = <A, R>(effect: Effect.Effect<A, VargateError.OperationError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert(error._tag === "VargateError", error._tag)
    return error.reason
  })

describe("TenantDirectory", () => {
  it.effect("makes a tenant once, and shows its key this once", () =>
    Effect.gen(function*() {
      const made = yield* directory(({ create }) => create({ tenantId: "shop", name: "Shop", burst: 40 }))
      const key = Redacted.value(made.apiKey)
      assert.isAbove(key.length, 8)
      assert.notInclude(JSON.stringify(made), key)
      assert.deepInclude(yield* directory(({ get }) => get("shop")), { tenantId: "shop", name: "Shop", burst: 40 })
      const listed = yield* directory(({ list }) => list)
      assert.include(listed.map(({ tenantId }) => tenantId), "shop")
      assert.notInclude(JSON.stringify(listed), key)
      const again = yield* reasonOf(directory(({ create }) => create({ tenantId: "shop", name: "Shop" })))
      assert.strictEqual(again._tag, "Conflict")
    }).pipe(Effect.provide(GatewayMemory.layer({ tenants: [{ id: "acme", apiKey: "test-key", githubLogin: "ann" }] }))))

  it.effect("knows no tenant that is not there", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* reasonOf(directory(({ get }) => get("absent"))))._tag, "NotFound")
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("keeps the new key out of the error for an answer that cannot be read", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(directory(({ create }) => create({ tenantId: "shop", name: "Shop" })))
      assert.deepInclude(error, { _tag: "VargateError", sideEffect: "possible" })
      assert.notInclude(`${error.message}${JSON.stringify(error)}`, "vg-new-secret-key")
    }).pipe(Effect.provide(answering(ScriptedTransport.json(200, { tenant: "shop", api_key: "vg-new-secret-key" })))))
})
