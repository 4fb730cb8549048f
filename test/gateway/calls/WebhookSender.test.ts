import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Exit, Layer, Logger, References, Scope } from "effect"
import { ToolCalls, Transport, WebhookRoute, Webhooks } from "effect-vargate"
import * as WebhookSender from "effect-vargate/gateway/calls/WebhookSender"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as Tenants from "effect-vargate/gateway/tenants/Tenants"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientResponse, HttpRouter, HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { breathe, eventually, secret, signatureOf } from "../../support/webhooks.ts"

const url = "https://receiver.example/hook?token=T0K3N"

const options: Tenants.TenantOptions = {
  id: "t",
  apiKey: "test-key",
  policyTemplate: "financial",
  webhookUrl: url,
  webhookSecret: secret,
  webhookEvents: ["action.allowed", "action.denied", "action.pending"]
}

interface Arrival {
  /** By the test clock, in seconds. */
  readonly at: number
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Answer = number | "hang" | "refuse"

/** A receiver in this process, which answers by a script and then as it did last. */
const receiver = (...script: ReadonlyArray<Answer>) => {
  const arrivals: Array<Arrival> = []
  const client = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { body, headers, method, url } = request
        assert(body._tag === "Uint8Array")
        arrivals.push({ at: now / 1000, url, method, headers, body: new TextDecoder().decode(body.body) })
        const answer = script[Math.min(arrivals.length, script.length) - 1] ?? 200
        if (answer === "hang") return Effect.never
        return answer === "refuse"
          ? Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause: new Error(`connect ${url}`) })
            })
          )
          : Effect.succeed(HttpClientResponse.fromWeb(request, new Response("", { status: answer })))
      })
    )
  )
  return { arrivals, client }
}

const tenantOf = (changes: Partial<Tenants.TenantOptions> = {}) =>
  Tenants.Tenants.use((tenants) => tenants.put({ ...options, ...changes })).pipe(
    Effect.provide(Tenants.layerMemory([]))
  )

const sender = (senderOptions?: WebhookSender.Options) =>
  Effect.map(Layer.build(WebhookSender.layer(senderOptions)), Context.get(WebhookSender.WebhookSender))

const data = { action_id: "a-1", note: "é 漢 😀" }

/** Runs an effect and gives what it logged, as one text. */
const overhear = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const logged: Array<string> = []
    const logger = Logger.make((entry) => void logged.push(Logger.formatJson.log(entry)))
    yield* effect.pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(References.MinimumLogLevel, "All")
    )
    return logged.join("\n")
  })

