/** The route beside the contract says, byte for byte, what the contract's own route says. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { request } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import * as GatewayServer from "../../../src/gateway/GatewayServer.ts"
import { isOrdinary } from "../../../src/gateway/http/toolCallRoute.ts"
import { Ledger } from "../../../src/gateway/ledger/Ledger.ts"
import { PolicyOutage } from "../../../src/gateway/policy/PolicyOutage.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { folder } from "../../support/folder.ts"
import { upTo } from "../suite/cases.ts"

const key = "K3Y-0F-4CM3"
const reviewer = "K3Y-0F-4-R3V13W3R"

const shared = {
  businessHours: "always",
  tools: {
    "bank/pay": ({ amount }) => Effect.succeed({ paid: amount, text: "é😀\u0001" }),
    "bank/fail": () => Effect.fail(new Error("no money")),
    "bank/list": () => Effect.succeed("€".repeat(60_000)),
    "bank/nothing": () => Effect.void,
    "bank/deep": () => Effect.succeed(JSON.parse("[".repeat(50_000) + "]".repeat(50_000)))
  },
  policy: { rules: [{ name: "no", severity: "high", when: ({ action }) => action.tool === "forbidden" }] }
} satisfies Gateway.Options

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

type Send = (headers: Readonly<Record<string, string>>, body: string) => Effect.Effect<Answer>

/** What differs from call to call: ids and times. */
const plain = ({ headers: { date, "content-length": length, ...headers }, status, text }: Answer) => {
  assert.strictEqual(Number(length), Buffer.byteLength(text), String(date))
  return {
    status,
    headers,
    text: text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "{id}").replaceAll(/"execution_ms":\d+/g, "\"execution_ms\":0")
  }
}

const json = "application/json"
/** The same to the contract, and another thing to the route beside it. */
const spelled = "application/json; charset=utf-8"

const call = (fields: object = {}) => ({ agent_id: "a-1", tool: "slack", method: "post", params: { n: 1 }, ...fields })

const nested = (levels: number) => `{"a":`.repeat(levels) + "1" + "}".repeat(levels)

const bodies: Readonly<Record<string, string>> = {
  "that the agent acts on": JSON.stringify(call()),
  "without params, with all else": JSON.stringify({
    agent_id: "a-1",
    agent_type: "autonomous",
    agent_version: "1.2.3",
    tool: "slack",
    method: "post",
    context_override: { is_business_hours: false },
    more: 1
  }),
  "that the gateway executes": JSON.stringify(call({ tool: "bank", method: "pay", params: { amount: 5 } })),
  "whose execution fails": JSON.stringify(call({ tool: "bank", method: "fail" })),
  "whose result is nothing": JSON.stringify(call({ tool: "bank", method: "nothing" })),
  "whose result is long": JSON.stringify(call({ tool: "bank", method: "list" })),
  "whose result nests deeper than can be written": JSON.stringify(call({ tool: "bank", method: "deep" })),
  "that is pending": JSON.stringify(call({ method: "delete" })),
  "that is denied": JSON.stringify(call({ agent_id: "rogue", tool: "forbidden" })),
  "with personal data": JSON.stringify(call({ params: { to: "ann@example.com", name: "Ann Ä" } })),
  "with params that are too long": JSON.stringify(call({ params: { text: "ü".repeat(12_000) } })),
  "with params that are just short enough": JSON.stringify(call({ params: { text: "x".repeat(65_524) } })),
  "with params that are one too long": JSON.stringify(call({ params: { text: "x".repeat(65_525) } })),
  "with a key that objects inherit": `{"agent_id":"a","tool":"t","method":"m","params":{"__proto__":{"a":1}}}`,
  "with the same key twice": `{"agent_id":"a","tool":"t","tool":"u","method":"m","params":{"a":1,"a":2}}`,
  "with blanks around": ` \n${JSON.stringify(call())}\n `,
  "without a tool": JSON.stringify({ agent_id: "a", method: "m" }),
  "with fields of other types": JSON.stringify({
    agent_id: 1,
    tool: null,
    method: [],
    params: "x",
    agent_version: "1"
  }),
  "with a name that is too long": JSON.stringify(call({ tool: "t".repeat(257) })),
  "that is no object": "[]",
  "that is no JSON": "{\"agent_id\":",
  "that is nothing": "",
  "that nests deep": `{"agent_id":"a","tool":"t","method":"m","params":${nested(990)}}`,
  "that nests too deep": `{"agent_id":"a","tool":"t","method":"m","params":${nested(1100)}}`,
  "that is large": JSON.stringify(call()) + " ".repeat(80_000)
}

