/**
 * One writer for all callers: changes that come together are committed together, at the price of one wait for the disk.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { SqlError } from "effect/sql/SqlError"

/**
 * What is to be done in a transaction: queries, or statements that run at once.
 *
 * @category models
 * @since 0.2.0
 */
export type Change<A> = Effect.Effect<A, SqlError> | (() => A)

interface Waiting<E> {
  readonly change: Change<unknown>
  readonly done: (exit: Exit.Exit<unknown, E>) => void
}

/**
 * Carries out changes in one transaction, and succeeds once that is on the disk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transactor<E> {
  readonly withTransaction: <A>(changes: Effect.Effect<A, SqlError>) => Effect.Effect<A, E>
  /** Statements as queries. */
  readonly attempt: <A>(statements: () => A) => Effect.Effect<A, SqlError>
  /** A transaction of statements alone, which is over at once. Undefined where the connection is not free for one. */
  readonly now?: (<A>(statements: () => A) => Exit.Exit<A, E> | undefined) | undefined
}

/** So that no caller waits long whose change came just too late. */
const changesAtOnce = 256

const isStatements = <A>(change: Change<A>): change is () => A => typeof change === "function"

/**
 * Makes `commit`: it runs a change in a transaction and answers once that is on the disk.
 *
 * **Details**
 *
 * One transaction has all changes that had come when the event loop had read what there was to read: the more callers
 * there are, the more of them share a wait for the disk.
 *
 * A change that was handed in is carried out, whether or not its caller still waits. Changes are carried out one after
 * another, in the order of their coming. Where one fails, those beside it are run again without it; a change must
 * therefore do nothing but queries. When the scope closes, what was handed in is committed first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*<E>({ attempt, now, withTransaction }: Transactor<E>) {
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const waiting: Array<Waiting<E>> = []
  let isAtWork = false
  let isClosing = false
  let closed = () => {}

  const inOneTransaction = (changes: ReadonlyArray<Change<unknown>>): Effect.Effect<ReadonlyArray<unknown>, E> =>
    Effect.suspend(() => {
      const exit = changes.every(isStatements) ? now?.(() => changes.map((change) => change())) : undefined
      return exit ??
        withTransaction(Effect.forEach(changes, (change) => isStatements(change) ? attempt(change) : change))
    })

  const commitAll = (waiting: ReadonlyArray<Waiting<E>>): Effect.Effect<void> =>
    Effect.flatMap(Effect.exit(inOneTransaction(waiting.map(({ change }) => change))), (exit) => {
      if (Exit.isSuccess(exit)) {
        waiting.forEach(({ done }, index) => done(Exit.succeed(exit.value[index])))
        return Effect.void
      }
      if (waiting.length > 1) return Effect.forEach(waiting, (one) => commitAll([one]), { discard: true })
      waiting[0]!.done(exit)
      return Effect.void
    })

  const work = () => {
    const fiber = fork(commitAll(waiting.splice(0, changesAtOnce)), { uninterruptible: true })
    fiber.addObserver(() => {
      isAtWork = false
      if (waiting.length > 0) begin()
      else closed()
    })
  }

  /** Also between two transactions, what has arrived meanwhile is read first. */
  const begin = () => {
    if (isAtWork) return
    isAtWork = true
    setImmediate(work)
  }

  yield* Effect.addFinalizer(() =>
    Effect.callback<void>((resume) => {
      isClosing = true
      closed = () => resume(Effect.void)
      if (!isAtWork) closed()
    })
  )

  return <A>(change: Change<A>): Effect.Effect<A, E> =>
    Effect.callback((resume) => {
      if (isClosing) return resume(Effect.die(new Error("The gateway's file has been closed.")))
      waiting.push({ change, done: (exit) => resume(exit as Exit.Exit<A, E>) })
      begin()
    })
})
