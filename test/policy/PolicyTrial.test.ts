/** Candidates on the past: counted by hand, from every source, and with documents that lack something. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { readFileSync } from "node:fs"
import * as Reviews from "../../src/approvals/Reviews.ts"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import * as Gateway from "../../src/gateway/Gateway.ts"
import * as PolicyEngine from "../../src/gateway/policy/PolicyEngine.ts"
import type { PolicyInput } from "../../src/gateway/policy/PolicyInput.ts"
import { PolicyOutage } from "../../src/gateway/policy/PolicyOutage.ts"
import type { TenantOptions } from "../../src/gateway/tenants/Tenants.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as PastDecisions from "../../src/policy/PastDecisions.ts"
import * as PolicyCandidate from "../../src/policy/PolicyCandidate.ts"
import * as PolicyTrial from "../../src/policy/PolicyTrial.ts"
import type { PolicyOutcome } from "../../src/policy/TrialReport.ts"
import * as Vargate from "../../src/Vargate.ts"
import * as Evidence from "../../src/verify/Evidence.ts"
import { hasCaptures, reason } from "../conformance/captures.ts"
import { document } from "../gateway/policy/policyDocument.ts"

const engine = PolicyEngine.make()

/** Decisions as the built-in engine has taken them. */
const pastOf = (inputs: ReadonlyArray<PolicyInput>) =>
  Effect.map(
    Effect.forEach(inputs, (input, index) =>
      Effect.map(engine.evaluate(input), ({ decision }): PastDecisions.PastDecision => ({
        actionId: `action-${index}`,
        agentId: input.agent.id,
        tool: input.action.tool,
        method: input.action.method,
        outcome: PolicyCandidate.outcomeOf(decision),
        violations: decision.violations,
        document: input
      }))),
    (decisions): PastDecisions.PastDecisions => ({ decisions, leftOut: [] })
  )

const needsCaptures = hasCaptures ? "" : ` (${reason})`

const captured = (name: string): Captured => {
  const file = new URL(`../../../shared/gateway-capture/audit/${name}.json`, import.meta.url)
  return JSON.parse(JSON.parse(readFileSync(file, "utf8")).response.body_text)
}

interface Captured {
  readonly original: { readonly decision: string; readonly violations: ReadonlyArray<string> }
  readonly opa_input_used: {
    readonly agent: { readonly id: string }
    action: { readonly id: string; tool: string; method: string; params: Record<string, unknown> }
  }
}

const hosted = (
  name: string,
  patch: (action: Captured["opa_input_used"]["action"]) => void = () => {}
): PastDecisions.PastDecisions => {
  const { opa_input_used: document, original } = captured(name)
  patch(document.action)
  return {
    decisions: [{
      actionId: document.action.id,
      agentId: document.agent.id,
      tool: document.action.tool,
      method: document.action.method,
      outcome: original.decision === "deny" ? "denied" : "allowed",
      violations: original.violations,
      ...PastDecisions.completed(document)
    }],
    leftOut: []
  }
}

/** A gateway with its parts at hand, and its client. */
const gateway = (tenant: Partial<TenantOptions>) =>
  Reviews.layer.pipe(
    Layer.provideMerge(Vargate.layer({ apiKey: "shop-key" })),
    Layer.provideMerge(Gateway.layerMemory({ tenants: [{ id: "shop", apiKey: "shop-key", ...tenant }] }))
  )

const trial = (options: PolicyCandidate.BuiltinOptions, past: PastDecisions.PastDecisions) =>
  Effect.flatMap(PolicyCandidate.builtin(options), (candidate) => PolicyTrial.run(candidate, past))