const log = Effect.gen(function*() {
  const [tenant] = yield* Tenants.use(({ all }) => all)
  return yield* Ledger.use((ledger) => ledger.records(tenant!.id))
})

const cases = (name: string, house: Layer.Layer<Gateway.Parts | SendTo, unknown>) =>
  describe(`a tool call, ${name},`, () => {
    const both = Effect.fnUntraced(function*(headers: Readonly<Record<string, string>>, body: string) {
      const send = yield* SendTo
      return [
        plain(yield* send({ "content-type": json, ...headers }, body)),
        plain(yield* send({ "content-type": spelled, ...headers }, body))
      ] as const
    })
    const same = Effect.fnUntraced(function*(headers: Readonly<Record<string, string>>, body: string) {
      const [one, other] = yield* both(headers, body)
      assert.deepStrictEqual(one, other)
      return one
    })

    layer(house, { excludeTestServices: true })((it) => {
      it.effect.each(Object.entries(bodies))(
        "%s is answered alike, and recorded alike",
        ([, body]) =>
          Effect.gen(function*() {
            const before = (yield* log).length
            yield* same({ "x-api-key": key }, body)
            const records = (yield* log).slice(before)
            assert.isTrue(records.length === 0 || records.length === 2)
            const [one, other] = records.map(({ id, params, requestedAt, ...record }) => ({
              ...record,
              actionId: undefined,
              anomalyScore: undefined,
              createdAt: undefined,
              prevHash: undefined,
              recordHash: undefined,
              isDated: requestedAt !== undefined && id > 0,
              params: JSON.stringify(params).replaceAll(/:[\w+/=]+\]/g, "")
            }))
            assert.deepStrictEqual(one, other)
          })
      )

      it.effect("is refused alike for its key", () =>
        Effect.gen(function*() {
          const body = JSON.stringify(call())
          const answers = [
            yield* same({}, body),
            yield* same({ "x-api-key": "" }, body),
            yield* same({ "x-api-key": "unknown" }, body),
            yield* same({ "x-api-key": reviewer }, body),
            yield* same({ "x-api-key": key, authorization: "Bearer x" }, body)
          ]
          assert.deepStrictEqual(answers.map(({ status }) => status), [401, 401, 401, 403, 401])
        }))

      it.effect("is refused alike where a page of another site sends it", () =>
        Effect.gen(function*() {
          const { status } = yield* same({ "x-api-key": key, origin: "https://evil.example" }, JSON.stringify(call()))
          assert.strictEqual(status, 403)
        }))
    })

    it.live("is refused alike beyond the limit, and while the policy engine is away", () =>
      Effect.gen(function*() {
        const body = JSON.stringify(call())
        yield* PolicyOutage.use((outage) => outage.set(true))
        assert.strictEqual((yield* same({ "x-api-key": key }, body)).status, 502)
        yield* Tenants.use((tenants) =>
          Effect.flatMap(tenants.all, ([tenant]) => tenants.update(tenant!.id, () => ({ burst: 0 })))
        )
        assert.strictEqual((yield* same({ "x-api-key": key }, body)).status, 429)
      }).pipe(Effect.provide(house)))

    it.live("is refused with a key that was replaced, from then on", () =>
      Effect.gen(function*() {
        const body = JSON.stringify(call())
        assert.strictEqual((yield* same({ "x-api-key": key }, body)).status, 200)
        yield* Tenants.use((tenants) =>
          Effect.flatMap(
            tenants.all,
            ([tenant]) => tenants.rotateKey(tenant!.id, Redacted.make(key), Redacted.make("4N0TH3R-K3Y"))
          )
        )
        assert.strictEqual((yield* same({ "x-api-key": key }, body)).status, 401)
        assert.strictEqual((yield* same({ "x-api-key": "4N0TH3R-K3Y" }, body)).status, 200)
      }).pipe(Effect.provide(house)))
  })

class SendTo extends Context.Service<SendTo, Send>()("test/SendTo") {}

