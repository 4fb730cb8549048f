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

/** What certainly did nothing, and may succeed. */
const isCertain = (error: Verdict): boolean => error.isRetryable && error.sideEffect === "none"

/**
 * What a read may be repeated after: also the limit of another server, since nothing is done twice by it.
 *
 * @internal
 */
export const isPassing = (error: Verdict): boolean =>
  isCertain(error) || (error._tag === "RateLimited" && error.sideEffect === "none")

/** Repeats only what it may, and keeps at least the silence that the error asks for. */
const safely = <Output, Input extends Verdict, Error, Env>(
  schedule: Schedule.Schedule<Output, Input, Error, Env>,
  mayRepeat = isCertain
): Schedule.Schedule<Output, Input, Error, Env> =>
  schedule.pipe(
    Schedule.while(({ input }) => mayRepeat(input)),
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
const backoff = (first: Duration.Input, cap: Duration.Input, mayRepeat = isCertain): RetryPolicy =>
  safely(
    Schedule.min([Schedule.exponential(first), Schedule.spaced(cap)]).pipe(Schedule.setInputType<Verdict>()),
    mayRepeat
  ).pipe(jitteredUp)

/**
 * Never tries again.
 *
 * @category policies
 * @since 0.1.0
 */
export const none: RetryPolicy = Schedule.recurs(0)

/**
 * Comes back after the gateway's own `RateLimited`: a full second of silence first (longer where a Retry-After says so), then
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
 * For tool calls: repeats whatever was certainly not acted upon (the gateway's own `RateLimited`, `OpaUnavailable`, an
 * `Unreachable` gateway), at most 8 times and for at most 2 minutes.
 *
 * @category policies
 * @since 0.1.0
 */
export const standard: RetryPolicy = backoff("250 millis", "10 seconds").pipe(
  within(8, "2 minutes")
)

/**
 * For operations without side effects: also repeats time-outs, broken connections, faults of the gateway and limits of
 * other servers, at most 5 times and for at most 2 minutes.
 *
 * @category policies
 * @since 0.1.0
 */
export const reads: RetryPolicy = backoff("200 millis", "5 seconds", isPassing).pipe(
  within(5, "2 minutes")
)

/**
 * What {@link make} may be told about a schedule.
 *
 * @category options
 * @since 0.2.0
 */
export interface MakeOptions {
  /**
   * Also comes back after a `RateLimited` whose `source` is another server. For tool calls behind a proxy that is known to
   * turn away what it has not passed on, and for reads. Default: false.
   */
  readonly otherLimits?: boolean | undefined
}

/**
 * Turns any schedule into a safe policy: it stops where something may have happened or another try is pointless, and
 * waits at least as long as the error asks for.
 *
 * **Gotchas**
 *
 * `Governed` and durable workflows make every policy safe that they are given. With `otherLimits` this must be the last
 * step: a schedule that is made of the result is taken for one without.
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
  schedule: Schedule.Schedule<Output, Input, Error, Env>,
  options: MakeOptions = {}
): Schedule.Schedule<Output, Input & Verdict, Error, Env> => {
  const policy = safely(
    schedule as Schedule.Schedule<Output, Input & Verdict, Error, Env>,
    options.otherLimits === true ? isPassing : isCertain
  )
  made.add(policy)
  return policy
}

/** So that what {@link make} was told is not lost where a policy is made safe again. */
const made = new WeakSet<object>()

/**
 * A policy as it was made, or made safe.
 *
 * @internal
 */
export const ensureSafe = (policy: RetryPolicy): RetryPolicy => made.has(policy) ? policy : make(policy)
