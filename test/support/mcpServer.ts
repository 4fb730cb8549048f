/** A governed toolkit as an MCP server; run as a program, it serves over standard input and output. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer, References, Schedule, Schema } from "effect"
import { Approvals, Vargate } from "effect-vargate"
import * as GovernedMcpServer from "effect-vargate/mcp/GovernedMcpServer"
import { McpProtocol, McpServer, Tool, Toolkit } from "effect/ai"
import { FetchHttpClient } from "effect/http"

const Tools = Toolkit.make(
  Tool.make("words__echo", {
    parameters: Schema.Struct({ message: Schema.String }),
    success: Schema.Struct({ echo: Schema.String })
  })
)

/** What the handler was given, in order. */
export const ran: Array<string> = []

export const options = {
  name: "words",
  version: "1.0.0",
  protocols: [McpProtocol.v2025_11_25, McpProtocol.v2025_06_18],
  registrations: GovernedMcpServer.toolkit(Tools).pipe(Layer.provide(Tools.toLayer({
    words__echo: ({ message }) =>
      Effect.sync(() => {
        ran.push(message)
        return { echo: message }
      })
  })))
} as const

if (import.meta.main) {
  const services = Approvals.layerWith({ poll: Schedule.spaced("50 millis") }).pipe(
    Layer.provideMerge(Vargate.layerConfig()),
    Layer.provide(FetchHttpClient.layer)
  )
  Layer.launch(McpServer.layerStdio(options)).pipe(
    Effect.provide([services, NodeServices.layer]),
    Effect.provideService(References.LogToStderr, true),
    NodeRuntime.runMain
  )
}
