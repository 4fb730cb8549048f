/** A thousand clients that vanish without goodbye (200 in the quick run) leave room for the next, no server behind, and memory as it was. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { type Cause, Effect, Layer, Queue, Stream } from "effect"
import type { McpChannel } from "effect-vargate/mcp/McpChannel"
import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { connect } from "node:net"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { isFull } from "../support/isFull.ts"
import { eventually } from "../support/payments.ts"

const sessions = 8
const clients = isFull ? 1000 : 200

/** Servers in this process: how many were opened, and how many are open. */
const makeServers = () => {
  const count = { opened: 0, open: 0 }
  const server = Effect.gen(function*() {
    const incoming = yield* Queue.unbounded<string, Cause.Done>()
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        count.opened++
        count.open++
      }),
      () => Effect.sync(() => void count.open--)
    )
    const answers = (message: string) => {
      const { id, method, params } = JSON.parse(message)
      const result = method === "initialize"
        ? {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: "lab", version: "1" }
        }
        : method === "server/discover"
        ? {
          resultType: "complete",
          supportedVersions: ["2026-07-28"],
          capabilities: { tools: {} },
          ttlMs: 0,
          cacheScope: "private"
        }
        : method === "tools/call" && params.name === "echo"
        ? { resultType: "complete", content: [{ type: "text", text: "echo" }] }
        : undefined
      if (id !== undefined && result !== undefined) {
        Queue.offerUnsafe(incoming, JSON.stringify({ jsonrpc: "2.0", id, result }))
      }
    }
    return {
      incoming: Stream.fromQueue(incoming),
      send: (message) => Effect.sync(() => answers(message)),
      end: Queue.end(incoming)
    } satisfies McpChannel
  })
  return { count, server }
}

const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" }

const initialize = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "gone", version: "1" } }
}

const call = (name: string) => ({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} } })

const modern = (name: string) => ({
  ...call(name),
  params: {
    ...call(name).params,
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {}
    }
  }
})

const modernHeaders = (name: string) => ({
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": "tools/call",
  "mcp-name": name
})

/** A client that begins, and at some point is not there any more. */
const vanishing = async (url: string, way: number): Promise<void> => {
  const leaving = new AbortController()
  const post = (message: object, more: Readonly<Record<string, string>> = {}) =>
    fetch(url, {
      method: "POST",
      headers: { ...headers, ...more },
      body: JSON.stringify(message),
      signal: leaving.signal
    })
  const left = (promise: Promise<unknown>) =>
    promise.catch((error: Error) => assert.strictEqual(error.name, "AbortError"))
  const begin = async () => {
    const response = await post(initialize)
    assert.strictEqual(response.status, 200)
    await response.text()
    return { "mcp-session-id": response.headers.get("mcp-session-id")!, "mcp-protocol-version": "2025-11-25" }
  }
  switch (way) {
    case 0: {
      await begin()
      break
    }
    case 1: {
      const session = await begin()
      const stream = await fetch(url, { headers: { ...headers, ...session }, signal: leaving.signal })
      assert.strictEqual(stream.status, 200)
      break
    }
    case 2: {
      const session = await begin()
      const { body } = await post(call("never"), session)
      leaving.abort()
      await left(body!.cancel())
      break
    }
    case 3: {
      // A request of which nothing is governed, and nothing said before its answer.
      const left = post(
        { ...modern("never"), method: "resources/read", params: { ...modern("never").params, uri: "a" } },
        { ...modernHeaders("a"), "mcp-method": "resources/read" }
      ).catch((error: Error) => assert.strictEqual(error.name, "AbortError"))
      setTimeout(() => leaving.abort(), 2)
      await left
      break
    }
    case 4: {
      const { body } = await post(modern("never"), modernHeaders("never"))
      leaving.abort()
      await left(body!.cancel())
      break
    }
    default: {
      const { hostname, port } = new URL(url)
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          socket.write(
            "POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"jsonrpc\":"
          )
          setImmediate(() => resolve(void socket.destroy()))
        })
      })
    }
  }
  leaving.abort()
}

const collect = (() => {
  setFlagsFromString("--expose-gc")
  return runInNewContext("gc") as () => void
})()

const heapInMegabytes = Effect.promise(async () => {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50))
    collect()
  }
  return process.memoryUsage().heapUsed / 1e6
})

const world = GatewayMemory.layer({
  tenants: [{
    id: "t",
    apiKey: "test-key",
    burst: 1_000_000,
    policyTemplate: "general",
    // The template's own limits are for fewer calls.
    policyConfig: { dailyActionLimit: 1_000_000, anomalyThreshold: 1, cooldownViolations: 1_000_000 }
  }],
  policy: { rules: [], approvals: [] }
})

describe("clients that vanish", () => {
  it.live("leave room for the next, and memory as it was", () =>
    Effect.gen(function*() {
      const { count, server } = makeServers()
      const route = McpHttpProxy.layer("/mcp", server, { tool: "lab", maxSessions: sessions, allowDuplicate: true })
      const context = yield* Layer.build(
        HttpRouter.serve(route, { disableListenLog: true, disableLogger: true }).pipe(
          Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
        )
      )
      const { address } = yield* Effect.provideContext(HttpServer.HttpServer, context)
      const url = `http://127.0.0.1:${"port" in address ? address.port : 0}/mcp`

      const vanish = (from: number, to: number) =>
        Effect.forEach(
          Array.from({ length: to - from }, (_, i) => (from + i) % 6),
          (way) => Effect.promise(() => vanishing(url, way)),
          // Fewer than there are places: who comes too many at the same moment is refused, which is another matter.
          { concurrency: sessions / 2, discard: true }
        )
      yield* vanish(0, clients * 0.3)
      const before = yield* heapInMegabytes
      yield* vanish(clients * 0.3, clients)
      const after = yield* heapInMegabytes
      // What a thousand calls leave in the gateway's log in memory is about one kilobyte each.
      assert.isBelow(after - before, 6, `${before} MB became ${after} MB`)

      assert.isAtLeast(count.opened, clients * 0.45)
      yield* eventually(Effect.sync(() => count.open <= sessions + 1 ? true : undefined))
      const response = yield* Effect.promise(() =>
        fetch(url, { method: "POST", headers, body: JSON.stringify(initialize) })
      )
      assert.strictEqual(response.status, 200)
      const session = {
        "mcp-session-id": response.headers.get("mcp-session-id")!,
        "mcp-protocol-version": "2025-11-25"
      }
      yield* Effect.promise(() => response.text())
      for (const [message, more] of [[call("echo"), session], [modern("echo"), modernHeaders("echo")]] as const) {
        const answer = yield* Effect.promise(() =>
          fetch(url, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(message) })
        )
        assert.include(yield* Effect.promise(() => answer.text()), "\"text\":\"echo\"")
      }
    }).pipe(Effect.scoped, Effect.provide(world)))
})
