/**
 * The end of a server, for answers that have no end of their own. A server that closes waits for its last answers, and
 * would wait for those in vain.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"

/**
 * Completes when the server at hand begins to close. Default: never, as in a client without a socket.
 *
 * @category references
 * @since 0.1.0
 */
export const Closing = Context.Reference<Effect.Effect<void>>("effect-vargate/gateway/Closing", {
  defaultValue: () => Effect.never
})

/**
 * Lets a server's endless answers know when it begins to close, before it waits for them.
 *
 * @category layers
 * @since 0.1.0
 */
export const announce = <A, E, R>(server: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.unwrap(Effect.sync(() => {
    const closing = Latch.makeUnsafe()
    // Finalizers run in reverse, so what is built over the server is closed first.
    return Layer.effectDiscard(Effect.addFinalizer(() => closing.open)).pipe(
      Layer.provideMerge(server),
      Layer.provide(Layer.succeed(Closing, closing.await))
    )
  }))
