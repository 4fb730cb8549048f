import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { Agent } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { LanguageModel } from "effect/ai"
import { TestClock } from "effect/testing"
import { actionOf, handlers, layerGateway, layerRuns, review, Tools, waiting } from "../support/payments.ts"
import { recording } from "../support/recording.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const world = Layer.mergeAll(
  Layer.provideMerge(Tools.toLayer(handlers), Layer.merge(layerRuns, layerGateway)),
  ScriptedModel.layer([[
    ["a", "bank__note", { amount: 5 }],
    ["b", "bank__wire", { amount: 9000 }],
    ["c", "bank__gift", { amount: 2000 }]
  ]])
)

describe("execute_tool spans", () => {
  const { layer, spans } = recording()

  it.effect("carry the names of the OpenTelemetry conventions, the decision and the wait", () =>
    Effect.gen(function*() {
      const conversation = yield* Effect.forkChild(
        LanguageModel.generateText({ prompt: "go", toolkit: GovernedToolkit.govern(Tools) }).pipe(
          Effect.provideService(Agent.Agent, { id: "teller" })
        ),
        { startImmediately: true }
      )
      yield* waiting(2000)
      yield* TestClock.adjust("5 seconds")
      yield* review("approve", 2000)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(conversation)

      const attributesOf = (callId: string): Record<string, unknown> => {
        const span = spans.find(({ attributes, name }) =>
          name.startsWith("execute_tool") && attributes.get("gen_ai.tool.call.id") === callId
        )!
        assert.strictEqual(span.status._tag, "Ended")
        const attributes = Object.fromEntries(span.attributes)
        return { name: span.name, kind: span.kind, ...attributes }
      }
      const common = (name: string, callId: string) => ({
        name: `execute_tool ${name}`,
        kind: "internal",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": callId,
        "gen_ai.agent.id": "teller"
      })
      assert.deepInclude(attributesOf("a"), {
        ...common("bank__note", "a"),
        "vargate.action_id": yield* actionOf(5),
        "vargate.decision": "Allowed"
      })
      assert.deepInclude(attributesOf("b"), {
        ...common("bank__wire", "b"),
        "vargate.action_id": yield* actionOf(9000),
        "vargate.decision": "Denied",
        "error.type": "Denied"
      })
      assert.deepInclude(attributesOf("c"), {
        ...common("bank__gift", "c"),
        "vargate.action_id": yield* actionOf(2000),
        "vargate.decision": "PendingApproval",
        "vargate.approval.outcome": "Approved",
        "vargate.approval.wait_ms": 6000
      })
    }).pipe(Effect.provide([world, layer])))

  it("are the parents of what happens for the call", () => {
    const parentOf = (name: string) => {
      const span = spans.find((span) => span.name === name)
      return span?.parent._tag === "Some" && span.parent.value._tag === "Span" ? span.parent.value.name : undefined
    }
    assert.match(parentOf("ToolCalls.decide")!, /^execute_tool bank__/)
    assert.strictEqual(parentOf("execute_tool bank__note"), "LanguageModel.generateText")
  })
})
