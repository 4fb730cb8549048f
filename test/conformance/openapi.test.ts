/** Every route of the gateway's own OpenAPI document: which operation speaks it, or why none does. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { emptyGateway, type OperationName, operations, scripted } from "../support/operations.ts"
import { hasCaptures, reason, routesOfOpenApi } from "./captures.ts"

/** By route, the operation that sends it. */
const spoken: Readonly<Record<string, OperationName>> = {
  "GET /agents/{agent_id}/anomaly_score": "System.anomalyScore",
  "DELETE /agents/{agent_id}/counters": "Maintenance.clearCounters",
  "DELETE /agents/{agent_id}/history": "Maintenance.clearHistory",
  "GET /anchor/chain-verify": "Anchors.verifyChain",
  "GET /anchor/consistency-proof": "Anchors.consistency",
  "GET /anchor/log": "Anchors.log",
  "GET /anchor/proof/{action_id}": "Anchors.proof",
  "GET /anchor/status": "Anchors.status",
  "POST /anchor/trigger": "Anchors.trigger",
  "GET /anchor/verify": "Anchors.verify",
  "POST /api-keys/rotate": "Account.rotateKey",
  "GET /approvals": "Approvals.pending",
  "GET /approvals/history": "Approvals.history",
  "POST /approve/{action_id}": "Reviews.approve",
  "GET /audit/agents": "AuditLog.agents",
  "POST /audit/erase/{subject_id}": "AuditLog.erase",
  "GET /audit/erase/{subject_id}/verify": "AuditLog.verifyErasure",
  "GET /audit/log": "AuditLog.page",
  "GET /audit/merkle/consistency/{tree_n}/{tree_m}": "Merkle.consistency",
  "GET /audit/merkle/proof/{record_hash}": "Merkle.proof",
  "GET /audit/merkle/roots": "Merkle.roots",
  "GET /audit/merkle/verify": "Merkle.verify",
  "POST /audit/replay": "Replay.replay",
  "POST /audit/replay-bulk": "Replay.replayLast",
  "GET /audit/subjects": "AuditLog.subjects",
  "GET /audit/verify": "AuditLog.verify",
  "GET /auth/my-tenants": "Account.tenants",
  "POST /auth/session": "Account.session",
  "POST /auth/signup": "Account.signup",
  "POST /auth/switch-tenant": "Account.switchTenant",
  "GET /auth/verify-email": "Account.verifyEmail",
  "POST /backup/trigger": "Maintenance.backup",
  "GET /bundles/vargate/status": "Policies.bundle",
  "GET /compliance/export/{tenant_id}": "Compliance.export",
  "GET /credentials": "Credentials.list",
  "GET /credentials/access-log": "Credentials.accessLog",
  "POST /credentials/register": "Credentials.register",
  "GET /credentials/{tool_id}/status": "Credentials.status",
  "DELETE /credentials/{tool_id}/{name}": "Credentials.remove",
  "GET /dashboard/me": "Tenant.me",
  "GET /dashboard/public/{slug}": "System.publicDashboard",
  "PATCH /dashboard/settings": "Tenant.apply",
  "GET /gtm/stats": "System.outreach",
  "GET /health": "System.health",
  "POST /managed/agents": "ManagedAgents.register",
  "GET /managed/agents": "ManagedAgents.agents",
  "GET /managed/agents/{config_id}": "ManagedAgents.agent",
  "GET /managed/consumers": "ManagedAgents.consumers",
  "POST /managed/sessions": "ManagedAgents.start",
  "GET /managed/sessions": "ManagedAgents.sessions",
  "GET /managed/sessions/{session_id}/audit": "ManagedAgents.audit",
  "GET /managed/sessions/{session_id}/compliance": "ManagedAgents.compliance",
  "POST /managed/sessions/{session_id}/interrupt": "ManagedAgents.interrupt",
  "POST /managed/sessions/{session_id}/replay": "ManagedAgents.replay",
  "GET /managed/sessions/{session_id}/status": "ManagedAgents.status",
  "POST /mcp/server": "McpDoor.call",
  "GET /mcp/server/health": "McpDoor.health",
  "POST /mcp/tools/call": "ToolCalls.call",
  "GET /merkle/roots": "Anchors.roots",
  "GET /metrics": "System.metrics",
  "GET /policy/rules": "Policies.rules",
  "GET /policy/templates": "Policies.templates",
  "POST /reject/{action_id}": "Reviews.reject",
  "POST /tenants": "TenantDirectory.create",
  "GET /tenants": "TenantDirectory.list",
  "GET /tenants/{tenant_id}": "TenantDirectory.get",
  "GET /transparency": "System.transparency",
  "GET /transparency/{tenant_id}": "System.transparencyOf",
  "POST /webhooks/test": "Tenant.testWebhook"
}