describe("a delivery", () => {
  it.effect("is what the gateway sends: headers, body and signature", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver()
      const { announce } = yield* sender({ client })
      yield* TestClock.setTime(Date.parse("2026-11-23T00:40:57.206Z"))
      yield* announce(yield* tenantOf(), "action.allowed", data)
      yield* eventually(() => arrivals.length > 0)
      const [{ body, headers, method }] = arrivals as [Arrival]
      assert.strictEqual(method, "POST")
      assert.strictEqual(
        body,
        "{\"event\": \"action.allowed\", \"timestamp\": \"2026-11-23T00:40:57.206000+00:00\", \"data\": " +
          "{\"action_id\": \"a-1\", \"note\": \"\\u00e9 \\u6f22 \\ud83d\\ude00\"}}"
      )
      assert.deepStrictEqual({ ...headers }, {
        "content-length": String(body.length),
        "content-type": "application/json",
        "user-agent": "Vargate-Webhook/1.0",
        "x-vargate-event": "action.allowed",
        "x-vargate-signature": signatureOf(body)
      })
    }))

  it.effect("goes out only for events that were chosen, and only to a URL", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver()
      const { announce } = yield* sender({ client })
      yield* announce(yield* tenantOf(), "session.interrupted", data)
      yield* announce(yield* tenantOf({ webhookEvents: [] }), "action.allowed", data)
      yield* announce(yield* tenantOf({ webhookUrl: undefined }), "action.allowed", data)
      yield* announce(yield* tenantOf(), "action.denied", data)
      yield* eventually(() => arrivals.length > 0)
      yield* breathe
      assert.deepStrictEqual(arrivals.map(({ headers }) => headers["x-vargate-event"]), ["action.denied"])
    }))

  const attempts: ReadonlyArray<readonly [string, ReadonlyArray<Answer>, ReadonlyArray<number>]> = [
    ["500", [500], [0, 2, 6, 14]],
    ["a redirect", [301], [0, 2, 6, 14]],
    ["nothing", ["hang"], [0, 12, 26, 44]],
    ["no connection", ["refuse"], [0, 2, 6, 14]],
    ["500, then 204", [500, 204], [0, 2]],
    ["401, nothing, then 200", [401, "hang", 200], [0, 2, 16]]
  ]
  it.effect.each(attempts)("is tried again, the same to the letter: %s", ([, script, times]) =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver(...script)
      const { announce } = yield* sender({ client })
      yield* announce(yield* tenantOf(), "action.allowed", data)
      yield* eventually(() => arrivals.length > 0)
      for (let second = 0; second < 120; second++) yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(arrivals.map(({ at }) => at), times)
      assert.strictEqual(new Set(arrivals.map(({ body, headers }) => JSON.stringify({ body, headers }))).size, 1)
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("that is lost leaves a line without URL and secret", () =>
    Effect.gen(function*() {
      const logged = yield* overhear(Effect.gen(function*() {
        const { arrivals, client } = receiver("refuse")
        const { announce, sendTest } = yield* sender({ client })
        const tenant = yield* tenantOf()
        yield* announce(tenant, "action.allowed", data)
        yield* eventually(() => arrivals.length > 0)
        yield* TestClock.adjust("1 minute")
        assert.deepInclude(yield* Effect.flip(sendTest(tenant)), { detail: "TransportError" })
      }))
      assert.match(logged, /not delivered: TransportError/)
      assert.match(logged, /"tenant":"t"/)
      assert.notMatch(logged, /T0K3N|receiver\.example/)
      assert.notInclude(logged, secret)
    }))

  it.effect("does not crowd out the rest: beyond the capacity events are lost, and said to be", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver("hang")
      const logged = yield* overhear(Effect.gen(function*() {
        const { announce } = yield* sender({ client, capacity: 3 })
        const tenant = yield* tenantOf()
        for (let n = 0; n < 5; n++) yield* announce(tenant, "action.allowed", { n })
        yield* eventually(() => arrivals.length === 3)
        for (let second = 0; second < 60; second++) yield* TestClock.adjust("1 second")
        assert.strictEqual(arrivals.length, 12)
        yield* announce(tenant, "action.allowed", { n: 5 })
        yield* eventually(() => arrivals.length === 13)
      }))
      assert.strictEqual(logged.match(/3 others are under way/g)?.length, 2)
    }))

  it.effect("is cut short where its tenant has most under way, so that the others' events go out", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver("hang")
      const logged = yield* overhear(Effect.gen(function*() {
        const { announce } = yield* sender({ client, capacity: 20 })
        const dead = yield* tenantOf({ id: "dead", webhookUrl: "https://dead.example/hook" })
        for (let n = 0; n < 100; n++) yield* announce(dead, "action.allowed", { n })
        const of = (id: string) => arrivals.filter(({ url }) => url.includes(`//${id}.`)).length
        yield* eventually(() => of("dead") === 20)
        const others = yield* Effect.forEach(["a", "b"], (id) => tenantOf({ id, webhookUrl: `https://${id}.example/` }))
        for (let n = 0; n < 5; n++) yield* Effect.forEach(others, (tenant) => announce(tenant, "action.allowed", { n }))
        yield* eventually(() => of("a") === 5 && of("b") === 5)
        for (let n = 0; n < 100; n++) yield* announce(others[0]!, "action.allowed", { n })
        // 8, 7 and 5: no other share would be fairer to the one that asks.
        yield* eventually(() => of("a") >= 7)
        yield* breathe
        assert.strictEqual(of("a"), 7)
      }))
      assert.strictEqual(logged.match(/20 others are under way/g)?.length, 80 + 98)
      assert.strictEqual(logged.match(/more under way than any other/g)?.length, 12)
    }))

  it.effect("ends with the gateway", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver(500)
      const scope = yield* Scope.make()
      const { announce } = yield* Effect.provideService(sender({ client }), Scope.Scope, scope)
      const tenant = yield* tenantOf()
      yield* announce(tenant, "action.allowed", data)
      yield* eventually(() => arrivals.length > 0)
      yield* Scope.close(scope, Exit.void)
      yield* announce(tenant, "action.allowed", data)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(arrivals.length, 1)
    }))
})

