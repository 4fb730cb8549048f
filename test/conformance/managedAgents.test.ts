import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { run, sessionId } from "../support/operations.ts"
import { type Capture, hasCaptures, reason, routes, time } from "./captures.ts"
import { type Raw, rows, suite } from "./suite.ts"

/** A list, or the text of one. */
const parsed = (value: unknown) => typeof value === "string" ? JSON.parse(value) : value

const agent = (row: Raw) => ({
  id: row["id"],
  name: row["name"],
  model: row["anthropic_model"],
  tenantId: row["tenant_id"],
  systemPrompt: row["system_prompt"],
  allowedTools: parsed(row["allowed_tools"]),
  requireHumanApproval: parsed(row["require_human_approval"]),
  governanceProfile: parsed(row["governance_profile"]),
  maxSessionHours: row["max_session_hours"],
  maxDailySessions: row["max_daily_sessions"],
  maxDelegationDepth: row["max_delegation_depth"],
  parentId: row["parent_agent_id"],
  createdAt: time(row["created_at"])
})

const calls = (row: Raw) => ({
  governed: row["total_governed_calls"],
  observed: row["total_observed_calls"],
  denied: row["total_denied"],
  pending: row["total_pending"]
})

const session = (row: Raw) => ({
  id: row["session_id"] ?? row["id"],
  agentId: row["agent_id"],
  status: row["status"],
  anthropicSessionId: row["anthropic_session_id"],
  tenantId: row["tenant_id"],
  createdAt: time(row["created_at"]),
  endedAt: time(row["ended_at"]),
  systemPromptHash: row["system_prompt_hash"],
  mcpServerUrl: row["mcp_server_url"]
})

const record = (row: Raw) => ({
  id: row["id"],
  actionId: row["action_id"],
  agentId: row["agent_id"],
  tool: row["tool"],
  method: row["method"],
  decision: row["decision"],
  violations: row["violations"],
  severity: row["severity"],
  source: row["source"],
  createdAt: time(row["created_at"]),
  executionMode: row["execution_mode"],
  recordHash: row["record_hash"],
  prevHash: row["prev_hash"],
  bundleRevision: row["bundle_revision"]
})

suite({ route: "POST /managed/agents", operation: "ManagedAgents.register", expected: agent })

suite({
  route: "GET /managed/agents",
  operation: "ManagedAgents.agents",
  expected: (body) => rows(body, "configs").map(agent)
})

suite({ route: "GET /managed/agents/{id}", operation: "ManagedAgents.agent", expected: agent })

suite({
  route: "GET /managed/consumers",
  operation: "ManagedAgents.consumers",
  expected: (body) => rows(body, "consumers")
})

const isQuota = ({ status }: Capture) => status === 429

suite({
  route: "POST /managed/sessions",
  operation: "ManagedAgents.start",
  expected: session,
  isFailure: isQuota
})

suite({
  route: "GET /managed/sessions",
  operation: "ManagedAgents.sessions",
  expected: (body) => rows(body, "sessions").map((row) => ({ ...session(row), calls: calls(row) }))
})

for (const operation of ["ManagedAgents.status", "ManagedAgents.watch"] as const) {
  suite({
    route: "GET /managed/sessions/{id}/status",
    operation,
    expected: (body) => ({
      ...session(body),
      calls: calls(body["governance_summary"]!),
      consumer: body["event_consumer"]
    })
  })
}

suite({
  route: "GET /managed/sessions/{id}/audit",
  operation: "ManagedAgents.audit",
  expected: (body) => rows(body, "records").map(record)
})

suite({
  route: "GET /managed/sessions/{id}/compliance",
  operation: "ManagedAgents.compliance",
  expected: (body) => {
    const { agent_config: config, chain_verification: chain, session: about, summary } = body as Readonly<
      Record<string, Raw>
    >
    return {
      version: body["version"],
      exportedAt: time(body["exported_at"]),
      session: session(about!),
      durationHours: about!["duration_hours"],
      agent: {
        id: config!["id"],
        name: config!["name"],
        model: config!["model"],
        allowedTools: config!["allowed_tools"],
        maxDelegationDepth: config!["max_delegation_depth"]
      },
      summary: {
        events: summary!["total_events"],
        governed: summary!["governed_calls"],
        observed: summary!["observed_calls"],
        denied: summary!["denied"],
        pending: summary!["pending"],
        anomalies: summary!["anomalies"],
        denialRate: summary!["denial_rate"]
      },
      chain: {
        claimedValid: chain!["valid"],
        checked: chain!["records_checked"],
        brokenLinks: rows(chain!, "broken_links").map((row) => ({
          recordId: row["record_id"],
          expectedPrevHash: row["expected_prev"],
          actualPrevHash: row["actual_prev"]
        }))
      },
      timeline: rows(body, "timeline").map(record),
      controls: body["agcs_controls"],
      exportHash: body["export_hash"]
    }
  }
})

const outcomes: Readonly<Record<string, string>> = {
  MATCH: "Match",
  MISMATCH: "Mismatch",
  SKIP: "Skipped",
  ERROR: "Failed"
}

suite({
  route: "POST /managed/sessions/{id}/replay",
  operation: "ManagedAgents.replay",
  expected: (body) => ({
    sessionId: body["session_id"],
    results: rows(body, "results").map((row) => ({
      actionId: row["action_id"],
      tool: row["tool"],
      method: row["method"],
      source: row["source"],
      outcome: outcomes[row["replay_status"]!],
      original: row["original"],
      replayed: row["replayed"],
      detail: row["reason"] ?? row["error"]
    }))
  })
})

const isUnconfirmed = ({ status, text }: Capture) => status === 200 && !JSON.parse(text).anthropic_interrupt_sent

suite({
  route: "POST /managed/sessions/{id}/interrupt",
  operation: "ManagedAgents.interrupt",
  expected: () => assert.fail("no confirmed interrupt was captured"),
  isFailure: isUnconfirmed
})

describe.skipIf(!hasCaptures)(`answers that a program must not take for a success (${reason})`, () => {
  const interrupts = routes["POST /managed/sessions/{id}/interrupt"].filter(isUnconfirmed)
  const quotas = routes["POST /managed/sessions"].filter(isQuota)

  it("are two", () => assert.deepStrictEqual([interrupts.length, quotas.length], [1, 1]))

  it.effect.each(interrupts)("$file is not confirmed", ({ headers, status, text }) =>
    Effect.gen(function*() {
      assert.strictEqual(JSON.parse(text).status, "interrupted")
      const error = yield* Effect.flip(run("ManagedAgents.interrupt", ScriptedTransport.text(status, text, headers)))
      assert(error._tag === "InterruptNotConfirmed")
      assert.strictEqual(error.sessionId, sessionId)
      assert.strictEqual(error.sideEffect, "possible")
      assert.isFalse(error.isRetryable)
    }))

  it.effect.each(quotas)(
    "$file is a quota, which no second of silence lifts",
    ({ headers, status, text }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(run("ManagedAgents.start", ScriptedTransport.text(status, text, headers)))
        assert(error._tag === "VargateError" && error.reason._tag === "QuotaExceeded")
        assert.strictEqual(error.reason.detail, JSON.parse(text).detail)
        assert.strictEqual(error.sideEffect, "none")
        assert.isFalse(error.isRetryable)
      })
  )
})
