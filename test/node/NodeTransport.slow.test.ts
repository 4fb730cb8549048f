import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpClient } from "effect/http"
import { ok, serve, test, until } from "./rawServer.ts"

describe("interruption", () => {
  test("ten thousand times leaves no connection behind, and the client still works", function*() {
    let isSilent = true
    const server = yield* serve(({ socket }) => void (isSilent ? undefined : socket.write(ok("ok"))))
    const listeners = process.listenerCount("beforeExit") + process.listenerCount("exit")
    yield* Effect.forEach(
      Array.from({ length: 10_000 }, (_, i) => i),
      (i) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(HttpClient.post(server.url), { startImmediately: true })
          // Some at once, some on their way, some when the request has arrived.
          if (i % 3 === 1) yield* Effect.yieldNow
          if (i % 3 === 2) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
          yield* Fiber.interrupt(fiber)
        }),
      { concurrency: 64, discard: true }
    )
    yield* until(() => server.open() === 0)
    isSilent = false
    assert.strictEqual(yield* Effect.flatMap(HttpClient.get(server.url), (response) => response.text), "ok")
    assert.strictEqual(process.listenerCount("beforeExit") + process.listenerCount("exit"), listeners)
  })
})
