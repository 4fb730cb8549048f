/** Who gets in, and what is refused at the door. */
import { assert, describe } from "@effect/vitest"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { System } from "../../../src/operator/System.ts"
import { allowed, denied, forbidding, log, reasonOf } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, type Method, send, type Sent, wireCall } from "./doors.ts"

const routes = [
  ["POST", "/mcp/tools/call"],
  ["GET", "/approvals"],
  ["GET", "/approvals/history"],
  ["POST", "/approve/00000000-0000-4000-8000-000000000000"],
  ["POST", "/reject/00000000-0000-4000-8000-000000000000"],
  ["GET", "/audit/log"],
  ["GET", "/audit/verify"],
  ["POST", "/audit/replay"],
  ["GET", "/audit/merkle/roots"],
  ["GET", `/audit/merkle/proof/${"0".repeat(64)}`],
  ["GET", "/dashboard/me"],
  ["PATCH", "/dashboard/settings"],
  ["POST", "/webhooks/test"],
  ["GET", "/policy/templates"],
  ["GET", "/policy/rules"],
  ["GET", "/bundles/vargate/status"],
  ["POST", "/credentials/register"],
  ["GET", "/credentials"],
  ["GET", "/credentials/access-log"],
  ["GET", "/credentials/stripe/status"],
  ["DELETE", "/credentials/stripe/api_key"],
  ["POST", "/auth/session"],
  ["POST", "/api-keys/rotate"],
  ["GET", "/auth/my-tenants"],
  ["POST", "/tenants"],
  ["GET", "/tenants"],
  ["GET", "/tenants/acme"],
  ["POST", "/auth/switch-tenant"]
] as const

const bodyOf = (method: Method, path: string): Sent =>
  method === "GET" ? {} : { body: path === "/mcp/tools/call" ? wireCall() : {} }

export const access = (door: Door) => {
  const test = caseOf(door, { policy: forbidding })

  describe("keys", () => {
    const refused: Readonly<Record<string, readonly [Sent, string]>> = {
      "an unknown key": [{ key: "acme-kez" }, "Invalid API key"],
      "a longer key": [{ key: "acme-key2" }, "Invalid API key"],
      "no key": [{ key: null }, "Authentication required — provide Bearer token or X-API-Key"],
      "an empty key": [{ key: "" }, "Authentication required — provide Bearer token or X-API-Key"],
      "a key as Bearer": [
        { key: null, headers: { authorization: `Bearer ${acme.apiKey}` } },
        "Invalid or expired session token"
      ],
      "a bad Bearer beside a good key": [
        { headers: { authorization: "Bearer x.y.z" } },
        "Invalid or expired session token"
      ],
      "a Bearer in lower case": [
        { key: null, headers: { authorization: "bearer x.y.z" } },
        "Authentication required — provide Bearer token or X-API-Key"
      ],
      "a public tenant's name": [
        { key: null, headers: { "x-vargate-public-tenant": "acme" } },
        "Authentication required — provide Bearer token or X-API-Key"
      ],
      "a public tenant's name beside a wrong key": [
        { key: "wrong", headers: { "x-vargate-public-tenant": "acme" } },
        "Invalid API key"
      ]
    }

    for (const [name, [sent, detail]] of Object.entries(refused)) {
      test(`${name} opens no route, and nothing is recorded`, function*() {
        for (const [method, path] of routes) {
          const answer = yield* send(method, path, { ...bodyOf(method, path), ...sent })
          assert.strictEqual(answer.status, 401, path)
          assert.deepStrictEqual(JSON.parse(answer.text), { detail }, path)
        }
        assert.strictEqual((yield* log()).total, 0)
        assert.strictEqual((yield* as(globex)(log())).total, 0)
      })
    }

    test("a refused call does not count against the limit", function*() {
      yield* Tenants.use((tenants) => tenants.put({ ...acme, burst: 1 }))
      for (const key of ["wrong", null]) yield* send("POST", "/mcp/tools/call", { key, body: wireCall() })
      assert.strictEqual((yield* ToolCalls.decide(allowed))._tag, "Allowed")
    })

    test("the service fails with Unauthenticated", function*() {
      const error = yield* as({ id: "acme", apiKey: "wrong-key" })(reasonOf(log()))
      assert.strictEqual(error, "Unauthenticated: Invalid API key")
    })

    test("a key that was replaced is dead at once, and the log stays", function*() {
      yield* ToolCalls.call(allowed)
      yield* Tenants.use((tenants) => tenants.put({ ...acme, apiKey: "next-key" }))
      assert.match(yield* reasonOf(log()), /^Unauthenticated/)
      assert.strictEqual((yield* as({ id: "acme", apiKey: "next-key" })(log())).total, 1)
    })

    test("health needs no key", function*() {
      assert.strictEqual((yield* send("GET", "/health", { key: null })).status, 200)
      const health = yield* System.use((system) => system.health)
      assert.deepStrictEqual([health.status, health.service], ["ok", "effect-vargate"])
    })
  })

  describe("routes", () => {
    test("that do not exist are 404 with the gateway's own words", function*() {
      for (const [method, path] of [["GET", "/nothing"], ["POST", "/mcp/tools"], ["GET", "/audit/log/1"]] as const) {
        for (const key of [acme.apiKey, null]) {
          const answer = yield* send(method, path, { key })
          assert.strictEqual(answer.status, 404, path)
          assert.strictEqual(answer.text, `{"detail":"Not Found"}`)
          assert.include(answer.contentType, "application/json")
        }
      }
    })

    test("are described by an OpenAPI page", function*() {
      const answer = yield* send("GET", "/openapi.json", { key: null })
      assert.strictEqual(answer.status, 200)
      assert.include(Object.keys(JSON.parse(answer.text).paths), "/mcp/tools/call")
    })

    test("of a policy that denies answer to nobody but the caller", function*() {
      const decision = yield* as(globex)(ToolCalls.decide(denied))
      assert.strictEqual(decision._tag, "Denied")
      assert.strictEqual((yield* log()).total, 0)
    })
  })
}
