/** Every captured answer, sent through a socket: what becomes of it must not depend on who carried it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Result } from "effect"
import type { HttpClient } from "effect/http"
import { createServer } from "node:http"
import * as NodeTransport from "../../src/node/NodeTransport.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as FetchTransport from "../../src/transport/FetchTransport.ts"
import { type Capture, hasCaptures, plain, reason, routes } from "../conformance/captures.ts"
import { emptyGateway, everyService, type OperationName, operations, run } from "../support/operations.ts"

const operationOf: Readonly<Record<keyof typeof routes, OperationName>> = {
  "POST /mcp/tools/call": "ToolCalls.call",
  "POST /mcp/server": "McpDoor.call",
  "GET /mcp/server/health": "McpDoor.health",
  "GET /audit/log": "AuditLog.page",
  "GET /audit/verify": "AuditLog.verify",
  "POST /audit/replay": "Replay.replay",
  "GET /audit/merkle/roots": "Merkle.roots",
  "GET /audit/merkle/proof/{hash}": "Merkle.proof",
  "GET /approvals": "Approvals.pending",
  "GET /approvals/history": "Approvals.history",
  "POST /approve/{id}": "Reviews.approve",
  "POST /reject/{id}": "Reviews.reject",
  "GET /health": "System.health",
  "GET /metrics": "System.metrics",
  "GET /transparency": "System.transparency",
  "GET /transparency/{tenant_id}": "System.transparencyOf",
  "GET /dashboard/public/{slug}": "System.publicDashboard",
  "GET /gtm/stats": "System.outreach",
  "POST /backup/trigger": "Maintenance.backup",
  "GET /agents/{id}/anomaly_score": "System.anomalyScore",
  "DELETE /agents/{id}/history": "Maintenance.clearHistory",
  "DELETE /agents/{id}/counters": "Maintenance.clearCounters",
  "GET /audit/merkle/consistency/{n}/{m}": "Merkle.consistency",
  "GET /audit/merkle/verify": "Merkle.verify",
  "GET /anchor/status": "Anchors.status",
  "GET /anchor/verify": "Anchors.verify",
  "GET /anchor/log": "Anchors.log",
  "GET /anchor/chain-verify": "Anchors.verifyChain",
  "GET /anchor/proof/{action_id}": "Anchors.proof",
  "GET /anchor/consistency-proof": "Anchors.consistency",
  "POST /anchor/trigger": "Anchors.trigger",
  "GET /merkle/roots": "Anchors.roots",
  "GET /compliance/export/{tenant_id}": "Compliance.export",
  "POST /managed/agents": "ManagedAgents.register",
  "GET /managed/agents": "ManagedAgents.agents",
  "GET /managed/agents/{id}": "ManagedAgents.agent",
  "GET /managed/consumers": "ManagedAgents.consumers",
  "POST /managed/sessions": "ManagedAgents.start",
  "GET /managed/sessions": "ManagedAgents.sessions",
  "GET /managed/sessions/{id}/status": "ManagedAgents.status",
  "GET /managed/sessions/{id}/audit": "ManagedAgents.audit",
  "GET /managed/sessions/{id}/compliance": "ManagedAgents.compliance",
  "POST /managed/sessions/{id}/interrupt": "ManagedAgents.interrupt",
  "POST /managed/sessions/{id}/replay": "ManagedAgents.replay",
  "GET /dashboard/me": "Tenant.me",
  "PATCH /dashboard/settings": "Tenant.apply",
  "POST /webhooks/test": "Tenant.testWebhook",
  "POST /tenants": "TenantDirectory.create",
  "GET /tenants": "TenantDirectory.list",
  "GET /tenants/{tenant_id}": "TenantDirectory.get",
  "GET /policy/templates": "Policies.templates",
  "GET /policy/rules": "Policies.rules",
  "GET /bundles/vargate/status": "Policies.bundle",
  "POST /credentials/register": "Credentials.register",
  "GET /credentials": "Credentials.list",
  "GET /credentials/{tool_id}/status": "Credentials.status",
  "DELETE /credentials/{tool_id}/{name}": "Credentials.remove",
  "GET /credentials/access-log": "Credentials.accessLog",
  "POST /auth/session": "Account.session",
  "POST /api-keys/rotate": "Account.rotateKey",
  "GET /auth/my-tenants": "Account.tenants",
  "POST /auth/switch-tenant": "Account.switchTenant",
  "POST /auth/signup": "Account.signup",
  "GET /auth/verify-email": "Account.verifyEmail"
}

/** Answers the first request with the capture, and any other like a gateway that knows of nothing. */
const replaying = ({ headers, status, text }: Capture) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      let count = 0
      const server = createServer((request, response) => {
        request.resume()
        if (count++ === 0) {
          const { "content-length": _, "transfer-encoding": __, ...rest } = headers
          response.writeHead(status, { ...rest, "content-length": Buffer.byteLength(text) }).end(text)
        } else {
          const step = emptyGateway({ path: request.url! })
          assert(step._tag === "Answer")
          response.writeHead(step.status, step.headers).end(step.text)
        }
      }).listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const overSocket = Effect.fnUntraced(function*(
  operation: OperationName,
  capture: Capture,
  transport: Layer.Layer<HttpClient.HttpClient>
) {
  const { url } = yield* replaying(capture)
  return yield* Effect.result(operations[operation]).pipe(
    Effect.provide(
      Layer.provide(everyService({ url }), transport)
    )
  )
})

/** Times at which something was sent are the test's, not the answer's. */
const comparable = (result: Result.Result<unknown, unknown>) =>
  JSON.stringify(
    plain(result._tag === "Success" ? result.success : result.failure),
    (key, value: unknown) => key === "sentAt" || key === "reviewedAt" || key === "stack" ? undefined : value
  )

const transports = { NodeTransport: NodeTransport.layer, FetchTransport: FetchTransport.layer }

describe.skipIf(!hasCaptures)(`captured answers (${reason})`, () => {
  describe.each(Object.entries(transports))("over %s", (_, transport) => {
    for (const [route, operation] of Object.entries(operationOf)) {
      it.live.each(routes[route as keyof typeof routes])(`${operation}: $file`, (capture) =>
        Effect.gen(function*() {
          const { headers, status, text } = capture
          const scripted = yield* Effect.result(run(operation, ScriptedTransport.text(status, text, headers)))
          const carried = yield* overSocket(operation, capture, transport)
          assert.strictEqual(carried._tag, scripted._tag)
          assert.strictEqual(comparable(carried), comparable(scripted))
        }))
    }
  })
})
