/** A clock on the wall that is set while time passes as before. */
import { Clock, Effect } from "effect"

/** The clock in context with another wall clock, and the means to set that by so many milliseconds. */
export const settableClock = Effect.map(Clock.Clock, (clock) => {
  let offset = 0
  const now = () => clock.currentTimeMillisUnsafe() + offset
  const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n
  const settable: Clock.Clock = {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return { clock: settable, set: (by: number) => Effect.sync(() => void (offset += by)) }
})

export const hour = 3_600_000
