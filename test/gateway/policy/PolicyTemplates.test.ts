import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import * as PolicyTemplates from "../../../src/gateway/policy/PolicyTemplates.ts"
import { deviations, disguised } from "./deviations.ts"
import { cases } from "./policyCases.ts"
import { type Call, document } from "./policyDocument.ts"
import { policySuite } from "./policySuite.ts"

layer(PolicyEngine.layer)("the built-in engine", policySuite)

it("every rule of every template fires in some case", () => {
  assert.deepStrictEqual(Object.keys(cases), PolicyTemplates.all.map(({ id }) => id))
  for (const { id, rules } of PolicyTemplates.all) {
    for (const { name } of rules) {
      assert.isTrue(cases[id]?.some(([, , outcome]) => outcome.includes(name)), name)
    }
  }
})

describe("other spellings of what a template denies or holds", () => {
  const isStopped = (template: string, call: Call) =>
    Effect.map(PolicyEngine.make().evaluate(document(template, call)), ({ decision: { allow, requires_human } }) => {
      assert.isTrue(!allow || requires_human, `${template} ${JSON.stringify(call)}`)
    })

  it.effect("are never allowed", () =>
    Effect.forEach(deviations, ([template, call]) => isStopped(template, call), { discard: true }))

  it.effect.prop(
    "are not allowed in disguise either",
    { disguise: disguised },
    ({ disguise: [template, call] }) => isStopped(template, call),
    { arbitrary: { runs: 2000 } }
  )

  it("are of every template", () => {
    const templates = new Set(deviations.map(([template]) => template))
    assert.deepStrictEqual([...templates], PolicyTemplates.all.map(({ id }) => id))
  })
})

describe("nextAnomalyScore", () => {
  const steps: ReadonlyArray<readonly [number, boolean, unknown, number]> = [
    [0, false, undefined, 0],
    [0.5, false, 999.99, 0.475],
    [0.5, false, 1000, 0.505],
    [0.5, false, "1000", 0.475],
    [0.5, false, Infinity, 0.475],
    [0, true, undefined, 0.15],
    [0.427875, true, 5000, 0.55648125],
    [0.99, true, undefined, 1],
    [1, false, 1000, 0.98]
  ]
  for (const [previous, isDenied, amount, next] of steps) {
    it(`goes from ${previous} to ${next} after ${isDenied ? "a denial" : "an action"} of ${String(amount)}`, () => {
      assert.closeTo(PolicyTemplates.nextAnomalyScore(previous, { denied: isDenied, amount }), next, 1e-12)
    })
  }

  it("never passes 1", () => {
    let score = 0
    for (let n = 0; n < 100; n++) score = PolicyTemplates.nextAnomalyScore(score, { denied: true, amount: undefined })
    assert.strictEqual(score, 1)
  })
})
