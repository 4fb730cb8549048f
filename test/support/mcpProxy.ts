/**
 * A proxy in a process of its own, as an MCP client's configuration would start it.
 *
 * Arguments: the options as JSON.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Effect, Layer, References, Schedule } from "effect"
import { Approvals, Vargate } from "effect-vargate"
import type * as Clearance from "effect-vargate/governed/Clearance"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import * as McpHttp from "effect-vargate/mcp/McpHttp"
import * as McpStdio from "effect-vargate/mcp/McpStdio"
import { FetchHttpClient, type HttpClient } from "effect/http"

const { isAnswering = false, url, ...given } = JSON.parse(process.argv[2]!) as {
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** Of a server over HTTP, in place of a command. */
  readonly url?: string
  readonly tool: string
  readonly allow?: ReadonlyArray<string>
  readonly isAnswering?: boolean
}

const services = Approvals.layerWith({ poll: Schedule.spaced("50 millis") }).pipe(
  Layer.provideMerge(Vargate.layerConfig()),
  Layer.provide(FetchHttpClient.layer)
)

const options = {
  ...given,
  progressEvery: "20 millis",
  ...(isAnswering ? { onPending: GovernedMcpProxy.answer() } : {})
} as const

const overHttp = (url: string) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* McpHttp.server({ url })
    return yield* GovernedMcpProxy.run(yield* McpStdio.client, server, options)
  }))

const proxy: Effect.Effect<void, unknown, Clearance.Services | NodeServices.NodeServices | HttpClient.HttpClient> =
  url === undefined ? GovernedMcpProxy.stdio(options) : overHttp(url)

proxy.pipe(
  Effect.provide([services, NodeServices.layer, FetchHttpClient.layer]),
  Effect.provideService(References.LogToStderr, true),
  NodeRuntime.runMain
)
