import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import { createServer } from "node:http"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import * as GatewayServer from "../../src/gateway/GatewayServer.ts"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import { WebhookEventName } from "../../src/model/TenantSettings.ts"
import { folder } from "../support/folder.ts"
import { end, start } from "../support/servers.ts"
import { wireCall } from "./suite/doors.ts"

const test = (name: string, body: (data: string) => Effect.fn.Return<void, unknown, Scope.Scope>, timeout?: number) =>
  it.live(name, () => Effect.flatMap(folder, (root) => Effect.gen(() => body(join(root, "vargate.db")))), timeout)

/** Builds a server for as long as the scope lasts. */
const serve = (options: GatewayServer.Options) =>
  Effect.map(
    Layer.build(Layer.fresh(GatewayServer.layer({ port: 0, ...options }))),
    (context) => Context.get(context, GatewayServer.GatewayServer)
  )

interface Answer {
  readonly status: number
  readonly body: {
    readonly action_id?: string
    readonly execution_result?: unknown
    readonly total?: number
    readonly records?: ReadonlyArray<{ readonly action_id: string }>
  }
}

const ask = (url: string, apiKey: string, path: string, body?: object) =>
  Effect.promise(async (): Promise<Answer> => {
    const response = await fetch(url + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { "x-api-key": apiKey, "content-type": "application/json", connection: "close" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    return { status: response.status, body: await response.json() as Answer["body"] }
  })

const call = (url: string, apiKey: string, tool = "slack", method = "post", params: object = {}) =>
  ask(url, apiKey, "/mcp/tools/call", wireCall({ tool, method, params }))

const keyOf = ({ tenant }: GatewayServer.GatewayServer["Service"]) => Redacted.value(tenant.apiKey)

/** What comes back over a connection until it closes. */
const raw = (url: string, text: string) =>
  Effect.callback<string>((resume) => {
    const { hostname, port } = new URL(url)
    let received = ""
    const socket = connect(Number(port), hostname, () => socket.write(text))
    socket.setEncoding("utf8").on("data", (part) => received += part)
    socket.on("error", () => undefined).on("close", () => resume(Effect.succeed(received)))
  })

/** A connection that has been answered, and stays open as long as the scope. */
const open = (url: string, text: string) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const { hostname, port } = new URL(url)
      const socket = connect(Number(port), hostname, () => socket.write(text))
      socket.once("data", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("a server", () => {
  test("starts with no webhook that it could not send", function*(data) {
    const client = FetchHttpClient.layer
    const wrong: ReadonlyArray<GatewayServer.Options> = [
      { webhookUrl: "https://hooks.example/S3CR3T" },
      { webhookUrl: "http://localhost:3000/S3CR3T", webhooks: { client } },
      { webhookUrl: "http://hooks.example/S3CR3T", webhooks: { client, allowLoopbackHttp: true } }
    ]
    for (const options of wrong) {
      const error = yield* Effect.flip(Effect.scoped(serve({ data, ...options })))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(error.reason.issues[0]!.path, ["webhookUrl"])
      assert.notInclude(String(error), "S3CR3T")
    }
    const options = { data, webhookUrl: "http://localhost:3000/S3CR3T", webhooks: { client, allowLoopbackHttp: true } }
    const { tenant } = yield* Effect.scoped(serve(options))
    assert.deepStrictEqual(tenant.webhookEvents, [...WebhookEventName.literals])
    assert.isNotNull(tenant.webhookSecret)
  })

  test("makes a tenant with a random key, once", function*(data) {
    const first = yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* serve({ data, template: "financial" })
      assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/)
      assert.isTrue(server.isNew)
      assert.match(keyOf(server), /^vg-[0-9a-f]{48}$/)
      assert.deepInclude(server.tenant, { id: "local", name: "Local", policyTemplate: "financial", burst: 20 })
      assert.strictEqual((yield* call(server.url, keyOf(server))).status, 200)
      assert.strictEqual((yield* call(server.url, "vg-guessed")).status, 401)
      assert.strictEqual((yield* call(server.url, "vargate-local-key")).status, 401)
      return server
    }))
    yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* serve({ data })
      assert.isFalse(server.isNew)
      assert.strictEqual(keyOf(server), keyOf(first))
      assert.strictEqual(server.tenant.policyTemplate, "financial")
      const { body, status } = yield* ask(server.url, keyOf(first), "/audit/log")
      assert.deepStrictEqual([status, body.total], [200, 1])
    }))
  })

  test("changes the tenant where it is told to", function*(data) {
    const first = yield* Effect.scoped(serve({ data, burst: 5 }))
    yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* serve({ data, template: "crm", burst: 1, apiKey: Redacted.make("my-own-key") })
      assert.deepInclude(server.tenant, { id: "local", policyTemplate: "crm", burst: 1 })
      assert.strictEqual((yield* call(server.url, keyOf(first))).status, 401)
      assert.strictEqual((yield* call(server.url, "my-own-key")).status, 200)
      assert.strictEqual((yield* call(server.url, "my-own-key")).status, 429)
    }))
    yield* Effect.scoped(Effect.gen(function*() {
      const server = yield* serve({ data, apiKey: Redacted.make("my-own-key") })
      assert.deepInclude(server.tenant, { policyTemplate: "crm", burst: 1 })
      assert.strictEqual(keyOf(server), "my-own-key")
    }))
  })

  test("gives its parts to the program around it", function*(data) {
    const context = yield* Layer.build(GatewayServer.layer({ port: 0, data }))
    const server = Context.get(context, GatewayServer.GatewayServer)
    yield* call(server.url, keyOf(server))
    assert.strictEqual((yield* Context.get(context, Ledger).records("local")).length, 1)
  })
})