const inProcess = Layer.provideMerge(
  Layer.effect(
    SendTo,
    HttpClient.HttpClient.useSync((client): Send => (headers, body) =>
      Effect.orDie(Effect.flatMap(
        client.execute(
          HttpClientRequest.post("http://localhost/mcp/tools/call", { headers }).pipe(
            HttpClientRequest.bodyText(body, headers["content-type"])
          )
        ),
        (response) =>
          Effect.map(response.text, (text) => ({ status: response.status, headers: response.headers, text }))
      ))
    )
  ),
  Gateway.layerMemory({
    ...shared,
    tenants: [{ id: "local", apiKey: key, keys: [{ name: "reviewer", scopes: ["reviewer"], apiKey: reviewer }] }]
  })
)

const over = (url: string): Send => (headers, body) =>
  Effect.callback((resume) => {
    const sent = request(`${url}/mcp/tools/call`, {
      method: "POST",
      headers: { ...headers, "content-length": Buffer.byteLength(body) }
    }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part) => text += part).on("end", () => {
        resume(Effect.succeed({ status: response.statusCode!, headers: response.headers, text }))
      })
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(body)
  })

const overSocket = Layer.unwrap(Effect.map(folder, (path) =>
  Layer.provideMerge(
    Layer.effect(SendTo, GatewayServer.GatewayServer.useSync(({ url }) => over(url))),
    GatewayServer.layer({
      ...shared,
      port: 0,
      data: join(path, "v.db"),
      apiKey: Redacted.make(key),
      keys: { reviewer: Redacted.make(reviewer) }
    })
  )))

cases("in process", inProcess)
cases("over a socket", overSocket)

describe("a request", () => {
  const head = {
    method: "POST",
    url: "/mcp/tools/call",
    headers: { host: "localhost:8000", "content-type": json, "x-api-key": "k", "content-length": "100" }
  }
  const isTaken = (headers: Readonly<Record<string, string | undefined>>, rest: object = {}) =>
    isOrdinary({ ...head, ...rest, headers: { ...head.headers, ...headers } }, [])

  it("is taken where nothing but its key and its body are to be looked at", () => {
    assert.isTrue(isTaken({}))
    assert.isFalse(isTaken({ "x-api-key": undefined }))
    assert.isFalse(isTaken({ "content-type": spelled }))
    assert.isFalse(isTaken({ authorization: "Bearer x" }))
    assert.isFalse(isTaken({ "content-length": "100000" }))
    assert.isFalse(isTaken({ "content-length": "x" }))
    assert.isFalse(isTaken({ "content-length": undefined, "transfer-encoding": "chunked" }))
    assert.isFalse(isTaken({ expect: "100-continue" }))
    assert.isFalse(isTaken({ host: "evil.example" }))
    assert.isFalse(isTaken({ origin: "https://evil.example" }))
    assert.isFalse(isTaken({ "sec-fetch-site": "cross-site" }))
    assert.isFalse(isTaken({}, { method: "GET" }))
    assert.isFalse(isTaken({}, { url: "/mcp/tools/call?x=1" }))
    assert.isFalse(isTaken({}, { url: "/mcp/tools/call/" }))
  })
})

describe("a body that never ends", () => {
  it.live("takes no share of its address for good", () =>
    Effect.gen(function*() {
      const send = yield* SendTo
      const { url } = yield* GatewayServer.GatewayServer
      const head = `POST /mcp/tools/call HTTP/1.1\r\nhost: localhost\r\nx-api-key: ${key}\r\ncontent-type: ${json}\r\n`
      const leave = Effect.callback<void>((resume) => {
        const socket = connect(Number(new URL(url).port), "127.0.0.1", () => {
          socket.write(`${head}content-length: 100\r\n\r\n{`, () => socket.destroy())
        })
        socket.on("error", () => {}).on("close", () => resume(Effect.void))
      })
      // More than an address may have under way.
      yield* Effect.forEach(upTo(300), () => leave, { concurrency: 20, discard: true })
      const answers = yield* Effect.forEach(
        upTo(20),
        () => send({ "content-type": json, "x-api-key": key }, JSON.stringify(call())),
        { concurrency: 20 }
      )
      for (const { status } of answers) assert.strictEqual(status, 200)
    }).pipe(Effect.provide(overSocket)))
})
