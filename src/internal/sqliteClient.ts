/**
 * A `SqlClient` over the SQLite that comes with Node (`node:sqlite`): one connection, shared by a semaphore.
 *
 * The module is loaded when the first client is made, so that a program without a database starts without it: some
 * versions of Node print a warning when they load it, and some are built without it.
 *
 * @internal
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, ConnectionError, isSqlError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"

/** @internal */
export interface Options {
  /** A path, or `:memory:`. */
  readonly filename: string
  /**
   * Marks the file as this program's (`PRAGMA application_id`). One that holds something and is not marked so is refused,
   * and left as it is.
   */
  readonly applicationId?: number | undefined
  /** How long to wait for another connection's lock; the whole process waits. Default: 1 second. */
  readonly busyTimeout?: Duration.Input | undefined
}

/** SQLite's own number for an error, where it has one: <https://sqlite.org/rescode.html>. */
const resultCode = (cause: unknown): number | undefined =>
  Predicate.hasProperty(cause, "errcode") && typeof cause.errcode === "number" ? cause.errcode : undefined

/**
 * The number that SQLite gave an error, without its extension.
 *
 * @internal
 */
export const primaryCode = (error: SqlError): number | undefined => {
  const { cause } = error.reason
  const code = Predicate.hasProperty(cause, "cause") ? resultCode(cause.cause) : undefined
  return code === undefined ? undefined : code & 0xff
}

/** SQLite's number for a file that another connection writes to, beyond the time that one waits for it. */
const busy = 5

/**
 * Runs again, for some seconds, what SQLite refused because another connection was writing. Only for one statement, or one
 * transaction: what was refused was not done.
 *
 * @internal
 */
export const whileBusy = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(effect, {
    schedule: Schedule.spaced("50 millis"),
    times: 40,
    while: (error) => isSqlError(error) && primaryCode(error) === busy
  })

class ForeignFile extends Error {
  override readonly message = "the file belongs to another program"
}

/**
 * Whether the file was refused because it belongs to another program.
 *
 * @internal
 */
export const isForeign = ({ reason: { cause } }: SqlError): boolean =>
  Predicate.hasProperty(cause, "cause") && cause.cause instanceof ForeignFile

const claim = (db: DatabaseSync, applicationId: number) => {
  const isEmpty = db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined
  if (isEmpty) db.exec(`PRAGMA application_id = ${applicationId}`)
  else if (db.prepare("PRAGMA application_id").get()?.application_id !== applicationId) throw new ForeignFile()
}

/**
 * What SQLite's own error is to those who use SQL.
 *
 * @internal
 */
export const sqlError = (operation: string) => (cause: unknown): SqlError => {
  const words = cause instanceof Error ? cause.message : String(cause)
  return new SqlError({
    reason: classifySqliteError({ code: resultCode(cause), message: words, cause }, {
      message: `SQLite could not ${operation}: ${words}`,
      operation
    })
  })
}

/**
 * The module, for callers that need SQLite itself.
 *
 * @internal
 */
export const loadSqlite = Effect.tryPromise({
  try: () => import("node:sqlite"),
  catch: (cause) =>
    new SqlError({
      reason: new ConnectionError({
        cause,
        operation: "open",
        message: "This Node has no node:sqlite. Use Node 22.19 or newer, built with SQLite."
      })
    })
})

const open = Effect.fnUntraced(function*(options: Options) {
  const { applicationId, busyTimeout = "1 second", filename } = options
  const { DatabaseSync } = yield* loadSqlite
  return yield* Effect.acquireRelease(
    Effect.try({
      try: () => {
        const db = new DatabaseSync(filename, { timeout: Duration.toMillis(Duration.fromInputUnsafe(busyTimeout)) })
        try {
          if (applicationId !== undefined) claim(db, applicationId)
          // macOS leaves what was synced in the cache of the disk, unless it is told otherwise. Other systems ignore that.
          db.exec(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON"
          )
          return db
        } catch (cause) {
          db.close()
          throw cause
        }
      },
      catch: sqlError("open")
    }),
    (db) => Effect.sync(() => db.close())
  )
})

