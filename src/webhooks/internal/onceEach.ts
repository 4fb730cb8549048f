/**
 * Runs something once for each key, however often it is asked to.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

/**
 * Runs `work` unless it ran for this key, and says whether it was the first. A caller that asks while it runs waits for it.
 * A failure forgets the key, so that the next one tries again.
 *
 * @internal
 */
export type OnceEach<E> = (key: string, work: Effect.Effect<void, E>) => Effect.Effect<boolean, E>

/**
 * Remembers the latest `capacity` keys. Work belongs to the scope: a caller that hangs up does not stop it.
 *
 * No key is forgotten by the time: a clock that is set forward and back again would make an old key a new one.
 *
 * @internal
 */
export const make = <E>(capacity: number, scope: Scope.Scope): OnceEach<E> => {
  /** Oldest first. */
  const entries = new Map<string, Deferred.Deferred<void, E>>()

  return (key, work) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const known = entries.get(key)
        if (known !== undefined) return Effect.as(restore(Deferred.await(known)), false)
        const done = Deferred.makeUnsafe<void, E>()
        entries.set(key, done)
        if (entries.size > capacity) entries.delete(entries.keys().next().value!)
        return Effect.flatMap(Effect.forkIn(work, scope), (fiber) => {
          fiber.addObserver((exit) => {
            if (Exit.isFailure(exit) && entries.get(key) === done) entries.delete(key)
            Deferred.doneUnsafe(done, exit)
          })
          return Effect.as(restore(Deferred.await(done)), true)
        })
      })
    )
}
