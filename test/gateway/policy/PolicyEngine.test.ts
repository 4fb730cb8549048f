import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger } from "effect"
import * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import { type PolicyDecision, PolicyInput } from "../../../src/gateway/policy/PolicyInput.ts"
import { document } from "./policyDocument.ts"

const rule = (input: PolicyInput) => PolicyEngine.PolicyEngine.use((engine) => engine.evaluate(input))

const evaluate = (input: PolicyInput) => Effect.map(rule(input), ({ decision }) => decision)

const tiers: Record<string, string> = { medium: "slack_alert", high: "soc_ticket", critical: "soc_page" }
const denied = (severity: "medium" | "high" | "critical", ...violations: ReadonlyArray<string>): PolicyDecision => ({
  allow: false,
  requires_human: false,
  violations,
  severity,
  alert_tier: tiers[severity]!
})
const allowed: PolicyDecision = {
  allow: true,
  requires_human: false,
  violations: [],
  severity: "none",
  alert_tier: "none"
}
const held: PolicyDecision = { ...allowed, requires_human: true }

describe("PolicyEngine", () => {
  const programRules = PolicyEngine.layerWith({
    rules: [
      { name: "no_fridays", severity: "low", when: ({ action }) => action.params.friday === true },
      { name: "meltdown", severity: "critical", when: ({ action }) => action.params.meltdown === true },
      {
        name: "daily_action_limit_exceeded",
        severity: "low",
        when: (_, parameters) => parameters.bulk_threshold === 3
      },
      {
        name: "banned",
        severity: "medium",
        when: ({ action }) => Object.keys(action.params).filter((key) => key < "c")
      }
    ],
    approvals: [({ action }) => action.method === "launch"]
  })

  it.effect("applies the program's rules beside the tenant's template", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* evaluate(document("general")), allowed)
      assert.deepStrictEqual(
        yield* evaluate(document("general", { params: { meltdown: true, friday: true }, actions: 201 })),
        denied("critical", "daily_action_limit_exceeded", "meltdown", "no_fridays")
      )
      assert.deepStrictEqual(yield* evaluate(document("general", { params: { friday: true } })), {
        ...denied("medium", "no_fridays"),
        severity: "low",
        alert_tier: "none"
      })
      assert.deepStrictEqual(
        yield* evaluate(document("general", { params: { b: 1, a: 1, d: 1 } })),
        denied("medium", "banned_a", "banned_b")
      )
      assert.deepStrictEqual(yield* evaluate(document("general", { method: "launch" })), held)
    }).pipe(Effect.provide(programRules)))

  it.effect("applies them too where the template is not concerned, and with its parameters", () =>
    Effect.gen(function*() {
      const elsewhere = document("email", { tool: "slack", method: "launch", params: { to: "a@gmail.com" } })
      assert.deepStrictEqual(yield* evaluate(elsewhere), held)
      assert.deepStrictEqual(
        (yield* evaluate(document("crm", { config: { bulk_threshold: 3 } }))).violations,
        ["daily_action_limit_exceeded"]
      )
    }).pipe(Effect.provide(programRules)))

  it.effect("fails closed when a rule of the program throws, and logs why", () =>
    Effect.gen(function*() {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ cause }) => logged.push(Cause.squash(cause)))
      assert.deepStrictEqual(
        yield* evaluate(document("general", { actions: 201 })).pipe(Effect.provide(Logger.layer([logger]))),
        denied(
          "high",
          "daily_action_limit_exceeded",
          "policy_rule_failed_approval_1",
          "policy_rule_failed_fragile",
          "policy_rule_failed_vague"
        )
      )
      assert.strictEqual(logged.length, 3)
      assert.instanceOf(logged[0], Error)
      assert.strictEqual(logged[2], undefined)
    }).pipe(Effect.provide(PolicyEngine.layerWith({
      rules: [
        {
          name: "fragile",
          severity: "low",
          when: () => {
            throw new Error("boom")
          }
        },
        // what a program without types may answer
        { name: "vague", severity: "low", when: () => undefined as never }
      ],
      approvals: [() => {
        throw undefined
      }]
    }))))

  const required = ["agent.roles", "agent.id"]
  const incomplete = denied("high", "required_field_absent_agent.roles")

  it.effect("denies where a field is absent that the program requires", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* evaluate(document("general")), incomplete)
      assert.deepStrictEqual(
        yield* evaluate(document("general", { actions: 201 })),
        denied("high", "daily_action_limit_exceeded", ...incomplete.violations)
      )
      const known = document("general")
      assert.deepStrictEqual(yield* evaluate({ ...known, agent: { ...known.agent, roles: [] } }), allowed)
    }).pipe(Effect.provide(PolicyEngine.layerWith({ requiredFields: required }))))

  it.effect("requires fields for any engine", () =>
    Effect.gen(function*() {
      const engine = PolicyEngine.requireFields(PolicyEngine.make(), required)
      assert.deepStrictEqual((yield* engine.evaluate(document("general", { method: "purge" }))).decision, incomplete)
    }))

  it.effect("rules under a revision that follows the program's rules and not their order", () =>
    Effect.gen(function*() {
      const one = { name: "one", severity: "high", when: () => false } as const
      const two = { name: "two", severity: "high", when: () => false } as const
      const revisionOf = Effect.fnUntraced(function*(options: PolicyEngine.Options) {
        const ruling = yield* Effect.provide(rule(document("general")), PolicyEngine.layerWith(options), {
          local: true
        })
        return ruling.revision
      })
      assert.strictEqual(yield* revisionOf({}), "builtin-2")
      assert.strictEqual(yield* revisionOf({ rules: [] }), "builtin-2")
      // stored with audit records, so it must stay what it was
      assert.strictEqual(yield* revisionOf({ rules: [one] }), "builtin-2+40335fb5")
      assert.strictEqual(yield* revisionOf({ rules: [one, two] }), yield* revisionOf({ rules: [two, one] }))
      const others = [
        { rules: [two] },
        { rules: [one, two] },
        { approvals: [() => false] },
        { requiredFields: ["agent.roles"] }
      ]
      const revisions = yield* Effect.forEach([{}, { rules: [one] }, ...others], revisionOf)
      assert.strictEqual(new Set(revisions).size, 6)
    }))

  it.effect.prop("decides on any document", [PolicyInput], ([input]) =>
    Effect.gen(function*() {
      const { violations } = yield* evaluate(input)
      assert.deepStrictEqual(violations, [...new Set(violations)].sort())
    }).pipe(Effect.provide(PolicyEngine.layer)))
})