describe("PolicyTrial", () => {
  it.effect("reports a changed threshold exactly as a recount by hand", () =>
    Effect.gen(function*() {
      const agents = ["ann", "bob", "cy"]
      const tools = ["stripe", "bank"]
      // 97 has no common factor with the size, so that amounts cover the range in no order.
      const calls = Array.from({ length: 1000 }, (_, i) => ({
        amount: (i * 97) % 10_000,
        agent: agents[i % 3]!,
        tool: tools[i % 2]!
      }))
      const past = yield* pastOf(calls.map(({ agent, amount, tool }) => {
        const input = document("financial", { tool, method: "pay", params: { amount } })
        return { ...input, agent: { ...input.agent, id: agent } }
      }))
      const report = yield* trial({ parameters: { transaction_limit: 3000, approval_threshold: 2000 } }, past)

      const outcome = (amount: number, limit: number, threshold: number): PolicyOutcome =>
        amount >= limit ? "denied" : amount >= threshold ? "pending" : "allowed"
      const counts = { denied: 0, pending: 0, allowed: 0 }
      const byAgent: Record<string, typeof counts> = {}
      const byTool: Record<string, typeof counts> = {}
      const changed: Array<string> = []
      for (const [index, { agent, amount, tool }] of calls.entries()) {
        const from = outcome(amount, 5000, 1000)
        const to = outcome(amount, 3000, 2000)
        if (from === to) continue
        changed.push(`action-${index}`)
        counts[to]++
        for (const [group, name] of [[byAgent, agent], [byTool, `${tool}/pay`]] as const) {
          group[name] ??= { denied: 0, pending: 0, allowed: 0 }
          group[name][to]++
        }
      }
      assert.isAbove(counts.denied, 100)
      assert.isAbove(counts.allowed, 50)
      assert.deepStrictEqual({ ...report.newly }, counts)
      assert.strictEqual(report.same, 1000 - changed.length)
      assert.deepStrictEqual(Object.fromEntries(report.byAgent.map(({ name, ...rest }) => [name, rest])), byAgent)
      assert.deepStrictEqual(Object.fromEntries(report.byTool.map(({ name, ...rest }) => [name, rest])), byTool)
      assert.deepStrictEqual(
        report.byRule.map(({ name, ...rest }) => [name, rest]).sort(),
        [
          ["requires_human", { denied: 0, pending: 0, allowed: counts.allowed }],
          ["transaction_exceeds_limit", { denied: counts.denied, pending: 0, allowed: 0 }]
        ]
      )
      assert.deepStrictEqual(report.examples.map(({ actionId }) => actionId), changed.slice(0, 10))
    }))

  it.effect("attributes a call that would be pending or allowed to what holds it, or denied it", () =>
    Effect.gen(function*() {
      const past = yield* pastOf([
        document("financial", { params: { amount: 6000, currency: "USD" } }),
        document("financial", { params: { amount: 500 } }),
        document("general", { method: "purge" })
      ])
      const loose = yield* trial({
        parameters: { transaction_limit: 9000, currency: "USD", approval_threshold: 100, approve_destructive: false },
        approvals: [function never() {
          return false
        }]
      }, past)
      assert.deepStrictEqual(loose.examples.map(({ from, rules, to }) => [from, to, rules]), [
        ["denied", "pending", ["financial"]],
        ["allowed", "pending", ["financial"]],
        ["pending", "allowed", ["requires_human"]]
      ])
      const denying = yield* trial({
        rules: [{ name: "no_purge", severity: "low", when: ({ action }) => action.method === "purge" }],
        template: "general"
      }, past)
      assert.deepStrictEqual(denying.byRule, [
        { name: "currency_mismatch", denied: 0, pending: 0, allowed: 1 },
        { name: "no_purge", denied: 1, pending: 0, allowed: 0 },
        { name: "transaction_exceeds_limit", denied: 0, pending: 0, allowed: 1 }
      ])
    }))

  it.effect("reads the past from replays and from the ledger alike, without what no policy decided", () =>
    Effect.gen(function*() {
      const pay = (amount: number) =>
        ToolCalls.decide({ tool: "stripe", method: "pay", params: { amount, name: "Ann" }, isBusinessHours: true })
      yield* Effect.forEach([10, 4000, 9000, 800], pay)
      const { actionId } = yield* pay(2000)
      yield* Reviews.Reviews.use((reviews) => reviews.reject(actionId))
      const replayed = yield* PastDecisions.fromReplays(100)
      const kept = yield* PastDecisions.fromLedger("shop", 100)
      assert.deepStrictEqual(replayed.decisions.map(({ outcome }) => outcome), [
        "pending",
        "allowed",
        "denied",
        "pending",
        "allowed"
      ])
      assert.deepStrictEqual(replayed.leftOut.map(({ reason }) => reason), ["HumanDecision"])
      const reports = yield* Effect.forEach(
        [replayed, kept],
        (past) => trial({ parameters: { transaction_limit: 3000 } }, past)
      )
      assert.deepStrictEqual({ ...reports[0]!.newly }, { denied: 1, pending: 0, allowed: 0 })
      assert.deepStrictEqual(reports[0], reports[1])
      assert.strictEqual((yield* PastDecisions.fromReplays(2)).decisions.length, 1)
      assert.deepStrictEqual((yield* Effect.flip(PastDecisions.fromReplays(0)))._tag, "VargateError")
    }).pipe(Effect.provide(gateway({ policyTemplate: "financial" }))))

  it.effect("counts a call that a switch of the tenant allowed as pending, and leaves out what a switch decided", () =>
    Effect.gen(function*() {
      yield* ToolCalls.decide({ tool: "db", method: "drop" })
      yield* PolicyOutage.use((outage) => outage.set(true))
      yield* ToolCalls.decide({ tool: "db", method: "read" })
      const past = yield* PastDecisions.fromLedger("shop", 10)
      assert.deepStrictEqual(past.decisions.map(({ outcome, violations }) => [outcome, violations]), [["pending", []]])
      assert.deepStrictEqual(past.leftOut.map(({ reason }) => reason), ["GatewayDecision"])
    }).pipe(Effect.provide(gateway({ autoApproveTools: ["db/drop"], opaFailure: "fail_open" }))))

  describe.skipIf(!hasCaptures)(`with documents of the hosted gateway${needsCaptures}`, () => {
    it.effect("decides where nothing that they lack matters", () =>
      Effect.gen(function*() {
        const report = yield* trial(
          { template: "general", parameters: { daily_action_limit: 10 } },
          hosted("replay-match-allow")
        )
        assert.deepStrictEqual([report.same, report.undecided], [1, 0])
        const denied = yield* trial(
          { template: "financial", parameters: { transaction_limit: 10 } },
          hosted("replay-match-deny")
        )
        assert.deepStrictEqual([denied.same, denied.undecided], [1, 0])
      }))

    it.effect("names what they lack where it does, and what was computed", () =>
      Effect.gen(function*() {
        const allowed = hosted("replay-match-allow")
        const tenants = yield* trial({}, allowed)
        assert.deepStrictEqual(tenants.lacking, [{ field: "tenant.policy_template", documents: 1 }])
        const cooling = yield* trial({ template: "general", parameters: { cooldown_violations: 0 } }, allowed)
        assert.deepStrictEqual(cooling.lacking, [{ field: "history.last_24h.last_violation_at", documents: 1 }])
        assert.deepStrictEqual(cooling.derived.map(({ field }) => field).sort(), [
          "context.day_of_week",
          "data.recipients"
        ])
        const mail = hosted("replay-match-allow", (action) => {
          action.tool = "email"
          action.params = { to: "ann@corp.example", body: "automated" }
        })
        assert.deepStrictEqual((yield* trial({ template: "email" }, mail)).lacking, [
          { field: "history.known_recipient", documents: 1 }
        ])
        const known = yield* trial({ template: "email", parameters: { first_contact_approval: false } }, mail)
        assert.deepStrictEqual([known.same, known.undecided], [1, 0])
      }))

    it("computes no recipients of what is encrypted", () => {
      const of = (to: string) =>
        PastDecisions.completed({ action: { params: { to } }, context: {}, data: { contains_pii: true } }).derived
      assert.deepStrictEqual([of("ann@corp.example"), of("[ENCRYPTED:k1:AAAA]")], [["data.recipients"], []])
    })

    it.effect("asks an engine only where its policy reads nothing that they lack", () =>
      Effect.gen(function*() {
        const asked: Array<unknown> = []
        const engine = PolicyEngine.PolicyEngine.of({
          evaluate: (input) => {
            asked.push(input)
            return PolicyEngine.make().evaluate(document("general"))
          }
        })
        const past = hosted("replay-match-allow")
        const tried = (reads?: ReadonlyArray<string>) =>
          PolicyTrial.run(PolicyCandidate.ofEngine(engine, { name: "rego", reads }), past)
        const all = yield* tried()
        assert.strictEqual(all.undecided, 1)
        assert.includeMembers(all.lacking.map(({ field }) => field), [
          "tenant.policy_template",
          "history.known_recipient"
        ])
        assert.strictEqual((yield* tried(["action.params", "history"])).undecided, 1)
        assert.strictEqual((yield* tried([""])).undecided, 1)
        assert.strictEqual(asked.length, 0)
        assert.strictEqual((yield* tried(["action.params", "history.anomaly_score"])).same, 1)
        assert.strictEqual(asked.length, 1)
      }))
  })

  it.effect("takes nothing for granted that a record of evidence does not say", () =>
    Effect.gen(function*() {
      const pay = (params: Record<string, unknown>) => ToolCalls.decide({ tool: "stripe", method: "pay", params })
      yield* Effect.forEach([{ amount: 10 }, { amount: 9000 }, { amount: 500, name: "Ann" }], pay)
      const content = yield* Evidence.Evidence.use((evidence) => evidence.export())
      const past = yield* PastDecisions.fromEvidence(content, 100)
      assert.deepStrictEqual(past.decisions.map(({ lacking }) => lacking), [["action.params.name"], [], []])
      const whole = {
        transaction_limit: 5000,
        currency: "EUR",
        business_hours_only: false,
        approval_threshold: 1000,
        daily_transaction_cap: 100
      }
      const report = yield* trial({ template: "financial", parameters: whole }, past)
      // Only what is over the limit is certain: how many actions there were that day is not in a record.
      assert.deepStrictEqual([report.same, report.undecided], [1, 2])
      assert.deepStrictEqual(
        report.lacking.map(({ field }) => field).sort(),
        ["action.params.name", "history.last_24h"]
      )
      const tuned = yield* trial({ template: "financial" }, past)
      assert.include(tuned.lacking.map(({ field }) => field), "tenant.policy_config.transaction_limit")
      const own = yield* trial({
        template: "email",
        rules: [{
          name: "too_much",
          severity: "low",
          when: ({ action }) => Number(action.params.amount) > 5
        }]
      }, past)
      assert.deepStrictEqual({ ...own.newly }, { denied: 1, pending: 0, allowed: 0 })
      assert.strictEqual((yield* PastDecisions.fromEvidence(content, 1)).decisions.length, 1)
      assert.strictEqual((yield* Effect.flip(PastDecisions.fromEvidence("{}", 1)))._tag, "VargateError")
    }).pipe(
      Effect.provide(Layer.provideMerge(
        Evidence.layer,
        Layer.merge(NodeHasher.layer, gateway({ policyTemplate: "financial" }))
      ))
    ))

  it.effect("holds a budget, in calls and in shares, and none where nothing was shown", () =>
    Effect.gen(function*() {
      const past = yield* pastOf([1, 2, 3, 4000].map((amount) => document("financial", { params: { amount } })))
      const report = yield* trial({ parameters: { transaction_limit: 2, approval_threshold: 1 } }, past)
      assert.deepStrictEqual({ ...report.newly }, { denied: 3, pending: 1, allowed: 0 })
      const exceeded = (budget: PolicyTrial.Budget) =>
        Effect.map(PolicyTrial.exceeding(report, budget), (found) => found.map(({ what }) => what))
      assert.deepStrictEqual(yield* exceeded({}), [])
      assert.deepStrictEqual(yield* exceeded({ denied: 3, pending: "25%", allowed: 0, undecided: "0" }), [])
      assert.deepStrictEqual(yield* exceeded({ denied: "74.9%", pending: 0 }), ["denied", "pending"])
      for (const denied of ["lots", "1e3", "-1", -1, Number.NaN]) {
        assert.strictEqual((yield* Effect.flip(exceeded({ denied })))._tag, "VargateError")
      }
      const nothing = yield* trial({}, { decisions: [], leftOut: [] })
      assert.deepStrictEqual(yield* PolicyTrial.exceeding(nothing, { denied: 1 }), [{
        what: "tried",
        found: 0,
        limit: 1
      }])
      const broken = PolicyCandidate.ofEngine(
        PolicyEngine.PolicyEngine.of({
          evaluate: () => Effect.fail(new PolicyEngine.PolicyUnavailable({ detail: "it failed" }))
        }),
        { name: "broken" }
      )
      const failed = yield* PolicyTrial.run(broken, past)
      assert.deepStrictEqual(failed.failures, [{ detail: "it failed", documents: 4 }])
      assert.deepStrictEqual((yield* PolicyTrial.exceeding(failed, {})).map(({ what }) => what), ["failed", "tried"])
    }))
})

