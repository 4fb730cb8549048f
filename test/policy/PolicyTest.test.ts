/** Tests of policies as data, on the built-in engine and on a compiled policy; on an OPA server in `PolicyTest.slow.test.ts`. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as PolicyEngine from "../../src/gateway/policy/PolicyEngine.ts"
import * as OpaWasmEngine from "../../src/policy/OpaWasmEngine.ts"
import * as PolicyTest from "../../src/policy/PolicyTest.ts"
import * as RegoPolicy from "../../src/policy/RegoPolicy.ts"
import { needsOpa, opa, policies } from "../support/opa.ts"
import { payments } from "../support/policyCases.ts"

layer(PolicyEngine.layer)("the built-in engine", (it) => PolicyTest.cases(it, payments, { minCoverage: 1 }))

describe.skipIf(opa === undefined)(`a compiled policy${needsOpa}`, () => {
  const engine = Layer.unwrap(
    Effect.map(RegoPolicy.open(policies, { opa }), (policy) => OpaWasmEngine.layer({ policy }))
  )
  layer(engine)("with the templates in Rego", (it) => PolicyTest.cases(it, payments))
})

const pay: PolicyTest.When = { tool: "stripe", method: "charge", params: { amount: 9000 } }
const financial: PolicyTest.Given = { template: "financial" }

const failure = (policyCase: Partial<PolicyTest.PolicyCase>) =>
  PolicyTest.check({ title: "a payment", given: financial, when: pay, expect: "denied", ...policyCase }).pipe(
    Effect.flip,
    Effect.map(({ message }) => message),
    Effect.provide(PolicyEngine.layer)
  )

describe("PolicyTest", () => {
  it.effect("says what came out otherwise", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* failure({ expect: "allowed" }),
        "a payment: expected allowed, and it was denied by transaction_exceeds_limit"
      )
      assert.strictEqual(
        yield* failure({ expect: { denied: ["currency_mismatch", "a"] } }),
        "a payment: expected denied by a, currency_mismatch, and it was denied by transaction_exceeds_limit"
      )
      assert.match(
        yield* failure({ when: { ...pay, params: { amount: 2000 } } }),
        /expected denied, and it was pending/
      )
    }))

  it.effect("says what is no document, and that there was no decision", () =>
    Effect.gen(function*() {
      assert.match(yield* failure({ given: { at: "lately" } }), /given\.at is no time: lately/)
      assert.match(
        yield* failure({ given: { history: { last_24h: { action_count: 0.5 } } } }),
        /history\.last_24h\.action_count/
      )
      const mistyped = { given: { history: { score: 1 } } } as unknown as Partial<PolicyTest.PolicyCase>
      assert.match(yield* failure(mistyped), /the document is none: history\.score/)
      const engine = PolicyEngine.PolicyEngine.of({
        evaluate: () => Effect.fail(new PolicyEngine.PolicyUnavailable({ detail: "away" }))
      })
      const { message } = yield* PolicyTest.check({ title: "a call", when: pay, expect: "allowed" }).pipe(
        Effect.flip,
        Effect.provideService(PolicyEngine.PolicyEngine, engine)
      )
      assert.strictEqual(message, "a call: there was no decision: away")
    }))

  it.effect("names the rules that no case has fired", () =>
    Effect.gen(function*() {
      const some = payments.slice(0, 2)
      const { fired, uncovered } = yield* PolicyTest.run(some)
      assert.deepStrictEqual([fired.get("transaction_exceeds_limit"), fired.get("requires_human")], [1, 1])
      assert.deepStrictEqual(uncovered, [
        "currency_mismatch",
        "daily_transaction_cap_exceeded",
        "transaction_outside_business_hours",
        "unexpected_shape"
      ])
      assert.strictEqual((yield* PolicyTest.run(some, { minCoverage: 1 / 3 })).uncovered.length, 4)
      const error = yield* Effect.flip(PolicyTest.run(some, { minCoverage: 0.34 }))
      assert.match(error.message, /^2 of 6 rules fired in some case\. Add cases for: currency_mismatch, /)
      const named = yield* PolicyTest.run(some, { rules: ["transaction_exceeds_limit", "other"] })
      assert.deepStrictEqual(named.uncovered, ["other"])
    }).pipe(Effect.provide(PolicyEngine.layer)))

  it.effect("asks no coverage of cases that were not all run", () =>
    Effect.gen(function*() {
      const registered: Array<Parameters<PolicyTest.TestRunner["effect"]>> = []
      PolicyTest.cases({ effect: (...test) => void registered.push(test) }, payments.slice(0, 2), { minCoverage: 1 })
      assert.deepStrictEqual(registered.map(([name]) => name), [
        payments[0]!.title,
        payments[1]!.title,
        "rules that fired"
      ])
      const notes: Array<string> = []
      const context = { annotate: (message: string) => notes.push(message) }
      const [first, second, coverage] = registered.map(([, run]) => run(context))
      yield* first!
      yield* coverage!
      assert.match(notes[0]!, /^1 of 6 rules fired, not: currency_mismatch, /)
      yield* second!
      assert.strictEqual((yield* Effect.flip(coverage!) as Effect.Effect<{ _tag: string }>)._tag, "RulesNotCovered")
      assert.match(notes[1]!, /^2 of 6 rules fired/)
    }).pipe(Effect.provide(PolicyEngine.layer)))
})
