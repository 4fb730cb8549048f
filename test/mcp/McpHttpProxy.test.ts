import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Progress } from "@modelcontextprotocol/sdk/types.js"
import { type Cause, Context, Effect, Fiber, Layer, Queue, type Scope, Stream } from "effect"
import { ChannelFailed, fromTransport, fromValue, type Incoming, type McpChannel } from "effect-vargate/mcp/McpChannel"
import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
import * as McpStdio from "effect-vargate/mcp/McpStdio"
import { HttpRouter, HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import { decide, overSocket, published, textOf, waitingFor } from "../support/mcp.ts"

class ProxyUrl extends Context.Service<ProxyUrl, URL>()("test/ProxyUrl") {}

const everything = McpStdio.server({ command: process.execPath, args: [published("server-everything"), "stdio"] })

const serve = <E, R>(route: Layer.Layer<never, E, R>) =>
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
      assert.strictEqual(yield* post({}, "GET"), 405)
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

/** Servers that answer what a client begins with, and how many of them are and were open. */
const makeServers = () => {
  const counts = { open: 0, opened: 0, most: 0, asked: 0 }
  const server = Effect.gen(function*() {
    const incoming = yield* Queue.unbounded<Incoming, Cause.Done>()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        counts.opened++
        counts.most = Math.max(counts.most, ++counts.open)
      }),
      () => Effect.sync(() => void counts.open--)
    )
    const channel: McpChannel = {
      incoming: Stream.fromQueue(incoming),
      send: (text) => {
        const message = JSON.parse(text) as Record<string, unknown>
        return message["method"] === "tools/list"
          ? Effect.sync(() => void counts.asked++)
          : message["id"] === undefined
          ? Effect.void
          : Queue.offer(
            incoming,
            fromValue({ jsonrpc: "2.0", id: message["id"], result: { protocolVersion: "2025-06-18" } })
          )
      },
      end: Effect.asVoid(Queue.end(incoming))
    }
    return channel
  })
  return { server, counts }
}

const initialize = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "x", version: "1" } }
}

const send = Effect.fnUntraced(function*(
  message: unknown,
  { method = "POST", session, signal }: {
    readonly method?: string
    readonly session?: string | undefined
    readonly signal?: AbortSignal
  } = {}
) {
  const url = yield* ProxyUrl
  return yield* Effect.promise(() =>
    fetch(url, {
      method,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(session !== undefined && { "mcp-session-id": session })
      },
      ...(signal && { signal }),
      ...(method === "POST" && { body: typeof message === "string" ? message : JSON.stringify(message) })
    })
  )
})

/** A client that begins a session, reads the answer, and is not heard of again. */
const vanish = Effect.fnUntraced(function*() {
  const response = yield* send(initialize)
  yield* Effect.promise(() => response.text())
  return { status: response.status, session: response.headers.get("mcp-session-id") ?? undefined }
})

const ping = { jsonrpc: "2.0", id: 7, method: "ping" }

const statusOf = (session: string | undefined, message: unknown = ping) =>
  Effect.flatMap(
    send(message, { session }),
    (response) => Effect.as(Effect.promise(() => response.text()), response.status)
  )

/** What the sockets have to say takes its turns of the event loop, whatever the test's clock says. */
const settled = (isSo: () => boolean) =>
  Effect.promise(() => new Promise((resolve) => setImmediate(resolve))).pipe(Effect.repeat({ until: isSo }))

