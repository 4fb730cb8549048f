/** One set of decisions for every engine that knows the five templates. */
import { assert, describe, type Vitest } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import { PolicyInput } from "../../../src/gateway/policy/PolicyInput.ts"
import { documents } from "./policyArbitrary.ts"
import { cases } from "./policyCases.ts"
import { document } from "./policyDocument.ts"

const decide = (input: PolicyInput) =>
  Effect.map(PolicyEngine.PolicyEngine.use((engine) => engine.evaluate(input)), ({ decision }) => decision)

const tiers = { none: "none", low: "none", medium: "slack_alert", high: "soc_ticket", critical: "soc_page" }

export const policySuite = (it: Vitest.MethodsNonLive<PolicyEngine.PolicyEngine>) => {
  for (const [template, table] of Object.entries(cases)) {
    describe(`the template ${template}`, () => {
      for (const [title, call, outcome] of table) {
        it.effect(`${title}: ${outcome}`, () =>
          Effect.gen(function*() {
            const decision = yield* decide(document(template, call))
            const answer = decision.allow
              ? decision.requires_human ? "held" : "allowed"
              : `${decision.severity}: ${decision.violations.join(", ")}`
            assert.strictEqual(answer, outcome)
            assert.strictEqual(decision.alert_tier, tiers[decision.severity])
          }))
      }
    })
  }

  it.effect("judges an unknown template as general", () =>
    Effect.gen(function*() {
      for (const template of ["", "lenient", "constructor", "__proto__", "general "]) {
        assert.isTrue((yield* decide(document(template, { method: "purge" }))).requires_human, template)
      }
    }))

  it.effect.prop(
    "decides like the rules in TypeScript on any document, and the same after storage",
    { input: documents },
    ({ input }) =>
      Effect.gen(function*() {
        const decision = yield* decide(input)
        const stored = yield* Schema.decodeEffect(Schema.fromJsonString(PolicyInput))(JSON.stringify(input))
        assert.deepStrictEqual(yield* decide(stored), decision)
        assert.deepStrictEqual((yield* PolicyEngine.make().evaluate(stored)).decision, decision)
        assert.strictEqual(decision.allow, decision.violations.length === 0)
        assert.strictEqual(decision.severity === "none", decision.allow)
        assert.isFalse(decision.violations.some((name) => name.startsWith("policy_")), "no rule fails")
      }),
    { arbitrary: { runs: 500 } }
  )
}
