/** Candidates in Rego, on documents that lack something, and on an OPA server. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { decide } from "../../src/calls/ToolCalls.ts"
import { PolicyTried } from "../../src/cli/Output.ts"
import * as OpaWasmEngine from "../../src/policy/OpaWasmEngine.ts"
import type * as PastDecisions from "../../src/policy/PastDecisions.ts"
import * as PolicyCandidate from "../../src/policy/PolicyCandidate.ts"
import * as PolicyTrial from "../../src/policy/PolicyTrial.ts"
import * as RegoPolicy from "../../src/policy/RegoPolicy.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run } from "../support/cli.ts"
import { needsOpa, opa, OpaServer, opaServer, policies } from "../support/opa.ts"
import { policyOf } from "../support/rego.ts"

const denyAbove = `decision := {"allow": false, "requires_human": false, "violations": ["too_much"],
    "severity": "high", "alert_tier": "none"} if input.action.params.amount > 1000
  else := {"allow": true, "requires_human": false, "violations": [], "severity": "none", "alert_tier": "none"}`

/** As little as the hosted gateway may tell. */
const past: PastDecisions.PastDecisions = {
  decisions: [500, 2000].map((amount) => ({
    actionId: String(amount),
    agentId: "a",
    tool: "stripe",
    method: "charge",
    outcome: "allowed",
    violations: [],
    document: {
      agent: { id: "a" },
      action: { id: String(amount), tool: "stripe", method: "charge", params: { amount } },
      context: { time_utc: "2026-11-23T12:00:00Z" }
    }
  })),
  leftOut: []
}

describe.skipIf(opa === undefined)(`candidates in Rego${needsOpa}`, () => {
  const tried = (policy: RegoPolicy.RegoPolicy) =>
    Effect.flatMap(
      OpaWasmEngine.make({ policy }),
      (engine) => PolicyTrial.run(PolicyCandidate.ofEngine(engine, { name: "rego", reads: policy.reads }), past)
    )

  it.effect("decide over documents that have all that they read", () =>
    Effect.gen(function*() {
      const policy = yield* policyOf(denyAbove)
      assert.deepStrictEqual(policy.reads, ["action.params.amount"])
      const report = yield* tried(policy)
      assert.deepStrictEqual([{ ...report.newly }, report.undecided], [{ denied: 1, pending: 0, allowed: 0 }, 0])
      assert.deepStrictEqual(report.byRule.map(({ name }) => name), ["too_much"])
    }))

  it.effect("decide nothing over documents that lack what they read, and name it", () =>
    Effect.gen(function*() {
      const history = yield* tried(
        yield* policyOf(`${denyAbove}\nother if input.history.anomaly_score > 1
        violations contains "x" if other`)
      )
      assert.strictEqual(history.undecided, 0, "what the decision does not depend on does not count")
      const needy = yield* policyOf(denyAbove.replace("> 1000", "> 1000 * input.history.anomaly_score"))
      const report = yield* tried(needy)
      assert.deepStrictEqual(report.lacking, [{ field: "history.anomaly_score", documents: 2 }])
      const whole = yield* RegoPolicy.open(policies, { opa })
      assert.include(whole.reads ?? [], "")
      assert.strictEqual((yield* tried(whole)).undecided, 2)
    }))
})

describe.skipIf(opa === undefined)(`policy try on an OPA server${needsOpa}`, () => {
  layer(opaServer(), { excludeTestServices: true })((it) => {
    it.effect("decides as the gateway did", () =>
      Effect.gen(function*() {
        const { url } = yield* OpaServer
        yield* Effect.gen(function*() {
          for (const amount of [1, 2000, 9000]) yield* decide({ tool: "stripe", method: "charge", params: { amount } })
          const { err, out } = yield* run(["policy", "try", url, "--json"], { hasFiles: true })
          const [result] = decodeLines(PolicyTried, out)
          assert.deepStrictEqual([result?.report.same, result?.report.tried], [3, 3], err)
          const gone = yield* run(["policy", "try", "http://127.0.0.1:1", "--max-denied", "0", "--json"], {
            hasFiles: true
          })
          const [failed] = decodeLines(PolicyTried, gone.out)
          assert.deepStrictEqual(
            [failed?.report.failed, failed?.exceeded.map(({ what }) => what), gone.code],
            [3, ["failed", "tried"], 1]
          )
        }).pipe(Effect.provide(
          GatewayMemory.layer({
            tenants: [{ id: "local", apiKey: "vargate-local-key", policyTemplate: "financial" }]
          }),
          { local: true }
        ))
      }))
  })
})
