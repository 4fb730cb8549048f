/**
 * @title A governed call
 *
 * Ask first, act only on a yes. The same program runs against the real gateway: swap the last layer.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Agent, ToolCalls } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const fetchPage = (url: string) => Console.log(`the agent fetches ${url}`)

const program = Effect.gen(function*() {
  const url = "https://example.com"
  const { actionId, execution } = yield* ToolCalls.call({ tool: "http", method: "GET", params: { url } })

  // "Allowed" is the policy's decision. Whether the call was executed, only `execution` says.
  switch (execution._tag) {
    case "NotExecuted":
      yield* Console.log(`action ${actionId} is allowed`)
      return yield* fetchPage(url)
    case "Executed":
      return yield* Console.log(`the gateway executed it: ${JSON.stringify(execution.result)}`)
    case "ExecutionFailed":
      return yield* Console.log(`the gateway tried, and the tool failed: ${JSON.stringify(execution.error)}`)
  }
}).pipe(
  Effect.provideService(Agent.Agent, { id: "research-bot", type: "autonomous", version: "1.0.0" }),
  // For the real gateway: Vargate.layerConfig() over FetchHttpClient.layer, with VARGATE_API_KEY set.
  Effect.provide(GatewayMemory.layer())
)

NodeRuntime.runMain(program)
