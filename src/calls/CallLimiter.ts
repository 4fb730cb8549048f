/**
 * Keeps a program's tool calls under the tenant's limit, so that the gateway never has to turn one away.
 *
 * **Details**
 *
 * The gateway lets `burst` calls through in any sliding second and counts those it turns away. The limiter therefore
 * admits calls by a token bucket that never holds more than a tenth of the burst and refills at 85% of it: no second, wherever
 * it begins, sees more than the burst. Until the burst is known, from the options or from the first 429, calls pass freely.
 * After a 429 all callers that share the store keep silent for as long as the error asks, at least a full second. Calls
 * leave one by one in the order in which they came, after a silence too, and one that would wait longer than `maxWait`
 * fails with `RateLimited` before anything is sent.
 *
 * **Gotchas**
 *
 * It delays calls and never repeats one: combine it with a `RetryPolicy` for the first 429.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import { RateLimited } from "../errors/VargateError.ts"
import { monotonicMillis, monotonicMillisOf } from "../internal/elapsed.ts"

/**
 * The limiter that `ToolCalls` asks before each call: the one around the call, otherwise the one that the service was
 * built with. Without either, everything is admitted.
 *
 * @category references
 * @since 0.1.0
 */
export const CallLimiter = Context.Reference<Limiter>("effect-vargate/CallLimiter", {
  defaultValue: () => unlimited
})

/**
 * What `ToolCalls` asks of a limiter.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limiter {
  /** Waits for the call's turn. Fails where that takes too long; nothing was sent then. */
  readonly admit: Effect.Effect<void, RateLimited>
  /** Learns from a 429. */
  readonly report: (error: RateLimited) => Effect.Effect<void>
}

/**
 * Admits everything.
 *
 * @category limiters
 * @since 0.1.0
 */
export const unlimited: Limiter = { admit: Effect.void, report: () => Effect.void }

/**
 * How a limiter is set up.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Calls in any sliding second. Default: unknown, and learned from the first 429. */
  readonly burst?: number | undefined
  /** Names the limit in a shared store: one name for all processes that act for a tenant. Default: `effect-vargate`. */
  readonly key?: string | undefined
  /**
   * How long a call waits for its turn before it fails with `RateLimited`, and the longest silence that a `Retry-After`
   * can bring about. Default: a minute.
   */
  readonly maxWait?: Duration.Input | undefined
}

/** A limit of 0 would delay calls indefinitely; then only the gateway's own limit applies. */
const usable = (burst: number | undefined) =>
  burst !== undefined && burst >= 1 && Number.isFinite(burst) ? burst : undefined

/** Also where an untyped caller passes what is no duration. */
const defaultWait = Duration.minutes(1)

/** Milliseconds from which on a wait is logged. */
const longWait = 1000

/**
 * A limiter over the `RateLimiter` in context: give it a Redis store (`RateLimiter.layerStoreRedis`) and many processes
 * share one limit, and the silence after a 429.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never, never, RateLimiter.RateLimiter> =>
  Layer.effect(
    CallLimiter,
    Effect.gen(function*() {
      const limiter = yield* RateLimiter.RateLimiter
      const key = options.key ?? "effect-vargate"
      const maxWait = Option.getOrElse(Duration.fromInput(options.maxWait ?? defaultWait), () => defaultWait)
      // The first call waits for the store, the others for the first. So a turn is taken when it can be used, and a call
      // that gives up has taken none.
      const queue = yield* Semaphore.make(1)
      let burst = usable(options.burst)
      let silentUntil = -Infinity

      // Without tokens the store learns no limit from these: it only keeps the silence, for all who share it.
      const silence = { key: `${key}/silence`, tokens: 0, fallbackLimit: 1, fallbackWindow: Duration.seconds(1) }

      /** How long to wait before the store is asked again; nothing where a turn was taken. */
      const take: Effect.Effect<Duration.Duration | undefined, RateLimiter.RateLimiterError> = Effect.gen(function*() {
        const left = silentUntil - (yield* monotonicMillis)
        if (left > 0) return Duration.millis(left)
        const { delay } = yield* limiter.adaptiveConsume(silence)
        if (Duration.isPositive(delay)) return delay
        if (burst === undefined) return undefined
        const capacity = Math.max(1, Math.floor(burst / 10))
        yield* limiter.consume({
          algorithm: "token-bucket",
          onExceeded: "fail",
          key,
          limit: capacity,
          window: Duration.millis((capacity * 1000) / (burst * 0.85))
        })
        return undefined
      })

      const turn: Effect.Effect<void> = take.pipe(
        Effect.catch(({ reason }) =>
          reason._tag === "RateLimitExceeded"
            // Part of a millisecond is none to most clocks.
            ? Effect.succeed(Duration.millis(Math.ceil(Duration.toMillis(reason.retryAfter))))
            // A store that is away must not stop the calls: the gateway's own limit still stands.
            : Effect.as(
              Effect.logWarning("The call limiter's store failed; the call is not limited", reason),
              undefined
            )
        ),
        // Of the time that passes: a store in memory would wait for the clock on the wall to come back.
        Effect.updateService(Clock.Clock, elapsing),
        Effect.flatMap((pause) =>
          pause === undefined ? Effect.void : Effect.andThen(Effect.sleep(pause), Effect.suspend(() => turn))
        )
      )

      return {
        admit: Effect.gen(function*() {
          const from = yield* monotonicMillis
          const admitted = yield* Effect.timeoutOption(queue.withPermit(turn), maxWait)
          const waited = Duration.millis((yield* monotonicMillis) - from)
          if (Option.isSome(admitted)) {
            if (Duration.toMillis(waited) < longWait) return
            return yield* Effect.logDebug(`A tool call waited ${Duration.format(waited)} for its turn`)
          }
          yield* Effect.logWarning(`A tool call was not sent: no turn within ${Duration.format(waited)}`)
          return yield* new RateLimited({ burst, retryAfter: Duration.seconds(1) })
        }),
        report: (error) =>
          Effect.gen(function*() {
            burst = usable(error.burst) ?? burst
            const retryAfter = Duration.min(error.retryAfter, maxWait)
            silentUntil = Math.max(silentUntil, (yield* monotonicMillis) + Duration.toMillis(retryAfter))
            const { epoch } = yield* limiter.adaptiveConsume(silence)
            yield* limiter.adaptiveFeedback({ ...silence, epoch, status: 429, retryAfter })
          }).pipe(
            Effect.updateService(Clock.Clock, elapsing),
            Effect.catch((error) =>
              Effect.logWarning("The call limiter's store failed; others do not hear of a 429", error)
            )
          )
      } satisfies Limiter
    })
  )

/** A clock whose wall time is never set back. */
const elapsing = (clock: Clock.Clock): Clock.Clock => ({
  currentTimeMillisUnsafe: () => monotonicMillisOf(clock),
  currentTimeMillis: Effect.sync(() => monotonicMillisOf(clock)),
  currentTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  currentTimeNanos: clock.monotonicTimeNanos,
  monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: clock.monotonicTimeNanos,
  sleep: (duration) => clock.sleep(duration)
})

/**
 * A limiter for the callers of one process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<never> =>
  layer(options).pipe(Layer.provide(RateLimiter.layer), Layer.provide(RateLimiter.layerStoreMemory))
