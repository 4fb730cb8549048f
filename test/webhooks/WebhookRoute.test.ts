import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, type Scope } from "effect"
import { WebhookRoute, Webhooks } from "effect-vargate"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer, request as nodeRequest } from "node:http"
import { bodyOf, secret, signatureOf } from "../support/webhooks.ts"

const body = bodyOf("test.ping", { message: "hello" }, Date.now())

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

interface Receiver {
  readonly send: (init: RequestInit) => Effect.Effect<Answer>
  readonly url: string
}

const answerOf = (answer: Promise<Response>): Effect.Effect<Answer> =>
  Effect.promise(async () => {
    const response = await answer
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

const url = "http://localhost/hooks/vargate"

/** A closing scope disposes of the handler, as a program would. */
const webHandler = (webhooks: Layer.Layer<Webhooks.Webhooks, unknown>): Effect.Effect<Receiver, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => WebhookRoute.toWebHandler(webhooks)),
    ({ dispose }) => Effect.promise(dispose)
  ).pipe(Effect.map(({ handler }) => ({ url, send: (init) => answerOf(handler(new Request(url, init))) })))

const router = (webhooks: Layer.Layer<Webhooks.Webhooks, unknown>): Effect.Effect<Receiver, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      HttpRouter.toWebHandler(
        WebhookRoute.layer("/hooks/vargate").pipe(
          Layer.provideMerge(webhooks),
          Layer.provide(HttpServer.layerServices)
        ),
        { disableLogger: true }
      )
    ),
    ({ dispose }) => Effect.promise(dispose)
  ).pipe(Effect.map(({ handler }) => ({ url, send: (init) => answerOf(handler(new Request(url, init))) })))

const socket = (webhooks: Layer.Layer<Webhooks.Webhooks, unknown>): Effect.Effect<Receiver, unknown, Scope.Scope> =>
  Effect.gen(function*() {
    const server = NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })
    const context = yield* Layer.build(
      HttpRouter.serve(WebhookRoute.layer("/hooks/vargate"), { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provide(webhooks),
        Layer.provideMerge(server)
      )
    )
    const { address } = yield* Effect.provideContext(HttpServer.HttpServer, context)
    const url = `http://127.0.0.1:${"port" in address ? address.port : 0}/hooks/vargate`
    return { url, send: (init) => answerOf(fetch(url, init)) }
  })

const receivers = [["a fetch handler", webHandler], ["a router", router], ["a socket", socket]] as const

const post = (text: RequestInit["body"], headers: Record<string, string>): RequestInit => ({
  method: "POST",
  body: text as BodyInit,
  headers: { "content-type": "application/json", ...headers },
  ...(text instanceof ReadableStream ? { duplex: "half" } : {})
})

const signed = (text: string) =>
  post(text, { "x-vargate-signature": signatureOf(text), "x-vargate-event": "test.ping" })

/** Bytes that come without their number. */
const stream = (text: string) =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
    }
  })

