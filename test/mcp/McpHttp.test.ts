/** A server behind Streamable HTTP: legacy sessions, also such as it forgets, and modern requests. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as McpHttp from "effect-vargate/mcp/McpHttp"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { FetchHttpClient } from "effect/http"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import { gateway, scripted } from "../support/mcp.ts"
import { modern, toldBy, version } from "../support/mcpModern.ts"
import { eventually } from "../support/payments.ts"

interface Got {
  readonly text: string
  readonly message: Message
  readonly headers: IncomingHttpHeaders
  isClosed: boolean
}

/** What a server does with a request, in place of what it does with all others. */
type Way = (response: ServerResponse, got: Got) => boolean

const makeUpstream = Effect.gen(function*() {
  const got: Array<Got> = []
  const state = {
    sessions: new Set<string>(),
    begun: 0,
    way: (() => false) as Way,
    streams: 0,
    resumed: [] as Array<string>,
    resume: (response: ServerResponse, _lastEventId: string): void => void response.writeHead(405).end(),
    ended: [] as Array<string>
  }
  const server = createServer((request, response) => {
    const session = request.headers["mcp-session-id"] as string | undefined
    if (request.method === "GET") {
      const lastEventId = request.headers["last-event-id"]
      if (typeof lastEventId === "string") {
        state.resumed.push(lastEventId)
        return state.resume(response, lastEventId)
      }
      state.streams++
      response.writeHead(405).end()
      return
    }
    if (request.method === "DELETE") {
      state.ended.push(session!)
      response.writeHead(200).end()
      return
    }
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => {
      const text = Buffer.concat(parts).toString()
      const message = JSON.parse(text) as Message
      const one: Got = { text, message, headers: request.headers, isClosed: false }
      got.push(one)
      response.on("close", () => {
        one.isClosed = true
      })
      if (session !== undefined && !state.sessions.has(session)) {
        response.writeHead(404, { "content-type": "application/json" })
        response.end(`{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}`)
        return
      }
      if (state.way(response, one)) return
      if (message["id"] === undefined) return void response.writeHead(202).end()
      const id = /"id":("[^"]*"|[\d.]+)/.exec(text)![1]!
      const json = { "content-type": "application/json" }
      if (message["method"] === "initialize") {
        const begun = `s${++state.begun}`
        state.sessions.add(begun)
        response.writeHead(200, { ...json, "mcp-session-id": begun })
        response.end(`{"jsonrpc":"2.0",\n"id":${id},"result":{"protocolVersion":"2025-06-18","capabilities":{}}}`)
        return
      }
      const result = `{"resultType":"complete","content":[{"type":"text","text":"done"}],"n":1915883588174806058}`
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.end(
        `: hello\n\nevent: message\r\ndata: {"jsonrpc":"2.0",\r\ndata: "id":${id},"result":${result}}\r\n\r\n`
      )
    })
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))),
    () => Effect.promise(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))))
  )
  const { port } = server.address() as { port: number }
  return {
    got,
    state,
    url: `http://127.0.0.1:${port}/mcp`,
    calls: () => got.filter(({ message }) => message["method"] === "tools/call")
  }
})

const start = Effect.gen(function*() {
  const upstream = yield* makeUpstream
  const client = yield* scripted
  const server = yield* McpHttp.server({ url: upstream.url, headers: { authorization: "Bearer proxy" } })
  yield* Effect.forkScoped(GovernedMcpProxy.run(client.channel, server, { tool: "words" }))
  const request = (id: number, method: string, params: Message = {}) => ({ jsonrpc: "2.0", id, method, params })
  const answerOf = (id: number) => client.hears((message) => message["id"] === id)
  return {
    ...upstream,
    client,
    answerOf,
    call: (id: number, message = "hello") =>
      client.says(request(id, "tools/call", { name: "echo", arguments: { message } })),
    says: (id: number, method: string, params?: Message) => client.says(request(id, method, params)),
    begin: Effect.gen(function*() {
      yield* client.says(request(0, "initialize", { protocolVersion: "2025-06-18", capabilities: {} }))
      yield* answerOf(0)
      yield* client.says({ jsonrpc: "2.0", method: "notifications/initialized" })
      yield* eventually(Effect.sync(() => upstream.state.streams > 0 ? true : undefined))
    })
  }
})

type Services =
  | Layer.Success<ReturnType<typeof GatewayMemory.layer>>
  | Layer.Success<typeof FetchHttpClient.layer>
  | Scope.Scope

const live = (name: string, test: () => Effect.Effect<void, unknown, Services>) =>
  it.live(name, () => Effect.provide(Effect.scoped(test()), [GatewayMemory.layer(gateway), FetchHttpClient.layer]))

