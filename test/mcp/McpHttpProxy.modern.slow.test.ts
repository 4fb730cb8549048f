/** Requests without a session, beside legacy sessions, on one route. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { type Cause, Context, Effect, Layer, Queue, type Scope, Stream } from "effect"
import { AuditLog } from "effect-vargate"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import { type ChannelFailed, fromValue, type Incoming, type McpChannel } from "effect-vargate/mcp/McpChannel"
import * as McpHttpProxy from "effect-vargate/mcp/McpHttpProxy"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import { decide, overSocket, waitingFor } from "../support/mcp.ts"
import { modern, resultOf, toldBy, version } from "../support/mcpModern.ts"
import { eventually } from "../support/payments.ts"

class Url extends Context.Service<Url, string>()("test/Url") {}

/** A server that answers what it is told to, and keeps what it got. */
const makeServer = () => {
  const got: Array<Message> = []
  const texts: Array<string> = []
  const counts = { opened: 0 }
  let said: Queue.Queue<Incoming, Cause.Done | ChannelFailed> | undefined
  const open = Effect.gen(function*() {
    counts.opened++
    const incoming = yield* Queue.unbounded<Incoming, Cause.Done | ChannelFailed>()
    said = incoming
    const say = (message: unknown) => Effect.asVoid(Queue.offer(incoming, fromValue(message)))
    const channel: McpChannel = {
      incoming: Stream.fromQueue(incoming),
      send: (text) => {
        const message = JSON.parse(text) as Message
        got.push(message)
        texts.push(text)
        const { id, method, params } = message as Message & { params?: Message }
        const { arguments: given, requestState, _meta } = (params ?? {}) as {
          arguments?: { message?: string }
          requestState?: string
          _meta?: Message
        }
        const words = given?.message ?? ""
        const result = (result: Message) => say({ jsonrpc: "2.0", id, result })
        if (method === "initialize") return result({ protocolVersion: "2025-06-18", capabilities: {} })
        if (method === "server/discover") return result({ resultType: "complete", supportedVersions: [version] })
        if (method === "unknown/method" || method === "tasks/result") {
          return say({ jsonrpc: "2.0", id, error: { code: -32601, message: "no" } })
        }
        if (method === "tools/list") {
          const region = { type: "string", "x-mcp-header": "Region" }
          const inputSchema = { type: "object", properties: { region } }
          return result({ resultType: "complete", tools: [{ name: "echo", inputSchema }] })
        }
        if (method === "resources/read") {
          const progress = { progressToken: _meta?.["progressToken"], progress: 1 }
          return Effect.andThen(
            say({ jsonrpc: "2.0", method: "notifications/progress", params: progress }),
            result({ resultType: "complete", contents: [] })
          )
        }
        if (method === "subscriptions/listen") {
          const subscribed = { _meta: { "io.modelcontextprotocol/subscriptionId": id } }
          return Effect.andThen(
            say({ jsonrpc: "2.0", method: "notifications/subscriptions/acknowledged", params: subscribed }),
            say({ jsonrpc: "2.0", method: "notifications/tools/list_changed", params: subscribed })
          )
        }
        if (method !== "tools/call" || words.startsWith("hang")) return Effect.void
        if (words === "ask me") {
          return say({ jsonrpc: "2.0", id: "q", method: "elicitation/create", params: { message: "sure?" } })
        }
        return result(
          words.startsWith("rounds") && requestState === undefined
            ? { resultType: "input_required", inputRequests: {}, requestState: "up" }
            : { resultType: "complete", content: [{ type: "text", text: words }] }
        )
      },
      end: Effect.asVoid(Queue.end(incoming))
    }
    return channel
  })
  return { open, got, texts, counts, dies: Effect.suspend(() => Queue.end(said!)) }
}

