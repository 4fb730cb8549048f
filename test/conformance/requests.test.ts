import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { Reviews } from "../../src/approvals/Reviews.ts"
import { AuditLog } from "../../src/audit/AuditLog.ts"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import { Agent } from "../../src/model/Agent.ts"
import type { ToolCallRequest } from "../../src/model/ToolCall.ts"
import { Compliance } from "../../src/operator/Compliance.ts"
import { Credentials } from "../../src/operator/Credentials.ts"
import { Maintenance } from "../../src/operator/Maintenance.ts"
import { ManagedAgents } from "../../src/operator/ManagedAgents.ts"
import { System } from "../../src/operator/System.ts"
import { Tenant } from "../../src/operator/Tenant.ts"
import { TenantDirectory } from "../../src/operator/TenantDirectory.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { Merkle } from "../../src/verify/Merkle.ts"
import {
  actionId,
  agentId,
  answering,
  type Operation,
  type OperationName,
  operations,
  recordHash,
  scripted,
  sessionId
} from "../support/operations.ts"
import { type Capture, hasCaptures, reason, routes } from "./captures.ts"

const allowed = ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" })

const submit = (request: ToolCallRequest) => ToolCalls.use((toolCalls) => toolCalls.call(request))

/** Sends one request into a wire that answers whatever it is, and shows it. */
const sentBy = (operation: Operation) =>
  Effect.gen(function*() {
    const wire = yield* ScriptedTransport.ScriptedTransport
    yield* Effect.exit(operation)
    const [first, ...others] = yield* wire.requests
    assert(first !== undefined)
    // A review whose answer cannot be read looks for what was decided; nothing is ever posted twice.
    assert.notInclude(others.map(({ method }) => method), "POST")
    return first
  }).pipe(Effect.provide(answering(allowed)))

// --- what the gateway refuses is refused here ------------------------------------------------------------------------

/** The captured request as a program would state it, or undefined where the types (or JSON) do not let it. */
const asRequest = (sent: unknown): ToolCallRequest | undefined => {
  if (typeof sent !== "object" || sent === null) return undefined
  const { agent_id, agent_type, agent_version, context_override, method, params, tool } = sent as Record<string, never>
  const texts: ReadonlyArray<unknown> = [agent_id, agent_type, agent_version, tool, method]
  if (!texts.every((text) => typeof text === "string") || context_override !== undefined) return undefined
  if (typeof params !== "object" || params === null || Array.isArray(params)) return undefined
  return { tool: tool!, method: method!, params, agent: { id: agent_id!, type: agent_type, version: agent_version } }
}

const base = { tool: "slack", method: "post_message", agent: { id: "my-agent-v1" } }

/** Large requests are cut in the capture, but a 422 echoes the params that it is about. */
const echoedParams = ({ text }: Capture): ToolCallRequest | undefined => {
  const [issue] = JSON.parse(text).detail
  return issue.loc.join(".") === "body.params" && issue.type === "value_error"
    ? { ...base, params: issue.input }
    : undefined
}

const refusals = routes["POST /mcp/tools/call"].filter(({ file, status }) =>
  file.startsWith("tool-call/invalid-") && status === 422
).map((capture) => ({ ...capture, request: asRequest(capture.sent) ?? echoedParams(capture) }))

/** Not a `ToolCallRequest`: other types, missing fields, no JSON object at all. */
const inexpressible = [
  "agent-id-number",
  "agent-type-null",
  "body-array",
  "body-empty",
  "body-not-json",
  "body-null",
  "body-string",
  "body-text-plain",
  "context-override-not-bool",
  "missing-everything",
  "missing-tool",
  "no-body",
  "params-array",
  "params-null",
  "params-string"
]

const refusedUnsent = (request: ToolCallRequest, path: ReadonlyArray<unknown>) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(submit(request))
    assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
    assert.isNotEmpty(error.reason.issues)
    for (const issue of error.reason.issues) assert.deepStrictEqual<unknown>(issue.path, path)
    const wire = yield* ScriptedTransport.ScriptedTransport
    assert.deepStrictEqual(yield* wire.requests, [])
  }).pipe(Effect.provide(scripted([])))

describe.skipIf(!hasCaptures)(`requests that the gateway refused (${reason})`, () => {
  const expressible = refusals.filter(({ file, request }) => request !== undefined && !file.includes("text-plain"))

  it("are all here", () => {
    const missing = refusals.filter((refusal) => !expressible.includes(refusal)).map(({ file }) => file)
    assert.deepStrictEqual(missing, inexpressible.map((name) => `tool-call/invalid-${name}.json`))
    assert.lengthOf(expressible, 14)
  })

  it.effect.each(expressible)("$file", ({ request, text }) => refusedUnsent(request!, JSON.parse(text).detail[0].loc))
})

