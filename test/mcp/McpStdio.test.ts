import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, PlatformError, Sink, Stdio, Stream } from "effect"
import * as McpStdio from "effect-vargate/mcp/McpStdio"

/** Messages of 8 million characters. */
const long = (index: number) => JSON.stringify({ index, text: "x".repeat(8_000_000) })
const indexOf = (line: string | Uint8Array) => (JSON.parse(String(line)) as { readonly index: number }).index

const stdioTo = (stdout: Sink.Sink<void, string | Uint8Array, never, PlatformError.PlatformError>) =>
  Stdio.layerTest({ stdin: Stream.never, stdout: () => stdout })

/** Sends messages one after the other, and says how many of them have left. */
const sending = Effect.fnUntraced(function*(count: number) {
  const { end, send } = yield* McpStdio.client
  let sent = 0
  const fiber = yield* Effect.forkChild(
    Effect.forEach(
      Array.from({ length: count }, (_, index) => long(index)),
      (message) => Effect.andThen(send(message), Effect.sync(() => sent++)),
      { discard: true }
    )
  )
  return { end, fiber, sent: () => sent }
})

const turns = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

describe("McpStdio.client", () => {
  it.effect("sends what a client that reads nothing may still read, and waits", () => {
    const reads = Latch.makeUnsafe()
    const read: Array<number> = []
    const slow = Sink.forEach((line: string | Uint8Array) =>
      Effect.andThen(reads.await, Effect.sync(() => void read.push(indexOf(line))))
    )
    return Effect.gen(function*() {
      const { end, fiber, sent } = yield* sending(12)
      yield* turns
      // One is being written, and five wait.
      assert.strictEqual(sent(), 6)
      reads.openUnsafe()
      yield* Fiber.join(fiber)
      yield* end
      assert.deepStrictEqual(read, Array.from({ length: 12 }, (_, index) => index))
    }).pipe(Effect.provide(stdioTo(slow)), Effect.scoped)
  })

  it.effect("holds up no fiber for a client that has gone", () => {
    const gone = Latch.makeUnsafe()
    const broken = Sink.forEach(() =>
      Effect.andThen(
        gone.await,
        Effect.fail(PlatformError.systemError({ _tag: "Unknown", module: "test", method: "write" }))
      )
    )
    return Effect.gen(function*() {
      const { end, fiber, sent } = yield* sending(12)
      yield* turns
      assert.isBelow(sent(), 12)
      gone.openUnsafe()
      yield* Fiber.join(fiber)
      yield* end
      assert.strictEqual(sent(), 12)
    }).pipe(Effect.provide(stdioTo(broken)), Effect.scoped)
  })
})