const serve = (server: ReturnType<typeof makeServer>, options: Partial<McpHttpProxy.Options>) =>
  Layer.effect(
    Url,
    Effect.map(
      HttpServer.HttpServer,
      ({ address }) => `http://127.0.0.1:${"port" in address ? address.port : 0}/mcp`
    )
  ).pipe(
    Layer.provideMerge(HttpRouter.serve(
      McpHttpProxy.layer("/mcp", server.open, {
        tool: "words",
        rounds: { first: "30 millis", next: "30 millis" },
        ...options
      }),
      { disableListenLog: true, disableLogger: true }
    )),
    Layer.provide(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
    Layer.provideMerge(overSocket)
  )

type World = ReturnType<typeof makeServer>
type Services = Layer.Success<ReturnType<typeof serve>> | Scope.Scope

const live = (
  name: string,
  test: (server: World) => Effect.Effect<void, unknown, Services>,
  options: Partial<McpHttpProxy.Options> = {}
) =>
  it.live(name, () => {
    const server = makeServer()
    return Effect.provide(Effect.scoped(test(server)), serve(server, options))
  })

interface Sending {
  readonly headers?: Record<string, string | undefined>
  readonly method?: string
  readonly signal?: AbortSignal
}

const request = Effect.fnUntraced(function*(
  message: unknown,
  { headers = {}, method = "POST", signal }: Sending = {}
) {
  const url = yield* Url
  const all = { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers }
  const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return yield* Effect.promise(() =>
    fetch(url, {
      method,
      headers: given,
      ...(signal && { signal }),
      ...(method === "POST" && { body: typeof message === "string" ? message : JSON.stringify(message) })
    })
  )
})

/** As a modern client sends it. */
const send = (message: Message, { headers, ...more }: Sending = {}) => {
  const { name, uri } = message["params"] as { name?: string; uri?: string }
  return request(message, {
    ...more,
    headers: {
      "mcp-protocol-version": version,
      "mcp-method": message["method"] as string,
      "mcp-name": name ?? uri,
      ...headers
    }
  })
}

/** The messages of a response, of events or as JSON. */
const messagesOf = (response: Response) =>
  Effect.map(
    Effect.promise(() => response.text()),
    (text) =>
      response.headers.get("content-type")?.startsWith("text/event-stream") === true
        ? [...text.matchAll(/^data: (.*)$/gm)].map(([, json]) => JSON.parse(json!) as Message)
        : [JSON.parse(text) as Message]
  )

const ask = (message: Message, options?: Sending) =>
  Effect.map(Effect.flatMap(send(message, options), messagesOf), (messages) => messages.at(-1)!)

const call = (id: unknown, message: string, more: Message = {}) =>
  modern(id, "tools/call", { name: "echo", arguments: { message }, ...more })

const codeOf = (message: Message) => (message["error"] as { code: number } | undefined)?.code

const methods = Effect.map(
  Effect.flatMap(AuditLog.AuditLog, (log) => Stream.runCollect(log.records())),
  (records) =>
    Array.from(records).filter(({ tool }) => tool !== "approval_queue").map(({ decision, method, tool }) =>
      `${tool}/${method}: ${decision}`
    )
)

const initialize = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "x", version: "1" } }
}

/** A legacy client's session. */
const session = Effect.gen(function*() {
  const response = yield* request(initialize)
  yield* Effect.promise(() => response.text())
  return { "mcp-session-id": response.headers.get("mcp-session-id")! }
})