describe("requests that are refused here", () => {
  it.effect("more than 1 MiB, before the gateway's 413", () =>
    refusedUnsent({ ...base, params: { a: "x".repeat(1_100_000) } }, ["body", "params"]))

  it.effect.each([Number.NaN, Number.POSITIVE_INFINITY, "\ud800", 1n, new Date(0), () => 1])(
    "%s, before the gateway's 500 or a silent change",
    (value) => refusedUnsent({ ...base, params: { x: value } }, ["body", "params", "x"])
  )

  it.effect("params so deep that no audit page could show them", () => {
    const deep = (levels: number): unknown => levels === 0 ? 1 : [deep(levels - 1)]
    return refusedUnsent({ ...base, params: { x: deep(200) } }, ["body", "params", "x", ...Array(200).fill(0)])
  })
})

// --- what is sent ----------------------------------------------------------------------------------------------------

describe("requests that are sent", () => {
  const params = { a: "x".repeat(65_527) }

  it.effect("params of exactly 65,536 characters", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(submit({ ...base, params }))
      assert.include(sent.text, `"params":${JSON.stringify(params)}`)
    }))

  it.effect.each([
    "{\"__proto__\":{\"polluted\":true},\"constructor\":1,\"toString\":null}",
    "{\"b\":1,\"a\":[{\"d\":[],\"c\":{}}],\"2\":0.1,\"é😀\":\"\\\"\\\\\\n\\u007f\"}",
    "{\"\":-1e-7,\"toJSON\":\"x\"}"
  ])("params arrive byte for byte: %s", (text) =>
    Effect.gen(function*() {
      const value: Record<string, unknown> = JSON.parse(text)
      const sent = yield* sentBy(submit({ ...base, params: value }))
      assert.include(sent.text, `"params":${JSON.stringify(value)}`)
    }))

  it.effect("leaves out what JSON leaves out", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(submit({ ...base, params: { a: undefined, b: 1 } }))
      assert.include(sent.text, "\"params\":{\"b\":1}")
    }))

  it.effect("a tool call with every field", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(submit({
        tool: "slack",
        method: "post_message",
        params: { text: "hello" },
        agent: { id: "a-1", type: "autonomous", version: "1.2.3" },
        isBusinessHours: false
      }))
      assert.strictEqual(sent.path, "/api/mcp/tools/call")
      assert.deepStrictEqual(sent.body, {
        agent_id: "a-1",
        agent_type: "autonomous",
        agent_version: "1.2.3",
        tool: "slack",
        method: "post_message",
        params: { text: "hello" },
        context_override: { is_business_hours: false }
      })
    }))

  it.effect("a tool call with the documented defaults", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(submit({ ...base }))
      assert.deepStrictEqual(sent.body, {
        agent_id: "my-agent-v1",
        agent_type: "unknown",
        agent_version: "0.0.0",
        tool: "slack",
        method: "post_message",
        params: {}
      })
    }))

  it.effect("a tool call of the ambient agent", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(
        submit({ tool: "slack", method: "m" }).pipe(
          Effect.provideService(Agent, { id: "ambient", version: "2.0.0" })
        )
      )
      assert.include(sent.body, { agent_id: "ambient", agent_type: "unknown", agent_version: "2.0.0" })
    }))

  const rpc = (method: string, params: object) => ({ jsonrpc: "2.0", id: 1, method, params })

  const table = {
    "ToolCalls.decide": ["POST", "/mcp/tools/call"],
    "ToolCalls.call": ["POST", "/mcp/tools/call"],
    "Approvals.pending": ["GET", "/approvals"],
    "Approvals.history": ["GET", "/approvals/history"],
    "Reviews.approve": ["POST", `/approve/${actionId}`, { note: "seen" }],
    "Reviews.reject": ["POST", `/reject/${actionId}`, { note: "seen" }],
    "AuditLog.page": ["GET", "/audit/log"],
    "AuditLog.verify": ["GET", "/audit/verify"],
    "Replay.replay": ["POST", "/audit/replay", { action_id: actionId }],
    "Merkle.roots": ["GET", "/audit/merkle/roots"],
    "Merkle.proof": ["GET", `/audit/merkle/proof/${recordHash}`],
    "AuditLog.agents": ["GET", "/audit/agents"],
    "AuditLog.subjects": ["GET", "/audit/subjects"],
    "AuditLog.erase": ["POST", "/audit/erase/alice"],
    "AuditLog.verifyErasure": ["GET", "/audit/erase/alice/verify"],
    "Replay.replayLast": ["POST", "/audit/replay-bulk", { count: 3 }],
    "Merkle.verify": ["GET", "/audit/merkle/verify"],
    "Merkle.consistency": ["GET", "/audit/merkle/consistency/0/1"],
    "System.health": ["GET", "/health"],
    "System.metrics": ["GET", "/metrics"],
    "System.transparency": ["GET", "/transparency"],
    "System.transparencyOf": ["GET", "/transparency/acme"],
    "System.publicDashboard": ["GET", "/dashboard/public/acme"],
    "System.outreach": ["GET", "/gtm/stats"],
    "System.anomalyScore": ["GET", "/agents/a-1/anomaly_score"],
    "Maintenance.clearHistory": ["DELETE", "/agents/a-1/history"],
    "Maintenance.clearCounters": ["DELETE", "/agents/a-1/counters"],
    "Maintenance.backup": ["POST", "/backup/trigger"],
    "Anchors.status": ["GET", "/anchor/status"],
    "Anchors.verify": ["GET", "/anchor/verify"],
    "Anchors.log": ["GET", "/anchor/log"],
    "Anchors.verifyChain": ["GET", "/anchor/chain-verify"],
    "Anchors.proof": ["GET", `/anchor/proof/${actionId}`],
    "Anchors.consistency": ["GET", "/anchor/consistency-proof?from_anchor_index=0&to_anchor_index=1"],
    "Anchors.trigger": ["POST", "/anchor/trigger"],
    "Anchors.roots": ["GET", "/merkle/roots"],
    "Compliance.export": ["GET", "/compliance/export/acme?format=json"],
    "Compliance.pdf": ["GET", "/compliance/export/acme?format=pdf"],
    "ManagedAgents.register": ["POST", "/managed/agents", { name: "m" }],
    "ManagedAgents.agents": ["GET", "/managed/agents"],
    "ManagedAgents.agent": ["GET", `/managed/agents/${agentId}`],
    "ManagedAgents.start": ["POST", "/managed/sessions", { agent_id: agentId }],
    "ManagedAgents.sessions": ["GET", "/managed/sessions"],
    "ManagedAgents.status": ["GET", `/managed/sessions/${sessionId}/status`],
    "ManagedAgents.audit": ["GET", `/managed/sessions/${sessionId}/audit`],
    "ManagedAgents.compliance": ["GET", `/managed/sessions/${sessionId}/compliance`],
    "ManagedAgents.replay": ["POST", `/managed/sessions/${sessionId}/replay`],
    "ManagedAgents.interrupt": ["POST", `/managed/sessions/${sessionId}/interrupt`, { reason: "enough" }],
    "ManagedAgents.consumers": ["GET", "/managed/consumers"],
    "ManagedAgents.watch": ["GET", `/managed/sessions/${sessionId}/status`],
    "McpDoor.info": [
      "POST",
      "/mcp/server",
      rpc("initialize", {
        protocolVersion: "2024-11-05",
        capabilities: {},
        clientInfo: { name: "effect-vargate", version: "0.1.0" }
      })
    ],
    "McpDoor.ping": ["POST", "/mcp/server", rpc("ping", {})],
    "McpDoor.tools": ["POST", "/mcp/server", rpc("tools/list", { _vargate_agent_id: agentId })],
    "McpDoor.call": [
      "POST",
      "/mcp/server",
      rpc("tools/call", { name: "post_slack", arguments: { text: "hello", _vargate_agent_id: "effect-agent" } })
    ],
    "McpDoor.health": ["GET", "/mcp/server/health"],
    "Tenant.me": ["GET", "/dashboard/me"],
    "Tenant.settings": ["GET", "/dashboard/me"],
    "Tenant.plan": ["GET", "/dashboard/me"],
    "Tenant.apply": ["PATCH", "/dashboard/settings", { name: "Renamed" }],
    "Tenant.testWebhook": ["POST", "/webhooks/test"],
    "TenantDirectory.create": ["POST", "/tenants", { tenant_id: "t-1", name: "T" }],
    "TenantDirectory.list": ["GET", "/tenants"],
    "TenantDirectory.get": ["GET", "/tenants/t-1"],
    "Policies.templates": ["GET", "/policy/templates"],
    "Policies.rules": ["GET", "/policy/rules"],
    "Policies.bundle": ["GET", "/bundles/vargate/status"],
    "Credentials.register": ["POST", "/credentials/register", { tool_id: "stripe", name: "api_key", value: "sk-1" }],
    "Credentials.list": ["GET", "/credentials"],
    "Credentials.status": ["GET", "/credentials/stripe/status"],
    "Credentials.remove": ["DELETE", "/credentials/stripe/api_key"],
    "Credentials.accessLog": ["GET", "/credentials/access-log"],
    "Account.session": ["POST", "/auth/session"],
    "Account.rotateKey": ["POST", "/api-keys/rotate"],
    "Account.tenants": ["GET", "/auth/my-tenants"],
    "Account.switchTenant": ["POST", "/auth/switch-tenant", { tenant_id: "t-2" }],
    "Account.signup": ["POST", "/auth/signup", { email: "a@b.example", name: "A" }],
    "Account.verifyEmail": ["GET", "/auth/verify-email?token=token-1"]
  } as const

  it("every operation is in the table", () => {
    assert.sameMembers(Object.keys(table), Object.keys(operations))
  })

  it.effect.each(Object.entries(table))("%s", ([name, [method, path, body]]) =>
    Effect.gen(function*() {
      const sent = yield* sentBy(operations[name as OperationName])
      assert.strictEqual(sent.method, method)
      assert.strictEqual(sent.path, `/api${path}`)
      if (path !== "/mcp/tools/call") assert.deepStrictEqual(sent.body, body)
    }))

  it.effect("pages by limit and offset", () =>
    Effect.gen(function*() {
      const both = yield* sentBy(AuditLog.use((auditLog) => auditLog.page({ limit: 1000, offset: 7 })))
      assert.strictEqual(both.path, "/api/audit/log?limit=1000&offset=7")
      const roots = yield* sentBy(Merkle.use((merkle) => merkle.roots({ limit: 500 })))
      assert.strictEqual(roots.path, "/api/audit/merkle/roots?limit=500")
    }))

  it.effect("a managed agent with every field", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(ManagedAgents.use((managed) =>
        managed.register({
          name: "Research Assistant",
          model: "m-1",
          systemPrompt: "You are",
          allowedTools: ["vargate_post_slack"],
          requireHumanApproval: ["vargate_send_email"],
          governanceProfile: { risk_level: "standard" },
          maxSessionHours: 4,
          maxDailySessions: 2,
          maxDelegationDepth: 5,
          parentId: agentId
        })
      ))
      assert.deepStrictEqual(sent.body, {
        name: "Research Assistant",
        anthropic_model: "m-1",
        system_prompt: "You are",
        allowed_tools: ["vargate_post_slack"],
        require_human_approval: ["vargate_send_email"],
        governance_profile: { risk_level: "standard" },
        max_session_hours: 4,
        max_daily_sessions: 2,
        max_delegation_depth: 5,
        parent_agent_id: agentId
      })
    }))

  it.effect("a session with every field, and an automatic interrupt", () =>
    Effect.gen(function*() {
      const options = { userMessage: "go", environmentId: "e-1", metadata: { ticket: 7 } }
      const start = yield* sentBy(ManagedAgents.use((managed) => managed.start(agentId, options)))
      assert.deepStrictEqual(start.body, {
        agent_id: agentId,
        user_message: "go",
        environment_id: "e-1",
        metadata: { ticket: 7 }
      })
      const interrupt = yield* sentBy(
        ManagedAgents.use((managed) => managed.interrupt(sessionId, { reason: "odd", autoTriggered: true }))
      )
      assert.deepStrictEqual(interrupt.body, { reason: "odd", auto_triggered: true })
    }))

  it.effect("sessions and records that are wanted", () =>
    Effect.gen(function*() {
      const sessions = yield* sentBy(
        ManagedAgents.use((managed) => managed.sessions({ status: "active", agentId, limit: 200 }))
      )
      assert.strictEqual(sessions.path, `/api/managed/sessions?status=active&agent_id=${agentId}&limit=200`)
      const records = yield* sentBy(ManagedAgents.use((managed) => managed.audit(sessionId, { limit: 1000 })))
      assert.strictEqual(records.path, `/api/managed/sessions/${sessionId}/audit?limit=1000`)
    }))

  it.effect("an export of whole days in UTC", () =>
    Effect.gen(function*() {
      const options = {
        tenantId: "acme",
        from: DateTime.makeUnsafe("2026-11-22T23:30:00-02:00"),
        to: DateTime.makeUnsafe("2026-11-30T12:00:00Z")
      }
      const sent = yield* sentBy(Compliance.use((compliance) => compliance.export(options)))
      assert.strictEqual(sent.path, "/api/compliance/export/acme?format=json&from=2026-11-23&to=2026-11-30")
    }))

  it.effect("every setting, as the gateway spells it", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(Tenant.use((tenant) =>
        tenant.apply({
          name: "Acme",
          publicDashboard: true,
          anchorChain: "polygon",
          policy: {
            template: "data_access",
            parameters: { maxRowLimit: 100, piiAllowed: true, allowedRegions: ["eu"] }
          },
          failureModes: { opa: "fail_to_queue" },
          autoApproveTools: ["gmail/send_email"],
          webhookUrl: "https://hooks.example/a",
          webhookEvents: ["action.denied"]
        })
      ))
      assert.deepStrictEqual(sent.body, {
        name: "Acme",
        public_dashboard: true,
        anchor_chain: "polygon",
        policy_template: "data_access",
        policy_config: { max_row_limit: 100, pii_allowed: true, allowed_regions: ["eu"] },
        failure_config: { opa: "fail_to_queue" },
        auto_approve_tools: ["gmail/send_email"],
        webhook_url: "https://hooks.example/a",
        webhook_events: ["action.denied"]
      })
    }))

  it.effect("no webhook as an empty URL, and no parameters as an empty object", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(
        Tenant.use((tenant) => tenant.apply({ webhookUrl: null, policy: { template: "crm", parameters: {} } }))
      )
      assert.deepStrictEqual(sent.body, { webhook_url: "", policy_template: "crm", policy_config: {} })
    }))

  it.effect("a tenant with its limits", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(
        TenantDirectory.use((tenants) => tenants.create({ tenantId: "t", name: "T", rateLimit: 5, burst: 7 }))
      )
      assert.deepStrictEqual(sent.body, { tenant_id: "t", name: "T", rate_limit_rps: 5, rate_limit_burst: 7 })
    }))

  it.effect("approves without a note", () =>
    Effect.gen(function*() {
      const sent = yield* sentBy(Reviews.use((reviews) => reviews.approve(actionId)))
      assert.deepStrictEqual(sent.body, {})
    }))
})

