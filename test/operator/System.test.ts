import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { System, type VargateError } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { answering } from "../support/operations.ts"

const system = <A, E>(use: (system: System.System["Service"]) => Effect.Effect<A, E>) => System.System.use(use)

const reasonOf = <A, R>(effect: Effect.Effect<A, VargateError.OperationError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert(error._tag === "VargateError", error._tag)
    return error.reason
  })

describe("System", () => {
  it.effect("reads health and the score of an agent that is not known yet", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* system(({ health }) => health)).status, "ok")
      assert.strictEqual(yield* system(({ anomalyScore }) => anomalyScore("new-agent")), 0)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("reads metrics in Prometheus' text format as families of samples", () =>
    Effect.gen(function*() {
      const [family, ...rest] = yield* system(({ metrics }) => metrics)
      assert.deepStrictEqual(rest, [])
      assert.deepInclude(family, { name: "gateway_actions", type: "counter", help: "Decisions" })
      assert.deepStrictEqual(
        family?.samples.map(({ labels, value }) => [{ ...labels }, value]),
        [[{ decision: "allow" }, 3], [{ decision: "deny" }, 1]]
      )
    }).pipe(Effect.provide(answering(ScriptedTransport.text(
      200,
      "# HELP gateway_actions Decisions\n# TYPE gateway_actions counter\n" +
        "gateway_actions{decision=\"allow\"} 3\ngateway_actions{decision=\"deny\"} 1\n",
      { "content-type": "text/plain; version=0.0.4; charset=utf-8" }
    )))))

  it.effect("fails with a typed error on metrics that are not in that format", () =>
    Effect.gen(function*() {
      const reason = yield* reasonOf(system(({ metrics }) => metrics))
      assert.strictEqual(reason._tag, "UnexpectedResponse")
    }).pipe(Effect.provide(answering(ScriptedTransport.text(200, "<html>maintenance</html>", {
      "content-type": "text/html"
    })))))

  it.effect("tells a tenant that is not public from one that does not exist", () =>
    Effect.gen(function*() {
      const of = (id: string) => reasonOf(system(({ transparencyOf }) => transparencyOf(id)))
      assert.strictEqual((yield* of("acme"))._tag, "Forbidden")
      assert.strictEqual((yield* of("absent"))._tag, "NotFound")
      assert.strictEqual((yield* reasonOf(system(({ publicDashboard }) => publicDashboard("absent"))))._tag, "NotFound")
    }).pipe(Effect.provide(GatewayMemory.layer({ tenants: [{ id: "acme", apiKey: "test-key" }] }))))
})
