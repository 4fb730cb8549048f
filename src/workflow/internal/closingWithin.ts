/**
 * An engine whose end takes no longer than its grace: a connection to a machine that is gone may never be closed.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Journal } from "../Journal.ts"
import { runningSteps } from "./steps.ts"

const lookEvery = 500

/**
 * Closes the layer for at most `grace`. Time in which steps run does not count: what has begun is ended.
 *
 * @internal
 */
export const closingWithin = <A, E, R>(
  grace: Duration.Input,
  layer: Layer.Layer<A | Journal, E, R>
): Layer.Layer<A | Journal, E, R> =>
  Layer.effectContext(Effect.gen(function*() {
    const scope = yield* Scope.make()
    let journal: Journal["Service"] | undefined
    yield* Effect.addFinalizer((exit) =>
      Effect.gen(function*() {
        const duration = Duration.fromInputUnsafe(grace)
        const limit = Duration.toMillis(duration)
        const closing = yield* Effect.forkDetach(Scope.close(scope, exit), { startImmediately: true })
        let waited = 0
        while (closing.pollUnsafe() === undefined) {
          yield* Effect.raceFirst(Fiber.await(closing), Effect.sleep(lookEvery))
          waited = journal !== undefined && runningSteps(journal) > 0 ? 0 : waited + lookEvery
          if (waited < limit) continue
          return yield* Effect.logWarning(
            `The engine of durable calls did not close within ${Duration.format(duration)}`
          )
        }
      })
    )
    const context = yield* Layer.buildWithScope(layer, scope)
    journal = Context.get(context as Context.Context<Journal>, Journal)
    return context
  }))
