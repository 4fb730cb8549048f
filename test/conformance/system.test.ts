import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { valueOf } from "../../src/operator/MetricFamily.ts"
import { System } from "../../src/operator/System.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { answering } from "../support/operations.ts"
import { capturesOf, hasCaptures, plain, reason, routes, time } from "./captures.ts"
import { checkRefusal } from "./refusals.ts"
import { type Raw, rows, suite } from "./suite.ts"

suite({
  route: "GET /health",
  operation: "System.health",
  expected: (body) => ({
    status: body["status"],
    service: body["service"],
    redis: body["redis"],
    blockchain: body["blockchain"],
    connectedChains: body["connected_chains"],
    merkleTrees: body["merkle_trees"],
    merkleTreeCount: body["merkle_tree_count"],
    sepoliaMerkle: body["sepolia_merkle"]
  })
})

const transparency = (body: Raw) => ({
  generatedAt: time(body["generated_at"]),
  tenantId: body["tenant_id"],
  overall: {
    total: body["overall"]!["total_actions"],
    allowed: body["overall"]!["allowed"],
    denied: body["overall"]!["denied"],
    anomalous: body["overall"]!["anomalous"],
    complianceRate: body["overall"]!["compliance_rate"]
  },
  lastHour: body["hourly"],
  lastDay: body["daily"],
  lastWeek: body["weekly"],
  violations: body["violations"],
  severities: body["severity_distribution"],
  tools: body["tool_usage"],
  policies: rows(body, "policy_versions").map((row) => ({
    revision: row["revision"],
    firstSeen: time(row["first_seen"])
  })),
  approvals: body["approval_queue"],
  chain: {
    records: body["chain"]!["total_records"],
    latestHash: body["chain"]!["latest_hash"],
    latestAt: time(body["chain"]!["latest_at"])
  }
})

suite({ route: "GET /transparency", operation: "System.transparency", expected: transparency })

suite({ route: "GET /transparency/{tenant_id}", operation: "System.transparencyOf", expected: transparency })

suite({
  route: "GET /dashboard/public/{slug}",
  operation: "System.publicDashboard",
  expected: (body) => ({
    tenantName: body["tenant_name"],
    slug: body["slug"],
    stats: {
      total: body["stats"]!["total_actions"],
      allowed: body["stats"]!["allowed"],
      denied: body["stats"]!["denied"]
    },
    chain: {
      valid: body["chain_integrity"]!["valid"],
      records: body["chain_integrity"]!["record_count"],
      tenantId: body["chain_integrity"]!["tenant_id"]
    },
    violations: body["violation_breakdown"],
    recent: rows(body, "recent_actions").map((row) => ({
      actionId: row["action_id"],
      agentId: row["agent_id"],
      tool: row["tool"],
      method: row["method"],
      decision: row["decision"],
      severity: row["severity"],
      createdAt: time(row["created_at"])
    }))
  })
})

suite({
  route: "GET /gtm/stats",
  operation: "System.outreach",
  expected: (body) => ({
    sentToday: body["daily_sends"],
    dailyCap: body["daily_cap"],
    remainingToday: body["daily_remaining"],
    sentEver: body["total_sends"],
    recipients: body["unique_recipients"],
    cooldownDays: body["cooldown_days"]
  })
})

suite({
  route: "POST /backup/trigger",
  operation: "Maintenance.backup",
  expected: (body) => ({
    path: body["backup"]!["path"],
    sizeBytes: body["backup"]!["size_bytes"],
    durationMs: body["backup"]!["duration_ms"],
    timestamp: body["backup"]!["timestamp"]
  })
})

suite({
  route: "GET /agents/{id}/anomaly_score",
  operation: "System.anomalyScore",
  expected: (body) => body["anomaly_score"]
})

suite({ route: "DELETE /agents/{id}/history", operation: "Maintenance.clearHistory", expected: () => undefined })

suite({ route: "DELETE /agents/{id}/counters", operation: "Maintenance.clearCounters", expected: () => undefined })

/** Prometheus lines as this test reads them: good enough for these. */
const samplesIn = (text: string) =>
  text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
    const [, name, labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)!
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value])
    return { name, labels: Object.fromEntries(pairs), value: Number(value) }
  })

describe.skipIf(!hasCaptures)(`GET /metrics (${reason})`, () => {
  it.effect.each(routes["GET /metrics"])("reads $file", ({ headers, status, text }) =>
    Effect.gen(function*() {
      const families = yield* System.use((system) => system.metrics)
      assert.deepStrictEqual(plain(families.flatMap(({ samples }) => samples)), samplesIn(text))
      assert.deepStrictEqual(
        families.map(({ name, type }) => `# TYPE ${name} ${type}`),
        text.split("\n").filter((line) => line.startsWith("# TYPE"))
      )
      assert.deepStrictEqual(
        families.map(({ help, name }) => `# HELP ${name} ${help}`),
        text.split("\n").filter((line) => line.startsWith("# HELP"))
      )
      assert.strictEqual(valueOf(families, "python_info", { major: "3" }), 1)
      assert.strictEqual(valueOf(families, "python_info", { major: "2" }), undefined)
    }).pipe(Effect.provide(answering(ScriptedTransport.text(status, text, headers)))))
})

const strays = hasCaptures
  ? [
    ...capturesOf("GET", /^\/nope$/),
    ...capturesOf("POST", /^\/backup$/),
    ...capturesOf("GET", /^\/mcp\/tools\/call$/),
    ...capturesOf("GET", /^\/managed\/sessions\/[^/]+$/)
  ]
  : []

describe.skipIf(!hasCaptures)(`routes that do not exist (${reason})`, () => {
  it("are four", () => assert.lengthOf(strays, 4))

  it.effect.each(strays)("$status $file", (capture) =>
    Effect.gen(function*() {
      const { headers, status, text } = capture
      const wire = answering(ScriptedTransport.text(status, text, headers))
      const error = yield* Effect.flip(Effect.provide(System.use((system) => system.health), wire))
      checkRefusal(capture, error, "System.health")
    }))
})
