/** Large bodies: whoever sends them slowly, or not at all, keeps none of the others from sending theirs. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import { connect } from "node:net"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { acme } from "../suite/doors.ts"

const globex = { ...acme, id: "globex", name: "Globex", apiKey: "globex-key-12345" }
const options: Gateway.Options = { tenants: [acme, globex], trustedProxies: ["127.0.0.1"] }

const house = Gateway.serve(options).pipe(
  Layer.provideMerge(Layer.merge(
    Gateway.layerParts(options),
    NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: "1 millis" })
  ))
)

const port = Effect.map(HttpServer.HttpServer, ({ address }) => {
  assert(address._tag === "InetAddressV4")
  return address.port
})

/** Connections, each from another address, that announce a megabyte and send a byte of it; and what they hear. */
const stall = Effect.fnUntraced(function*(count: number, apiKey?: string) {
  const at = yield* port
  const answers: Array<string> = []
  let closed = 0
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      Array.from({ length: count }, (_, i) => {
        const socket = connect(at, "127.0.0.1")
        socket.on("error", () => {})
        socket.on("data", (bytes) => void answers.push(String(bytes)))
        socket.on("close", () => closed++)
        const head = ["POST /mcp/tools/call HTTP/1.1", `host: 127.0.0.1:${at}`, `x-forwarded-for: 10.0.0.${i + 1}`]
        if (apiKey !== undefined) head.push(`x-api-key: ${apiKey}`)
        socket.write([...head, "content-type: application/json", "content-length: 1048576", "", "{"].join("\r\n"))
        return socket
      })
    ),
    (sockets) => Effect.sync(() => sockets.forEach((socket) => void socket.destroy()))
  )
  return { answers, closed: () => closed }
})

/** A call of 100 KB. */
const send = Effect.fnUntraced(function*(apiKey: string | undefined) {
  const at = yield* port
  const call = JSON.stringify({ agent_id: "a", tool: "t", method: "m", params: {} }) + " ".repeat(100_000)
  return yield* Effect.promise(() =>
    fetch(`http://127.0.0.1:${at}/mcp/tools/call`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(apiKey === undefined ? {} : { "x-api-key": apiKey }) },
      body: call
    }).then((response) => response.text().then(() => response.status))
  )
})

const eventually = (isSo: () => boolean) =>
  Effect.promise(() => new Promise((resolve) => setImmediate(resolve))).pipe(Effect.repeat({ until: isSo }))

describe("large bodies", () => {
  it.effect("of those without a key leave room for those with one", () =>
    Effect.gen(function*() {
      const { answers } = yield* stall(40)
      // The others are being read, or rather waited for.
      yield* eventually(() => answers.length >= 8)
      for (const answer of answers) assert.match(answer, /^HTTP\/1.1 429 [^]*as many large bodies as it can/)
      assert.strictEqual(yield* send(undefined), 429)
      assert.strictEqual(yield* send(acme.apiKey), 200)
    }).pipe(Effect.scoped, Effect.provide(house)))

  it.effect("of one tenant leave room for those of another, and those that stall give their room back", () =>
    Effect.gen(function*() {
      const stalled = yield* stall(20, acme.apiKey)
      yield* eventually(() => stalled.answers.length >= 12)
      assert.strictEqual(yield* send(acme.apiKey), 429)
      assert.strictEqual(yield* send(globex.apiKey), 200)
      yield* TestClock.adjust("5 seconds")
      yield* eventually(() => stalled.answers.length === 20 || stalled.closed() === 20)
      assert.lengthOf(stalled.answers.filter((answer) => answer.includes("stopped to arrive")), 8)
      assert.strictEqual(yield* send(acme.apiKey), 200)
    }).pipe(Effect.scoped, Effect.provide(house)))
})
