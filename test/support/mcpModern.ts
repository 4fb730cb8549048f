/** A conversation in revision 2026-07-28 with a proxy between two scripts. */
import { Effect } from "effect"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { scripted } from "./mcp.ts"

export const version = "2026-07-28"

export const meta = (capabilities: Message = { elicitation: { url: {} } }, more: Message = {}) => ({
  "io.modelcontextprotocol/protocolVersion": version,
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": capabilities,
  ...more
})

export const modern = (id: unknown, method: string, params: Message = {}, capabilities?: Message) => ({
  jsonrpc: "2.0",
  id,
  method,
  params: { ...params, _meta: meta(capabilities, params["_meta"] as Message | undefined) }
})

export const resultOf = (message: Message) =>
  message["result"] as Message & {
    readonly resultType: string
    readonly requestState?: string
    readonly isError?: boolean
    readonly content: Array<{ text: string }>
    readonly inputRequests?: Readonly<Record<string, Message>>
  }

export const toldBy = (message: Message) => resultOf(message).content[0]!.text

export const start = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options> = {}) {
  const client = yield* scripted
  const server = yield* scripted
  const proxy = yield* Effect.forkChild(
    GovernedMcpProxy.run(client.channel, server.channel, { tool: "words", ...options }),
    { startImmediately: true }
  )
  const call = (id: number, message: string, more: Message = {}, capabilities?: Message) =>
    client.says(modern(id, "tools/call", { name: "echo", arguments: { message }, ...more }, capabilities))
  return {
    client,
    server,
    proxy,
    call,
    callsOf: () => server.sent.filter(({ method }) => method === "tools/call"),
    answerOf: (id: unknown) => client.hears((message) => message["id"] === id),
    /** The server gets the request, and answers it. */
    serve: Effect.fnUntraced(function*(id: unknown, result: Message = { resultType: "complete", content: [] }) {
      const given = yield* server.hears((message) => message["id"] === id)
      yield* server.says({ jsonrpc: "2.0", id, result })
      return given["params"] as Message
    })
  }
})

/** What the gateway has on record, without the decisions of reviewers. */
export const recorded = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) =>
    records.filter(({ tool }) => tool !== "approval_queue").map(({ decision, method, params, tool }) => ({
      call: `${tool}/${method}`,
      decision,
      params
    }))
)
