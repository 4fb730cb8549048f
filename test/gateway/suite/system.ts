/** What the gateway tells of itself: metrics that count, figures for the public, scores that can be cleared. */
import { assert, describe } from "@effect/vitest"
import type { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { Maintenance } from "../../../src/operator/Maintenance.ts"
import { valueOf } from "../../../src/operator/MetricFamily.ts"
import { System } from "../../../src/operator/System.ts"
import { allowed, denied, destructive, forbidding, hold, newest, reasonOf, reject } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send } from "./doors.ts"

const system = <A, E>(use: (system: System["Service"]) => Effect.Effect<A, E>) => System.use(use)
const maintenance = <A, E>(use: (maintenance: Maintenance["Service"]) => Effect.Effect<A, E>) => Maintenance.use(use)

const metrics = system(({ metrics }) => metrics)
const makePublic = Tenants.use((tenants) => tenants.put({ ...acme, slug: "acme-corp", publicDashboard: true }))

export const systems = (door: Door) => {
  const test = caseOf(door, { policy: forbidding })

  describe("metrics", () => {
    test("count decisions by tenant, and the records of each chain", function*() {
      yield* ToolCalls.decide(allowed)
      yield* ToolCalls.decide(allowed)
      yield* ToolCalls.decide(denied)
      yield* hold()
      yield* as(globex)(ToolCalls.decide(allowed))
      const families = yield* metrics
      const actions = (decision: string, tenant: string) =>
        valueOf(families, "gateway_actions_total", { decision, tenant_id: tenant })
      assert.deepStrictEqual(
        [actions("allow", "acme"), actions("deny", "acme"), actions("pending_approval", "acme")],
        [2, 1, 1]
      )
      assert.deepStrictEqual([actions("allow", "globex"), actions("deny", "globex")], [1, undefined])
      const length = (tenant: string) => valueOf(families, "gateway_audit_chain_length", { tenant_id: tenant })
      assert.deepStrictEqual([length("acme"), length("globex")], [4, 1])
    })

    test("count requests by method, path and status, without ids", function*() {
      yield* send("GET", "/health")
      yield* send("GET", "/health?x=1")
      yield* send("POST", "/approve/some-id", { body: {} })
      yield* send("POST", "/approve/other-id", { key: "wrong", body: {} })
      yield* send("GET", "/nowhere/secret-id")
      const families = yield* metrics
      const requests = (method: string, path: string, status: string) =>
        valueOf(families, "gateway_requests_total", { method, path, status })
      assert.strictEqual(requests("GET", "/health", "200"), 2)
      assert.strictEqual(requests("POST", "/approve/{id}", "404"), 1)
      assert.strictEqual(requests("POST", "/approve/{id}", "401"), 1)
      assert.strictEqual(requests("GET", "other", "404"), 1)
      assert.strictEqual(
        valueOf(families, "gateway_request_duration_seconds_count", { path: "/health", status: "200" }),
        2
      )
      // This very request is under way.
      assert.strictEqual(valueOf(families, "gateway_active_requests"), 1)
      assert.notMatch(JSON.stringify(families), /some-id|secret-id/)
    })

    test("come as Prometheus wants them, without a key, and each gateway counts for itself", function*() {
      const answer = yield* send("GET", "/metrics", { key: null })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.contentType, "text/plain; version=0.0.4; charset=utf-8")
      assert.match(answer.text, /^# TYPE gateway_active_requests gauge$/m)
      assert.notInclude(answer.text, "gateway_actions_total")
    })
  })

  describe("figures for the public", () => {
    test("are of tenants that want it, and of no other", function*() {
      yield* ToolCalls.decide(allowed)
      assert.strictEqual(
        yield* reasonOf(system(({ transparencyOf }) => transparencyOf("acme"))),
        "Forbidden: Transparency data not public for this tenant"
      )
      assert.strictEqual(
        yield* reasonOf(system(({ transparencyOf }) => transparencyOf("nobody"))),
        "NotFound: Tenant not found"
      )
      assert.strictEqual((yield* system(({ transparency }) => transparency)).overall.total, 0)
      yield* makePublic
      yield* as(globex)(ToolCalls.decide(allowed))
      const all = yield* system(({ transparency }) => transparency)
      assert.deepStrictEqual([all.tenantId, all.overall.total, all.approvals], [null, 1, null])
      assert.strictEqual((yield* send("GET", "/transparency/acme", { key: null })).status, 200)
    })

    test("count by decision, rule, severity, tool, policy and time", function*() {
      yield* makePublic
      yield* ToolCalls.decide(denied)
      yield* TestClock.adjust("8 days")
      yield* ToolCalls.decide(allowed)
      yield* TestClock.adjust("2 hours")
      const id = yield* hold()
      yield* reject(id)
      const report = yield* system(({ transparencyOf }) => transparencyOf("acme"))
      assert.deepStrictEqual(report.overall, {
        total: 4,
        allowed: 1,
        denied: 2,
        anomalous: 0,
        complianceRate: 25
      })
      assert.deepStrictEqual(report.lastHour, { total: 2, allowed: 0, denied: 1 })
      assert.deepStrictEqual(report.lastDay, { total: 3, allowed: 1, denied: 1 })
      assert.deepStrictEqual(report.lastWeek, { total: 3, allowed: 1, denied: 1 })
      assert.deepStrictEqual({ ...report.violations }, { tool_forbidden: 1, and_seen: 1 })
      assert.deepStrictEqual({ ...report.severities }, { critical: 1, none: 1 })
      assert.deepStrictEqual(report.tools.map(({ denied, tool, total }) => [tool, total, denied]).sort(), [
        ["approval_queue", 1, 1],
        ["files", 1, 0],
        ["forbidden", 1, 1],
        ["slack", 1, 0]
      ])
      assert.strictEqual(report.policies.at(-1)?.firstSeen?.epochMilliseconds, 0)
      assert.deepStrictEqual(report.approvals, { pending: 0, approved: 0, rejected: 1, expired: 0 })
      const { createdAt, recordHash } = yield* newest
      assert.deepStrictEqual(report.chain, {
        records: 4,
        latestHash: `${recordHash.slice(0, 16)}...`,
        latestAt: createdAt!
      })
    })

    test("are 0 of nothing", function*() {
      yield* makePublic
      const report = yield* system(({ transparencyOf }) => transparencyOf("acme"))
      assert.deepStrictEqual(report.overall, { total: 0, allowed: 0, denied: 0, anomalous: 0, complianceRate: 0 })
      assert.deepStrictEqual(report.chain, { records: 0, latestHash: null, latestAt: null })
    })

    test("make a page, by its slug and with no params", function*() {
      const dashboard = (slug: string) => system(({ publicDashboard }) => publicDashboard(slug))
      assert.strictEqual(yield* reasonOf(dashboard("acme-corp")), "NotFound: Dashboard not found")
      yield* makePublic
      assert.strictEqual(yield* reasonOf(dashboard("acme")), "NotFound: Dashboard not found")
      for (let n = 0; n < 21; n++) yield* ToolCalls.decide({ ...allowed, params: { secret: "S3CR3T" } })
      yield* ToolCalls.decide(denied)
      const page = yield* dashboard("acme-corp")
      assert.deepStrictEqual(page.stats, { total: 22, allowed: 21, denied: 1 })
      assert.deepStrictEqual({ ...page.violations }, { tool_forbidden: 1, and_seen: 1 })
      assert.include(page.chain, { valid: true, records: 22 })
      assert.lengthOf(page.recent, 20)
      assert.include(page.recent[0], { tool: "forbidden", decision: "deny", severity: "critical" })
      assert.notInclude((yield* send("GET", "/dashboard/public/acme-corp", { key: null })).text, "S3CR3T")
    })
  })

  describe("behaviour", () => {
    const score = (agent = "a-1") => system(({ anomalyScore }) => anomalyScore(agent))
    const misbehave = ToolCalls.decide({ ...denied, agent: { id: "a-1" } })

    test("raises an agent's score with each denial, per tenant, and 0 is nobody's", function*() {
      assert.strictEqual(yield* score(), 0)
      yield* misbehave
      assert.strictEqual(yield* score(), 0.15)
      yield* misbehave
      assert.strictEqual(yield* score(), 0.2925)
      assert.strictEqual(yield* score("a-2"), 0)
      assert.strictEqual(yield* as(globex)(score()), 0)
    })

    test("is forgotten on demand, by its own tenant alone, and the log stays", function*() {
      yield* misbehave
      yield* as(globex)(maintenance(({ clearHistory }) => clearHistory("a-1")))
      assert.strictEqual(yield* score(), 0.15)
      yield* maintenance(({ clearHistory }) => clearHistory("a-1"))
      assert.strictEqual(yield* score(), 0)
      yield* maintenance(({ clearHistory }) => clearHistory("never-seen"))
      assert.strictEqual((yield* newest).decision, "deny")
    })

    test("is forgotten except for the score, where only counters are cleared", function*() {
      yield* misbehave
      yield* maintenance(({ clearCounters }) => clearCounters("a-1"))
      assert.strictEqual(yield* score(), 0.15)
      yield* ToolCalls.decide({ ...allowed, agent: { id: "a-1" } })
      const { opa_input_used: input } = JSON.parse(
        (yield* send("POST", "/audit/replay", { body: { last_block: true } })).text
      )
      assert.deepStrictEqual(input.history.last_10min, { action_count: 0, denied_count: 0 })
      assert.deepStrictEqual(input.history.last_24h, {
        high_value_transactions: 0,
        action_count: 0,
        policy_violations: 0,
        last_violation_at: null
      })
    })

    test("is nobody's without a key", function*() {
      for (
        const [method, path] of [
          ["GET", "/agents/a-1/anomaly_score"],
          ["DELETE", "/agents/a-1/history"],
          ["DELETE", "/agents/a-1/counters"]
        ] as const
      ) {
        assert.strictEqual((yield* send(method, path, { key: null })).status, 401)
      }
    })
  })

  describe("what this gateway is not made for", () => {
    test("is refused with a reason, and changes nothing", function*() {
      assert.strictEqual(
        yield* reasonOf(system(({ outreach }) => outreach)),
        "NotSupported: This gateway has no limits on sales messages"
      )
      assert.strictEqual(
        yield* reasonOf(maintenance(({ backup }) => backup)),
        "NotSupported: This gateway makes no backups by HTTP: effect-vargate backup copies its ledger"
      )
      yield* ToolCalls.decide(destructive)
    })
  })
}
