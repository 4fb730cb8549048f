import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Progress } from "@modelcontextprotocol/sdk/types.js"
import { Context, Effect, Fiber, Layer, type Scope } from "effect"
import { fromTransport } from "effect-vargate/mcp/McpChannel"
import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
import * as McpStdio from "effect-vargate/mcp/McpStdio"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { decide, overSocket, published, textOf, waitingFor } from "../support/mcp.ts"

class ProxyUrl extends Context.Service<ProxyUrl, URL>()("test/ProxyUrl") {}

const everything = McpStdio.server({ command: process.execPath, args: [published("server-everything"), "stdio"] })

const serve = <R>(route: Layer.Layer<never, never, R>) =>
  Layer.effect(
    ProxyUrl,
    Effect.map(
      HttpServer.HttpServer,
      ({ address }) => new URL(`http://127.0.0.1:${"port" in address ? address.port : 0}/mcp`)
    )
  ).pipe(
    Layer.provideMerge(HttpRouter.serve(route, { disableListenLog: true, disableLogger: true })),
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
    Layer.provideMerge(Layer.mergeAll(overSocket, NodeServices.layer))
  )

const connect = Effect.fnUntraced(function*() {
  const url = yield* ProxyUrl
  const transport = new StreamableHTTPClientTransport(url)
  const client = new Client({ name: "test", version: "1.0.0" })
  yield* Effect.acquireRelease(
    Effect.promise(() => client.connect(transport as never)),
    () => Effect.promise(() => transport.terminateSession().then(() => client.close()))
  )
  return {
    client,
    call: (
      name: string,
      args: Record<string, unknown>,
      options: { signal?: AbortSignal; onprogress?: (progress: Progress) => void } = {}
    ) =>
      Effect.tryPromise({
        try: () => client.callTool({ name, arguments: args }, undefined, options),
        catch: (error) => error as Error
      })
  }
})

const proxied = serve(McpHttpProxy.layer("/mcp", everything, { tool: "everything", progressEvery: "20 millis" }))

const live = (name: string, test: () => Effect.Effect<void, unknown, Layer.Success<typeof proxied> | Scope.Scope>) =>
  it.live(name, () => Effect.provide(Effect.scoped(test()), proxied))

describe("McpHttpProxy", () => {
  live("governs a public server for the official client", () =>
    Effect.gen(function*() {
      const { call, client } = yield* connect()
      assert.strictEqual(client.getServerVersion()?.name, "mcp-servers/everything")
      assert.include((yield* Effect.promise(() => client.listTools())).tools.map(({ name }) => name), "get-sum")
      assert.match(textOf(yield* call("get-sum", { a: 2, b: 3 })), /sum of 2 and 3 is 5/)
      assert.match(textOf(yield* call("echo", { message: "forbidden" })), /^NOT PERFORMED: the policy denied/)

      const progress: Array<Progress> = []
      const approved = yield* Effect.forkChild(
        call("echo", { message: "delicate a" }, { onprogress: (step) => void progress.push(step) })
      )
      const rejected = yield* Effect.forkChild(call("echo", { message: "delicate b" }))
      yield* waitingFor("delicate a")
      yield* Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => progress.length > 2 }))
      yield* decide("approve", "delicate a")
      assert.strictEqual(textOf(yield* Fiber.join(approved)), "Echo: delicate a")
      yield* decide("reject", "delicate b")
      assert.match(textOf(yield* Fiber.join(rejected)), /^NOT PERFORMED: a reviewer rejected/)

      const waiting = new AbortController()
      const cancelled = yield* Effect.forkChild(
        Effect.flip(call("echo", { message: "delicate c" }, { signal: waiting.signal }))
      )
      yield* waitingFor("delicate c")
      waiting.abort("enough")
      assert.match((yield* Fiber.join(cancelled)).message, /enough/)
      assert.strictEqual(textOf(yield* call("echo", { message: "still here" })), "Echo: still here")
    }))

  live("keeps sessions apart, and knows none that it did not open", () =>
    Effect.gen(function*() {
      const [one, two] = yield* Effect.all([connect(), connect()])
      const held = yield* Effect.forkChild(one.call("echo", { message: "delicate d" }))
      yield* waitingFor("delicate d")
      assert.strictEqual(textOf(yield* two.call("echo", { message: "two" })), "Echo: two")
      yield* decide("approve", "delicate d")
      assert.strictEqual(textOf(yield* Fiber.join(held)), "Echo: delicate d")

      const url = yield* ProxyUrl
      const post = (headers: Record<string, string>, method = "POST") =>
        Effect.promise(() =>
          fetch(url, {
            method,
            headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
            ...(method === "POST" && { body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }) })
          }).then(({ status }) => status)
        )
      assert.strictEqual(yield* post({ "mcp-session-id": "unknown" }), 404)
      assert.strictEqual(yield* post({ origin: "https://evil.example" }), 403)
      assert.strictEqual(yield* post({}, "GET"), 400)
      assert.strictEqual(yield* post({}), 400)
    }))

  live("refuses names that a server may read in another way", () =>
    Effect.gen(function*() {
      const url = yield* ProxyUrl
      const post = (message: unknown, session = "") =>
        Effect.promise(() =>
          fetch(url, {
            method: "POST",
            headers: {
              "content-type": "application/json",
              accept: "application/json, text/event-stream",
              ...(session !== "" && { "mcp-session-id": session })
            },
            body: JSON.stringify(message)
          }).then(async (response) => ({
            text: await response.text(),
            session: response.headers.get("mcp-session-id") ?? ""
          }))
        )
      const clientInfo = { name: "test", version: "1.0.0" }
      const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo }
      const { session } = yield* post({ jsonrpc: "2.0", id: 0, method: "initialize", params })
      const echo = { name: "echo", arguments: { message: "hello" } }
      // The SDK's own transport refuses it before the proxy does.
      const method = yield* post({ jsonrpc: "2.0", id: 1, method: "ping", Method: "tools/call", params: echo }, session)
      assert.include(method.text, `"error":`)
      const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { ...echo, Name: "get-sum" } }
      assert.include((yield* post(call, session)).text, `"code":-32602`)
    }))

  it.live("governs a server behind Streamable HTTP as well", () =>
    Effect.gen(function*() {
      const inner = yield* ProxyUrl
      const upstream = Effect.suspend(() => fromTransport(new StreamableHTTPClientTransport(inner)))
      const outer = yield* Layer.build(Layer.fresh(serve(McpHttpProxy.layer("/mcp", upstream, { tool: "outer" }))))
      const { call } = yield* Effect.provideService(connect(), ProxyUrl, Context.get(outer, ProxyUrl))
      assert.match(textOf(yield* call("get-sum", { a: 2, b: 3 })), /sum of 2 and 3 is 5/)
      assert.match(textOf(yield* call("echo", { message: "forbidden" })), /^NOT PERFORMED/)
    }).pipe(Effect.scoped, Effect.provide(proxied)))
})
