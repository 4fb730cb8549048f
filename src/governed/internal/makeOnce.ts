/**
 * Actions that are run once, however often they are asked for.
 *
 * @internal
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/**
 * The first run does it; every other run gets the first one's exit, even if that was an interruption.
 *
 * @internal
 */
export const makeOnce = Effect.fnUntraced(function*<Args extends ReadonlyArray<unknown>, A, E, R>(
  action: (...args: Args) => Effect.Effect<A, E, R>
) {
  const exit = yield* Deferred.make<A, E>()
  let isStarted = false
  // An interruption between starting and watching over the action would leave the others waiting indefinitely.
  return (...args: Args) =>
    Effect.uninterruptibleMask((restore): Effect.Effect<A, E, R> => {
      if (isStarted) return restore(Deferred.await(exit))
      isStarted = true
      return Effect.onExit(restore(action(...args)), (result) => Deferred.done(exit, result))
    })
})
