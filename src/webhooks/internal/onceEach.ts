/**
 * Runs something once for each key, however often it is asked to.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

interface Entry<E> {
  /** The last moment of remembering, in epoch milliseconds. */
  readonly until: number
  readonly done: Deferred.Deferred<void, E>
}

/**
 * Runs `work` unless it ran for this key, and says whether it was the first. A caller that asks while it runs waits for
 * it. A failure forgets the key, so that the next one tries again.
 *
 * @internal
 */
export type OnceEach<E> = (key: string, until: number, work: Effect.Effect<void, E>) => Effect.Effect<boolean, E>

/**
 * Remembers at most `capacity` keys, each until its time. Work belongs to the scope: a client that disconnects does not
 * stop it.
 *
 * @internal
 */
export const make = <E>(capacity: number, scope: Scope.Scope): OnceEach<E> => {
  const entries = new Map<string, Entry<E>>()

  const forgetOld = (now: number) => {
    for (const [key, { until }] of entries) {
      if (until >= now && entries.size <= capacity) return
      entries.delete(key)
    }
  }

  return (key, until, work) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const known = entries.get(key)
        if (known !== undefined && known.until >= now) return Effect.as(restore(Deferred.await(known.done)), false)
        const entry: Entry<E> = { until, done: Deferred.makeUnsafe() }
        entries.delete(key)
        entries.set(key, entry)
        forgetOld(now)
        return Effect.flatMap(Effect.forkIn(work, scope), (fiber) => {
          fiber.addObserver((exit) => {
            if (Exit.isFailure(exit) && entries.get(key) === entry) entries.delete(key)
            Deferred.doneUnsafe(entry.done, exit)
          })
          return Effect.as(restore(Deferred.await(entry.done)), true)
        })
      })
    )
}
