/**
 * Time that has passed, whatever the clock on the wall is set to meanwhile. A test clock drives it.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

const inMillis = (nanos: bigint) => Number(nanos) / 1e6

/** Milliseconds since a moment that means nothing by itself: only differences do. */
export const monotonicMillis: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, inMillis)

/** The same by a clock at hand. */
export const monotonicMillisOf = (clock: Clock.Clock): number => inMillis(clock.monotonicTimeNanosUnsafe())