describe("a URL", () => {
  const outcome = (webhookUrl: string, allowLoopbackHttp?: boolean) =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver()
      const { sendTest } = yield* sender({ client, allowLoopbackHttp })
      const exit = yield* Effect.exit(sendTest(yield* tenantOf({ webhookUrl })))
      assert.strictEqual(arrivals.length, Exit.isSuccess(exit) ? 1 : 0)
      return Exit.isSuccess(exit)
    })

  it.effect("must be https, or, where that is permitted, http to this machine", () =>
    Effect.gen(function*() {
      assert.isTrue(yield* outcome("https://127.0.0.1:18443/hook"))
      assert.isFalse(yield* outcome("http://127.0.0.1/hook"))
      assert.isTrue(yield* outcome("http://127.0.0.1/hook", true))
      assert.isTrue(yield* outcome("http://[::1]:80/hook", true))
      for (
        const refused of [
          "http://receiver.example/hook",
          "http://127.0.0.1.example/hook",
          "https://user:password@receiver.example",
          "file:///etc/passwd",
          "hook",
          ""
        ]
      ) {
        assert.isFalse(yield* outcome(refused, true), refused)
      }
    }))

  it.effect("is of no use without a secret, or without a client", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver()
      const { sendTest } = yield* sender({ client })
      const tenant = yield* tenantOf({ webhookSecret: undefined })
      assert.match((yield* Effect.flip(sendTest(tenant)))._tag, /NotDelivered/)
      assert.strictEqual(arrivals.length, 0)

      const nowhere = yield* sender()
      const error = yield* Effect.flip(nowhere.sendTest(yield* tenantOf()))
      assert(error._tag === "NotDelivered")
      assert.match(error.detail, /no client/)
      yield* nowhere.announce(yield* tenantOf(), "action.allowed", data)
    }).pipe(Effect.provide(Logger.layer([]))))
})

describe("a test", () => {
  it.effect("is sent once, whatever events were chosen", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver(200, 500, "refuse", "hang")
      const { sendTest } = yield* sender({ client })
      const tenant = yield* tenantOf({ webhookEvents: [] })
      assert.strictEqual(yield* sendTest(tenant), url)
      for (const detail of ["status 500", "TransportError"]) {
        const error = yield* Effect.flip(sendTest(tenant))
        assert.deepInclude(error, { _tag: "NotDelivered", webhookUrl: url, detail })
      }
      const hanging = yield* Effect.forkChild(Effect.exit(sendTest(tenant)))
      yield* eventually(() => arrivals.length === 4)
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(hanging.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      assert.isDefined(hanging.pollUnsafe())
      assert.strictEqual(arrivals.length, 4)

      const event = yield* Webhooks.verify(
        arrivals[0]!.body,
        arrivals[0]!.headers["x-vargate-signature"],
        secret
      )
      assert.deepInclude(event, { _tag: "TestPing", message: "This is a test webhook from Vargate." })
      assert.strictEqual(arrivals[0]!.headers["x-vargate-event"], "test.ping")
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("needs a URL", () =>
    Effect.gen(function*() {
      const { sendTest } = yield* sender({ client: receiver().client })
      assert.strictEqual(
        (yield* Effect.flip(sendTest(yield* tenantOf({ webhookUrl: undefined }))))._tag,
        "NoWebhookUrl"
      )
    }))
})

const gateway = (webhooks: WebhookSender.Options, tenant: Tenants.TenantOptions = options) =>
  ToolCalls.layer.pipe(
    Layer.provide(Transport.layer({ apiKey: "test-key" })),
    Layer.provideMerge(Gateway.layerMemory({ tenants: [tenant], webhooks }))
  )

const pay = (amount: number) =>
  ToolCalls.decide({
    tool: "stripe",
    method: "create_charge",
    params: { amount, currency: "EUR" },
    isBusinessHours: true
  })

describe("the gateway", () => {
  it.effect("tells what was decided about each call", () =>
    Effect.gen(function*() {
      const { arrivals, client } = receiver()
      const decisions = yield* Effect.forEach([50, 9000, 1500], pay).pipe(
        Effect.tap(eventually(() => arrivals.length === 3)),
        Effect.provide(gateway({ client }))
      )
      const told = new Map(arrivals.map(({ body, headers }) => {
        const { data, event } = JSON.parse(body)
        assert.strictEqual(headers["x-vargate-event"], event)
        return [data.action_id, { event, data }]
      }))
      const call = { agent_id: "effect-agent", tool: "stripe", method: "create_charge" }
      const violations = ["transaction_exceeds_limit"]
      const allowed = { decision: "allow", violations: [], severity: "none", requires_human: false }
      const denied = { decision: "deny", violations, severity: "high", requires_human: false }
      const pending = { decision: "pending_approval", violations: [], severity: "none", requires_human: true }
      const expected = [["action.allowed", allowed], ["action.denied", denied], ["action.pending", pending]] as const
      for (const [i, [event, data]] of expected.entries()) {
        const { actionId } = decisions[i]!
        assert.deepStrictEqual(told.get(actionId), { event, data: { action_id: actionId, ...call, ...data } })
      }
    }))

  it.effect.each(["hang", "refuse", 500] as const)(
    "answers calls all the same while the receiver says: %s",
    (answer) =>
      Effect.gen(function*() {
        const { arrivals, client } = receiver(answer)
        yield* Effect.gen(function*() {
          for (let n = 0; n < 10; n++) assert.strictEqual((yield* pay(n))._tag, "Allowed")
          yield* eventually(() => arrivals.length === 10)
        }).pipe(Effect.provide(gateway({ client })))
      })
  )
})

/** A server of this machine for one scope. */
const listen = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer(listener)
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return server
    }),
    (server) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      })
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

