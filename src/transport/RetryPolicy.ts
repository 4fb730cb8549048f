/**
 * When to try again, as values. Nothing in this package repeats an operation by itself; a program says
 * `Effect.retry(toolCalls.call(request), RetryPolicy.standard)` where it wants that.
 *
 * **Details**
 *
 * Every policy stops at once at an error whose `sideEffect` is not `"none"`: what may have been done is never done again.
 * They are ordinary `Schedule`s and compose with any other.
 *
 * **Gotchas**
 *
 * `Schedule.min`, `Schedule.concat` and the like go on while *one* of their parts does. Wrap the result of such a
 * combination in {@link make} to keep the promise.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import type { Verdict } from "../errors/VargateError.ts"
import { byElapsedTime } from "../internal/elapsed.ts"

/**
 * A schedule over the errors of this package.
 *
 * @category models
 * @since 0.1.0
 */
export type RetryPolicy = Schedule.Schedule<unknown, Verdict>

/** Repeats only what certainly did nothing, and keeps at least the silence that the error asks for. */
const safely = <Output, Input extends Verdict, Error, Env>(
  schedule: Schedule.Schedule<Output, Input, Error, Env>
): Schedule.Schedule<Output, Input, Error, Env> =>
  schedule.pipe(
    Schedule.while(({ input }) => input.isRetryable && input.sideEffect === "none"),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(input.retryAfter === undefined ? duration : Duration.max(duration, input.retryAfter))
    )
  )

/** Spreads callers out, but only upward: coming back early would count against all callers. */
const jitteredUp = <Output, Input, Error, Env>(schedule: Schedule.Schedule<Output, Input, Error, Env>) =>
  Schedule.modifyDelay(
    schedule,
    ({ duration }) => Effect.map(Random.next, (random) => Duration.times(duration, 1 + random / 2))
  )

/** Gives up after so many tries, or where the next pause would end too late. */
const within = (times: number, limit: Duration.Input) => (policy: RetryPolicy): RetryPolicy =>
  policy.pipe(
    Schedule.upTo({ times }),
    Schedule.while(({ duration, elapsed }) =>
      Duration.toMillis(duration) + elapsed <= Duration.toMillis(Duration.fromInputUnsafe(limit))
    ),
    byElapsedTime
  )

/** Growing pauses up to `cap`, never shorter than what the error asks for. */
const backoff = (first: Duration.Input, cap: Duration.Input): RetryPolicy =>
  Schedule.min([Schedule.exponential(first), Schedule.spaced(cap)]).pipe(
    Schedule.setInputType<Verdict>(),
    safely,
    jitteredUp
  )

/**
 * Never tries again.
 *
 * @category policies
 * @since 0.1.0
 */
export const none: RetryPolicy = Schedule.recurs(0)

/**
 * Comes back after `RateLimited`: a full second of silence first (longer where a proxy's Retry-After says so), then
 * pauses that grow to 10 seconds, lengthened by up to half at random. Does not give up by itself: bound it with
 * `Schedule.upTo`.
 *
 * @category policies
 * @since 0.1.0
 */
export const rateLimited: RetryPolicy = backoff("1 second", "10 seconds").pipe(
  Schedule.while(({ input }) => input._tag === "RateLimited")
)

/**
 * Comes back after `OpaUnavailable`: pauses that grow from a quarter of a second to 10 seconds, lengthened by up to half
 * at random. Does not give up by itself: bound it with `Schedule.upTo`.
 *
 * @category policies
 * @since 0.1.0
 */
export const opaUnavailable: RetryPolicy = backoff("250 millis", "10 seconds").pipe(
  Schedule.while(({ input }) => input._tag === "OpaUnavailable")
)

/**
 * For tool calls: repeats whatever was certainly not acted upon (`RateLimited`, `OpaUnavailable`, an `Unreachable`
 * gateway), at most 8 times and for at most 2 minutes.
 *
 * @category policies
 * @since 0.1.0
 */
export const standard: RetryPolicy = backoff("250 millis", "10 seconds").pipe(
  within(8, "2 minutes")
)

/**
 * For operations without side effects: also repeats time-outs, broken connections and faults of the gateway, at most 5
 * times and for at most 2 minutes.
 *
 * @category policies
 * @since 0.1.0
 */
export const reads: RetryPolicy = backoff("200 millis", "5 seconds").pipe(
  within(5, "2 minutes")
)

/**
 * Turns any schedule into a safe policy: it stops where something may have happened or another try is pointless, and
 * waits at least as long as the error asks for.
 *
 * **Example** (Every two seconds, ten times)
 *
 * ```ts
 * import { Schedule } from "effect"
 * import { RetryPolicy } from "effect-vargate"
 *
 * const patient = RetryPolicy.make(Schedule.spaced("2 seconds").pipe(Schedule.upTo({ times: 10 })))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Output, Input, Error = never, Env = never>(
  schedule: Schedule.Schedule<Output, Input, Error, Env>
): Schedule.Schedule<Output, Input & Verdict, Error, Env> =>
  safely(schedule as Schedule.Schedule<Output, Input & Verdict, Error, Env>)