describe("a server that cannot start", () => {
  test("says which port is taken", function*(data) {
    const taken = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        const server = createServer().listen(
          0,
          "127.0.0.1",
          () => resume(Effect.succeed((server.address() as { readonly port: number }).port))
        )
      }),
      () => Effect.void
    )
    const error = yield* Effect.flip(serve({ data, port: taken }))
    assert(error._tag === "ListenError")
    assert.deepStrictEqual([error.code, error.port, error.host], ["EADDRINUSE", taken, "127.0.0.1"])
    assert.include(error.message, `127.0.0.1:${taken}`)
    assert.include(error.message, "choose another port")
    // The file was let go of.
    yield* Effect.scoped(serve({ data }))
  })

  test("refuses what is no port and no address", function*(data) {
    for (const port of [-1, 65_536, 1.5, Number.NaN]) {
      const error = yield* Effect.flip(serve({ data, port }))
      assert(error._tag === "ListenError")
      assert.strictEqual(error.code, "ERR_SOCKET_BAD_PORT")
    }
    const foreign = yield* Effect.flip(serve({ data, host: "203.0.113.7" }))
    assert(foreign._tag === "ListenError")
    assert.strictEqual(foreign.code, "EADDRNOTAVAIL")
    const unknown = yield* Effect.flip(serve({ data, host: "no-such-host.invalid" }))
    assert(unknown._tag === "ListenError")
    assert.match(unknown.code, /ENOTFOUND|EAI_AGAIN/)
  })

  test("says that another process has the file", function*(data) {
    const first = yield* start({ data })
    const second = yield* start({ data })
    assert.strictEqual(second.said._tag, "StorageError")
    assert.include(String(second.said.message), `${data} is in use`)
    assert.strictEqual(yield* Effect.promise(() => second.ended), 1)
    assert.strictEqual((yield* call(first.url, first.apiKey)).status, 200)
    const error = yield* Effect.flip(serve({ data }))
    assert.strictEqual(error._tag, "StorageError")
  })
})

describe("a server with bad clients", () => {
  const limits = { headers: "300 millis", request: "900 millis" } as const

  test("hangs up on who says nothing", function*(data) {
    const server = yield* serve({ data, limits })
    assert.match(yield* raw(server.url, ""), /^(HTTP\/1\.1 408 .*|)/)
  })

  test("hangs up on who is slow with headers or with a body", function*(data) {
    const server = yield* serve({ data, limits })
    const [headers, body] = yield* Effect.all([
      raw(server.url, "POST /mcp/tools/call HTTP/1.1\r\nhost: localhost\r\n"),
      raw(
        server.url,
        `POST /mcp/tools/call HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${
          keyOf(server)
        }\r\ncontent-length: 100\r\n\r\n{`
      )
    ], { concurrency: 2 })
    assert.match(headers, /^HTTP\/1\.1 408 /)
    assert.match(body, /^(HTTP\/1\.1 (408|499|400) |$)/)
    assert.strictEqual((yield* call(server.url, keyOf(server))).status, 200)
  })

  test("lets idle connections be closed by their clients", function*(data) {
    const server = yield* serve({ data })
    const answer = yield* Effect.promise(() => fetch(`${server.url}/health`))
    assert.strictEqual(answer.headers.get("keep-alive"), "timeout=65")
  })

  test("takes no more connections than it may", function*(data) {
    const server = yield* serve({ data, limits: { connections: 2 } })
    const get = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    yield* Effect.all([open(server.url, get), open(server.url, get)])
    assert.strictEqual(yield* raw(server.url, get), "")
  })
})

