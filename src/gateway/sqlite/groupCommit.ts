/**
 * One writer for everybody: changes that come together are committed together, at the price of one wait for the disk.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

interface Change {
  readonly run: Effect.Effect<unknown, SqlError>
  readonly done: Deferred.Deferred<unknown, SqlError>
}

/** So that nobody waits long for a change that came just too late. */
const changesAtOnce = 256

/**
 * Makes `commit`: it runs a change in a transaction and answers once that is on the disk.
 *
 * **Details**
 *
 * A change that was handed in is carried out, whether or not its caller still waits. Changes are carried out one after
 * another, in the order of their coming. Where one fails, those beside it are run again without it; a change must
 * therefore do nothing but queries. When the scope closes, what was handed in is committed first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(sql: SqlClient) {
  const queue = yield* Queue.unbounded<Change, Cause.Done>()

  const commitAll = (changes: ReadonlyArray<Change>): Effect.Effect<void> =>
    Effect.flatMap(
      Effect.exit(sql.withTransaction(Effect.forEach(changes, ({ run }) => run))),
      (exit) => {
        if (Exit.isSuccess(exit)) {
          return Effect.forEach(changes, ({ done }, index) => Deferred.succeed(done, exit.value[index]), {
            discard: true
          })
        }
        return changes.length === 1
          ? Effect.asVoid(Deferred.failCause(changes[0]!.done, exit.cause))
          : Effect.forEach(changes, (change) => commitAll([change]), { discard: true })
      }
    )

  const writer = yield* Queue.takeBetween(queue, 1, changesAtOnce).pipe(
    Effect.flatMap(commitAll),
    Effect.forever,
    Effect.ignore,
    Effect.uninterruptible,
    Effect.forkDetach
  )
  yield* Effect.addFinalizer(() => Effect.andThen(Queue.end(queue), Fiber.await(writer)))

  return <A>(change: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<A, SqlError>()
      const isTaken = Queue.offerUnsafe(queue, { run: change, done: done as Deferred.Deferred<unknown, SqlError> })
      return isTaken ? Deferred.await(done) : Effect.die(new Error("The gateway's file has been closed."))
    })
})
