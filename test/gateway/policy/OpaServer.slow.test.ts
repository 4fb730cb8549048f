/** The engine that asks an OPA server, on a real one that has the templates in Rego. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { execFileSync } from "node:child_process"
import * as OpaEngine from "../../../src/gateway/policy/OpaEngine.ts"
import * as PolicyEngine from "../../../src/gateway/policy/PolicyEngine.ts"
import { needsOpa, opa, OpaServer, opaServer, policies } from "../../support/opa.ts"
import { deviations } from "./deviations.ts"
import { document } from "./policyDocument.ts"
import { policySuite } from "./policySuite.ts"

const engine = Layer.unwrap(OpaServer.use(({ url }) => Effect.succeed(OpaEngine.layer({ url })))).pipe(
  Layer.provide(FetchHttpClient.layer)
)

describe.skipIf(opa === undefined)(`an OPA server${needsOpa}`, () => {
  layer(Layer.provideMerge(engine, opaServer()))("with the templates in Rego", policySuite)
})

describe.skipIf(opa === undefined)(`the templates in Rego${needsOpa}`, () => {
  it("pass their own tests, which reach every line", () => {
    const { coverage } = JSON.parse(execFileSync(opa!, ["test", "--coverage", policies], { encoding: "utf8" }))
    assert.strictEqual(coverage, 100)
  })

  it.effect(
    "decide like the built-in engine on every other spelling of what a template denies or holds",
    () =>
      Effect.gen(function*() {
        const inputs = deviations.map(([template, call]) => document(template, call))
        const query =
          "[decision | some document in input; decision := data.vargate.policy.decision with input as document]"
        const answer = execFileSync(opa!, ["eval", "--data", policies, "--stdin-input", query], {
          input: JSON.stringify(inputs),
          encoding: "utf8",
          maxBuffer: 64 * 1024 * 1024
        })
        const decisions: ReadonlyArray<unknown> = JSON.parse(answer).result[0].expressions[0].value
        assert.strictEqual(decisions.length, inputs.length)
        const engine = PolicyEngine.make()
        for (const [index, input] of inputs.entries()) {
          assert.deepStrictEqual(
            decisions[index],
            (yield* engine.evaluate(input)).decision,
            JSON.stringify(deviations[index])
          )
        }
      }),
    240_000
  )

  it("are strict and well formatted", () => {
    assert.strictEqual(execFileSync(opa!, ["check", "--strict", policies], { encoding: "utf8" }), "")
    assert.strictEqual(execFileSync(opa!, ["fmt", "--list", policies], { encoding: "utf8" }), "")
  })
})
