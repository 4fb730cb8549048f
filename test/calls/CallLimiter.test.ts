import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer, Logger, Ref, References, Schedule } from "effect"
import { CallLimiter, RetryPolicy, ToolCalls, Vargate, VargateError } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { TestClock } from "effect/testing"
import { inProcess } from "../support/worlds.ts"

const world = (burst: number) =>
  inProcess({ tenants: [{ id: "t", apiKey: "test-key", burst, policyConfig: { dailyActionLimit: 10_000 } }] })

const fibers = 50

/** Sends all calls from many fibers and notes when each was let through and when one was turned away. */
const flood = Effect.fn(function*(calls: number) {
  const passed: Array<number> = []
  const turnedAway: Array<number> = []
  const note = (list: Array<number>) => Effect.map(Clock.currentTimeMillis, (now) => void list.push(now))
  const left = yield* Ref.make(calls)
  const one = ToolCalls.call({ tool: "http", method: "GET" }).pipe(
    Effect.tapErrorTag("RateLimited", () => note(turnedAway)),
    Effect.retry(RetryPolicy.make(Schedule.forever)),
    Effect.andThen(note(passed))
  )
  const worker = Effect.gen(function*() {
    while ((yield* Ref.getAndUpdate(left, (n) => n - 1)) > 0) yield* one
  })
  const running = yield* Effect.forkChild(
    Effect.all(Array.from({ length: fibers }, () => worker), { concurrency: fibers })
  )
  // Small steps: a clock that jumps would hide bursts.
  for (let i = 0; i < 6000 && passed.length < calls; i++) yield* TestClock.adjust("10 millis")
  yield* Fiber.join(running)
  return { passed, turnedAway }
})

const mostInASecond = (times: ReadonlyArray<number>) =>
  Math.max(...times.map((start) => times.filter((time) => time >= start && time < start + 1000).length))

