/**
 * Keeps a program's tool calls under the tenant's limit, so that the gateway never has to turn one away.
 *
 * **Details**
 *
 * The gateway lets `burst` calls through in any sliding second and counts those it turns away. The limiter therefore
 * admits calls by a token bucket that never holds more than a tenth of the burst and refills at 85% of it: no second, wherever
 * it begins, sees more than the burst. Until the burst is known, from the options or from the first 429, calls pass freely.
 * After a 429 all callers of the layer keep silent for as long as the error asks, at least a full second.
 *
 * **Gotchas**
 *
 * It delays calls and never repeats one: combine it with a `RetryPolicy` for the first 429.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { RateLimited } from "../errors/VargateError.ts"
import { monotonicMillis } from "../internal/elapsed.ts"

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
  /** Waits for the call's turn. */
  readonly admit: Effect.Effect<void>
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
}

/** A limit of 0 would delay calls indefinitely; then only the gateway's own limit applies. */
const usable = (burst: number | undefined) =>
  burst !== undefined && burst >= 1 && Number.isFinite(burst) ? burst : undefined

/**
 * A limiter over the `RateLimiter` in context: give it a Redis store (`RateLimiter.layerStoreRedis`) and many processes
 * share one limit.
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
      let burst = usable(options.burst)
      let silentUntil = -Infinity

      const silence: Effect.Effect<void> = Effect.flatMap(monotonicMillis, (now) =>
        // Another 429 may have lengthened the silence meanwhile.
        now >= silentUntil
          ? Effect.void
          : Effect.andThen(Effect.sleep(silentUntil - now), Effect.suspend(() => silence)))

      const turn = Effect.suspend(() => {
        if (burst === undefined) return Effect.void
        const capacity = Math.max(1, Math.floor(burst / 10))
        return limiter.consume({
          algorithm: "token-bucket",
          onExceeded: "delay",
          key,
          limit: capacity,
          window: Duration.millis((capacity * 1000) / (burst * 0.85))
        }).pipe(
          Effect.flatMap(({ delay }) => Effect.sleep(delay)),
          // A store that is away must not stop the calls: the gateway's own limit still stands.
          Effect.catch((error) => Effect.logWarning("The call limiter's store failed; the call is not limited", error))
        )
      })

      return {
        // A 429 may come while a call waits for its turn.
        admit: silence.pipe(Effect.andThen(turn), Effect.andThen(silence)),
        report: (error: RateLimited) =>
          Effect.map(monotonicMillis, (now) => {
            burst = usable(error.burst) ?? burst
            silentUntil = Math.max(silentUntil, now + Duration.toMillis(error.retryAfter))
          })
      }
    })
  )

/**
 * A limiter for the callers of one process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<never> =>
  layer(options).pipe(Layer.provide(RateLimiter.layer), Layer.provide(RateLimiter.layerStoreMemory))
