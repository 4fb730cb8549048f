import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Fiber, Layer, Redacted } from "effect"
import { KeyProvider, System, ToolCalls, Vargate } from "effect-vargate"
import { TestClock } from "effect/testing"
import { allowed, keyedWire, unauthorized, type Visit } from "../support/keyedWire.ts"

const call = ToolCalls.call({ tool: "slack", method: "post_message" })

/** A gateway with one good key at a time, and a secrets manager that may know of it. */
const world = (options: {
  readonly read: Effect.Effect<string, unknown>
  readonly respond?: (visit: Visit) => Effect.Effect<typeof allowed>
}) => {
  const state = { good: "first-key", reads: 0 }
  const { layer, visits } = keyedWire(
    options.respond ?? ((visit) => Effect.sync(() => visit.key === state.good ? allowed : unauthorized))
  )
  const provider = KeyProvider.layer(Effect.suspend(() => {
    state.reads++
    return options.read
  }))
  return {
    state,
    visits,
    layer: Vargate.layerKeyProvider().pipe(Layer.provide(Layer.merge(provider, layer)))
  }
}

describe("KeyProvider", () => {
  it.effect("is asked once for a key that stays good", () => {
    const { layer, state, visits } = world({ read: Effect.succeed("first-key") })
    return Effect.gen(function*() {
      for (let i = 0; i < 5; i++) yield* call
      assert.strictEqual(state.reads, 1)
      assert.deepStrictEqual(visits.map(({ key }) => key), Array(5).fill("first-key"))
      assert.isTrue(visits.every(({ authorization }) => authorization === undefined))
    }).pipe(Effect.provide(layer))
  })

  it.effect("is asked again after a 401, and the call goes through with the new key", () => {
    const keys = ["first-key", "second-key"]
    const { layer, state, visits } = world({ read: Effect.sync(() => keys.shift()!) })
    return Effect.gen(function*() {
      yield* call
      state.good = "second-key"
      assert.strictEqual((yield* call)._tag, "Allowed")
      yield* call
      assert.strictEqual(state.reads, 2)
      assert.deepStrictEqual(visits.map(({ key }) => key), ["first-key", "first-key", "second-key", "second-key"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("is asked once by fifty callers who are refused at different times", () => {
    let reads = 0
    const { layer, visits } = world({
      read: Effect.suspend(() => Effect.delay(Effect.succeed(reads++ === 0 ? "first-key" : "second-key"), "2 seconds")),
      respond: ({ key }) =>
        Effect.delay(
          Effect.succeed(key === "second-key" ? allowed : unauthorized),
          // Some of these refusals arrive before the new key, some with it, some long after.
          `${(visits.length * 137) % 5000} millis`
        )
    })
    return Effect.gen(function*() {
      const building = yield* Effect.forkChild(Layer.build(layer))
      yield* TestClock.adjust("2 seconds")
      const services = yield* Fiber.join(building)
      const callers = yield* Effect.forkChild(
        Effect.forEach(Array(50), () => call, { concurrency: "unbounded" }).pipe(Effect.provide(services))
      )
      yield* TestClock.adjust("20 seconds")
      assert.lengthOf(yield* Fiber.join(callers), 50)
      assert.strictEqual(reads, 2)
      assert.deepStrictEqual(visits.map(({ key }) => key).sort(), [
        ...Array(50).fill("first-key"),
        ...Array(50).fill("second-key")
      ])
    }).pipe(Effect.scoped)
  })

  it.effect("is not asked twice for one call, nor in a loop", () => {
    const { layer, state, visits } = world({ read: Effect.sync(() => `test-key-${state.reads}`) })
    return Effect.gen(function*() {
      state.good = "none"
      const error = yield* Effect.flip(call)
      assert(error._tag === "VargateError" && error.reason._tag === "Unauthenticated")
      assert.deepStrictEqual(visits.map(({ key }) => key), ["test-key-1", "test-key-2"])
      assert.strictEqual(state.reads, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that still says the same leaves the refusal, once for all who share it", () => {
    const { layer, state, visits } = world({ read: Effect.succeed("first-key") })
    return Effect.gen(function*() {
      state.good = "second-key"
      const errors = yield* Effect.forEach(Array(10), () => Effect.flip(call), { concurrency: "unbounded" })
      for (const error of errors) assert(error._tag === "VargateError" && error.reason._tag === "Unauthenticated")
      assert.strictEqual(state.reads, 2)
      assert.lengthOf(visits, 10)
      // A later call asks anew: by then the manager may know.
      yield* Effect.flip(call)
      assert.strictEqual(state.reads, 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("without a key fails the layer", () =>
    Effect.gen(function*() {
      for (const read of [Effect.succeed(""), Effect.succeed("a\nb"), Effect.fail("x"), Effect.die("y")]) {
        const error = yield* Effect.flip(Layer.build(world({ read }).layer))
        assert.deepStrictEqual([error.operation, error.reason._tag], ["Transport.make", "KeyUnavailable"])
      }
    }))

  it.effect("that fails after a refusal says so, without its own words", () => {
    class VaultSealed extends Data.TaggedError("VaultSealed")<{ readonly words: string }> {}
    let isSealed = false
    const { layer, state } = world({
      read: Effect.suspend(() =>
        isSealed ? Effect.fail(new VaultSealed({ words: "hvs.S3CR3T" })) : Effect.succeed("first-key")
      )
    })
    return Effect.gen(function*() {
      yield* call
      isSealed = true
      state.good = "second-key"
      const error = yield* Effect.flip(call)
      assert(error._tag === "VargateError" && error.reason._tag === "KeyUnavailable")
      assert.strictEqual(error.sideEffect, "none")
      assert.isTrue(error.isRetryable)
      assert.include(error.message, "VaultSealed")
      assert.notInclude(`${String(error)} ${JSON.stringify(error)}`, "S3CR3T")
    }).pipe(Effect.provide(layer))
  })

  it.effect("that hangs ends with the time-out, and the call did nothing", () => {
    let isHanging = false
    const { layer, state } = world({
      read: Effect.suspend(() => isHanging ? Effect.never : Effect.succeed("first-key"))
    })
    return Effect.gen(function*() {
      isHanging = true
      state.good = "second-key"
      const caller = yield* Effect.forkChild(Effect.flip(call), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(caller)
      assert.strictEqual(error._tag, "VargateError")
      assert.strictEqual(error.sideEffect, "none")
      // The question that hung is over, so the next refusal asks again.
      isHanging = false
      state.good = "first-key"
      yield* call
    }).pipe(Effect.provide(layer))
  })

  it.effect("survives an impatient caller", () => {
    const keys = [Effect.succeed("first-key"), Effect.delay(Effect.succeed("second-key"), "5 seconds")]
    const { layer, state, visits } = world({ read: Effect.suspend(() => keys.shift()!) })
    return Effect.gen(function*() {
      state.good = "second-key"
      const impatient = yield* Effect.forkChild(call, { startImmediately: true })
      const patient = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(impatient)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(patient))._tag, "Allowed")
      assert.deepStrictEqual(visits.map(({ key }) => key), ["first-key", "first-key", "second-key"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives redacted keys as they are, and reads too ask again", () => {
    const keys = [Redacted.make("first-key"), Redacted.make("second-key")]
    const { layer: wire, visits } = keyedWire(({ key }) =>
      Effect.succeed(key === "second-key" ? { status: 200, body: { status: "ok" } } : unauthorized)
    )
    const provider = KeyProvider.layer(Effect.sync(() => keys.shift()!))
    return Effect.gen(function*() {
      const health = yield* System.System.use((system) => system.health)
      assert.strictEqual(health.status, "ok")
      assert.lengthOf(visits, 2)
    }).pipe(Effect.provide(Vargate.layerKeyProvider().pipe(Layer.provide(Layer.merge(provider, wire)))))
  })
})
