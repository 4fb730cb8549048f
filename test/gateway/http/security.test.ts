/** What a gateway on a port refuses, whoever sends it. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Logger, References } from "effect"
import { HttpServer, type HttpServerRequest } from "effect/http"
import { createServer, request as nodeRequest } from "node:http"
import { connect } from "node:net"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { refusalOf } from "../../../src/gateway/http/crossSite.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { acme, wireCall } from "../suite/doors.ts"

interface Sent {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent in chunks where there is no `content-length`. */
  readonly body?: string
}

/** A request byte for byte as given: no client tidies up its path or its `Host`. */
const raw = Effect.fnUntraced(function*({ body, headers = {}, method = "GET", path }: Sent) {
  const { address } = yield* HttpServer.HttpServer
  assert(address._tag === "InetAddressV4")
  const { port } = address
  return yield* Effect.callback<{ readonly status: number; readonly headers: object; readonly text: string }>(
    (resume) => {
      const request = nodeRequest({
        host: "127.0.0.1",
        port,
        method,
        path,
        setHost: false,
        headers: { host: `127.0.0.1:${port}`, ...headers }
      }, (response) => {
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (chunk) => text += chunk)
        response.on(
          "end",
          () => resume(Effect.succeed({ status: response.statusCode!, headers: response.headers, text }))
        )
      })
      // A refusal may come before the whole body has gone out.
      request.on("error", () => {})
      if (body !== undefined) request.write(body)
      request.end()
    }
  )
})

const house = (options: Gateway.Options = {}, host = "127.0.0.1") => {
  const filled = { tenants: [acme], ...options }
  return Gateway.serve(filled).pipe(
    Layer.provideMerge(Layer.merge(
      Gateway.layerParts(filled),
      NodeHttpServer.layer(createServer, { host, port: 0 })
    ))
  )
}

const key = { "x-api-key": acme.apiKey }
const json = { ...key, "content-type": "application/json" }
const call = { method: "POST", path: "/mcp/tools/call" } as const
const deletion = JSON.stringify(wireCall({ tool: "files", method: "delete" }))

const statusOf = (sent: Sent) => Effect.map(raw(sent), ({ status }) => status)
const records = Ledger.use((ledger) => ledger.records(acme.id))

describe("a page of another site", () => {
  const foreign: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "another site, by the browser's word": { "sec-fetch-site": "cross-site" },
    "another port of the same site, by the browser's word": { "sec-fetch-site": "same-site" },
    "another origin": { origin: "https://evil.example" },
    "another port": { origin: "http://127.0.0.1:1" },
    "another name of this machine": { origin: "http://localhost" },
    "no origin at all, as a sandboxed frame has": { origin: "null" },
    "an origin that is none": { origin: "nonsense" },
    "a file": { origin: "file://" },
    "an extension": { origin: "chrome-extension://abcdef" },
    "another origin, although the browser's word is good": {
      "sec-fetch-site": "same-origin",
      origin: "https://evil.example"
    }
  }

  it.live.each(Object.entries(foreign))("cannot approve, reject or call: %s", ([, headers]) =>
    Effect.gen(function*() {
      const { text } = yield* raw({ ...call, headers: json, body: deletion })
      const { action_id } = JSON.parse(text)
      for (const path of [`/approve/${action_id}`, `/reject/${action_id}`, "/mcp/tools/call", "/nothing"]) {
        const answer = yield* raw({ method: "POST", path, headers: { ...json, ...headers }, body: deletion })
        assert.strictEqual(answer.status, 403, path)
        assert.match(JSON.parse(answer.text).detail, /other sites/)
      }
      const held = yield* Ledger.use((ledger) => ledger.held(acme.id, action_id))
      assert.strictEqual(held?.status, "pending")
      assert.strictEqual((yield* records).length, 1)
    }).pipe(Effect.provide(house())))

  it.live("cannot with any other method either", () =>
    Effect.gen(function*() {
      for (const method of ["PUT", "PATCH", "DELETE"]) {
        const headers = { ...json, origin: "https://evil.example" }
        assert.strictEqual(yield* statusOf({ method, path: "/approvals", headers, body: "{}" }), 403, method)
      }
    }).pipe(Effect.provide(house())))

  it.live("may follow a link here, and gets no leave to read", () =>
    Effect.gen(function*() {
      const headers = { ...key, origin: "https://evil.example", "sec-fetch-site": "cross-site" }
      for (const method of ["GET", "OPTIONS"]) {
        const answer = yield* raw({
          method,
          path: "/approvals",
          headers: {
            ...headers,
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-api-key"
          }
        })
        assert.strictEqual(answer.status, method === "GET" ? 200 : 405)
        assert.deepStrictEqual(Object.keys(answer.headers).filter((name) => name.startsWith("access-control")), [])
        assert.include(answer.headers, {
          "cache-control": "no-store",
          "cross-origin-resource-policy": "same-origin",
          "referrer-policy": "no-referrer",
          "x-content-type-options": "nosniff"
        })
      }
    }).pipe(Effect.provide(house())))

  it.live("is told apart from our own page and from programs", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const own = HttpServer.formatAddress(address)
      const good: ReadonlyArray<Readonly<Record<string, string>>> = [
        {},
        { origin: own },
        { origin: own, "sec-fetch-site": "same-origin" },
        { "sec-fetch-site": "same-origin" },
        { "sec-fetch-site": "none" },
        { "sec-fetch-mode": "cors", "user-agent": "node" }
      ]
      for (const headers of good) {
        assert.strictEqual(yield* statusOf({ ...call, headers: { ...json, ...headers }, body: deletion }), 202)
      }
    }).pipe(Effect.provide(house())))
})

