/**
 * One writer for all callers: changes that come together are committed together, at the price of one wait for the disk.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type { SqlError } from "effect/sql/SqlError"

interface Change<E> {
  readonly run: Effect.Effect<unknown, SqlError>
  readonly done: Deferred.Deferred<unknown, E>
}

/**
 * Carries out changes in one transaction, and succeeds once that is on the disk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transactor<E> {
  readonly withTransaction: <A>(changes: Effect.Effect<A, SqlError>) => Effect.Effect<A, E>
}

/** So that no caller waits long whose change came just too late. */
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
export const make = Effect.fnUntraced(function*<E>(sql: Transactor<E>) {
  const queue = yield* Queue.unbounded<Change<E>, Cause.Done>()

  const commitAll = (changes: ReadonlyArray<Change<E>>): Effect.Effect<void> =>
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

  return <A>(change: Effect.Effect<A, SqlError>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<A, E>()
      const isTaken = Queue.offerUnsafe(queue, { run: change, done: done as Deferred.Deferred<unknown, E> })
      return isTaken ? Deferred.await(done) : Effect.die(new Error("The gateway's file has been closed."))
    })
})
