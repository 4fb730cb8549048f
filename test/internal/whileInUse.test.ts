import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, PlatformError } from "effect"
import { TestClock } from "effect/testing"
import { whileInUse } from "../../src/internal/whileInUse.ts"

const failing = (_tag: PlatformError.SystemErrorTag, times: number) => {
  let tries = 0
  return Effect.suspend(() =>
    ++tries > times
      ? Effect.succeed(tries)
      : Effect.fail(PlatformError.systemError({ _tag, module: "FileSystem", method: "rename" }))
  )
}

describe("whileInUse", () => {
  it.effect.each(["PermissionDenied", "Busy"] as const)(
    "renames again while the old file is in use: %s",
    (tag) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(whileInUse(failing(tag, 3)), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(fiber), 4)
      })
  )

  it.effect("gives up in the end, and at once where waiting is no use", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.flip(whileInUse(failing("Busy", 1000))), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "Busy")
      assert.strictEqual((yield* Effect.flip(whileInUse(failing("NotFound", 1)))).reason._tag, "NotFound")
    }))
})