describe("PolicyCandidate", () => {
  it.effect("refuses a slip in a template or its parameters", () =>
    Effect.gen(function*() {
      const refused: ReadonlyArray<PolicyCandidate.BuiltinOptions> = [
        { template: "finance" },
        { parameters: { transaction_limits: 1 } },
        { template: "crm", parameters: { transaction_limit: 1 } },
        { parameters: { transaction_limit: "3000" } },
        { template: "email", parameters: { blocked_domains: "gmail.com" } }
      ]
      for (const options of refused) {
        assert.match((yield* Effect.flip(PolicyCandidate.builtin(options))).message, /template|parameters/)
      }
    }))

  it.effect("explains by the rules that fired and the values that they saw", () =>
    Effect.gen(function*() {
      const candidate = yield* PolicyCandidate.builtin({
        rules: [{ name: "agent_a", severity: "low", when: ({ agent }) => agent.id === "a" }]
      })
      const input = document("general", { actions: 300, method: "purge" })
      const explanation = candidate.explain!({ document: Object.freeze(input) })
      assert.strictEqual(explanation.outcome, "denied")
      assert.deepStrictEqual(explanation.violations, ["agent_a", "daily_action_limit_exceeded"])
      const seen = Object.fromEntries(
        explanation.rules.map((
          { name, saw }
        ) => [name, Object.fromEntries(saw.map(({ field, value }) => [field, value]))])
      )
      assert.deepStrictEqual(seen, {
        agent_a: { "agent.id": "a" },
        daily_action_limit_exceeded: {
          "history.last_24h.action_count": 300,
          "policy_config.daily_action_limit": 200
        },
        general: { "action.method": "purge", "policy_config.approve_destructive": true }
      })
    }))

  it.effect.skipIf(!hasCaptures)(`explains what cannot be told${needsCaptures}`, () =>
    Effect.gen(function*() {
      const candidate = yield* PolicyCandidate.builtin({ template: "general", parameters: { cooldown_violations: 0 } })
      const { lacking: _, ...known } = hosted("replay-match-allow").decisions[0]!
      const { outcome, unjudged } = candidate.explain!(known)
      assert.isUndefined(outcome)
      assert.deepStrictEqual(unjudged, [
        { name: "violation_cooldown_active", lacking: ["history.last_24h.last_violation_at"] }
      ])
    }))
})
