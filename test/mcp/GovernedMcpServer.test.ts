import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import { Effect, Fiber, Layer, type Scope } from "effect"
import { McpServer } from "effect/ai"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import { decide, GatewayUrl, overSocket, textOf, waitingFor } from "../support/mcp.ts"
import { options, ran } from "../support/mcpServer.ts"
import { recording, told } from "../support/recording.ts"

const program = fileURLToPath(new URL("../support/mcpServer.ts", import.meta.url))

const stdio = Effect.map(GatewayUrl, (url) =>
  new StdioClientTransport({
    command: process.execPath,
    args: ["--conditions=effect-vargate-source", program],
    env: { PATH: process.env["PATH"]!, VARGATE_API_KEY: "test-key", VARGATE_URL: url }
  }))

const http = Effect.map(
  HttpServer.HttpServer,
  ({ address }) =>
    new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${"port" in address ? address.port : 0}/mcp`))
)

const { layer: tracer, spans } = recording()

const served = HttpRouter.serve(McpServer.layerHttp({ ...options, path: "/mcp" }), {
  disableListenLog: true,
  disableLogger: true
}).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(overSocket),
  Layer.provide(tracer)
)

/** The official client's whole conversation with the server. */
const conversation = <R>(transport: Effect.Effect<StdioClientTransport | StreamableHTTPClientTransport, never, R>) =>
  Effect.gen(function*() {
    const client = new Client({ name: "test", version: "1.0.0" })
    const connection = yield* transport
    yield* Effect.acquireRelease(
      Effect.promise(() => client.connect(connection as never)),
      () => Effect.promise(() => client.close())
    )
    const call = (message: string, signal?: AbortSignal) =>
      Effect.tryPromise({
        try: () =>
          client.callTool({ name: "words__echo", arguments: { message } }, undefined, { ...(signal && { signal }) }),
        catch: (error) => error as Error
      })

    const { tools } = yield* Effect.promise(() => client.listTools())
    assert.deepStrictEqual(tools.map(({ name }) => name), ["words__echo"])
    assert.deepStrictEqual((yield* call("hello")).structuredContent, { echo: "hello" })

    const denied = yield* call("forbidden")
    assert.isTrue(denied.isError)
    assert.include(textOf(denied), "NOT PERFORMED: the policy denied this action (forbidden_word)")

    const approved = yield* Effect.forkChild(call("delicate a"))
    const rejected = yield* Effect.forkChild(call("delicate b"))
    yield* decide("approve", "delicate a")
    assert.deepStrictEqual((yield* Fiber.join(approved)).structuredContent, { echo: "delicate a" })
    yield* decide("reject", "delicate b", "not this one")
    assert.include(textOf(yield* Fiber.join(rejected)), "NOT PERFORMED: a reviewer rejected this action (not this one)")

    const waiting = new AbortController()
    const cancelled = yield* Effect.forkChild(Effect.flip(call("delicate c", waiting.signal)))
    yield* waitingFor("delicate c")
    waiting.abort("enough")
    assert.match((yield* Fiber.join(cancelled)).message, /enough/)
    // Whatever was cancelled before this call is heard of before it.
    assert.deepStrictEqual((yield* call("still here")).structuredContent, { echo: "still here" })
    yield* decide("approve", "delicate c")
    yield* Effect.sleep("200 millis")
    assert.deepStrictEqual((yield* call("and here")).structuredContent, { echo: "and here" })
  }).pipe(Effect.scoped)

const live = <R extends Layer.Success<typeof served> | Scope.Scope>(
  name: string,
  test: Effect.Effect<void, unknown, R>
) =>
  it.live(
    name,
    () => Effect.provide(test as Effect.Effect<void, unknown, Layer.Success<typeof served>>, served),
    60_000
  )

describe("GovernedMcpServer", () => {
  live("governs a toolkit for the official client over stdio", conversation(stdio))

  live(
    "governs a toolkit for the official client over HTTP, and runs a handler once for each yes",
    Effect.gen(function*() {
      yield* conversation(http)
      assert.deepStrictEqual(ran, ["hello", "delicate a", "still here", "and here"])
      const calls = spans.filter(({ name }) => name === "execute_tool words__echo").map(told)
      const outcomes = (key: string) => calls.flatMap((attributes) => attributes[key] ?? []).sort()
      const decisions = ["Allowed", "Allowed", "Allowed", "Denied", ...Array(3).fill("PendingApproval")]
      assert.deepStrictEqual(outcomes("vargate.decision"), decisions)
      assert.deepStrictEqual(outcomes("vargate.approval.outcome"), ["Approved", "Rejected"])
      assert.lengthOf(outcomes("vargate.action_id"), 7)
      for (const attributes of calls) {
        assert.deepInclude(attributes, {
          "gen_ai.operation.name": "execute_tool",
          "gen_ai.tool.name": "words__echo",
          "gen_ai.agent.id": "effect-agent"
        })
      }
    })
  )
})