describe("a host name", () => {
  const ways = [{ path: "/health" }, { ...call, headers: json, body: deletion }]
  const statuses = (host: string, origin?: string) =>
    Effect.forEach(
      ways,
      (way: Sent) =>
        statusOf({ ...way, headers: { ...way.headers, host, ...(origin === undefined ? {} : { origin }) } })
    )

  const ours = [
    "localhost",
    "localhost:8000",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1",
    "127.1.2.3:80",
    "[::1]:8000",
    "a.localhost"
  ]
  const others = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil@localhost",
    "localhost/evil",
    "10.0.0.1",
    "0.0.0.0",
    "[::2]",
    "",
    "evillocalhost"
  ]

  it.live("of this machine is answered, any other refused on a loopback address", () =>
    Effect.gen(function*() {
      for (const host of ours) assert.deepStrictEqual(yield* statuses(host), [200, 202], host)
      for (const host of others) {
        // Its own origin agrees with it, as after the name was pointed here: only the name gives it away.
        assert.deepStrictEqual(yield* statuses(host, `http://${host}`), [403, 403], host)
      }
      assert.strictEqual((yield* records).length, ours.length)
    }).pipe(Effect.provide(house())))

  it.live("may be allowed, also as an origin behind a proxy", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* statuses("inbox.example"), [200, 202])
      assert.deepStrictEqual(yield* statuses("inbox.example:8443", "https://inbox.example:8443"), [200, 202])
      assert.deepStrictEqual(yield* statuses("127.0.0.1:8000", "https://inbox.example"), [200, 202])
      assert.deepStrictEqual(yield* statuses("localhost", "https://evil.example"), [200, 403])
      assert.deepStrictEqual(yield* statuses("evil.example"), [403, 403])
    }).pipe(Effect.provide(house({ hosts: ["Inbox.example"] }))))

  it.live("may be any where other machines are served, and still no origin", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* statuses("gateway.lan"), [200, 202])
      assert.deepStrictEqual(yield* statuses("gateway.lan", "http://gateway.lan"), [200, 202])
      assert.deepStrictEqual(yield* statuses("gateway.lan", "http://evil.example"), [200, 403])
    }).pipe(Effect.provide(house({}, "0.0.0.0"))))

  it("that nobody named is no browser's", () => {
    const request = (headers: Readonly<Record<string, string>>) =>
      ({ method: "POST", headers }) as unknown as HttpServerRequest.HttpServerRequest
    assert.isUndefined(refusalOf(request({}), []))
    assert.isDefined(refusalOf(request({ origin: "http://localhost" }), []))
  })
})

describe("a path", () => {
  const paths = [
    "/inbox/..%2f..%2fpackage.json",
    "/inbox/..%2F..%2F..%2F..%2Fetc%2Fpasswd",
    "/inbox/%2e%2e/%2e%2e/package.json",
    "/inbox/%252e%252e%252fpackage.json",
    "/inbox/../../package.json",
    "/../../../../etc/passwd",
    "/inbox/..\\..\\package.json",
    "/inbox/..%5c..%5cpackage.json",
    "/inbox//etc/passwd",
    "//etc/passwd",
    "/inbox/",
    "/inbox/app.ts",
    "/inbox/app.js%00.html",
    "/inbox/app.js/../app.ts",
    "/inbox/C:%5cwindows%5cwin.ini",
    "/%zz",
    "/inbox/%ff",
    "/dist/gateway/inbox/app.js",
    `/${"a".repeat(10_000)}`
  ]

  it.live("that leads out of the table of assets is 404", () =>
    Effect.gen(function*() {
      for (const path of paths) {
        const answer = yield* raw({ path })
        assert.deepStrictEqual([answer.status, answer.text.slice(0, 100)], [404, `{"detail":"Not Found"}`], path)
      }
    }).pipe(Effect.provide(house())))
})

describe("a body of more than 1 MiB", () => {
  const body = "x".repeat(1024 * 1024 + 1)
  const routes = ["/mcp/tools/call", "/approve/x", "/audit/log", "/inbox/events", "/", "/nothing"]

  for (const method of ["POST", "PUT", "PATCH", "DELETE", "GET"]) {
    it.live(`is 413 with ${method}, with a length or in chunks, with a key or without`, () =>
      Effect.gen(function*() {
        for (const path of routes) {
          for (const headers of [json, {}]) {
            const { length } = body
            assert.strictEqual(
              yield* statusOf({ method, path, headers: { ...headers, "content-length": String(length) }, body }),
              413,
              path
            )
            assert.strictEqual(
              yield* statusOf({ method, path, headers: { ...headers, "transfer-encoding": "chunked" }, body }),
              413,
              path
            )
          }
        }
        assert.deepStrictEqual(yield* records, [])
      }).pipe(Effect.provide(house())))
  }
})

