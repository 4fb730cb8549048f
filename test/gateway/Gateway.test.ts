import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { Reviews } from "../../src/approvals/Reviews.ts"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { gatewaySuite } from "./gatewaySuite.ts"
import { allowed, destructive, hold, log, newest } from "./suite/cases.ts"
import { acme, globex, inProcess } from "./suite/doors.ts"

// The other ways into the gateway: `Gateway.doors.slow.test.ts`.
gatewaySuite(inProcess)

describe("layerMemory", () => {
  it.effect("answers at any host, with or without /api", () =>
    Effect.gen(function*() {
      yield* ToolCalls.call(allowed)
      for (const base of ["https://vargate.ai/api", "http://localhost:8000", "https://example.com/api"]) {
        const response = yield* HttpClient.execute(
          HttpClientRequest.get(`${base}/audit/log?limit=0`, {
            headers: { "x-api-key": Gateway.localTenant.apiKey }
          })
        )
        assert.deepStrictEqual(yield* response.json, {
          records: [],
          count: 0,
          offset: 0,
          total: 1,
          tenant_id: Gateway.localTenant.id
        })
      }
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("carries a call out to its end although the caller has gone", () => {
    const started = Deferred.makeUnsafe<void>()
    const released = Deferred.makeUnsafe<void>()
    const tool = () => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(released))
    return Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      const caller = yield* Effect.forkChild(ToolCalls.call({ tool: "slow", method: "run" }), {
        startImmediately: true
      })
      yield* Deferred.await(started)
      yield* Fiber.interrupt(caller)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(caller)))
      assert.deepStrictEqual(yield* gateway.records(), [])
      yield* Deferred.succeed(released, undefined)
      const [record] = yield* Effect.repeat(Effect.andThen(Effect.yieldNow, gateway.records()), {
        until: (records) => records.length > 0,
        times: 100
      })
      assert.deepStrictEqual([record?.tool, record?.executionMode], ["slow", "vargate_brokered"])
    }).pipe(Effect.provide(GatewayMemory.layer({ tools: { "slow/run": tool } })))
  })
})

describe("serve", () => {
  // The hanging up must reach the server before the tool goes on, so this one waits for a real connection to close.
  it.live("carries a call out to its end although the caller has hung up", () => {
    const started = Deferred.makeUnsafe<void>()
    const closed = Deferred.makeUnsafe<void>()
    const released = Deferred.makeUnsafe<void>()
    const server = createServer()
    server.on("request", (_, response) => {
      response.once("close", () => Effect.runFork(Deferred.succeed(closed, undefined)))
    })
    const options = {
      tenants: [acme],
      tools: { "slow/run": () => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(released)) }
    }
    return Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const caller = HttpClient.execute(
        HttpClientRequest.post(`${HttpServer.formatAddress(address)}/mcp/tools/call`, {
          headers: { "x-api-key": acme.apiKey },
          body: HttpBody.jsonUnsafe({ agent_id: "a", tool: "slow", method: "run" })
        })
      )
      const fiber = yield* Effect.forkChild(caller, { startImmediately: true })
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(closed)
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* Deferred.succeed(released, undefined)
      const [record] = yield* Effect.repeat(
        Effect.andThen(Effect.yieldNow, Ledger.use((ledger) => ledger.records(acme.id))),
        { until: (records) => records.length > 0, times: 1000 }
      )
      assert.deepStrictEqual([record?.tool, record?.executionMode], ["slow", "vargate_brokered"])
    }).pipe(
      Effect.provide(
        Gateway.serve(options).pipe(
          Layer.provideMerge(Layer.mergeAll(
            Gateway.layerParts(options),
            NodeHttpServer.layer(() => server, { host: "127.0.0.1", port: 0 }),
            FetchHttpClient.layer
          ))
        )
      )
    )
  })
})

describe("GatewayMemory", () => {
  it.effect("takes the policy engine away and gives it back", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      yield* gateway.setOpaOutage(true)
      assert.strictEqual((yield* Effect.flip(ToolCalls.call(allowed)))._tag, "OpaUnavailable")
      yield* gateway.setOpaOutage(false)
      assert.strictEqual((yield* ToolCalls.call(allowed))._tag, "Allowed")
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("changes a tenant, whose services then obey", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      yield* gateway.putTenant({ ...acme, autoApproveTools: ["files/delete"] })
      assert.strictEqual((yield* ToolCalls.decide(destructive))._tag, "Allowed")
      const tenant = yield* gateway.putTenant({ ...acme, burst: 1 })
      assert.deepStrictEqual([tenant.name, tenant.policyTemplate, tenant.opaFailure], [
        "acme",
        "general",
        "fail_closed"
      ])
      assert.strictEqual((yield* Effect.flip(ToolCalls.call(allowed)))._tag, "RateLimited")
    }).pipe(Effect.provide(GatewayMemory.layer({ tenants: [acme] }))))

  it.effect("shows the records of every tenant, oldest first", () =>
    Effect.gen(function*() {
      const gateway = yield* GatewayMemory.GatewayMemory
      const first = yield* ToolCalls.call(allowed)
      const id = yield* hold()
      yield* Reviews.use((reviews) => reviews.reject(id))
      const records = yield* gateway.records()
      assert.deepStrictEqual(records.map(({ actionId }) => actionId), [first.actionId, id, `rejection-${id}`])
      assert.deepStrictEqual(yield* gateway.records(globex.id), [])
      assert.strictEqual((yield* newest).recordHash, records.at(-1)!.recordHash)
    }).pipe(Effect.provide(GatewayMemory.layer({ tenants: [acme, globex] }))))

  it.effect("is fresh for every test", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* log()).total, 0)
      assert.strictEqual((yield* log()).tenantId, Gateway.localTenant.id)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