describe("McpHttp", () => {
  live("holds a legacy session, whose answers pass as they came", () =>
    Effect.gen(function*() {
      const world = yield* Effect.scoped(Effect.gen(function*() {
        const { answerOf, begin, call, client, got, state } = yield* start
        yield* begin
        yield* call(1)
        assert.strictEqual(toldBy(yield* answerOf(1)), "done")
        assert.include(client.texts.at(-1), `"n":1915883588174806058`)
        const { headers } = got.at(-1)!
        assert.deepInclude(headers, {
          authorization: "Bearer proxy",
          "mcp-session-id": "s1",
          "mcp-protocol-version": "2025-06-18"
        })
        return state
      }))
      assert.deepStrictEqual(world.ended, ["s1"])
    }))

  live(
    "begins a forgotten session anew where nothing else is under way, and sends the call that did not arrive",
    () =>
      Effect.gen(function*() {
        const { answerOf, begin, call, calls, got, state } = yield* start
        yield* begin
        state.sessions.clear()
        yield* call(1)
        assert.strictEqual(toldBy(yield* answerOf(1)), "done")
        assert.deepStrictEqual(calls().map(({ headers }) => headers["mcp-session-id"]), ["s1", "s2"])
        assert.strictEqual(got.filter(({ message }) => message["method"] === "notifications/initialized").length, 2)
        assert.strictEqual(state.begun, 2)
        // What the server says by itself is heard in the new session.
        yield* eventually(Effect.sync(() => state.streams > 1 ? true : undefined))
      })
  )

  live(
    "says that a call was certainly not performed where the session was forgotten with others under way",
    () =>
      Effect.gen(function*() {
        const { answerOf, begin, call, calls, client, got, state } = yield* start
        yield* begin
        state.way = (_, { message }) => message["method"] === "resources/read"
        yield* client.says({ jsonrpc: "2.0", id: 9, method: "resources/read", params: { uri: "slow" } })
        yield* eventually(Effect.sync(() => got.find(({ message }) => message["id"] === 9)))
        state.sessions.clear()
        yield* call(1)
        assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED: .*knew no such session/)
        assert.strictEqual(calls().length, 1)
        assert.strictEqual(state.begun, 1)
      })
  )

  live(
    "says that the outcome is unknown where an answer broke off, and sends nothing twice",
    () =>
      Effect.gen(function*() {
        const { answerOf, begin, call, calls, says, state } = yield* start
        yield* begin
        let id = 1
        const ways: ReadonlyArray<readonly [Way, RegExp]> = [
          [
            (response) => (response.writeHead(200, { "content-type": "text/event-stream" }).end(": \n\n"), true),
            /^OUTCOME UNKNOWN/
          ],
          [(response) => (response.destroy(), true), /^OUTCOME UNKNOWN/],
          [(response) => (response.writeHead(500).end("{}"), true), /^OUTCOME UNKNOWN/],
          [(response) => (response.writeHead(401).end(), true), /^NOT PERFORMED: /],
          [(response) => (response.writeHead(202).end(), true), /^OUTCOME UNKNOWN/]
        ]
        for (const [way, told] of ways) {
          state.way = way
          yield* call(id, `hello ${id}`)
          assert.match(toldBy(yield* answerOf(id++)), told)
        }
        assert.strictEqual(calls().length, ways.length)
        state.way = (response) => (response.destroy(), true)
        yield* says(id, "resources/list")
        assert.deepInclude((yield* answerOf(id))["error"], { code: -32000 })
      })
  )

  live(
    "comes back for the rest of an answer that its server has broken off, and sends nothing again",
    () =>
      Effect.gen(function*() {
        const { begin, call, calls, client, state } = yield* start
        const events = { "content-type": "text/event-stream" }
        /** The proxy waits before it comes back, on a clock that no test moves. */
        const answerOf = (id: number) =>
          Effect.sync(() => client.sent.find((message) => message["id"] === id)).pipe(
            Effect.tap((found) => found === undefined ? Effect.sleep("10 millis") : Effect.void),
            Effect.repeat({ until: (found) => found !== undefined }),
            Effect.map((found) => found!)
          )
        yield* begin
        state.way = (response) => (response.writeHead(200, events).end("id: a-0\nretry: 100\ndata: \n\n"), true)
        state.resume = (response, lastEventId) => {
          response.writeHead(200, events)
          // The first time in the middle of an event, which does not count.
          if (lastEventId === "a-0" && state.resumed.length === 1) {
            response.write("data: {\"jso", () => response.destroy())
          } else if (lastEventId === "a-0") response.end("id: a-1\ndata: \n\n")
          else {
            const result = `{"content":[{"type":"text","text":"done"}],"n":1915883588174806058}`
            response.end(`id: a-2\ndata: {"jsonrpc":"2.0","id":1,"result":${result}}\n\n`)
          }
        }
        yield* call(1)
        assert.strictEqual(toldBy(yield* answerOf(1)), "done")
        assert.lengthOf(calls(), 1)
        assert.deepStrictEqual(state.resumed, ["a-0", "a-0", "a-1"])
        // A server that knows no such stream.
        state.resume = (response) => void response.writeHead(404).end()
        yield* call(2, "again")
        assert.match(toldBy(yield* answerOf(2)), /^OUTCOME UNKNOWN/)
        assert.lengthOf(calls(), 2)
      })
  )

  live(
    "sends a call nowhere else, wherever its server points, and reads no error without end",
    () =>
      Effect.gen(function*() {
        const { answerOf, begin, call, calls, state } = yield* start
        yield* begin
        const told = [/^NOT PERFORMED/, /^NOT PERFORMED/, /^OUTCOME UNKNOWN/, /^OUTCOME UNKNOWN/, /^NOT PERFORMED/]
        for (const [at, status] of [307, 308, 302, 303, 400].entries()) {
          state.way = (response, { headers }) => {
            response.writeHead(status, { location: `http://${headers.host}/elsewhere` })
            const pour = () => {
              while (!response.destroyed && response.write("x".repeat(65_536))) {
                // As much as the other side takes.
              }
            }
            if (status === 400) response.on("drain", pour)
            return (status === 400 ? pour() : response.end(), true)
          }
          yield* call(at + 1, `hello ${at}`)
          assert.match(toldBy(yield* answerOf(at + 1)), told[at]!)
        }
        assert.lengthOf(calls(), 5)
        state.way = () => false
        yield* call(6, "at last")
        assert.strictEqual(toldBy(yield* answerOf(6)), "done")
      })
  )

  live(
    "writes the headers of a modern request from its body, closes its connection to cancel it, and needs no session",
    () =>
      Effect.gen(function*() {
        const { answerOf, calls, client, got, state } = yield* start
        state.way = (response, { message }) => {
          if (message["method"] !== "tools/list") return message["id"] === 3
          const region = { type: "string", "x-mcp-header": "Region" }
          const wrong = { type: "string", "x-mcp-header": "no\r\nheader" }
          const tools = [{ name: "echo", inputSchema: { properties: { region, message: wrong } } }]
          response.writeHead(200, { "content-type": "application/json" })
          response.end(JSON.stringify({ jsonrpc: "2.0", id: message["id"], result: { resultType: "complete", tools } }))
          return true
        }
        yield* client.says(modern(1, "tools/list"))
        yield* answerOf(1)
        const params = { name: "echo", arguments: { region: "eu", message: "x" } }
        yield* client.says(modern(2, "tools/call", params))
        assert.strictEqual(toldBy(yield* answerOf(2)), "done")
        assert.deepInclude(got.at(-1)!.headers, {
          "mcp-protocol-version": version,
          "mcp-method": "tools/call",
          "mcp-name": "echo",
          "mcp-param-region": "eu"
        })
        assert.isUndefined(got.at(-1)!.headers["mcp-session-id"])
        yield* client.says(modern(4, "resources/read", { uri: "file:///naïve" }))
        yield* answerOf(4)
        const name = `=?base64?${Buffer.from("file:///naïve").toString("base64")}?=`
        assert.deepInclude(got.at(-1)!.headers, { "mcp-method": "resources/read", "mcp-name": name })
        yield* client.says(modern(3, "tools/call", params))
        const last = yield* eventually(Effect.sync(() => calls()[1]))
        yield* client.says({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 3 } })
        yield* eventually(Effect.sync(() => last.isClosed ? true : undefined))
        assert.isFalse(got.some(({ message }) => message["method"] === "notifications/cancelled"))
      })
  )

  live("says that nothing was performed where there is no server", () =>
    Effect.gen(function*() {
      const client = yield* scripted
      const { url } = yield* Effect.scoped(makeUpstream)
      const server = yield* McpHttp.server({ url })
      yield* Effect.forkScoped(GovernedMcpProxy.run(client.channel, server, { tool: "words" }))
      yield* client.says(modern(1, "tools/call", { name: "echo", arguments: {} }))
      assert.match(toldBy(yield* client.hears(({ id }) => id === 1)), /^NOT PERFORMED: .*could not be reached/)
    }))
})