describe("sessions of McpHttpProxy", () => {
  const within = <A, E>(
    { server }: ReturnType<typeof makeServers>,
    options: Partial<McpHttpProxy.Options>,
    test: Effect.Effect<A, E, ProxyUrl | Scope.Scope>
  ) => Effect.provide(Effect.scoped(test), serve(McpHttpProxy.layer("/mcp", server, { tool: "t", ...options })))

  it.effect("that hundreds of clients have left make room for the next, and no more servers run than may", () => {
    const servers = makeServers()
    return within(
      servers,
      { maxSessions: 20 },
      Effect.gen(function*() {
        for (let round = 0; round < 20; round++) {
          const statuses = yield* Effect.all(Array.from({ length: 10 }, vanish), { concurrency: "unbounded" })
          assert.deepStrictEqual([...new Set(statuses.map(({ status }) => status))], [200])
        }
        const { session } = yield* vanish()
        assert.strictEqual(yield* statusOf(session), 200)
        assert.deepStrictEqual([servers.counts.opened, servers.counts.most], [201, 20])
      })
    )
  })

  it.effect("end when they have been idle for their time, counted from the last answer", () => {
    const servers = makeServers()
    return within(
      servers,
      { maxIdle: "5 minutes" },
      Effect.gen(function*() {
        const [one, two] = [yield* vanish(), yield* vanish()]
        yield* TestClock.adjust("4 minutes")
        assert.strictEqual(yield* statusOf(one.session), 200)
        // what the server's side of that answer has to do
        yield* settled(() => true)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* statusOf(two.session), 404)
        yield* settled(() => servers.counts.open === 1)
        yield* TestClock.adjust("3 minutes")
        assert.strictEqual(yield* statusOf(one.session), 200)
        yield* settled(() => true)
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(yield* statusOf(one.session), 404)
        yield* settled(() => servers.counts.open === 0)
      })
    )
  })

  it.effect("do not end while a stream is open or a request unanswered, and end after it", () => {
    const servers = makeServers()
    return within(
      servers,
      { maxIdle: "5 minutes", maxSessions: 2 },
      Effect.gen(function*() {
        const [one, two] = [yield* vanish(), yield* vanish()]
        const [stream, request] = [new AbortController(), new AbortController()]
        // Their headers come with the first words on the stream, of which there are none.
        const begin = (message: unknown, options: Parameters<typeof send>[1]) =>
          Effect.forkChild(send(message, options), { startImmediately: true })
        yield* begin(undefined, { method: "GET", session: one.session, signal: stream.signal })
        yield* begin({ jsonrpc: "2.0", id: 1, method: "tools/list" }, { session: two.session, signal: request.signal })
        yield* settled(() => servers.counts.asked === 1)
        const { status } = yield* send(undefined, { method: "GET", session: one.session })
        assert.strictEqual(status, 409)
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual([yield* statusOf(one.session), yield* statusOf(two.session)], [200, 200])
        assert.strictEqual((yield* vanish()).status, 503)
        request.abort()
        // The next one takes the place of the second as soon as that is idle.
        yield* Effect.repeat(vanish(), { until: ({ status }) => status === 200 })
        assert.deepStrictEqual([yield* statusOf(one.session), yield* statusOf(two.session)], [200, 404])
        stream.abort()
        yield* Effect.repeat(Effect.andThen(TestClock.adjust("5 minutes"), settled(() => true)), {
          until: () => servers.counts.open === 0
        })
      })
    )
  })

  it.effect("open no server for what begins none", () => {
    const servers = makeServers()
    return within(
      servers,
      { maxSessions: 1, allowedHosts: ["proxy.example"] },
      Effect.gen(function*() {
        for (const message of [initialize, ping, [initialize, initialize], "no JSON", "[]", {}]) {
          assert.isAtLeast(yield* statusOf(undefined, message), 400)
        }
        assert.strictEqual(servers.counts.opened, 0)
      })
    )
  })

  it.effect("open no server for messages that begin none", () => {
    const servers = makeServers()
    return within(
      servers,
      { maxSessions: 1 },
      Effect.gen(function*() {
        for (const message of [ping, [initialize, initialize], "no JSON", "[]", {}]) {
          assert.strictEqual(yield* statusOf(undefined, message), 400)
        }
        assert.strictEqual(servers.counts.opened, 0)
        assert.strictEqual((yield* vanish()).status, 200)
        assert.strictEqual(servers.counts.opened, 1)
      })
    )
  })

  it.effect("are not begun where the server cannot be started", () => {
    const failing = Effect.fail(new ChannelFailed({ detail: "no such program" }))
    return within(
      { ...makeServers(), server: failing as never },
      { maxSessions: 1 },
      Effect.gen(function*() {
        for (let attempt = 0; attempt < 3; attempt++) assert.strictEqual((yield* vanish()).status, 502)
      })
    )
  })
})
