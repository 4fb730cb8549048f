/** What a session over HTTP keeps for a client that reads nothing. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result, Stream } from "effect"
import type { HttpServerResponse } from "effect/http"
import * as httpSession from "../../../src/mcp/internal/httpSession.ts"
import { readMessage } from "../../../src/mcp/internal/messages.ts"

const words = JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: { data: "x".repeat(1 << 20) } })

const bytesOf = (response: HttpServerResponse.HttpServerResponse) => {
  assert.strictEqual(response.body._tag, "Stream")
  const { stream } = response.body as Extract<typeof response.body, { readonly _tag: "Stream" }>
  return Stream.runFold(stream, () => 0, (size, part) => size + part.length)
}

const textOf = (response: HttpServerResponse.HttpServerResponse, events = Infinity) => {
  const { stream } = response.body as Extract<typeof response.body, { readonly _tag: "Stream" }>
  let size = 0
  return stream.pipe(
    Stream.decodeText(),
    Stream.takeUntil((text) => {
      size += text.split("data:").length - 1
      return size >= events
    }),
    Stream.mkString
  )
}

const read = (message: unknown) => Result.getOrThrow(readMessage(JSON.stringify(message)))

const call = read({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "a" } })
const answer = `{"jsonrpc":"2.0","id":1,"result":{"n":1915883588174806058}}`
const progress = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}`

describe("an answer whose connection broke", () => {
  it.effect("is there for a client that comes back, from the event on that it saw last", () =>
    Effect.gen(function*() {
      const { channel, get, post } = yield* httpSession.make
      const first = (yield* post([call], [call.object.text], {}, "2025-11-25"))!
      yield* channel.send(progress, "1")
      // It has left after this.
      assert.strictEqual(
        yield* textOf(first, 2),
        `:\n\nid: 1-0\ndata: \n\nid: 1-1\nevent: message\ndata: ${progress}\n\n`
      )
      yield* channel.send(progress, "1")
      yield* channel.send(answer)
      const after = (event: string) => Effect.flatMap(Effect.map(get(event), (response) => response!), textOf)
      const rest = `id: 1-2\nevent: message\ndata: ${progress}\n\nid: 1-3\nevent: message\ndata: ${answer}\n\n`
      assert.strictEqual(yield* after("1-1"), `:\n\n${rest}`)
      assert.strictEqual(yield* after("1-3"), ":\n\n")
      assert.include(yield* after("1-0"), `id: 1-1\nevent: message\ndata: ${progress}\n\n${rest}`)
      // Of what is not there, it gets the stream of the session.
      yield* channel.send(progress)
      for (const unknown of ["9-9", "1", "x-y", `1-${"9".repeat(400)}`]) {
        const session = yield* httpSession.make
        yield* session.channel.send(progress)
        assert.include(yield* textOf((yield* session.get(unknown))!, 1), progress)
      }
    }))

  it.effect("is not kept without end, and not for clients that know nothing of it", () =>
    Effect.gen(function*() {
      const { channel, get, post } = yield* httpSession.make
      const old = (yield* post([call], [call.object.text], {}, "2025-06-18"))!
      yield* channel.send(answer)
      assert.strictEqual(yield* textOf(old), `:\n\nevent: message\ndata: ${answer}\n\n`)
      for (let id = 2; id < 30; id++) {
        const one = read({ jsonrpc: "2.0", id, method: "tools/list" })
        yield* post([one], [one.object.text], {}, "2025-11-25")
        yield* channel.send(`{"jsonrpc":"2.0","id":${id},"result":{"text":"${"x".repeat(1 << 20)}"}}`)
      }
      const size = (number: number) =>
        Effect.map(Effect.flatMap(get(`${number}-0`), (response) => textOf(response!)), ({ length }) => length)
      assert.isAbove(yield* size(29), 1 << 20)
      assert.isBelow(yield* size(20), 1000)
      yield* channel.send(progress)
      assert.include(yield* textOf((yield* get("2-0"))!, 1), progress)
    }))
})

describe("the stream of a client", () => {
  it.effect("breaks off where it has read nothing for many megabytes, and makes room for another one", () =>
    Effect.gen(function*() {
      const session = yield* httpSession.make
      const say = (times: number) => Effect.repeat(session.channel.send(words), { times: times - 1 })
      const first = (yield* session.get())!
      yield* say(70)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(bytesOf(first))))
      const second = (yield* session.get())!
      yield* say(60)
      yield* session.channel.end
      assert.isAtLeast(yield* bytesOf(second), 60 * words.length)
    }))
})