interface SqliteConnection extends Connection {
  readonly isTransaction: () => boolean
}

const connect = (db: DatabaseSync): SqliteConnection => {
  const statements = statementCache(db)

  const run = <A>(
    sql: string,
    params: ReadonlyArray<unknown>,
    prepare: (sql: string) => Prepared,
    use: (prepared: Prepared, params: ReadonlyArray<SQLInputValue>) => A
  ) =>
    Effect.withFiber<A, SqlError>((fiber) =>
      Effect.try({
        try: () => {
          const prepared = prepare(sql)
          prepared.statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers))
          return use(prepared, params as ReadonlyArray<SQLInputValue>)
        },
        catch: sqlError("execute a statement")
      })
    )

  const rows = (
    { isQuery, statement }: Prepared,
    params: ReadonlyArray<SQLInputValue>
  ): ReadonlyArray<object> => {
    statement.setReturnArrays(false)
    if (!isQuery) {
      statement.run(...params)
      return []
    }
    // Rows come without a prototype, which not every reader of objects expects. A copy would take three times as long.
    return statement.all(...params).map((row) => Object.setPrototypeOf(row, Object.prototype))
  }

  const values = (
    { isQuery, statement }: Prepared,
    params: ReadonlyArray<SQLInputValue>
  ): ReadonlyArray<ReadonlyArray<unknown>> => {
    statement.setReturnArrays(true)
    if (isQuery) return statement.all(...params) as unknown as ReadonlyArray<ReadonlyArray<unknown>>
    statement.run(...params)
    return []
  }

  const transformed = (
    rows: Effect.Effect<ReadonlyArray<object>, SqlError>,
    transformRows: Parameters<Connection["execute"]>[2]
  ) => transformRows === undefined ? rows : Effect.map(rows, transformRows)

  return {
    isTransaction: () => db.isTransaction,
    execute: (sql, params, transformRows) => transformed(run(sql, params, statements.prepare, rows), transformRows),
    executeRaw: (sql, params) =>
      run(
        sql,
        params,
        statements.prepare,
        (prepared, params) => prepared.isQuery ? rows(prepared, params) : prepared.statement.run(...params)
      ),
    executeValues: (sql, params) => run(sql, params, statements.prepare, values),
    executeValuesUnprepared: (sql, params) => run(sql, params, statements.prepareFresh, values),
    executeUnprepared: (sql, params, transformRows) =>
      transformed(run(sql, params, statements.prepareFresh, rows), transformRows),
    executeStream: (sql, params, transformRows) =>
      rowStream(() => db.prepare(sql), params as ReadonlyArray<SQLInputValue>, transformRows, sqlError("read rows"))
  }
}

/**
 * Statements that run at once on a client's connection, with no fiber in between: where each microsecond counts, and where
 * nothing may come between two of them. They know no turns: beside an open transaction they are part of it.
 *
 * @internal
 */
export interface Direct {
  /** Whether a transaction is open on the connection. */
  readonly isTransaction: () => boolean
  /** The rows of a query, without prototypes. Throws what SQLite throws. */
  readonly all: <Row extends object>(sql: string, ...params: ReadonlyArray<SQLInputValue>) => ReadonlyArray<Row>
  /** Throws what SQLite throws. */
  readonly run: (sql: string, ...params: ReadonlyArray<SQLInputValue>) => void
  /** An effect that fails where the statements throw. */
  readonly attempt: <A>(statements: () => A) => Effect.Effect<A, SqlError>
  /** A transaction that is over at once. Throws what the statements throw, and then nothing of them is kept. */
  readonly transaction: <A>(statements: () => A) => A
}

