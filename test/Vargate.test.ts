import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Approvals, AuditLog, Tenant, ToolCalls, Transport, Vargate } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const tenants = [{ id: "acme", apiKey: "acme-key" }, { id: "globex", apiKey: "globex-key" }]
const tenant = Effect.flatMap(AuditLog.AuditLog, ({ page }) => page()).pipe(Effect.map(({ tenantId }) => tenantId))
const operated = Tenant.Tenant.use(({ me }) => me).pipe(Effect.map(({ tenantId }) => tenantId))

it.effect("a front door inside another acts for its own tenant", () =>
  Effect.gen(function*() {
    assert.strictEqual(yield* tenant, "acme")
    assert.strictEqual(yield* Effect.provide(tenant, Vargate.layer({ apiKey: "globex-key" })), "globex")
    assert.strictEqual(yield* tenant, "acme")
  }).pipe(Effect.provide(GatewayMemory.layer({ tenants }))))

it.effect("so does one of operators", () =>
  Effect.gen(function*() {
    const inner = Vargate.layerOperator({ apiKey: "globex-key" })
    assert.deepStrictEqual(yield* Effect.provide(Effect.all([tenant, operated]), inner), ["globex", "globex"])
    assert.deepStrictEqual(yield* Effect.all([tenant, operated]), ["acme", "acme"])
  }).pipe(Effect.provide(GatewayMemory.layer({ tenants }))))

it.effect("so does one of named services, which is over one transport", () =>
  Effect.gen(function*() {
    const transport = Transport.layer({ apiKey: "globex-key" })
    const inner = Vargate.layerOf(transport, AuditLog.layer, Approvals.layer)
    assert.strictEqual(yield* tenant, "acme")
    const key = Transport.Transport.use(({ key }) => key)
    const [found, pending, own] = yield* Effect.all([tenant, Approvals.Approvals.use(({ pending }) => pending), key])
      .pipe(Effect.provide(inner))
    assert.strictEqual(found, "globex")
    assert.deepStrictEqual(pending.pending, [])
    assert.strictEqual(Redacted.value(own), "globex-key")
    assert.strictEqual(yield* tenant, "acme")
  }).pipe(Effect.provide(GatewayMemory.layer({ tenants }))))

it.effect("a gateway inside another has a ledger of its own", () =>
  Effect.gen(function*() {
    yield* ToolCalls.call({ tool: "http", method: "GET" })
    const inner = yield* Effect.provide(
      Effect.andThen(
        ToolCalls.call({ tool: "http", method: "GET" }),
        GatewayMemory.GatewayMemory.use(({ records }) => records())
      ),
      GatewayMemory.layer()
    )
    assert.strictEqual(inner.length, 1)
  }).pipe(Effect.provide(GatewayMemory.layer())))
