import { assert, describe, it } from "@effect/vitest"
import { hasCaptures, index, reason, routes } from "./captures.ts"

const counts = {
  "POST /mcp/tools/call": 80,
  "POST /mcp/server": 31,
  "GET /mcp/server/health": 1,
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
  "GET /metrics": 1,
  "GET /transparency": 1,
  "GET /transparency/{tenant_id}": 3,
  "GET /dashboard/public/{slug}": 3,
  "GET /gtm/stats": 1,
  "POST /backup/trigger": 1,
  "GET /agents/{id}/anomaly_score": 1,
  "DELETE /agents/{id}/history": 1,
  "DELETE /agents/{id}/counters": 1,
  "GET /audit/merkle/consistency/{n}/{m}": 10,
  "GET /audit/merkle/verify": 5,
  "GET /anchor/status": 1,
  "GET /anchor/verify": 1,
  "GET /anchor/log": 1,
  "GET /anchor/chain-verify": 1,
  "GET /anchor/proof/{action_id}": 3,
  "GET /anchor/consistency-proof": 3,
  "POST /anchor/trigger": 2,
  "GET /merkle/roots": 1,
  "GET /compliance/export/{tenant_id}": 6,
  "POST /managed/agents": 4,
  "GET /managed/agents": 3,
  "GET /managed/agents/{id}": 2,
  "GET /managed/consumers": 1,
  "POST /managed/sessions": 4,
  "GET /managed/sessions": 3,
  "GET /managed/sessions/{id}/status": 3,
  "GET /managed/sessions/{id}/audit": 2,
  "GET /managed/sessions/{id}/compliance": 2,
  "POST /managed/sessions/{id}/interrupt": 4,
  "POST /managed/sessions/{id}/replay": 1,
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

/** Cases of these groups that are no case of a route: the guide's route, which does not exist. */
const strays = [/^GET \/managed\/sessions\/[^/]+$/]

/** Routes that begin like ours and are others. */
const others = new Set([
  "GET /mcp/tools/call",
  "OPTIONS /mcp/tools/call",
  "GET /mcp/server",
  "DELETE /mcp/server",
  "POST /audit/replay-bulk",
  // Not there, although the guide has them; and a redirect for browsers.
  "POST /auth/login",
  "GET /auth/me",
  "GET /auth/github"
])

const groups = [
  "mcp/",
  "audit/(?:log|verify|replay|merkle)",
  "appro",
  "reject",
  "health",
  "metrics",
  "transparency",
  "dashboard/(?:me|settings|public)",
  "webhooks/",
  "tenants",
  "policy/",
  "bundles/",
  "credentials",
  "auth/",
  "api-keys/",
  "gtm",
  "backup/",
  "agents/",
  "anchor/",
  "merkle/",
  "compliance/",
  "managed/"
]

const isOurs = (method: string, path: string) => {
  const [bare] = path.split("?")
  return new RegExp(`^/(?:${groups.join("|")})`).test(path) && !others.has(`${method} ${path}`) &&
    !strays.some((stray) => stray.test(`${method} ${bare}`))
}

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