/** The texts are the program's own, so that there are few of them, and each statement is kept. */
const directOf = (db: DatabaseSync): Direct => {
  const statements = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const statement = db.prepare(sql)
    statements.set(sql, statement)
    return statement
  }
  const run = (sql: string, ...params: ReadonlyArray<SQLInputValue>) => void prepare(sql).run(...params)
  return {
    isTransaction: () => db.isTransaction,
    all: <Row extends object>(sql: string, ...params: ReadonlyArray<SQLInputValue>) =>
      prepare(sql).all(...params) as unknown as ReadonlyArray<Row>,
    run,
    transaction: (statements) => {
      run("BEGIN IMMEDIATE")
      try {
        const result = statements()
        run("COMMIT")
        return result
      } catch (cause) {
        // Some failures, such as a full disk, have ended it already.
        if (db.isTransaction) run("ROLLBACK")
        throw cause
      }
    },
    attempt: (statements) => Effect.try({ try: statements, catch: sqlError("execute a statement") })
  }
}

/**
 * A client that lives as long as the scope. The journal is a write-ahead log, and a commit is on the disk before it is
 * answered (`synchronous = FULL`).
 *
 * **Details**
 *
 * Statements are prepared once and kept. Integers beyond 2^53 fail unless `SqlClient.SafeIntegers` is provided; then all
 * are bigints. BLOBs are `Uint8Array`s. Texts lose halves of surrogate pairs, and in Node 22 what follows a NUL. A value
 * that SQLite cannot hold (a date, `undefined`) fails. While a transaction or a stream is open, all other callers wait.
 *
 * @internal
 */
export const make = (
  options: Options
): Effect.Effect<SqlClient.SqlClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.map(makeBoth(options), ({ sql }) => sql)

/**
 * The same client, and its connection for statements that run at once.
 *
 * @internal
 */
export const makeBoth = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<
  { readonly sql: SqlClient.SqlClient; readonly direct: Direct },
  SqlError,
  Scope.Scope | Reactivity.Reactivity
> {
  const db = yield* open(options)
  const connection = connect(db)
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connection),
    semaphore: yield* Semaphore.make(1),
    isTransaction: ({ isTransaction }) => isTransaction()
  })
  const sql = yield* SqlClient.make({
    ...acquirers,
    compiler: Statement.makeCompilerSqlite(),
    driver: "node-sqlite",
    spanAttributes: [["db.system.name", "sqlite"]],
    // A transaction that first reads and then writes must not lose its turn to another connection in between.
    beginTransaction: "BEGIN IMMEDIATE",
    prepareTransactionControls: true,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`
  })
  return { sql, direct: directOf(db) }
})

/**
 * A client for the layers above.
 *
 * @internal
 */
export const layer = (options: Options): Layer.Layer<SqlClient.SqlClient, SqlError> =>
  Layer.effect(SqlClient.SqlClient, make(options)).pipe(Layer.provide(Reactivity.layer))

/** A statement of a connection, kept under its text. */
interface Prepared {
  readonly statement: StatementSync
  /** Whether it answers with rows. */
  readonly isQuery: boolean
}

const maxStatements = 256

const statementCache = (db: DatabaseSync) => {
  /** The least recently used first. */
  const cache = new Map<string, Prepared>()

  const prepareFresh = (sql: string): Prepared => {
    const statement = db.prepare(sql)
    return { statement, isQuery: statement.columns().length > 0 }
  }

  const prepare = (sql: string): Prepared => {
    const known = cache.get(sql)
    const prepared = known ?? prepareFresh(sql)
    if (known !== undefined) cache.delete(sql)
    else if (cache.size === maxStatements) cache.delete(cache.keys().next().value!)
    cache.set(sql, prepared)
    return prepared
  }

  return { prepare, prepareFresh }
}

const rowsAtOnce = 128

/**
 * The rows of a query as a stream that holds a few of them at a time. The statement is the stream's own: a kept one could be
 * run again before its rows are read.
 */
const rowStream = (
  prepare: () => StatementSync,
  params: ReadonlyArray<SQLInputValue>,
  transformRows: Parameters<Connection["executeStream"]>[2],
  onError: (cause: unknown) => SqlError
): Stream.Stream<object, SqlError> => {
  const cursor = Effect.withFiber((fiber) =>
    Effect.try({
      try: () => {
        const statement = prepare()
        statement.setReadBigInts(Context.get(fiber.context, SqlClient.SafeIntegers))
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
