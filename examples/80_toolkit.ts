/**
 * @title An agent's toolkit behind Vargate
 *
 * The model is scripted, so that this runs offline. For a real one, provide these two layers in its place:
 *
 *   OpenAiLanguageModel.model("gpt-5.2")                                        // from @effect/ai-openai
 *   OpenAiClient.layerConfig({ apiKey: Config.Redacted("OPENAI_API_KEY") })     // over FetchHttpClient.layer
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Agent } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import { Chat, LanguageModel, Tool, Toolkit } from "effect/ai"

const Tools = Toolkit.make(
  Tool.make("stripe__create_refund", {
    description: "Refunds a charge",
    parameters: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
    success: Schema.Struct({ refunded: Schema.Finite })
  })
)

const handlers = Tools.toLayer({
  stripe__create_refund: ({ amount, charge }) =>
    Effect.as(Console.log(`  the handler refunds ${amount} of ${charge}`), { refunded: amount })
})

/** Asks for three refunds at once, and then repeats the results that it received. */
const scripted = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: ({ prompt }) => {
      const told = prompt.content.flatMap((message) => message.role === "tool" ? message.content : [])
      const words = told.map((part) =>
        part.type === "tool-result" ? `  ${part.id}: ${JSON.stringify(part.result)}\n` : ""
      )
      return Effect.succeed(
        told.length > 0 ? [{ type: "text", text: words.sort().join("") }] : [20, 2000, 9000].map((amount, n) => ({
          type: "tool-call",
          id: `call_${n}`,
          name: "stripe__create_refund",
          params: { charge: `ch_${n}`, amount }
        }))
      )
    },
    streamText: () => Stream.empty
  })
)

const program = Effect.gen(function*() {
  const toolkit = yield* GovernedToolkit.govern(Tools)
  const chat = yield* Chat.empty
  yield* Effect.forkChild(TestReviewer.approveNext({ note: "known customer" }))
  yield* chat.generateText({ prompt: "Refund 20 of ch_0, 2000 of ch_1 and 9000 of ch_2.", toolkit })
  const { text } = yield* chat.generateText({ prompt: [], toolkit })
  yield* Console.log(`the model was told\n${text.trimEnd()}`)
}).pipe(
  Effect.provideService(Agent.Agent, { id: "refund-bot", type: "autonomous", version: "1.0.0" }),
  Effect.provide([handlers, scripted]),
  Effect.provide(GatewayMemory.layer({
    tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "financial", policyConfig: { businessHoursOnly: false } }]
  }))
)

NodeRuntime.runMain(program)