describe("a server that ends", () => {
  test("closes idle connections at once, whatever its grace", function*(data) {
    const get = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    const scope = yield* Scope.make()
    const server = yield* Effect.provideService(serve({ data, grace: "1 hour" }), Scope.Scope, scope)
    yield* open(server.url, get)
    const { hostname, port } = new URL(server.url)
    yield* Effect.acquireRelease(
      Effect.callback<Socket>((resume) => {
        const socket = connect(Number(port), hostname, () => resume(Effect.succeed(socket)))
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
    yield* Scope.close(scope, Exit.void)
  })
})

describe("a server before a client that reads nothing", () => {
  test("makes no answer before the last one is taken", function*(data) {
    const server = yield* serve({ data, burst: 10_000 })
    const key = keyOf(server)
    yield* Effect.forEach(
      Array.from({ length: 60 }, (_, n) => n),
      (n) => call(server.url, key, "slack", "post", { n, pad: "p".repeat(60_000) }),
      { concurrency: 8 }
    )
    const { hostname, port } = new URL(server.url)
    const page = `GET /audit/log?limit=1000 HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${key}\r\n\r\n`
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const socket = connect(Number(port), hostname).on("error", () => {})
        socket.pause().write(page.repeat(100))
        return socket
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
    const pages = Effect.promise(async () => {
      const text = await (await fetch(`${server.url}/metrics`)).text()
      const counts = text.matchAll(/^gateway_requests_total\{[^}]*path="\/audit\/log"[^}]*\} (\d+)/gm)
      return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
    })
    yield* Effect.repeat(Effect.andThen(Effect.sleep("20 millis"), pages), { until: (count) => count > 0 })
    yield* Effect.sleep("500 millis")
    assert.isAtMost(yield* pages, 2)
  })
})

describe("a server process", () => {
  test("answers what is in flight before it ends, and keeps it", function*(data) {
    const server = yield* start({ data })
    const slow = yield* Effect.forkChild(call(server.url, server.apiKey, "slow", "wait", { ms: 500 }), {
      startImmediately: true
    })
    yield* Effect.promise(server.next)
    const code = yield* end(server, "SIGTERM")
    const { body, status } = yield* Fiber.join(slow)
    assert.deepStrictEqual([status, body.execution_result], [200, "waited"])
    assert.strictEqual(code, 130)
    assert.strictEqual(server.stderr(), "")

    const next = yield* start({ data })
    const log = yield* ask(next.url, next.apiKey, "/audit/log")
    assert.deepStrictEqual(log.body.records?.map((record) => record.action_id), [body.action_id])
    assert.deepStrictEqual([next.said.isNew, next.apiKey], [false, server.apiKey])
  })

  test("ends at once on a second signal", function*(data) {
    const server = yield* start({ data, grace: 60_000 })
    yield* Effect.forkChild(Effect.exit(call(server.url, server.apiKey, "slow", "hang")), { startImmediately: true })
    yield* Effect.promise(server.next)
    server.send("SIGTERM")
    // The first one has been noticed when nobody can connect any more.
    yield* raw(server.url, "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").pipe(
      Effect.repeat({ until: (answer) => answer === "" })
    )
    assert.strictEqual(yield* end(server, "SIGTERM"), 143)
  })

  test("ends although a tool never does", function*(data) {
    const server = yield* start({ data, grace: 100 })
    yield* Effect.forkChild(Effect.exit(call(server.url, server.apiKey, "slow", "hang")), { startImmediately: true })
    yield* Effect.promise(server.next)
    assert.strictEqual(yield* end(server, "SIGINT"), 1)
    assert.include(server.stderr(), "they took too long")
  })
})