describe("over sockets", () => {
  const webhooks = { client: FetchHttpClient.layer, allowLoopbackHttp: true }

  it.live("from gateway to consumer", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const route = HttpRouter.serve(WebhookRoute.layer("/hook"), { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provide(Webhooks.layer({ secret, handle: (event) => Effect.sync(() => seen.push(event._tag)) })),
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
      )
      const { address } = yield* Effect.map(Layer.build(route), Context.get(HttpServer.HttpServer))
      const webhookUrl = `http://127.0.0.1:${"port" in address ? address.port : 0}/hook`
      yield* Effect.gen(function*() {
        yield* Effect.forEach([50, 9000, 1500], pay)
        yield* eventually(() => seen.length === 3)
      }).pipe(Effect.provide(gateway(webhooks, { ...options, webhookUrl })))
      assert.deepStrictEqual(seen.sort(), ["ActionAllowed", "ActionDenied", "ActionPending"])
    }).pipe(Effect.scoped))

  it.live("a redirect is not followed", () =>
    Effect.gen(function*() {
      const paths: Array<string | undefined> = []
      const webhookUrl = yield* listen((request, response) => {
        paths.push(request.url)
        response.writeHead(307, { location: "/elsewhere" }).end()
      })
      const { sendTest } = yield* sender(webhooks)
      const error = yield* Effect.flip(sendTest(yield* tenantOf({ webhookUrl: `${webhookUrl}/hook` })))
      assert.deepInclude(error, { detail: "status 307" })
      assert.deepStrictEqual(paths, ["/hook"])
    }).pipe(Effect.scoped))

  it.live("an answer without end is not read", () =>
    Effect.gen(function*() {
      let isLetGo = false
      const webhookUrl = yield* listen((_, response) => {
        response.writeHead(200)
        const more = () => response.destroyed || response.write("x".repeat(65_536), more)
        response.on("close", () => isLetGo = true).on("error", () => {})
        more()
      })
      const { sendTest } = yield* sender(webhooks)
      yield* sendTest(yield* tenantOf({ webhookUrl }))
      yield* eventually(() => isLetGo)
    }).pipe(Effect.scoped))

  it.live("nobody at home", () =>
    Effect.gen(function*() {
      const webhookUrl = yield* Effect.scoped(listen(() => {}))
      const { sendTest } = yield* sender(webhooks)
      const error = yield* Effect.flip(sendTest(yield* tenantOf({ webhookUrl })))
      assert.deepInclude(error, { _tag: "NotDelivered", detail: "TransportError" })
    }).pipe(Effect.scoped))
})