describe("queries that are refused here", () => {
  const queries: ReadonlyArray<readonly [string, Operation]> = [
    ["page limit", AuditLog.use((auditLog) => auditLog.page({ limit: 1001 }))],
    ["page offset", AuditLog.use((auditLog) => auditLog.page({ offset: -1 }))],
    ["page fraction", AuditLog.use((auditLog) => auditLog.page({ limit: 1.5 }))],
    ["roots limit", Merkle.use((merkle) => merkle.roots({ limit: 501 }))],
    ["consistency of a fraction", Merkle.use((merkle) => merkle.consistency(0.5, 1))],
    ["an agent's empty name", ManagedAgents.use((managed) => managed.register({ name: "" }))],
    ["an agent's hours", ManagedAgents.use((managed) => managed.register({ name: "m", maxSessionHours: 99 }))],
    ["an agent's days", ManagedAgents.use((managed) => managed.register({ name: "m", maxDailySessions: 0 }))],
    ["an agent's depth", ManagedAgents.use((managed) => managed.register({ name: "m", maxDelegationDepth: 6 }))],
    ["a reason that says nothing", ManagedAgents.use((managed) => managed.interrupt(sessionId, { reason: "" }))],
    ["sessions limit", ManagedAgents.use((managed) => managed.sessions({ limit: 201 }))],
    ["session records limit", ManagedAgents.use((managed) => managed.audit(sessionId, { limit: 1001 }))],
    ["an agent of dots", System.use((system) => system.anomalyScore(".."))],
    ["an agent with a slash", Maintenance.use((maintenance) => maintenance.clearHistory("a/../b"))],
    ["a tenant of dots", Compliance.use((compliance) => compliance.export({ tenantId: ".." }))],
    ["half a character for a tenant", System.use((system) => system.transparencyOf("\ud800"))],
    ["half a character for a subject", AuditLog.use((auditLog) => auditLog.erase("\udfff"))],
    ["no tenant", System.use((system) => system.transparencyOf(""))],
    ["a path for a tool", Credentials.use((credentials) => credentials.status("a/b"))],
    ["a parent for a tool", Credentials.use((credentials) => credentials.status(".."))],
    ["half a character for a tool", Credentials.use((credentials) => credentials.status("\ud800"))],
    ["a credential without a name", Credentials.use((credentials) => credentials.remove({ toolId: "t", name: "" }))],
    ["a parent for a tenant", TenantDirectory.use((tenants) => tenants.get(".."))]
  ]

  it.effect.each(queries)("%s", ([, query]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(query)
      assert(error._tag === "VargateError")
      assert.strictEqual(error.reason._tag, "InvalidRequest")
    }).pipe(Effect.provide(scripted([]))))
})