describe("a modern request over HTTP", () => {
  live(
    "needs no session, is governed as a legacy one is, and shares one server with all others",
    (server) =>
      Effect.gen(function*() {
        const discovered = yield* send(modern("p", "server/discover"))
        assert.strictEqual(discovered.headers.get("content-type"), "application/json")
        assert.deepStrictEqual((yield* messagesOf(discovered))[0]!["result"], {
          resultType: "complete",
          supportedVersions: [version]
        })
        // The ids of two clients are their own.
        const answers = yield* Effect.all([ask(call(1, "a")), ask(call(1, "b")), ask(call(1, "forbidden"))], {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(answers.slice(0, 2).map(toldBy), ["a", "b"])
        assert.match(toldBy(answers[2]!), /^NOT PERFORMED: the policy denied/)
        assert.deepStrictEqual(answers.map(({ id }) => id), [1, 1, 1])
        assert.strictEqual(server.counts.opened, 1)

        const headers = yield* session
        const params = { name: "echo", arguments: { message: "forbidden" } }
        const legacy = yield* request({ jsonrpc: "2.0", id: 1, method: "tools/call", params }, { headers })
        assert.match(toldBy((yield* messagesOf(legacy))[0]!), /^NOT PERFORMED: the policy denied/)
        assert.strictEqual(server.counts.opened, 2)
        assert.deepStrictEqual((yield* methods).sort(), [
          "words/echo: allow",
          "words/echo: allow",
          "words/echo: deny",
          "words/echo: deny"
        ])
      })
  )

  live("keeps the text of arguments, results and ids", (server) =>
    Effect.gen(function*() {
      const text = JSON.stringify(call(1, "x")).replace(`"id":1`, `"id":9007199254740993`)
        .replace(`"message":"x"`, `"n":1915883588174806058,\n"message":"\\u0078"`)
      const response = yield* request(text, {
        headers: { "mcp-protocol-version": version, "mcp-method": "tools/call", "mcp-name": "echo" }
      })
      assert.include(yield* Effect.promise(() => response.text()), `"id":9007199254740993`)
      assert.include(server.texts.at(-1), `"n":1915883588174806058,`)
      assert.include(server.texts.at(-1), `"message":"\\u0078"`)
    }))

  live("is refused where a header disagrees with its body, or is missing", (server) =>
    Effect.gen(function*() {
      const one = call(1, "a")
      const encoded = `=?base64?${Buffer.from("echo").toString("base64")}?=`
      assert.strictEqual(toldBy(yield* ask(one, { headers: { "mcp-name": encoded } })), "a")
      for (
        const headers of [
          { "mcp-method": "tools/list" },
          { "mcp-method": undefined },
          { "mcp-name": "other" },
          { "mcp-name": undefined },
          { "mcp-protocol-version": undefined },
          { "mcp-protocol-version": "2025-06-18" },
          { "mcp-param-region": "eu" },
          { "mcp-param-region": "=?base64?%?=" }
        ]
      ) {
        const response = yield* send(one, { headers })
        assert.strictEqual(response.status, 400, JSON.stringify(headers))
        assert.strictEqual(codeOf((yield* messagesOf(response))[0]!), -32020)
      }
      // Once the schema is known, it says which argument a header repeats.
      yield* ask(modern(2, "tools/list"))
      const located = modern(3, "tools/call", { name: "echo", arguments: { region: "eu", message: "us" } })
      assert.strictEqual(toldBy(yield* ask(located, { headers: { "mcp-param-region": "eu" } })), "us")
      for (const headers of [{}, { "mcp-param-region": "us" }, { "mcp-param-region": "eu", "mcp-param-other": "us" }]) {
        assert.strictEqual((yield* send(located, { headers })).status, 400)
      }
      assert.strictEqual(server.got.filter(({ method }) => method === "tools/call").length, 2)
    }))

  live("has the status of its error", () =>
    Effect.gen(function*() {
      const statusOf = Effect.fnUntraced(function*(message: Message, options?: Sending) {
        const response = yield* send(message, options)
        return [response.status, codeOf((yield* messagesOf(response)).at(-1)!)]
      })
      assert.deepStrictEqual(yield* statusOf(modern(1, "future/method")), [404, -32601])
      const meta = { "io.modelcontextprotocol/protocolVersion": "2099-01-01" }
      assert.deepStrictEqual(
        yield* statusOf(modern(2, "tools/list", { _meta: meta }), {
          headers: { "mcp-protocol-version": "2099-01-01" }
        }),
        [400, -32022]
      )
      assert.deepStrictEqual(
        yield* statusOf({ jsonrpc: "2.0", id: 3, method: "tools/list", params: { _meta: { a: 1 } } }),
        [400, -32020]
      )
      // That they disagree comes before what either of them says.
      assert.deepStrictEqual(yield* statusOf(modern(6, "tools/list", { _meta: meta })), [400, -32020])
      for (const gone of [modern(7, "initialize"), modern(8, "tasks/result", { taskId: "a" })]) {
        assert.deepStrictEqual(yield* statusOf(gone), [404, -32601])
      }
      assert.deepStrictEqual(yield* statusOf(call(4, "a", { requestState: "x" })), [200, -32602])
      for (const method of ["GET", "DELETE", "PUT"]) {
        const response = yield* request(undefined, { method, headers: { "mcp-protocol-version": version } })
        assert.deepStrictEqual([response.status, response.headers.get("allow")], [405, "POST"])
      }
      for (const [body, code] of [["{", -32700], ["[]", -32600], [`{"id":1,"id":2,"method":"a"}`, -32600]] as const) {
        const response = yield* request(body)
        assert.deepStrictEqual([response.status, codeOf((yield* messagesOf(response))[0]!)], [400, code])
      }
      assert.strictEqual((yield* request(call(5, "a"), { headers: { "content-type": "text/plain" } })).status, 415)
      assert.strictEqual((yield* request(" ".repeat(17 * 1024 * 1024))).status, 413)
    }))

  live("is answered with events where there is progress, and where it subscribes", () =>
    Effect.gen(function*() {
      const read = yield* send(modern(1, "resources/read", { uri: "a", _meta: { progressToken: "mine" } }))
      const [progress, result] = yield* messagesOf(read)
      assert.deepStrictEqual(progress!["params"], { progressToken: "mine", progress: 1 })
      assert.deepStrictEqual([result!["id"], result!["result"]], [1, { resultType: "complete", contents: [] }])

      const stop = new AbortController()
      const listening = yield* send(modern("sub", "subscriptions/listen"), { signal: stop.signal })
      const reader = listening.body!.getReader()
      let text = ""
      while (!text.includes("list_changed")) {
        const { value } = yield* Effect.promise(() => reader.read())
        text += Buffer.from(value!).toString()
      }
      assert.include(text, "notifications/subscriptions/acknowledged")
      assert.strictEqual(text.split(`"io.modelcontextprotocol/subscriptionId":"sub"`).length, 3)
      stop.abort()
    }))

  live(
    "that is pending is one action, whichever request comes next; its head leaves at once",
    (server) =>
      Effect.gen(function*() {
        const response = yield* send(call(1, "delicate a"))
        assert.strictEqual(response.status, 200)
        const first = resultOf((yield* messagesOf(response)).at(-1)!)
        assert.strictEqual(first.resultType, "input_required")
        yield* decide("approve", "delicate a")
        const repeat = (id: number) => ask(call(id, "delicate a", { requestState: first.requestState }))
        const answers = yield* Effect.all([repeat(2), repeat(3), repeat(4)], { concurrency: "unbounded" })
        const told = answers.map(toldBy)
        assert.include(told, "delicate a")
        for (const text of told) assert.match(text, /^delicate a$|^NOTHING DONE NOW/)
        assert.strictEqual(toldBy(yield* repeat(5)), "delicate a")
        assert.strictEqual(server.got.length, 1)
        assert.deepStrictEqual(yield* methods, ["words/echo: pending_approval"])
      }),
    { rounds: { first: "30 millis", next: "20 seconds" } }
  )

  live(
    "is cancelled when its connection closes: not performed while it waits, and at the server afterwards",
    (server) =>
      Effect.gen(function*() {
        const waiting = new AbortController()
        yield* send(call(1, "delicate b"), { signal: waiting.signal })
        yield* waitingFor("delicate b")
        waiting.abort()
        yield* Effect.sleep("50 millis")
        yield* decide("approve", "delicate b")
        const doing = new AbortController()
        yield* send(call(1, "hang"), { signal: doing.signal })
        const { id } = yield* eventually(Effect.sync(() => server.got[0]))
        assert.deepStrictEqual((server.got[0]!["params"] as Message)["arguments"], { message: "hang" })
        doing.abort()
        const cancelled = yield* eventually(
          Effect.sync(() => server.got.find(({ method }) => method === "notifications/cancelled"))
        )
        assert.strictEqual((cancelled["params"] as Message)["requestId"], id)
        assert.strictEqual(server.got.length, 2)
      }),
    { rounds: { first: "10 seconds" } }
  )

  live(
    "hears that the outcome is unknown when the server ends, and the next one gets another server",
    (server) =>
      Effect.gen(function*() {
        const response = yield* send(call(1, "hang"))
        yield* eventually(Effect.sync(() => server.got[0]))
        yield* server.dies
        assert.match(toldBy((yield* messagesOf(response)).at(-1)!), /^OUTCOME UNKNOWN/)
        assert.strictEqual(toldBy(yield* ask(call(1, "a"))), "a")
        assert.strictEqual(server.counts.opened, 2)
      })
  )
})

describe("more modern requests than there may be", () => {
  live(
    "are refused in the protocol, do nothing, and leave room for the next when one is done or has left",
    (server) =>
      Effect.gen(function*() {
        const leaving = new AbortController()
        const first = yield* send(call(1, "hang a"))
        yield* send(call(2, "hang b"), { signal: leaving.signal })
        yield* eventually(Effect.sync(() => server.got.length === 2 ? true : undefined))
        const third = yield* send(call(3, "c"))
        assert.deepStrictEqual([third.status, third.headers.get("retry-after")], [503, "1"])
        const [refused] = yield* messagesOf(third)
        assert.deepStrictEqual([refused!["id"], codeOf(refused!)], [3, -32000])
        assert.lengthOf(yield* methods, 2)
        leaving.abort()
        yield* eventually(
          Effect.sync(() => server.got.find(({ method }) => method === "notifications/cancelled"))
        )
        const again = yield* eventually(
          Effect.map(send(call(4, "d")), (response) => response.status === 200 ? response : undefined)
        )
        assert.strictEqual(toldBy((yield* messagesOf(again)).at(-1)!), "d")
        yield* server.dies
        yield* messagesOf(first)
        assert.strictEqual(toldBy(yield* ask(call(5, "e"))), "e")
      }),
    { maxRequests: 2 }
  )
})

describe("before everything else", () => {
  const origin = "https://app.example"

  live("stand the hosts, the origins and the credentials", (server) =>
    Effect.gen(function*() {
      const url = new URL(yield* Url)
      const headers = { authorization: "Bearer one", origin }
      const preflight = yield* request(undefined, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-headers": "mcp-param-region, x-other" }
      })
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers.get("access-control-allow-origin"), origin)
      assert.include(preflight.headers.get("access-control-allow-headers"), "mcp-param-region")
      assert.notInclude(preflight.headers.get("access-control-allow-headers"), "x-other")
      const evil = yield* request(undefined, { method: "OPTIONS", headers: { origin: "https://evil.example" } })
      assert.deepStrictEqual([evil.status, evil.headers.get("access-control-allow-origin")], [403, null])
      const unknown = yield* request("no JSON", { headers: { origin } })
      assert.deepStrictEqual([unknown.status, unknown.headers.get("www-authenticate")], [401, "Bearer"])
      assert.strictEqual(unknown.headers.get("access-control-allow-origin"), origin)
      const answered = yield* send(call(1, "a"), { headers })
      assert.strictEqual(answered.headers.get("access-control-allow-origin"), origin)
      assert.strictEqual(toldBy((yield* messagesOf(answered)).at(-1)!), "a")
      assert.isTrue(server.texts.every((text) => !text.includes("Bearer")))
      assert.strictEqual(url.hostname, "127.0.0.1")
    }), {
    allowedOrigins: [origin],
    authenticate: ({ headers }) => Effect.succeed(headers["authorization"]?.replace("Bearer ", ""))
  })

  live("of another client's state or session nothing is known", () =>
    Effect.gen(function*() {
      const as = (name: string) => ({ headers: { authorization: name } })
      const first = resultOf(yield* ask(call(1, "rounds"), as("one")))
      assert.strictEqual(first.resultType, "input_required")
      const more = { requestState: first.requestState, inputResponses: {} }
      assert.strictEqual(codeOf(yield* ask(call(2, "rounds", more), as("two"))), -32602)
      assert.strictEqual(toldBy(yield* ask(call(3, "rounds", more), as("one"))), "rounds")

      const begun = yield* request(initialize, as("one"))
      yield* Effect.promise(() => begun.text())
      const id = begun.headers.get("mcp-session-id")!
      const ping = { jsonrpc: "2.0", method: "notifications/initialized" }
      const status = (name: string) =>
        Effect.map(request(ping, { headers: { authorization: name, "mcp-session-id": id } }), ({ status }) => status)
      assert.deepStrictEqual([yield* status("two"), yield* status("one")], [404, 202])
      assert.strictEqual(
        codeOf(
          yield* ask(modern(4, "tasks/get", { taskId: "t" }), {
            headers: { authorization: "one", "mcp-name": "t" }
          })
        ),
        -32602
      )
    }), { authenticate: ({ headers }) => Effect.succeed(headers["authorization"]) })
})

describe("a legacy session", () => {
  live(
    "hears at once that its request is read, and what the server asks during a call on that call's stream",
    (server) =>
      Effect.gen(function*() {
        const headers = yield* session
        const stream = yield* request(undefined, { method: "GET", headers })
        assert.strictEqual(stream.status, 200)
        yield* Effect.promise(() => stream.body!.cancel())
        const params = { name: "echo", arguments: { message: "ask me" } }
        const asking = yield* request({ jsonrpc: "2.0", id: 1, method: "tools/call", params }, { headers })
        const reader = asking.body!.getReader()
        let text = ""
        while (!text.includes("elicitation/create")) {
          const { value } = yield* Effect.promise(() => reader.read())
          text += Buffer.from(value!).toString()
        }
        const answered = yield* request({ jsonrpc: "2.0", id: "q", result: { action: "accept" } }, { headers })
        assert.strictEqual(answered.status, 202)
        yield* eventually(Effect.sync(() => server.got.find(({ id }) => id === "q")))
        yield* Effect.promise(() => reader.cancel())
        assert.strictEqual((yield* request(undefined, { method: "DELETE", headers })).status, 200)
        assert.strictEqual((yield* request(undefined, { method: "GET", headers })).status, 404)
      })
  )
})
