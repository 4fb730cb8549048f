/** The same decisions from three engines: the templates in TypeScript, in Rego on an OPA server, and in Rego in this process. */
import { assert, describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import * as OpaEngine from "../../src/gateway/policy/OpaEngine.ts"
import type { PolicyEngine } from "../../src/gateway/policy/PolicyEngine.ts"
import * as OpaWasmEngine from "../../src/policy/OpaWasmEngine.ts"
import * as PolicyCandidate from "../../src/policy/PolicyCandidate.ts"
import * as PolicyTrial from "../../src/policy/PolicyTrial.ts"
import * as RegoPolicy from "../../src/policy/RegoPolicy.ts"
import { disguised } from "../gateway/policy/deviations.ts"
import { documents } from "../gateway/policy/policyArbitrary.ts"
import { document } from "../gateway/policy/policyDocument.ts"
import { isFull } from "../support/isFull.ts"
import { needsOpa, opa, OpaServer, opaServer, policies } from "../support/opa.ts"

interface Engines {
  readonly rego: PolicyEngine["Service"]
  readonly server: PolicyEngine["Service"]
}

class BothEngines extends Context.Service<BothEngines, Engines>()("test/BothEngines") {}

const engines = Layer.effect(
  BothEngines,
  Effect.gen(function*() {
    const { url } = yield* OpaServer
    const policy = yield* RegoPolicy.open(policies, { opa })
    return {
      rego: yield* OpaWasmEngine.make({ policy, timeout: "1 minute" }),
      server: yield* OpaEngine.make({ url, timeout: "1 minute" })
    }
  })
).pipe(Layer.provide(Layer.merge(opaServer(), FetchHttpClient.layer)))

const runs = isFull ? 5000 : 150

describe.skipIf(opa === undefined)(`policies on three engines${needsOpa}`, () => {
  layer(engines)((it) => {
    it.effect.prop(
      `decide alike, ${2 * runs} documents`,
      { input: documents, deviation: disguised },
      ({ deviation: [template, call], input }) =>
        Effect.gen(function*() {
          const { rego, server } = yield* BothEngines
          const typescript = yield* PolicyCandidate.builtin()
          for (const tried of [input, document(template, call)]) {
            // As each of them gets it: what JSON does not carry is gone.
            const stored = JSON.parse(JSON.stringify(tried))
            const decided = yield* typescript.judge({ document: stored })
            assert(decided._tag === "Decided", JSON.stringify(decided))
            for (const engine of [rego, server]) {
              assert.deepStrictEqual((yield* engine.evaluate(stored)).decision, decided.decision)
            }
            const past = {
              decisions: [{
                actionId: stored.action.id,
                agentId: stored.agent.id,
                tool: stored.action.tool,
                method: stored.action.method,
                outcome: PolicyCandidate.outcomeOf(decided.decision),
                violations: decided.decision.violations,
                document: stored
              }],
              leftOut: []
            }
            const report = yield* PolicyTrial.run(PolicyCandidate.ofEngine(rego, { name: "rego" }), past)
            assert.deepStrictEqual([report.same, report.tried], [1, 1])
          }
        }),
      { arbitrary: { runs } }
    )
  })
})
