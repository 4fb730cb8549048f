/**
 * A server of Effect, in both eras, with the tools of `sdkServer.ts`.
 *
 * Arguments: the file to which it writes what it performed.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Context, Effect, Layer, Option, References, Schema } from "effect"
import { McpProtocol, McpSchema, McpServer } from "effect/ai"
import { appendFileSync } from "node:fs"

const log = process.argv[2]!

const text = (words: string) => new McpSchema.CallToolResult({ content: [McpSchema.TextContent.make({ text: words })] })

const performed = (words: string) => Effect.sync(() => appendFileSync(log, `${words}\n`))

const Token = Schema.Struct({ progressToken: Schema.Union([Schema.String, Schema.Finite]) })
const Accepted = Schema.Struct({ content: Schema.Struct({ answer: Schema.String }) })

const question = (message: string) => ({
  mode: "form" as const,
  message: `What about ${message}?`,
  requestedSchema: {
    type: "object" as const,
    properties: { answer: { type: "string" as const } },
    required: ["answer"]
  }
})

const registrations = Layer.effectDiscard(Effect.gen(function*() {
  const registry = yield* McpServer.McpServer
  const add = <A>(
    name: string,
    parameters: Schema.Codec<A, unknown>,
    handle: (
      input: A
    ) => Effect.Effect<McpSchema.CallToolResult | McpSchema.InputRequired, never, McpSchema.McpRequestContext>
  ) =>
    registry.addTool({
      tool: new McpSchema.Tool({
        name,
        inputSchema: Schema.toJsonSchemaDocument(parameters).schema as typeof McpSchema.Tool.Type["inputSchema"]
      }),
      annotations: Context.empty(),
      handle: (payload: unknown) =>
        Effect.flatMap(Effect.orDie(Schema.decodeUnknownEffect(parameters)(payload)), handle)
    })

  yield* add(
    "echo",
    Schema.Struct({ message: Schema.String }),
    ({ message }) => Effect.as(performed(message), text(`echo ${message}`))
  )

  yield* add("slow", Schema.Struct({ steps: Schema.Int }), ({ steps }) =>
    Effect.gen(function*() {
      const { requestMetadata } = yield* McpSchema.McpRequestContext
      const token = Schema.decodeUnknownOption(Token)(requestMetadata)
      for (let progress = 1; progress <= steps; progress++) {
        yield* Effect.sleep("20 millis")
        if (Option.isNone(token)) continue
        const { progressToken } = token.value
        yield* registry.notifications["notifications/progress"]({ progressToken, progress, total: steps })
      }
      return text("slow at last")
    }).pipe(Effect.onInterrupt(() => performed("cancelled"))))

  yield* add("ask", Schema.Struct({ message: Schema.String }), ({ message }) =>
    Effect.gen(function*() {
      const { inputResponses } = yield* McpSchema.McpRequestContext
      const client = yield* Effect.serviceOption(McpSchema.McpServerClient)
      if (Option.isNone(client) && inputResponses === undefined) {
        return new McpSchema.InputRequired({
          inputRequests: { answer: { method: "elicitation/create", params: question(message) } }
        })
      }
      const response: unknown = Option.isNone(client)
        ? inputResponses!["answer"]
        : yield* Effect.scoped(Effect.gen(function*() {
          const { elicit } = yield* client.value.getClient
          return yield* elicit(yield* Schema.decodeUnknownEffect(McpSchema.ElicitRequestFormParams)(question(message)))
        }))
      const { content: { answer } } = yield* Schema.decodeUnknownEffect(Accepted)(response)
      yield* performed(message)
      return text(`answered ${answer}`)
    }).pipe(Effect.orDie))
}))

Layer.launch(McpServer.layerStdio({
  name: "lab",
  version: "1.0.0",
  protocols: [McpProtocol.v2026_07_28, McpProtocol.v2025_11_25, McpProtocol.v2025_06_18],
  registrations
})).pipe(
  Effect.provide(NodeServices.layer),
  Effect.provideService(References.LogToStderr, true),
  NodeRuntime.runMain
)
