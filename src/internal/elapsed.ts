/**
 * Time that has passed, whatever the clock on the wall is set to meanwhile. A test clock drives it.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

const inMillis = (nanos: bigint) => Number(nanos) / 1e6

/** Milliseconds since a moment that means nothing by itself: only differences do. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, inMillis)

/** The same by a clock at hand. */
export const monotonicMillisOf = (clock: Clock.Clock): number => inMillis(clock.monotonicTimeNanosUnsafe())

/** A schedule whose `elapsed` is time that has passed: by itself it is the difference of two looks at the clock on the wall. */
export const byElapsedTime = <Output, Input, Error, Env>(
  schedule: Schedule.Schedule<Output, Input, Error, Env>
): Schedule.Schedule<Output, Input, Error, Env> =>
  Schedule.fromStep(
    Effect.clockWith((clock) =>
      Effect.map(
        Schedule.toStep(schedule),
        (step) => (_: number, input: Input) => step(monotonicMillisOf(clock), input)
      )
    )
  )
