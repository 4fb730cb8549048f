import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import * as McpStdio from "effect-vargate/mcp/McpStdio"

const message = JSON.stringify({ text: "x".repeat(8_000_000) })

const server = (program: string) => McpStdio.server({ command: process.execPath, args: ["--eval", program] })

describe("McpStdio.server", () => {
  it.live("does not send what a server that reads nothing would never read", () =>
    Effect.gen(function*() {
      const { send } = yield* server("setInterval(() => {}, 1000)")
      const failures = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => Effect.matchEager(send(message), { onFailure: (error) => error, onSuccess: () => undefined })
      )
      const refused = failures.filter((error) => error !== undefined)
      assert.isAtLeast(refused.length, 10)
      assert.isTrue(refused.every(({ isUnsent }) => isUnsent))
      assert.match(refused[0]!.message, /the server has left messages of more than 33554432 characters unread/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("sends all of it to one that reads", () =>
    Effect.gen(function*() {
      const { incoming, send } = yield* server("process.stdin.pipe(process.stdout)")
      const received = yield* Effect.forkScoped(Stream.runCount(Stream.take(incoming, 30)))
      yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.retry(send(message), {
          while: ({ isUnsent }) => isUnsent === true,
          schedule: Schedule.spaced("10 millis")
        }))
      assert.strictEqual(yield* Fiber.join(received), 30)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
