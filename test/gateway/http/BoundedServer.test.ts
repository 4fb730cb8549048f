/** Node's server within bounds, with plain sockets before it and a plain handler behind it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"
import { BoundedServer, type Bounds } from "../../../src/gateway/http/BoundedServer.ts"
import { addressList } from "../../../src/gateway/http/clientAddress.ts"

const get = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"

const serve = Effect.fnUntraced(function*(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  bounds: Partial<Bounds> = {}
) {
  const server = new BoundedServer({}, { perAddress: 256, isTrusted: () => false, write: 30_000, ...bounds })
  const accepted: Array<Socket> = []
  server.on("connection", (socket) => accepted.push(socket)).on("request", handler)
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  const { port } = server.address() as AddressInfo
  const open = (localAddress = "127.0.0.1") =>
    Effect.acquireRelease(
      Effect.sync(() => connect({ port, host: "127.0.0.1", localAddress }).on("error", () => {})),
      (socket) => Effect.sync(() => socket.destroy())
    )
  return { server, accepted, open }
})

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => isSo() ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), until(isSo)))

/** All that comes until the connection closes. */
const received = (socket: Socket) =>
  Effect.callback<string>((resume) => {
    let text = ""
    socket.setEncoding("utf8").on("data", (part) => text += part).on("close", () => resume(Effect.succeed(text)))
  })

const bodies = (text: string) => [...text.matchAll(/\r\n\r\n(\d+);/g)].map(([, n]) => Number(n))

