/** A gateway that judges words, and what an MCP conversation about them is made of. */
import { NodeHttpServer } from "@effect/platform-node"
import type { Client } from "@modelcontextprotocol/sdk/client/index.js"
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js"
import { type Cause, Context, Effect, Layer, Queue, Schedule, Stream } from "effect"
import { Approvals, AuditLog, Reviews, Vargate, type VargateError } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import type * as JsonRpc from "effect-vargate/mcp/JsonRpc"
import { ChannelFailed, fromValue, type Incoming, type McpChannel } from "effect-vargate/mcp/McpChannel"
import { FetchHttpClient, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { eventually } from "./payments.ts"

const speaksOf = (word: string) => ({ action }: { readonly action: { readonly params: unknown } }) =>
  JSON.stringify(action.params).includes(word)

/** Calls that speak of something forbidden are denied, and those of something delicate held. */
export const gateway: Gateway.Options = {
  tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
  policy: {
    rules: [{ name: "forbidden_word", severity: "high", when: speaksOf("forbidden") }],
    approvals: [speaksOf("delicate")]
  },
  tools: { "brokered/echo": ({ message }) => Effect.succeed({ echo: message }) }
}

/** A channel whose other side is a test. */
export const scripted = Effect.gen(function*() {
  const incoming = yield* Queue.unbounded<Incoming, Cause.Done | ChannelFailed>()
  const texts: Array<string> = []
  const sent: Array<JsonRpc.Message> = []
  let isEnded = false
  const channel: McpChannel = {
    incoming: Stream.fromQueue(incoming) as McpChannel["incoming"],
    send: (message) =>
      Effect.sync(() => {
        texts.push(message)
        sent.push(JSON.parse(message) as JsonRpc.Message)
      }),
    end: Effect.sync(() => {
      isEnded = true
    })
  }
  return {
    channel,
    sent,
    /** The same, as they were written. */
    texts,
    isEnded: () => isEnded,
    says: (message: unknown) => Queue.offer(incoming, fromValue(message)),
    saysText: (message: Incoming) => Queue.offer(incoming, message),
    leaves: Queue.end(incoming),
    breaks: (detail: string) => Queue.fail(incoming, new ChannelFailed({ detail })),
    hears: (test: (message: JsonRpc.Message) => boolean) => eventually(Effect.sync(() => sent.find(test)))
  }
})

/** The action that waits with these words in its params. */
export const waitingFor = (words: string) =>
  eventually(Effect.map(
    Approvals.Approvals.use((approvals) => approvals.pending),
    ({ pending }) => pending.find(({ params }) => JSON.stringify(params).includes(words))?.actionId
  ))

export const decide = (decision: "approve" | "reject", words: string, note?: string) =>
  Effect.tap(
    waitingFor(words),
    (actionId) =>
      Reviews.Reviews.use((reviews) =>
        reviews[decision](actionId, note) as Effect.Effect<unknown, VargateError.OperationError>
      )
  )

/** What a result says to the model. */
export const textOf = (result: Awaited<ReturnType<Client["callTool"]>>) =>
  (result as CallToolResult).content.map((part) => part.type === "text" ? part.text : part.type).join("\n")

/** The path of the program of an MCP server from npm. */
export const published = (name: string) =>
  fileURLToPath(new URL(`../../node_modules/@modelcontextprotocol/${name}/dist/index.js`, import.meta.url))

/** Where that gateway listens. */
export class GatewayUrl extends Context.Service<GatewayUrl, string>()("test/GatewayUrl") {}

/** That gateway on a socket, with the services of an agent and a reviewer. */
export const overSocket = Layer.unwrap(
  Effect.map(GatewayUrl, (url) =>
    Layer.mergeAll(Reviews.layer, AuditLog.layer).pipe(
      Layer.provideMerge(Approvals.layerWith({ poll: Schedule.spaced("20 millis") })),
      Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url })),
      Layer.provide(FetchHttpClient.layer)
    ))
).pipe(Layer.provideMerge(
  Layer.effect(
    GatewayUrl,
    Effect.map(HttpServer.HttpServer, ({ address }) => `http://127.0.0.1:${"port" in address ? address.port : 0}`)
  ).pipe(
    Layer.provide(
      Gateway.serve(gateway).pipe(
        Layer.provide(Gateway.layerParts(gateway)),
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
      )
    )
  )
))