const demo = "falsifies the log, to demonstrate that this is noticed"
const browser = "a browser is sent there and back"
const hsm = "keys of the gateway's own vault, past its log: AuditLog.erase deletes one the right way"
const mcpPart = "the same as POST /mcp/server, with the method in the path"

const unspoken: Readonly<Record<string, string>> = {
  "POST /audit/tamper-restore": demo,
  "POST /audit/tamper-simulate": demo,
  "GET /auth/github": browser,
  "GET /auth/github/callback": browser,
  "POST /oauth/twitter/start": browser,
  "GET /oauth/twitter/callback": browser,
  "POST /hsm/decrypt": hsm,
  "POST /hsm/encrypt": hsm,
  "GET /hsm/keys": hsm,
  "POST /hsm/keys": hsm,
  "DELETE /hsm/keys/{subject_id}": hsm,
  "GET /hsm/keys/{subject_id}/status": hsm,
  "GET /mcp/server": "a stream that tells old MCP clients where to post, and nothing else",
  "POST /mcp/server/initialize": mcpPart,
  "POST /mcp/server/tools/call": mcpPart,
  "POST /mcp/server/tools/list": mcpPart,
  "POST /v1/media/upload": "takes pictures for one of the gateway's own demo tools"
}

/** Whether a path that was sent is one of a route. */
const fits = (route: string, method: string, path: string) => {
  const [routeMethod, template] = route.split(" ")
  const pattern = new RegExp(`^/api${template!.replace(/\{\w+\}/g, "[^/]+")}$`)
  return method === routeMethod && pattern.test(path.replace(/\?.*$/, ""))
}

describe.skipIf(!hasCaptures)(`the gateway's OpenAPI document (${reason})`, () => {
  it("has no route that is neither spoken nor left out for a reason, and none is both", () => {
    assert.deepStrictEqual([...Object.keys(spoken), ...Object.keys(unspoken)].sort(), [...routesOfOpenApi].sort())
  })

  it("has 81 paths", () => {
    assert.strictEqual(new Set(routesOfOpenApi.map((route) => route.split(" ")[1])).size, 81)
  })
})

describe("operations", () => {
  it.effect.each(Object.entries(spoken))("%s is what %s sends", ([route, name]) =>
    Effect.gen(function*() {
      const wire = yield* ScriptedTransport.ScriptedTransport
      yield* Effect.exit(operations[name])
      const sent = (yield* wire.requests).map(({ method, path }) => `${method} ${path}`)
      assert.isTrue(sent.some((line) => fits(route, ...line.split(" ") as [string, string])), sent.join())
    }).pipe(Effect.provide(scripted(emptyGateway))))

  it("all speak a route of the table, alone or as another does", () => {
    const named = new Set<string>(Object.values(spoken))
    const others = Object.keys(operations).filter((name) => !named.has(name))
    assert.deepStrictEqual(others.sort(), [
      "Compliance.pdf",
      "ManagedAgents.watch",
      "McpDoor.info",
      "McpDoor.ping",
      "McpDoor.tools",
      "Tenant.plan",
      "Tenant.settings",
      "ToolCalls.decide"
    ])
  })
})
