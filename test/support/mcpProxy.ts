/**
 * A proxy in a process of its own, as an MCP client's configuration would start it.
 *
 * Arguments: the options as JSON.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer, Schedule } from "effect"
import { Approvals, Vargate } from "effect-vargate"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import { FetchHttpClient } from "effect/http"

const { isAnswering = false, ...options } = JSON.parse(process.argv[2]!) as {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly tool?: string
  readonly allow?: ReadonlyArray<string>
  readonly isAnswering?: boolean
}

const services = Approvals.layerWith({ poll: Schedule.spaced("50 millis") }).pipe(
  Layer.provideMerge(Vargate.layerConfig()),
  Layer.provide(FetchHttpClient.layer)
)

GovernedMcpProxy.stdio({
  ...options,
  progressEvery: "20 millis",
  ...(isAnswering ? { onPending: GovernedMcpProxy.answer() } : {})
}).pipe(Effect.provide([services, NodeServices.layer]), NodeRuntime.runMain)
