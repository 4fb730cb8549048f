/**
 * A time limit for what happens thousands of times a second.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/**
 * A time limit, and what comes of being late.
 *
 * @internal
 */
export interface Deadline<E> {
  readonly duration: Duration.Duration
  readonly onLate: () => Effect.Effect<never, E>
  readonly clock: Clock.Clock
}

/**
 * `Effect.timeoutOrElse` at a third of its price: one fiber instead of two, and the machine's own timer, unless a test has
 * put another clock in its place. `self` runs in a context of its own.
 *
 * @internal
 */
export const withDeadline = <A, E, E2, R>(
  self: Effect.Effect<A, E, R>,
  deadline: Deadline<E2>,
  context: Context.Context<R>
): Effect.Effect<A, E | E2> =>
  Effect.callback((resume) => {
    const working = Effect.runForkWith(context)(self)
    const cancel = after(deadline, context, () => {
      resume(Effect.andThen(Fiber.interrupt(working), Effect.suspend(deadline.onLate)))
    })
    working.addObserver((exit) => {
      cancel()
      resume(exit)
    })
    return Effect.suspend(() => {
      cancel()
      return Fiber.interrupt(working)
    })
  })

/** What a timer of the machine can hold, in milliseconds. */
const longestTimer = 2 ** 31 - 1

/**
 * How long a timer of the machine has to run for a deadline, in milliseconds; undefined where it cannot keep it.
 *
 * @internal
 */
export const machineTimer = ({ clock, duration }: Deadline<unknown>): number | undefined => {
  const millis = Duration.toMillis(duration)
  return millis <= longestTimer && clock === machineClock ? millis : undefined
}

const machineClock = Context.get(Context.empty(), Clock.Clock)

const after = (deadline: Deadline<unknown>, context: Context.Context<never>, run: () => void): () => void => {
  const millis = machineTimer(deadline)
  if (millis !== undefined) {
    const timer = setTimeout(run, millis)
    return () => clearTimeout(timer)
  }
  const sleeping = Effect.runForkWith(context)(Effect.andThen(Effect.sleep(deadline.duration), Effect.sync(run)))
  return () => sleeping.interruptUnsafe()
}