describe("CallLimiter", () => {
  for (const burst of [1, 3, 20, 50]) {
    it.effect(`learns a burst of ${burst} and is never turned away after the first second`, () =>
      Effect.gen(function*() {
        const calls = burst * 25
        const { passed, turnedAway } = yield* flood(calls)
        assert.strictEqual(passed.length, calls)
        assert.isAbove(turnedAway.length, 0)
        assert.isAtMost(Math.max(...turnedAway), 1000)
        assert.isAtMost(mostInASecond(passed), burst)
        const rate = (calls - burst) / ((passed.at(-1)! - 1000) / 1000)
        assert.isAtLeast(rate, burst * 0.8)
        yield* Effect.logInfo(
          `burst ${burst}: ${rate.toFixed(1)} calls a second, ${turnedAway.length} turned away at first`
        )
      }).pipe(Effect.provide(Layer.mergeAll(world(burst), CallLimiter.layerMemory()))))
  }

  it.effect("is silent for as long as it was told, although the clock is set back", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(7_200_000)
      const call = ToolCalls.call({ tool: "http", method: "GET" })
      yield* call
      yield* Effect.flip(call)
      yield* TestClock.setTime(3_600_000)
      const next = yield* Effect.forkChild(call, { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      assert.isDefined(next.pollUnsafe())
    }).pipe(Effect.provide(Layer.mergeAll(world(1), CallLimiter.layerMemory()))))

  it.effect("with the burst given, nobody is turned away at all", () =>
    Effect.gen(function*() {
      const { passed, turnedAway } = yield* flood(500)
      assert.strictEqual(passed.length, 500)
      assert.strictEqual(turnedAway.length, 0)
    }).pipe(Effect.provide(Layer.mergeAll(world(20), CallLimiter.layerMemory({ burst: 20 })))))

  it.effect("nobody breaks the silence after a 429, not even who was already waiting for a turn", () =>
    Effect.gen(function*() {
      const sent: Array<number> = []
      const one = Effect.gen(function*() {
        const limiter = yield* CallLimiter.CallLimiter
        yield* limiter.admit
        sent.push(yield* Clock.currentTimeMillis)
      })
      yield* Effect.forkChild(Effect.all(Array.from({ length: 20 }, () => one), { concurrency: 20 }))
      yield* TestClock.adjust("500 millis")
      const limiter = yield* CallLimiter.CallLimiter
      yield* limiter.report(new VargateError.RateLimited({ retryAfter: Duration.seconds(1), burst: 5 }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(sent.filter((time) => time > 500 && time < 1500), [])
      assert.strictEqual(sent.length, 20)
    }).pipe(Effect.provide(CallLimiter.layerMemory({ burst: 5 }))))

  it.effect("a limit of nothing holds nobody back for ever", () =>
    Effect.gen(function*() {
      const limiter = yield* CallLimiter.CallLimiter
      yield* limiter.report(new VargateError.RateLimited({ retryAfter: Duration.seconds(1), burst: 0 }))
      const admitted = yield* Effect.forkChild(limiter.admit)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(admitted)
    }).pipe(Effect.provide(CallLimiter.layerMemory({ burst: 0 }))))

  for (const processes of [1, 2, 4, 8]) {
    it.effect(`refusals die out within three seconds of a disturbance, with ${processes} sharing the limit`, () =>
      Effect.gen(function*() {
        const burst = 20
        // A gateway by itself: what it turns away counts too.
        const asked: Array<number> = []
        const turnedAway: Array<number> = []
        const ask = Effect.map(Clock.currentTimeMillis, (now) => {
          const isFull = asked.filter((at) => at > now - 1000).length >= burst
          asked.push(now)
          if (isFull) turnedAway.push(now)
          return isFull
        })
        const store = yield* Layer.build(RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory)))
        const process = Effect.gen(function*() {
          const limiter = Context.get(
            yield* Layer.build(
              Layer.fresh(CallLimiter.layer({ burst }).pipe(Layer.provide(Layer.succeedContext(store))))
            ),
            CallLimiter.CallLimiter
          )
          const worker = Effect.gen(function*() {
            yield* limiter.admit
            // On its way.
            yield* Effect.sleep("20 millis")
            if (yield* ask) {
              yield* limiter.report(new VargateError.RateLimited({ burst, retryAfter: Duration.seconds(1) }))
            }
          }).pipe(Effect.forever, Effect.ignore)
          yield* Effect.forkScoped(Effect.all(Array.from({ length: 12 }, () => worker), { concurrency: 12 }))
        })
        for (let n = 0; n < processes; n++) yield* process
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(turnedAway, [])
        const disturbed = yield* Clock.currentTimeMillis
        for (let n = 0; n < burst; n++) yield* ask
        for (let n = 0; n < 1000; n++) yield* TestClock.adjust("20 millis")
        assert.isAbove(turnedAway.length, 0)
        assert.isAtMost(Math.max(...turnedAway) - disturbed, 3000)
        // And it is as fast again as it was.
        assert.isAtLeast(asked.filter((at) => at > disturbed + 5000).length, 0.8 * burst * 14)
      }).pipe(Effect.scoped))
  }

  it.effect("an absurd Retry-After silences no longer than a call may wait", () =>
    Effect.gen(function*() {
      const limiter = yield* CallLimiter.CallLimiter
      yield* limiter.report(new VargateError.RateLimited({ retryAfter: Duration.seconds(9_999_999_999) }))
      yield* TestClock.adjust("10 seconds")
      yield* limiter.admit
    }).pipe(Effect.provide(CallLimiter.layerMemory({ maxWait: "10 seconds" }))))

  it.effect("a call that would wait too long is refused before anything is sent", () => {
    const lines: Array<string> = []
    const logger = Logger.layer([
      Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String([message].flat()[0])}`))
    ])
    return Effect.gen(function*() {
      const limiter = yield* CallLimiter.CallLimiter
      const calls = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => Effect.forkChild(Effect.result(limiter.admit))
      )
      yield* TestClock.adjust("10 seconds")
      const results = yield* Effect.forEach(calls, Fiber.join)
      const refused = results.flatMap((result) => result._tag === "Failure" ? [result.failure._tag] : [])
      // One at once and 0.85 a second.
      assert.deepStrictEqual(refused, Array.from({ length: 11 }, () => "RateLimited"))
      // Those that are refused are seen, those that waited are found where one looks for them.
      assert.deepStrictEqual(
        [/^Warn A tool call was not sent: no turn within /, /^Debug A tool call waited .* for its turn$/].map((said) =>
          lines.filter((line) => said.test(line)).length
        ),
        [11, 8]
      )
    }).pipe(
      Effect.provide([CallLimiter.layerMemory({ burst: 1, maxWait: "10 seconds" }), logger]),
      Effect.provideService(References.MinimumLogLevel, "Debug")
    )
  })

  it.effect("who gives up takes no turn", () =>
    Effect.gen(function*() {
      const limiter = yield* CallLimiter.CallLimiter
      yield* limiter.admit
      const impatient = yield* Effect.forEach(Array.from({ length: 500 }), () => Effect.forkChild(limiter.admit))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interruptAll(impatient)
      const patient = yield* Effect.forkChild(limiter.admit)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(patient)
    }).pipe(Effect.provide(CallLimiter.layerMemory({ burst: 2 }))))

  it.effect("beneath the services it works as well as around the program", () =>
    Effect.gen(function*() {
      const calling = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 20 }), () => ToolCalls.call({ tool: "http", method: "GET" }), {
          concurrency: 20
        })
      )
      yield* TestClock.adjust("1 second")
      assert.isUndefined(calling.pollUnsafe())
      for (let i = 0; i < 100; i++) yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* Fiber.join(calling)).length, 20)
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(
        Layer.provide(CallLimiter.layerMemory({ burst: 5 })),
        Layer.provide(Gateway.layerMemory({ tenants: [{ id: "t", apiKey: "test-key", burst: 5 }] }))
      )
    )))

  it.effect("without it, hammering keeps the door shut", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 20 }), () => ToolCalls.call({ tool: "http", method: "GET" }))
      for (let i = 0; i < 30; i++) {
        yield* TestClock.adjust("45 millis")
        const error = yield* Effect.flip(ToolCalls.call({ tool: "http", method: "GET" }))
        assert.strictEqual(error._tag, "RateLimited")
      }
    }).pipe(Effect.provide(world(20))))
})
