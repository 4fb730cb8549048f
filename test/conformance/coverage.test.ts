import { assert, describe, it } from "@effect/vitest"
import { hasCaptures, index, reason, routes } from "./captures.ts"

const counts = {
  "POST /mcp/tools/call": 80,
  "GET /audit/log": 25,
  "GET /audit/verify": 14,
  "POST /audit/replay": 17,
  "GET /audit/merkle/roots": 9,
  "GET /audit/merkle/proof/{hash}": 33,
  "GET /approvals": 12,
  "GET /approvals/history": 5,
  "POST /approve/{id}": 19,
  "POST /reject/{id}": 7,
  "GET /health": 2,
  "GET /dashboard/me": 9,
  "PATCH /dashboard/settings": 29,
  "POST /webhooks/test": 6,
  "POST /tenants": 3,
  "GET /tenants": 1,
  "GET /tenants/{tenant_id}": 2,
  "GET /policy/templates": 1,
  "GET /policy/rules": 4,
  "GET /bundles/vargate/status": 2,
  "POST /credentials/register": 4,
  "GET /credentials": 4,
  "GET /credentials/{tool_id}/status": 2,
  "DELETE /credentials/{tool_id}/{name}": 3,
  "GET /credentials/access-log": 1,
  "POST /auth/session": 3,
  "POST /api-keys/rotate": 3,
  "GET /auth/my-tenants": 1,
  "POST /auth/switch-tenant": 2,
  "POST /auth/signup": 6,
  "GET /auth/verify-email": 4
}

/** Routes that begin like ours and are others. */
const others = new Set([
  "GET /mcp/tools/call",
  "OPTIONS /mcp/tools/call",
  "POST /audit/replay-bulk",
  // Not there, although the guide has them; and a redirect for browsers.
  "POST /auth/login",
  "GET /auth/me",
  "GET /auth/github"
])

const groups = [
  "mcp/tools/",
  "audit/(?:log|verify|replay|merkle/(?:roots|proof))",
  "appro",
  "reject",
  "health",
  "dashboard/(?:me|settings)",
  "webhooks/",
  "tenants",
  "policy/",
  "bundles/",
  "credentials",
  "auth/",
  "api-keys/"
]

const isOurs = (method: string, path: string) =>
  new RegExp(`^/(?:${groups.join("|")})`).test(path) && !others.has(`${method} ${path}`)

describe.skipIf(!hasCaptures)(`captures (${reason})`, () => {
  it.each(Object.entries(routes))("%s has all its cases", (route, captures) => {
    assert.strictEqual(captures.length, Reflect.get(counts, route))
  })

  it("no case of these routes is left out", () => {
    const read = new Set(Object.values(routes).flat().map(({ file }) => file))
    const listed = index.filter(({ method, path }) => isOurs(method, path)).map(({ file }) => file)
    assert.deepStrictEqual([...read].sort(), listed.sort())
  })
})