describe.each(receivers)("over %s", (_, receiverOf) => {
  const seen: Array<string> = []
  const handle: Webhooks.Options["handle"] = (event) => Effect.sync(() => seen.push(event._tag))

  const test = (
    title: string,
    effect: (receiver: Receiver) => Effect.Effect<void>,
    options?: Partial<Webhooks.Options>
  ) =>
    it.live(title, () =>
      Effect.gen(function*() {
        seen.length = 0
        yield* effect(yield* receiverOf(Webhooks.layer({ secret, handle, ...options })))
      }).pipe(Effect.scoped))

  test("takes an event in, and its repetition", (receiver) =>
    Effect.gen(function*() {
      const first = yield* receiver.send(signed(body))
      const second = yield* receiver.send(signed(body))
      assert.deepStrictEqual([first.status, first.text], [200, "{\"status\":\"accepted\"}"])
      assert.deepStrictEqual([second.status, second.text], [200, "{\"status\":\"duplicate\"}"])
      assert.deepStrictEqual(seen, ["TestPing"])
    }))

  test("takes an event that nobody knows, in any spelling of the content type", (receiver) =>
    Effect.gen(function*() {
      const text = bodyOf("chain.anchored", {}, Date.now())
      const headers = { "x-vargate-signature": signatureOf(text), "content-type": "Application/JSON; charset=utf-8" }
      assert.strictEqual((yield* receiver.send(post(text, headers))).status, 200)
      assert.deepStrictEqual(seen, ["Unknown"])
    }))

  test("verifies the bytes as they came", (receiver) =>
    Effect.gen(function*() {
      const odd = ` {"data":{"message":"\\u00e9 é"} ,"timestamp":"${new Date().toISOString()}","event":"test.ping"}\n`
      assert.strictEqual((yield* receiver.send(signed(odd))).status, 200)
      const streamed = bodyOf("test.ping", { message: "streamed" }, Date.now())
      const answer = yield* receiver.send(post(stream(streamed), { "x-vargate-signature": signatureOf(streamed) }))
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(seen.length, 2)
    }))

  const old = bodyOf("test.ping", {}, Date.now() - 6 * 60_000)
  const refusals: ReadonlyArray<readonly [string, RequestInit, number]> = [
    ["no signature", post(body, {}), 401],
    ["a malformed signature", post(body, { "x-vargate-signature": "sha256=zz" }), 401],
    ["another secret's signature", post(body, { "x-vargate-signature": signatureOf(body, "other") }), 401],
    [
      "a signature that came twice",
      post(body, { "x-vargate-signature": `${signatureOf(body)}, ${signatureOf(body)}` }),
      401
    ],
    ["another body's signature", post(`${body} `, { "x-vargate-signature": signatureOf(body) }), 401],
    ["no body", post("", { "x-vargate-signature": signatureOf(body) }), 401],
    ["an old delivery", signed(old), 400],
    ["a signed text that is no event", signed("hello"), 400],
    ["a GET", { method: "GET" }, 405],
    ["a PUT", { ...signed(body), method: "PUT" }, 405],
    ["a form", { ...signed(body), headers: { "content-type": "application/x-www-form-urlencoded" } }, 415],
    ["a content type that only begins like JSON", post(body, { "content-type": "application/jsonp" }), 415],
    ["no content type", { method: "POST", body: new TextEncoder().encode(body) }, 415],
    ["a long body", signed(bodyOf("test.ping", "x".repeat(65_536), Date.now())), 413],
    ["a long body without its length", post(stream("x".repeat(65_537)), { "x-vargate-signature": "sha256=" }), 413]
  ]
  for (const [title, init, status] of refusals) {
    test(`refuses ${title} with ${status}`, (receiver) =>
      Effect.gen(function*() {
        // A stream can be read once only, and each receiver reads it.
        const answer = yield* receiver.send(
          init.body instanceof ReadableStream ? { ...init, body: stream("x".repeat(65_537)) } : init
        )
        assert.strictEqual(answer.status, status, answer.text)
        assert.isString(JSON.parse(answer.text).detail)
        assert.strictEqual(answer.headers.get("allow"), status === 405 ? "POST" : null)
        assert.notInclude(answer.text, secret)
        assert.deepStrictEqual(seen, [])
      }))
  }

  it.live("answers 500 where the consumer fails, and 200 when it then succeeds", () =>
    Effect.gen(function*() {
      let failures = 2
      const logged: Array<string> = []
      const logger = Logger.layer([Logger.make((entry) => void logged.push(Logger.formatJson.log(entry)))])
      const webhooks = Webhooks.layer({
        secret,
        handle: () => Effect.suspend(() => failures-- > 0 ? Effect.fail("no database") : Effect.void)
      })
      const receiver = yield* Effect.provide(receiverOf(Layer.provideMerge(webhooks, logger)), logger)
      const answers = yield* Effect.forEach([1, 2, 3, 4], () => receiver.send(signed(body)))
      assert.deepStrictEqual(answers.map(({ status }) => status), [500, 500, 200, 200])
      assert.notInclude(answers[0]!.text, "database")
      assert.strictEqual(logged.length, 2)
      assert.include(logged[0]!, "no database")
      assert.notInclude(logged.join(), secret)
    }).pipe(Effect.scoped))
})

describe("a fetch handler", () => {
  it.live("rejects every request where its layer cannot be built", () =>
    Effect.gen(function*() {
      const { handler } = WebhookRoute.toWebHandler(Webhooks.layer({ secret: "" }))
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => handler(new Request(url)), catch: String }))
      assert.match(error, /secret is required/)
    }))

  it.live("answers 503 when it closes under a request", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const { dispose, handler } = WebhookRoute.toWebHandler(
        Webhooks.layer({ secret, handle: () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never) })
      )
      const answer = handler(new Request(url, signed(body)))
      yield* Deferred.await(started)
      yield* Effect.promise(dispose)
      assert.strictEqual((yield* answerOf(answer)).status, 503)
    }))
})

describe("a socket", () => {
  it.live("a gateway that hangs up leaves the consumer at work, and finds a duplicate when it comes again", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      const done = yield* Deferred.make<void>()
      const receiver = yield* socket(Webhooks.layer({
        secret,
        handle: () =>
          Deferred.succeed(started, undefined).pipe(
            Effect.andThen(Deferred.await(gate)),
            Effect.andThen(Deferred.succeed(done, undefined))
          )
      }))
      const first = nodeRequest(receiver.url, {
        method: "POST",
        headers: { "content-type": "application/json", "x-vargate-signature": signatureOf(body) }
      })
      first.on("error", () => {})
      first.end(body)
      yield* Deferred.await(started)
      first.destroy()
      yield* Effect.sleep("50 millis")
      yield* Deferred.succeed(gate, undefined)
      yield* Deferred.await(done)
      assert.strictEqual((yield* receiver.send(signed(body))).text, "{\"status\":\"duplicate\"}")
    }).pipe(Effect.scoped))
})