describe("a connection", () => {
  it.live("has one request in its handler, and gets every answer in order", () =>
    Effect.gen(function*() {
      let running = 0
      let most = 0
      let count = 0
      const { open } = yield* serve((_, response) => {
        most = Math.max(most, ++running)
        const n = ++count
        setImmediate(() => {
          running--
          response.end(`${n};`)
        })
      })
      const socket = yield* open()
      socket.write(get.repeat(499) + get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"))
      assert.deepStrictEqual(bodies(yield* received(socket)), Array.from({ length: 500 }, (_, n) => n + 1))
      assert.strictEqual(most, 1)
    }))

  it.live("takes a request with a body behind one without an answer", () =>
    Effect.gen(function*() {
      const waiting: Array<ServerResponse> = []
      const seen: Array<string> = []
      const { open } = yield* serve((request, response) => {
        let body = ""
        request.setEncoding("utf8").on("data", (part) => body += part).on("end", () => {
          seen.push(body)
          waiting.push(response)
        })
      })
      const socket = yield* open()
      const post = (body: string) => `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`
      const long = "x".repeat(300_000)
      socket.write(get + post(long) + post("last"))
      yield* until(() => waiting.length === 1)
      yield* Effect.sleep("20 millis")
      assert.deepStrictEqual(seen, [""])
      waiting[0]!.end("1;")
      yield* until(() => waiting.length === 2)
      waiting[1]!.end("2;")
      yield* until(() => waiting.length === 3)
      assert.deepStrictEqual(seen, ["", long, "last"])
    }))

  it.live("that reads nothing has one answer made for it, and few bytes held", () =>
    Effect.gen(function*() {
      const answer = Buffer.alloc(1024 * 1024)
      let handled = 0
      const { accepted, open } = yield* serve((_, response) => {
        handled++
        response.end(answer)
      })
      for (let n = 0; n < 5; n++) (yield* open()).pause().write(get.repeat(1000))
      // What the system itself buffers is taken at once; after that nothing more moves.
      let before = -1
      yield* Effect.repeat(Effect.sleep("100 millis"), {
        until: () => {
          const isStill = handled === before && accepted.length === 5
          before = handled
          return isStill
        }
      })
      assert.isAtMost(handled, 5 * 12)
      for (const { writableLength } of accepted) assert.isAtMost(writableLength, 2 * answer.length)
    }))

  it.live("that sends far too much ahead is closed", () =>
    Effect.gen(function*() {
      let handled = 0
      const { accepted, open } = yield* serve(() => handled++)
      const socket = yield* open()
      socket.write(get.repeat(5000))
      yield* until(() => accepted[0]?.destroyed === true)
      assert.strictEqual(handled, 1)
    }))

  it.live("that takes nothing of an answer is closed; one that only waits for it is not", () =>
    Effect.gen(function*() {
      const waiting: Array<ServerResponse> = []
      const { accepted, open } = yield* serve((request, response) => {
        if (request.url === "/wait") waiting.push(response)
        else response.end(Buffer.alloc(64 * 1024 * 1024))
      }, { write: 100 })
      const patient = yield* open()
      patient.write(get.replace("/", "/wait"))
      yield* until(() => waiting.length === 1)
      ;(yield* open()).pause().write(get)
      yield* until(() => accepted[1]?.destroyed === true)
      assert.isFalse(accepted[0]!.destroyed)
    }))
})

describe("a request that offers another protocol", () => {
  const upgrade = get.replace("\r\n\r\n", "\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")

  it.live("is answered like any other, and so is what comes after it", () =>
    Effect.gen(function*() {
      let count = 0
      const { open, server } = yield* serve((_, response) => response.end(`${++count};`))
      server.on("upgrade", (_, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
      const socket = yield* open()
      socket.write(upgrade)
      const text = yield* Effect.forkChild(received(socket))
      yield* until(() => count === 1)
      socket.write(get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"))
      assert.deepStrictEqual(bodies(yield* Fiber.join(text)), [1, 2])
    }))

  it.live("keeps to the time in which an answer is read", () =>
    Effect.gen(function*() {
      const { accepted, open, server } = yield* serve((_, response) => {
        response.end(Buffer.alloc(64 * 1024 * 1024))
      }, { write: 100 })
      server.on("upgrade", (_, socket) => socket.write(Buffer.alloc(64 * 1024 * 1024)))
      ;(yield* open()).pause().write(upgrade)
      yield* until(() => accepted[0]?.destroyed === true)
    }))
})

describe("an address", () => {
  it.live("has so many connections; a further one hears why it is closed, and others are let in", () =>
    Effect.gen(function*() {
      const { accepted, open } = yield* serve((_, response) => response.end("1;"), { perAddress: 2 })
      const first = yield* open()
      yield* open()
      yield* until(() => accepted.length === 2)
      const refused = yield* open()
      refused.write(get)
      const text = yield* received(refused)
      assert.match(text, /^HTTP\/1\.1 429 Too Many Requests\r\n/)
      assert.include(text, `{"detail":"Too many requests: this address has 2 connections, as many as it may have"}`)
      assert.match(text, /\r\nretry-after: 1\r\n/)
      yield* open("127.0.0.2")
      yield* until(() => accepted.length === 3)
      first.destroy()
      yield* until(() => accepted[0]!.destroyed)
      yield* open()
      yield* until(() => accepted.length === 4)
    }))

  it.live("of a trusted proxy has as many as it wants", () =>
    Effect.gen(function*() {
      const isTrusted = addressList(["127.0.0.0/8"])
      const { accepted, open } = yield* serve((_, response) => response.end("1;"), { perAddress: 2, isTrusted })
      for (let n = 0; n < 5; n++) yield* open()
      yield* until(() => accepted.length === 5)
    }))
})

describe("a server that drains", () => {
  it.live("closes what is idle at once, and what is not with its answer", () =>
    Effect.gen(function*() {
      const waiting: Array<ServerResponse> = []
      const { accepted, open, server } = yield* serve((request, response) => {
        if (request.url === "/wait") waiting.push(response)
        else response.end("1;")
      })
      yield* open()
      yield* until(() => accepted.length === 1)
      const used = yield* open()
      used.write(get)
      yield* until(() => used.bytesRead > 0)
      const busy = yield* open()
      busy.write(get.replace("/", "/wait"))
      yield* until(() => waiting.length === 1)
      const begun = yield* open()
      begun.write("GET / HTTP/1.1\r\n")
      yield* until(() => accepted.length === 4 && accepted[3]!.bytesRead > 0)
      server.drain()
      assert.deepStrictEqual(accepted.map(({ destroyed }) => destroyed), [true, true, false, false])
      waiting[0]!.end("2;")
      assert.match(yield* received(busy), /\r\nconnection: close\r\n/i)
      yield* until(() => accepted[3]!.destroyed)
    }))
})
