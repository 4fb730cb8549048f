/**
 * The rows of a query as a stream that holds a few of them at a time.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { SafeIntegers } from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import type { SQLInputValue, StatementSync } from "node:sqlite"

const rowsAtOnce = 128

/**
 * The statement is the stream's own: a kept one could be run again before its rows are read.
 *
 * @internal
 */
export const rowStream = (
  prepare: () => StatementSync,
  params: ReadonlyArray<SQLInputValue>,
  transformRows: Parameters<Connection["executeStream"]>[2],
  onError: (cause: unknown) => SqlError
): Stream.Stream<object, SqlError> => {
  const cursor = Effect.withFiber((fiber) =>
    Effect.try({
      try: () => {
        const statement = prepare()
        statement.setReadBigInts(Context.get(fiber.context, SafeIntegers))
        return statement.iterate(...params)
      },
      catch: onError
    })
  )
  return Stream.scoped(Stream.fromPull(Effect.map(
    // A cursor that is not read to its end keeps its snapshot of the database open.
    Effect.acquireRelease(cursor, (rows) => Effect.sync(() => rows.return?.())),
    (rows) => {
      const take = takeFrom(rows)
      return Effect.flatMap(
        Effect.try({ try: take, catch: onError }),
        (taken) =>
          Arr.isReadonlyArrayNonEmpty(taken)
            ? Effect.succeed(transformRows === undefined ? taken : transformRows(taken) as typeof taken)
            : Cause.done()
      )
    }
  )))
}

/** Some versions of Node begin anew when a cursor is asked again after its end. */
const takeFrom = (rows: Iterator<object>) => {
  let isOver = false
  return (): ReadonlyArray<object> => {
    const taken: Array<object> = []
    while (!isOver && taken.length < rowsAtOnce) {
      const next = rows.next()
      if (next.done === true) isOver = true
      else taken.push({ ...next.value })
    }
    return taken
  }
}
