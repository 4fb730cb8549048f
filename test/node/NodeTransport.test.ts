/** The client against servers that write bytes by hand: what no polite server would send, too. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, type Duration, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { Cookies, HttpBody, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { type Socket } from "node:net"
import * as ToolCalls from "../../src/calls/ToolCalls.ts"
import * as NodeTransport from "../../src/node/NodeTransport.ts"
import * as Vargate from "../../src/Vargate.ts"
import { type Conversation, ok, saying, serve, test, until } from "./rawServer.ts"

const reasonOf = Effect.fnUntraced(function*(effect: Effect.Effect<unknown, unknown, HttpClient.HttpClient>) {
  const error = yield* Effect.flip(effect) as Effect.Effect<
    { readonly reason: { readonly _tag: string; readonly cause: { readonly code?: string } } },
    never,
    HttpClient.HttpClient
  >
  return error.reason
})

const textOf = (response: HttpClientResponse.HttpClientResponse) => response.text

describe("answers", () => {
  test("a body of known length", function*() {
    const server = yield* serve(saying(ok("{\"a\":1}", "Content-Type: application/json\r\nX-Mixed-Case: Yes\r\n")))
    const response = yield* HttpClient.get(`${server.url}/path?a=1&b=%20`)
    assert.strictEqual(response.status, 200)
    assert.strictEqual(response.headers["x-mixed-case"], "Yes")
    assert.deepStrictEqual(yield* response.json, { a: 1 })
    assert.strictEqual(yield* response.text, "{\"a\":1}")
    assert.deepStrictEqual(new Uint8Array(yield* response.arrayBuffer), new TextEncoder().encode("{\"a\":1}"))
    assert.include(server.requests[0], "GET /path?a=1&b=%20 HTTP/1.1")
  })

  test("a chunked body", function*() {
    const server = yield* serve(
      saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    )
    const response = yield* HttpClient.get(server.url)
    assert.strictEqual(yield* response.text, "hello world")
    assert.strictEqual(yield* response.text, "hello world", "a second time")
  })

  test("JSON without a length, as long as one piece of memory, longer, and cut", function*() {
    const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    const sizes = [7, 65_535, 65_536, 65_537, 200_000]
    for (const size of sizes) {
      for (const piece of [3001, size]) {
        const text = JSON.stringify("é".repeat((size - 2) / 2))
        const bytes = Buffer.from(text)
        for (const isWhole of [true, false]) {
          const server = yield* serve(({ socket }) => {
            socket.write(head)
            for (let at = 0; at < bytes.length; at += piece) {
              const part = bytes.subarray(at, at + piece)
              socket.write(Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]))
            }
            if (isWhole) socket.write("0\r\n\r\n")
            else socket.end()
          })
          const reading = Effect.flatMap(HttpClient.get(server.url), textOf)
          if (isWhole) assert.strictEqual(yield* reading, text)
          else assert.include(["TransportError", "DecodeError"], (yield* reasonOf(reading))._tag)
        }
      }
    }
  })

  test("empty bodies: of length 0, chunked, 204, 304, to HEAD", function*() {
    const answers = [
      ok(""),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
    ]
    const server = yield* serve(({ socket }, count) =>
      void socket.write(answers[count - 1] ?? "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    )
    for (const _ of answers) assert.strictEqual(yield* Effect.flatMap(HttpClient.get(server.url), textOf), "")
    assert.isAtMost(server.total(), 2, "connections were used again")
    const head = yield* HttpClient.head(server.url)
    assert.strictEqual(head.headers["content-length"], "100000")
    assert.strictEqual(yield* head.text, "")
  })

  test("1xx before the answer", function*() {
    const server = yield* serve(
      saying(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ok("done")}`)
    )
    const response = yield* HttpClient.get(server.url)
    assert.deepStrictEqual([response.status, yield* response.text], [200, "done"])
    assert.isUndefined(response.headers["link"])
  })

  test("a proxy's error page, as it stands", function*() {
    const server = yield* serve(({ socket }) =>
      void socket.end(
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<h1>Bad Gateway</h1>"
      )
    )
    const response = yield* HttpClient.post(server.url, { body: HttpBody.jsonUnsafe({}) })
    // An answer without a length ends with the connection.
    assert.deepStrictEqual([response.status, yield* response.text], [502, "<h1>Bad Gateway</h1>"])
    assert.strictEqual(server.requests.length, 1)
  })

  test("a redirect is not followed", function*() {
    const server = yield* serve(
      saying("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    )
    assert.strictEqual((yield* HttpClient.post(server.url)).status, 307)
    assert.strictEqual(server.requests.length, 1)
  })

  test("cookies and repeated headers", function*() {
    const server = yield* serve(
      saying(ok("", "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Twice: 1\r\nX-Twice: 2\r\n"))
    )
    const response = yield* HttpClient.get(server.url)
    assert.deepStrictEqual(Object.keys(Cookies.toRecord(response.cookies)), ["a", "b"])
    assert.strictEqual(response.headers["x-twice"], "1, 2")
  })

  test("a large body streams, and its connection waits for the reader", function*() {
    const size = 32 * 1024 * 1024
    let written = 0
    const server = yield* serve(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      const chunk = Buffer.alloc(64 * 1024, 120)
      const write = () => {
        while (written < size) {
          written += chunk.length
          if (!socket.write(chunk)) return void socket.once("drain", write)
        }
      }
      write()
    })
    const response = yield* HttpClient.get(server.url)
    // Without a reader the server comes to a halt long before the end.
    let before = -1
    yield* Effect.repeat(
      Effect.andThen(Effect.sleep("50 millis"), Effect.sync(() => written === before || (before = written, false))),
      { until: (halted) => halted }
    )
    assert.isBelow(written, size)
    const received = yield* Stream.runFold(response.stream, () => 0, (sum, chunk) => sum + chunk.length)
    assert.strictEqual(received, size)
  })

  test("a head arrives before its body does", function*() {
    const goOn = yield* Deferred.make<void>()
    const server = yield* serve(({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      Effect.runFork(Effect.andThen(Deferred.await(goOn), Effect.sync(() => socket.write("3\r\none\r\n0\r\n\r\n"))))
    })
    const response = yield* HttpClient.get(server.url)
    assert.strictEqual(response.status, 200)
    yield* Deferred.succeed(goOn, undefined)
    assert.strictEqual(yield* response.text, "one")
  })
})

describe("requests", () => {
  const echo = ({ socket }: Conversation) => void socket.write(ok("ok"))

  test("a JSON body, with its type and length", function*() {
    const server = yield* serve(echo)
    yield* HttpClient.post(`${server.url}/x`, {
      body: HttpBody.jsonUnsafe({ text: "grüße" }),
      headers: { "X-Key": "k" }
    })
    assert.include(server.requests[0], "content-type: application/json")
    assert.include(server.requests[0], "content-length: 18")
    assert.include(server.requests[0], "x-key: k")
  })

  test("bytes, a stream, a form", function*() {
    const bodies: Array<string> = []
    const server = yield* serve(({ heard, socket }) => {
      bodies.push(heard().split("\r\n\r\n").slice(1).join("\r\n\r\n"))
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    })
    const parts = Stream.make("one", "two").pipe(Stream.encodeText)
    const form = new FormData()
    form.set("field", "value")
    yield* HttpClient.post(server.url, { body: HttpBody.uint8Array(new TextEncoder().encode("bytes")) })
    yield* HttpClient.post(server.url, { body: HttpBody.stream(parts) })
    yield* HttpClient.post(server.url, { body: HttpBody.formData(form) })
    assert.strictEqual(bodies[0], "bytes")
    assert.strictEqual(bodies[1], "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert.include(bodies[2], "name=\"field\"\r\n\r\nvalue")
    assert.match(server.requests[2]!, /content-type: multipart\/form-data; ?boundary=/)
  })

  test("parameters and odd URLs are written as a browser would", function*() {
    const server = yield* serve(echo)
    const paths = ["/a b", "/a/../b", "/a/%2e%2e/b", "/ü", "/a#frag", "/a?b=c d", "//double", "/a\"b"]
    for (const path of paths) yield* HttpClient.get(server.url + path)
    yield* HttpClient.execute(HttpClientRequest.get(`${server.url}/q`, { urlParams: { x: "1 & 2" } }))
    assert.deepStrictEqual(
      server.requests.map((head) => head.split(" ")[1]),
      [
        ...paths.map((path) => {
          const { pathname, search } = new URL(server.url + path)
          return pathname + search
        }),
        "/q?x=1+%26+2"
      ]
    )
  })

  test("what cannot be written fails, and nothing is sent", function*() {
    const server = yield* serve(echo)
    const reasons = yield* Effect.all([
      reasonOf(HttpClient.get("ftp://127.0.0.1/")),
      reasonOf(HttpClient.get("http://")),
      reasonOf(HttpClient.get(server.url, { headers: { "x-bad": "a\r\nb: c" } })),
      reasonOf(HttpClient.get(server.url, { headers: { "transfer-encoding": "chunked" } })),
      reasonOf(HttpClient.execute(HttpClientRequest.make("BAD METHOD" as "GET")(server.url)))
    ])
    assert.deepStrictEqual(
      reasons.map(({ _tag }) => _tag),
      ["InvalidUrlError", "InvalidUrlError", "EncodeError", "EncodeError", "EncodeError"]
    )
    assert.strictEqual(server.requests.length, 0)
  })

  test("a stream that fails ends the request", function*() {
    const server = yield* serve(echo)
    const body = HttpBody.stream(Stream.concat(Stream.make(new Uint8Array([1])), Stream.fail("broken")))
    assert.strictEqual((yield* reasonOf(HttpClient.post(server.url, { body })))._tag, "TransportError")
    assert.strictEqual(server.requests.length, 0)
  })
})

describe("broken connections", () => {
  test("nobody listens", function*() {
    const reason = yield* reasonOf(HttpClient.post("http://127.0.0.1:1/"))
    assert.deepStrictEqual([reason._tag, reason.cause.code], ["TransportError", "ECONNREFUSED"])
  })

  test("the server hangs up before it answers: once, and not tried again", function*() {
    const server = yield* serve(({ socket }) => void socket.destroy())
    assert.strictEqual((yield* reasonOf(HttpClient.post(server.url)))._tag, "TransportError")
    assert.strictEqual((yield* reasonOf(HttpClient.get(server.url)))._tag, "TransportError")
    assert.strictEqual(server.requests.length, 2)
  })

  test("the server resets", function*() {
    const server = yield* serve(({ socket }) => void socket.resetAndDestroy())
    assert.strictEqual((yield* reasonOf(HttpClient.post(server.url)))._tag, "TransportError")
    assert.strictEqual(server.requests.length, 1)
  })

  test("the server closes its half in the middle of the head, of a short body, of a chunked one", function*() {
    const halves = [
      "HTTP/1.1 200 OK\r\nContent-Le",
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    ]
    const server = yield* serve(({ socket }, count) => void socket.end(halves[count - 1]!))
    for (const _ of halves) {
      const reason = yield* reasonOf(Effect.flatMap(HttpClient.post(server.url), textOf))
      assert.include(["TransportError", "DecodeError"], reason._tag)
    }
    assert.strictEqual(server.requests.length, 3)
  })

  test("more bytes than were announced do not reach the next answer", function*() {
    const server = yield* serve(({ socket }, count) =>
      void socket.write(count === 1 ? ok("one") + "rubbish" : ok("two"))
    )
    assert.strictEqual(yield* Effect.flatMap(HttpClient.get(server.url), textOf), "one")
    assert.strictEqual(yield* Effect.flatMap(HttpClient.get(server.url), textOf), "two")
  })

  test("an answer that is not HTTP", function*() {
    const server = yield* serve(saying("SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    assert.strictEqual((yield* reasonOf(HttpClient.get(server.url)))._tag, "TransportError")
  })

  test("a head that is too large", function*() {
    const server = yield* serve(saying(ok("", `X-Large: ${"x".repeat(20_000)}\r\n`)))
    const reason = yield* reasonOf(HttpClient.get(server.url))
    assert.deepStrictEqual([reason._tag, reason.cause.code], ["TransportError", "UND_ERR_HEADERS_OVERFLOW"])
  })

  test("a server that says nothing", function*() {
    const server = yield* serve(() => {})
    const reason = yield* reasonOf(HttpClient.get(server.url))
    assert.deepStrictEqual([reason._tag, reason.cause.code], ["TransportError", "UND_ERR_HEADERS_TIMEOUT"])
  }, { headersTimeout: 20 })

  test("a body that stops", function*() {
    const server = yield* serve(saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"))
    const response = yield* HttpClient.get(server.url)
    const reason = yield* reasonOf(response.text)
    assert.deepStrictEqual([reason._tag, reason.cause.code], ["DecodeError", "UND_ERR_BODY_TIMEOUT"])
  }, { bodyTimeout: 20 })
})

describe("interruption", () => {
  const interrupted = Effect.fnUntraced(function*(
    effect: Effect.Effect<unknown, unknown, HttpClient.HttpClient>,
    when: () => boolean
  ) {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* until(when)
    yield* Fiber.interrupt(fiber)
    const exit = yield* Fiber.await(fiber)
    assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
  })

  test("before the answer closes the connection", function*() {
    const server = yield* serve(() => {})
    yield* interrupted(HttpClient.post(server.url), () => server.requests.length === 1)
    yield* until(() => server.open() === 0)
  })

  test("in the middle of a short body closes the connection", function*() {
    const server = yield* serve(saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
    yield* interrupted(HttpClient.post(server.url), () => server.requests.length === 1)
    yield* until(() => server.open() === 0)
  })

  test("while a body is read closes the connection", function*() {
    let heads = 0
    const server = yield* serve(saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"))
    yield* interrupted(
      Effect.flatMap(HttpClient.get(server.url), (response) => {
        heads++
        return response.text
      }),
      () => heads === 1
    )
    yield* until(() => server.open() === 0)
  })

  test("in the queue for a connection: nothing is sent", function*() {
    const server = yield* serve(() => {})
    const first = yield* Effect.forkChild(HttpClient.post(`${server.url}/first`), { startImmediately: true })
    yield* until(() => server.requests.length === 1)
    yield* interrupted(HttpClient.post(`${server.url}/second`), () => true)
    yield* Fiber.interrupt(first)
    yield* until(() => server.open() === 0)
    assert.deepStrictEqual(server.requests.map((head) => head.split(" ")[1]), ["/first"])
  }, { connections: 1 })

  test("a reader who has enough closes the connection", function*() {
    const server = yield* serve(saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"))
    const response = yield* HttpClient.get(server.url)
    assert.strictEqual((yield* Stream.runCollect(Stream.take(response.stream, 1))).length, 1)
    yield* until(() => server.open() === 0)
    assert.strictEqual((yield* reasonOf(response.text))._tag, "DecodeError")
  })
})

describe("a governed call's deadline", () => {
  const call = (url: string, timeout: Duration.Input = "50 millis") =>
    ToolCalls.ToolCalls.use((toolCalls) => toolCalls.call({ tool: "bank", method: "pay" })).pipe(
      Effect.provide(Vargate.layer({ apiKey: "test-key", url, timeout }))
    )

  const allowed = JSON.stringify({ status: "allowed", action_id: "a-1", execution_result: "x".repeat(100_000) })

  for (
    const [where, words] of [
      ["before the head", ""],
      ["within the head", "HTTP/1.1 200 OK\r\nContent-Le"],
      ["within a small body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\""],
      [
        "within a large body",
        `HTTP/1.1 200 OK\r\nContent-Length: ${allowed.length}\r\n\r\n${allowed.slice(0, 70_000)}`
      ],
      ["within a body of unknown length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"status\r\n"],
      ["within a refusal", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n{"]
    ] as const
  ) {
    test(`holds ${where}`, function*() {
      const server = yield* serve(saying(words))
      const error = yield* Effect.flip(call(server.url))
      assert(error._tag === "OutcomeUnknown")
      assert.strictEqual(error.cause._tag, "Timeout")
      yield* Effect.repeat(Effect.sleep(1), { until: () => server.open() === 0 })
      assert.strictEqual(server.requests.length, 1)
    })
  }

  test("does not cut off what is there in time", function*() {
    const server = yield* serve(saying(ok(allowed)))
    for (let n = 0; n < 3; n++) {
      const { execution } = yield* call(server.url, "30 seconds")
      assert.strictEqual(execution._tag, "Executed")
    }
  })

  test("leaves no timer behind", function*() {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
    const server = yield* serve(({ socket }, count) =>
      count % 2 === 0 ? socket.destroy() : saying(ok("{}"))({ socket, heard: () => "" })
    )
    const before = timers()
    for (let n = 0; n < 10; n++) yield* Effect.exit(call(server.url, "1 hour"))
    const fibers = yield* Effect.forEach(
      Array.from({ length: 10 }),
      () => Effect.forkChild(call(server.url, "1 hour"), { startImmediately: true })
    )
    yield* Fiber.interruptAll(fibers)
    assert.isAtMost(timers(), before + 2)
  })
})

describe("layer", () => {
  test("keeps to its connections; others wait", function*() {
    const waiting: Array<Socket> = []
    const server = yield* serve(({ socket }) => void waiting.push(socket))
    const fibers = yield* Effect.forEach(
      Array.from({ length: 10 }),
      () => Effect.forkChild(Effect.flatMap(HttpClient.get(server.url), textOf), { startImmediately: true })
    )
    for (let answered = 0; answered < 10; answered++) {
      yield* until(() => waiting.length > 0)
      assert.isAtMost(server.total(), 2)
      waiting.shift()!.write(ok(String(answered)))
    }
    const texts = yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
    assert.deepStrictEqual(texts.toSorted(), Array.from({ length: 10 }, (_, i) => String(i)))
  }, { connections: 2 })

  it.live("closes its connections with its scope", () =>
    Effect.gen(function*() {
      const server = yield* serve(saying(ok("ok")))
      yield* Effect.flatMap(HttpClient.get(server.url), textOf).pipe(Effect.provide(NodeTransport.layer))
      yield* until(() => server.open() === 0)
      assert.strictEqual(server.total(), 1)
    }))

  it.effect.each([{ connections: -1 }, { headersTimeout: Number.NaN }, { keepAliveTimeout: -5 }])(
    "refuses %o",
    (options) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(NodeTransport.layerWith(options))))
        assert.deepStrictEqual([error.operation, error.reason._tag], ["NodeTransport.layerWith", "InvalidRequest"])
      })
  )
})
