/** Tool calls over fetch, against servers that write bytes by hand, beside what Effect's own client makes of the same. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { FetchHttpClient, HttpBody, HttpClient } from "effect/http"
import { gzipSync } from "node:zlib"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import * as FetchTransport from "../../src/transport/FetchTransport.ts"
import { timedOf } from "../../src/transport/internal/timedClient.ts"
import type * as Transport from "../../src/transport/Transport.ts"
import * as Vargate from "../../src/Vargate.ts"
import { type Conversation, ok, saying, serve, until } from "../node/rawServer.ts"

const call = (
  url: string,
  options: Partial<Transport.Options> = {},
  transport: Layer.Layer<HttpClient.HttpClient> = FetchTransport.layer
) =>
  ToolCalls.ToolCalls.use((toolCalls) => toolCalls.call({ tool: "bank", method: "pay", params: { to: "grüße" } })).pipe(
    Effect.provide(Vargate.layer({ apiKey: "test-key", url, ...options }).pipe(Layer.provide(transport)))
  )

const allowed = JSON.stringify({ status: "allowed", action_id: "a-1", execution_result: "x".repeat(200_000) })
const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

const inChunks = (bytes: Uint8Array, piece = 7000) =>
  Buffer.concat([
    ...Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) => {
      const part = bytes.subarray(i * piece, (i + 1) * piece)
      return Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")])
    }),
    Buffer.from("0\r\n\r\n")
  ])

const sized = (bytes: Uint8Array, headers = "") =>
  Buffer.concat([Buffer.from(`${head}${headers}Content-Length: ${bytes.length}\r\n\r\n`), bytes])
const chunked = (bytes: Uint8Array, headers = "") =>
  Buffer.concat([Buffer.from(`${head}${headers}Transfer-Encoding: chunked\r\n\r\n`), inChunks(bytes)])

const writing = (bytes: Uint8Array) => ({ socket }: Conversation) => void socket.write(bytes)

describe("a tool call", () => {
  const bytes = Buffer.from(allowed)
  const encoded = "Content-Encoding: gzip\r\n"
  const answers: ReadonlyArray<readonly [string, Buffer]> = [
    ["with its length", sized(bytes)],
    ["chunked", chunked(bytes)],
    ["compressed", sized(gzipSync(bytes), encoded)],
    ["compressed and chunked", chunked(gzipSync(bytes), encoded)],
    ["until the connection ends", Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`), bytes])]
  ]
  it.live.each(answers)("is read whatever way its answer comes: %s", ([, answer]) =>
    Effect.gen(function*() {
      const heard: Array<string> = []
      const server = yield* serve(({ heard: text, socket }) => {
        heard.push(text())
        if (/Connection: close/.test(answer.toString("latin1"))) socket.end(answer)
        else socket.write(answer)
      })
      const { execution } = yield* call(server.url)
      assert(execution._tag === "Executed")
      assert.lengthOf(execution.result as string, 200_000)
      assert.lengthOf(heard, 1)
      assert.match(heard[0]!, /^POST \/mcp\/tools\/call HTTP\/1.1/)
      assert.match(heard[0]!, /x-api-key: test-key/i)
      assert.match(heard[0]!, /content-type: application\/json\r\n/i)
      const sent = Buffer.from(heard[0]!.split("\r\n\r\n")[1]!, "latin1")
      assert.deepInclude(JSON.parse(sent.toString()), { tool: "bank", method: "pay", params: { to: "grüße" } })
    }))

  it.live("keeps its own deadline and its own limit", () =>
    Effect.map(
      HttpClient.HttpClient.pipe(Effect.provide(FetchTransport.layer)),
      (client) => assert.isDefined(timedOf(client))
    ))

  it.live("is sent by the fetch that the program names, for all calls or for one", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fetching = (name: string): typeof fetch => async (_, init) => {
        seen.push(`${name} ${init?.redirect}`)
        return Response.json({ status: "allowed", action_id: "a-1" })
      }
      const all = Layer.provide(FetchTransport.layer, Layer.succeed(FetchHttpClient.Fetch, fetching("all")))
      yield* call("https://gateway.test", {}, all)
      yield* Effect.provideService(call("https://gateway.test", {}, all), FetchHttpClient.Fetch, fetching("one"))
      assert.deepStrictEqual(seen, ["all manual", "one manual"])
    }))
})

describe("what goes wrong is told as over Effect's own client", () => {
  const facts = (error: {
    readonly _tag: string
    readonly message: string
    readonly sideEffect: string
    readonly cause?: unknown
    readonly reason?: unknown
  }) => {
    const reason = (error.reason ?? error.cause) as { readonly _tag: string; readonly detail?: string } | undefined
    return [error._tag, error.sideEffect, reason?._tag, reason?.detail?.replace(/:\d+/g, "")]
  }
  const big = Buffer.from("x".repeat(20_000))
  const gone = (text: string) => ({ socket }: Conversation) => void socket.write(text, () => socket.resetAndDestroy())
  const halved = (text: string) => ({ socket }: Conversation) => void socket.end(text)
  const refusal = (status: number, body: string, headers = "") =>
    saying(
      `HTTP/1.1 ${status} No\r\nContent-Type: application/json\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`
    )

  const answers: Readonly<Record<string, readonly [tag: string | undefined, answer: Parameters<typeof serve>[0]]>> = {
    "reset before the head": ["ConnectionLost", gone("")],
    "reset within the head": ["ConnectionLost", gone("HTTP/1.1 200 OK\r\nContent-Le")],
    "reset within a body": ["ConnectionLost", gone(`${head}Content-Length: 100\r\n\r\n{`)],
    "reset within a chunked body": ["ConnectionLost", gone(`${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n`)],
    "half-closed within the head": ["ConnectionLost", halved("HTTP/1.1 200 OK\r\nContent-Le")],
    "half-closed within a body": ["ConnectionLost", halved(`${head}Content-Length: 100\r\n\r\n{`)],
    "no HTTP": ["ConnectionLost", saying("SSH-2.0-OpenSSH_9.2\r\n\r\n")],
    "no gzip": ["ConnectionLost", writing(sized(Buffer.from("no gzip at all"), "Content-Encoding: gzip\r\n"))],
    "over the limit, with its length": ["UnexpectedResponse", writing(sized(big))],
    "over the limit, chunked": ["UnexpectedResponse", writing(chunked(big))],
    "over the limit, once it is decompressed": [
      "UnexpectedResponse",
      writing(sized(gzipSync(big), "Content-Encoding: gzip\r\n"))
    ],
    "a refusal over the limit": ["UnexpectedResponse", refusal(400, "x".repeat(20_000))],
    "429 over the limit": [undefined, refusal(429, "x".repeat(20_000), "Retry-After: 7\r\n")],
    "another limit": [undefined, refusal(429, "{}", "Retry-After: 7\r\n")],
    "no JSON": ["UnexpectedResponse", saying(ok("<html>", "Content-Type: text/html\r\n"))],
    "an empty body": ["UnexpectedResponse", saying(ok(""))],
    "204": ["UnexpectedResponse", saying("HTTP/1.1 204 No Content\r\n\r\n")],
    "401": ["Unauthenticated", refusal(401, "{\"detail\":\"Invalid API key\"}")],
    "500": ["GatewayFault", refusal(500, "{\"detail\":\"boom\"}")],
    "502 of a proxy": ["GatewayFault", refusal(502, "<h1>Bad Gateway</h1>")],
    ...Object.fromEntries([301, 302, 303, 307, 308].map((status) => [
      `${status}`,
      ["UnexpectedResponse", refusal(status, "", "Location: /elsewhere\r\n")]
    ]))
  }
  it.live.each(Object.entries(answers))("%s", ([, [tag, answer]]) =>
    Effect.gen(function*() {
      const told = yield* Effect.forEach([FetchTransport.layer, FetchHttpClient.layer], (transport) =>
        Effect.gen(function*() {
          const server = yield* serve(answer)
          const error = yield* Effect.flip(call(server.url, { maxBodyBytes: 10_000 }, transport))
          assert.lengthOf(server.requests, 1, "sent once")
          return facts(error)
        }))
      assert.deepStrictEqual(told[0], told[1])
      assert.strictEqual(told[0]![2], tag)
    }))

  const places: ReadonlyArray<readonly [string, string]> = [
    ["nobody listens", "http://127.0.0.1:1"],
    ["a port that is blocked", "http://127.0.0.1:6000"],
    ["a name that does not resolve", "https://gateway.invalid"]
  ]
  it.live.each(places)("%s: certainly nothing was sent", ([, url]) =>
    Effect.gen(function*() {
      const told = yield* Effect.forEach(
        [FetchTransport.layer, FetchHttpClient.layer],
        (transport) => Effect.map(Effect.flip(call(url, { allowInsecure: true }, transport)), facts)
      )
      assert.deepStrictEqual(told[0], told[1])
      assert.deepStrictEqual(told[0]!.slice(0, 3), ["VargateError", "none", "Unreachable"])
    }))
})

describe("a deadline and an interruption end the request", () => {
  const stages = {
    "before the head": "",
    "within the head": "HTTP/1.1 200 OK\r\nContent-Le",
    "within a body": `${head}Content-Length: 100\r\n\r\n{"status"`,
    "within a large body": `${head}Content-Length: ${allowed.length}\r\n\r\n${allowed.slice(0, 70_000)}`,
    "within a body of unknown length": `${head}Transfer-Encoding: chunked\r\n\r\n8\r\n{"status\r\n`,
    "within a refusal": "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{"
  }
  it.live.each(Object.entries(stages))("%s", ([, words]) =>
    Effect.gen(function*() {
      const server = yield* serve(saying(words))
      const error = yield* Effect.flip(call(server.url, { timeout: "50 millis" }))
      assert(error._tag === "OutcomeUnknown")
      assert.strictEqual(error.cause._tag, "Timeout")
      yield* until(() => server.open() === 0)
      const fiber = yield* Effect.forkChild(call(server.url), { startImmediately: true })
      yield* until(() => server.requests.length === 2)
      yield* Fiber.interrupt(fiber)
      yield* until(() => server.open() === 0)
      assert.lengthOf(server.requests, 2)
    }))

  it.live("a body over the limit is not read to its end", () =>
    Effect.gen(function*() {
      const server = yield* serve(saying(`${head}Transfer-Encoding: chunked\r\n\r\n2710\r\n${"x".repeat(10_000)}\r\n`))
      yield* Effect.flip(call(server.url, { maxBodyBytes: 1000 }))
      yield* until(() => server.open() === 0)
    }))

  it.live("what is there in time leaves no timer behind", () =>
    Effect.gen(function*() {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
      const server = yield* serve(({ socket }, count) =>
        count % 2 === 0 ? socket.destroy() : void socket.write(sized(Buffer.from(allowed)))
      )
      const before = timers()
      for (let n = 0; n < 10; n++) yield* Effect.exit(call(server.url, { timeout: "1 hour" }))
      assert.isAtMost(timers(), before + 2)
    }))
})

describe("everything else", () => {
  it.live("has any body, and follows no redirect either", () =>
    Effect.gen(function*() {
      const server = yield* serve(({ socket }, count) =>
        void socket.end(
          count === 1
            ? "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            : ok("done", "Connection: close\r\n")
        )
      )
      const body = HttpBody.stream(Stream.make("one", "two").pipe(Stream.encodeText))
      assert.strictEqual((yield* HttpClient.post(server.url, { body })).status, 307)
      const timed = timedOf(yield* HttpClient.HttpClient)!
      const limits = { millis: 10_000, onLate: () => Effect.die("late"), bytesOf: () => 1000 }
      const response = yield* timed((yield* HttpClient.post(server.url, { body })).request, limits)
      assert.strictEqual(yield* response.text, "done")
      assert.lengthOf(server.requests, 3)
    }).pipe(Effect.provide(FetchTransport.layer)))
})