describe("a body nested too deep", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
  // Params are an object in an object.
  const deepCall = (levels: number) =>
    `{"agent_id":"a","tool":"files","method":"list","params":{"x":${nested(levels - 2)}}}`
  const bodies: ReadonlyArray<readonly [method: string, path: string, bodyOf: (levels: number) => string]> = [
    ["POST", "/mcp/tools/call", deepCall],
    ["PATCH", "/dashboard/settings", (levels) => `{"policy_config":{"x":${nested(levels - 2)}}}`],
    ["POST", "/managed/agents", (levels) => `{"name":"a","governance_profile":{"x":${nested(levels - 2)}}}`],
    ["POST", "/approve/x", nested]
  ]

  it.live.each(bodies)(
    "is 422 with %s %s, with a length or in chunks",
    ([method, path, bodyOf]) =>
      Effect.gen(function*() {
        for (const levels of [1001, 5000, 30_000, 400_000]) {
          const body = bodyOf(levels)
          for (const how of [{ "content-length": String(body.length) }, { "transfer-encoding": "chunked" }]) {
            const answer = yield* raw({ method, path, headers: { ...json, ...how }, body })
            assert.strictEqual(answer.status, 422, `${levels} levels: ${answer.text}`)
            assert.match(JSON.parse(answer.text).detail[0].msg, /at most 1000 levels/)
          }
        }
        assert.deepStrictEqual(yield* records, [])
      }).pipe(Effect.provide(house()))
  )

  it.live("has company that is just deep enough: its record can be read and verified", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* statusOf({ ...call, headers: json, body: deepCall(1000) }), 200)
      const log = yield* raw({ path: "/audit/log", headers: key })
      assert.include(log.text, nested(998))
      const verdict = yield* raw({ path: "/audit/verify", headers: key })
      assert.include(JSON.parse(verdict.text), { valid: true, record_count: 1 })
    }).pipe(Effect.provide(house())))
})

describe("a client that hangs up in the middle of its body", () => {
  /** Sends the beginning, and ends the connection. */
  const hangUp = Effect.fnUntraced(function*(headers: string, how: "destroy" | "resetAndDestroy") {
    const { address } = yield* HttpServer.HttpServer
    assert(address._tag === "InetAddressV4")
    const { port } = address
    yield* Effect.promise(() =>
      new Promise<void>((resolve) => {
        const socket = connect(port, "127.0.0.1", () =>
          socket.write(
            `POST /mcp/tools/call HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nx-api-key: ${acme.apiKey}\r\n${headers}`,
            // The gateway must have begun to read.
            () => setTimeout(() => resolve(void socket[how]()), 50)
          ))
      })
    )
  })

  it.live.each([
    "content-length: 500\r\n\r\n{",
    "content-length: 5000\r\n\r\n{",
    "transfer-encoding: chunked\r\n\r\n1\r\n{"
  ])(
    "is no error of the gateway's: %j",
    (headers) => {
      const levels: Array<string> = []
      const noted = Deferred.makeUnsafe<void>()
      const logger = Logger.make(({ logLevel }) => {
        levels.push(logLevel)
        Deferred.doneUnsafe(noted, Effect.void)
      })
      return Effect.gen(function*() {
        yield* hangUp(headers, "destroy")
        yield* Deferred.await(noted)
        yield* hangUp(headers, "resetAndDestroy")
        assert.strictEqual(yield* statusOf({ ...call, headers: json, body: deletion }), 202)
        assert.deepStrictEqual([...new Set(levels)], ["Debug"])
        assert.lengthOf(yield* records, 1)
      }).pipe(
        Effect.provide(house()),
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
    }
  )
})

describe("the answer to a body of faults", () => {
  const bodies = {
    "one beside the other": `{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":1e999`).join()}}`,
    "under a long key": `{"${"k".repeat(400_000)}":[${Array(20_000).fill("1e999").join()}]}`,
    "far down": `${"{\"levels\":".repeat(900)}[${Array(20_000).fill("1e999").join()}]${"}".repeat(900)}`
  }
  it.live.each(Object.entries(bodies))("is short: %s", ([, params]) =>
    Effect.gen(function*() {
      const body = `{"agent_id":"a","tool":"t","method":"m","params":${params}}`
      for (const path of ["/mcp/tools/call", "/mcp/server", "/managed/agents", "/auth/signup"]) {
        for (const text of [body, params]) {
          const answer = yield* raw({ method: "POST", path, headers: json, body: text })
          assert.isBelow(answer.status, 500, path)
          assert.isBelow(answer.text.length, 100_000, path)
        }
      }
    }).pipe(Effect.provide(house())))
})
