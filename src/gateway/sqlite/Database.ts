/**
 * A gateway's file: locked for one process alone, brought up to date, with one writer and one key.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { createHmac, randomBytes, randomInt } from "node:crypto"
import { closeSync, openSync } from "node:fs"
import * as FileLock from "../../internal/fileLock.ts"
import * as SqliteClient from "../../internal/sqliteClient.ts"
import { seal, unseal } from "../ledger/internal/sealing.ts"
import * as GroupCommit from "./groupCommit.ts"
import type { Head } from "./headFile.ts"
import * as HeadFile from "./headFile.ts"
import { keyPathOf, readKey } from "./keyFile.ts"
import { currentVersion, migrate, versionOf } from "./migrations.ts"
import { StorageError, type StorageProblem } from "./StorageError.ts"

/**
 * The database of a gateway. Where SQLite cannot carry out a query, because the disk is full or the file is broken, the
 * effect ends with a `StorageError` as a defect.
 *
 * @category services
 * @since 0.1.0
 */
export class Database extends Context.Service<Database, {
  readonly sql: SqlClient.SqlClient
  readonly read: <A>(query: Effect.Effect<A, SqlError>) => Effect.Effect<A>
  /**
   * Runs a change, together with others that come at the same time, and answers once it is on the disk. It must do
   * nothing but queries, and is carried out even when its caller waits no longer.
   */
  readonly commit: <A>(change: GroupCommit.Change<A>) => Effect.Effect<A>
  /** Statements that run at once, for the way of a tool call: inside `look` and `change`. */
  readonly direct: Pick<SqliteClient.Direct, "all" | "run">
  /** Several statements that read, as one step: no change comes between them. */
  readonly look: <A>(statements: () => A) => Effect.Effect<A>
  /** A change, or a part of one, made of statements that run at once. */
  readonly change: <A>(statements: () => A) => Effect.Effect<A, SqlError>
  /** To be told inside a change: the newest record of a tenant, and its id, once the change is on the disk. */
  readonly appended: (tenantId: string, head: Head, id: number) => void
  /** Inside a change: the newest record of a tenant, and the highest id of any. This gateway alone writes them. */
  readonly newest: (tenantId: string) => { readonly head: Head | undefined; readonly id: number }
  /** The newest record that a tenant is known to have had. */
  readonly head: (tenantId: string) => Head | undefined
  /** Encrypts a text for one place in the database, named by its path. */
  readonly seal: (text: string, ...place: ReadonlyArray<string>) => Uint8Array
  readonly unseal: (sealed: Uint8Array, ...place: ReadonlyArray<string>) => string
  /** What stands for a text that is only ever to be recognized: candidates cannot be tried out without the key. */
  readonly fingerprint: (...text: ReadonlyArray<string>) => Uint8Array
}>()("effect-vargate/gateway/Database") {}

/**
 * Where a gateway keeps what it knows.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * The database. It comes into being with its first use, and `{filename}.key` with it: the key of the secrets in it, to
   * be kept apart from backups of the database.
   */
  readonly filename: string
}

/**
 * Marks the file as ours: "Vrgt".
 *
 * @category constants
 * @since 0.2.0
 */
export const applicationId = 0x56726774

/** What is encrypted under the key from the beginning, to tell the right one from others. */
const probe = "effect-vargate"

/**
 * Whether a key is that of a database.
 *
 * @category keys
 * @since 0.2.0
 */
export const isKeyOf = (key: Uint8Array, sql: SqlClient.SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    sql<{ readonly sealed: Uint8Array }>`SELECT sealed FROM key_probe`,
    ([known]) => known === undefined || unseal(key, known.sealed) === probe
  )

const problems = new Map<number | undefined, readonly [StorageProblem, string]>([
  [5, ["InUse", "is in use"]],
  [6, ["InUse", "is in use"]],
  [10, ["Inaccessible", "cannot be read or written"]],
  [11, ["Damaged", "is damaged"]],
  [13, ["Full", "cannot grow"]],
  [26, ["Damaged", "is not a SQLite database"]]
])

/**
 * What an error of SQLite means for a file.
 *
 * @category errors
 * @since 0.2.0
 */
export const storageError = (filename: string) => (error: SqlError): StorageError => {
  if (SqliteClient.isForeign(error)) {
    return new StorageError({ problem: "Foreign", filename, detail: "is not a gateway's database" })
  }
  const [problem, detail] = problems.get(SqliteClient.primaryCode(error)) ??
    (["Inaccessible", "cannot be used"] as const)
  return new StorageError({ problem, filename, detail: `${detail} (${error.message})` })
}

/** A new file is this user's alone: the log holds the params of every call. */
const touch = (filename: string) =>
  Effect.ignore(Effect.try({ try: () => closeSync(openSync(filename, "wx", 0o600)), catch: () => undefined }))

const isInMemory = (filename: string) => filename === ":memory:"

/**
 * Locks a gateway's file for this process alone, until the scope closes.
 *
 * @category locks
 * @since 0.2.0
 */
export const lock = (filename: string) =>
  Effect.mapError(
    FileLock.acquire(filename),
    ({ detail, isHeld }) =>
      isHeld
        ? new StorageError({ problem: "InUse", filename, detail: "is in use" })
        : new StorageError({ problem: "Inaccessible", filename, detail: `cannot be locked (${detail})` })
  )

/** Takes the file for this process alone, and says where it is and what is known of its records. */
const take = Effect.fnUntraced(function*(filename: string) {
  if (isInMemory(filename)) return { path: filename, known: new Map<string, Head>() }
  yield* lock(filename)
  const path = FileLock.canonicalPath(filename)
  if (FileLock.hasOtherNames(path)) {
    return yield* new StorageError({ problem: "Linked", filename, detail: "has another name (a hard link)" })
  }
  const known = yield* HeadFile.readHeads(path)
  if (known !== undefined) yield* HeadFile.checkExistence(filename, path, known)
  yield* touch(path)
  return { path, known }
})

/**
 * The version of a database's schema. Fails where this version of the gateway does not know it.
 *
 * @category checks
 * @since 0.2.0
 */
export const knownVersion = Effect.fnUntraced(function*(filename: string, sql: SqlClient.SqlClient) {
  const version = yield* versionOf(sql)
  if (version <= currentVersion) return version
  const detail = `was written by a newer version (its schema is ${version}, this version knows ${currentVersion})`
  return yield* new StorageError({ problem: "Newer", filename, detail })
})

const open = Effect.fnUntraced(function*(
  filename: string,
  path: string,
  known: ReadonlyMap<string, Head> | undefined
) {
  const { direct, sql } = yield* SqliteClient.makeBoth({ filename: path, applicationId })
  const version = yield* knownVersion(filename, sql)
  if (known !== undefined) yield* HeadFile.checkRecords(filename, sql, known, version === 0)
  // What is deleted is overwritten: the data of an erased subject must not be found in the free pages.
  yield* sql`PRAGMA secure_delete = ON`
  yield* migrate.pipe(
    // The steps themselves are sound, and so is what they meet: it is the disk that can fail them.
    Effect.catchTag(
      "MigrationError",
      (error) => isSqlError(error.cause) ? Effect.fail(error.cause) : Effect.die(error)
    ),
    Effect.provideService(SqlClient.SqlClient, sql)
  )
  return { direct, sql }
})

const unlock = Effect.fnUntraced(function*(path: string, sql: SqlClient.SqlClient) {
  const [known] = yield* sql<{ readonly sealed: Uint8Array }>`SELECT sealed FROM key_probe`
  const key = isInMemory(path) ? randomBytes(32) : yield* readKey(path, known !== undefined)
  if (known === undefined) {
    yield* sql`INSERT INTO key_probe ${sql.insert({ sealed: seal(key, probe) })}`
  } else if (!(yield* isKeyOf(key, sql))) {
    return yield* new StorageError({
      problem: "KeyUnfit",
      filename: keyPathOf(path),
      detail: "is the key of another database"
    })
  }
  return key
})

/**
 * Transactions that fail where the file is no longer this gateway's.
 *
 * **Details**
 *
 * The lock keeps others away as long as its file is left alone. Should it be removed, another gateway can take the
 * database over. It then writes a number of its own into the header (`PRAGMA user_version`), which every transaction of
 * this one looks at first. And where the database or its write-ahead log has been removed, SQLite continues writing
 * into files that are lost: so what was committed counts only if both are still in their places.
 */
const guarded = Effect.fnUntraced(function*(
  filename: string,
  path: string,
  { direct, sql }: { readonly direct: SqliteClient.Direct; readonly sql: SqlClient.SqlClient }
) {
  const mine = randomInt(1, 2 ** 31)
  yield* sql.unsafe(`PRAGMA user_version = ${mine}`)
  const lost = (detail: string) => new StorageError({ problem: "Lost", filename, detail })

  const checkOwner = () => {
    const [row] = direct.all<{ readonly user_version: number }>("PRAGMA user_version")
    if (row?.user_version !== mine) throw lost("was taken over by another gateway")
  }

  const places = isInMemory(path) ? [] : [path, `${path}-wal`].map((file) => [file, FileLock.identityOf(file)] as const)
  const checkPlaces = () => {
    if (places.every(([file, identity]) => FileLock.identityOf(file) === identity)) return
    throw lost("or its write-ahead log was removed or replaced")
  }

  const toError = (cause: unknown) =>
    cause instanceof StorageError ? cause : SqliteClient.sqlError("execute a statement")(cause)
  const check = (step: () => void) => Effect.try({ try: step, catch: toError })

  return {
    withTransaction: <A>(changes: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError | StorageError> =>
      Effect.tap(sql.withTransaction(Effect.andThen(check(checkOwner), changes)), check(checkPlaces)),
    now: <A>(statements: () => A): Exit.Exit<A, SqlError | StorageError> | undefined => {
      if (direct.isTransaction()) return undefined
      try {
        const result = direct.transaction(() => {
          checkOwner()
          return statements()
        })
        checkPlaces()
        return Exit.succeed(result)
      } catch (cause) {
        return Exit.fail(toError(cause))
      }
    }
  }
})

/**
 * Keeps where the file is. A copy of a ledger is another ledger: nothing but this tells that the two have one past, and
 * that neither has what the other one records.
 */
const notePlace = Effect.fnUntraced(function*(filename: string, path: string, sql: SqlClient.SqlClient) {
  if (isInMemory(path)) return
  const identity = FileLock.identityOf(path) ?? ""
  const [before] = yield* sql<{ readonly path: string; readonly identity: string }>`SELECT path, identity FROM place`
  if (before?.path === path && before.identity === identity) return
  if (before !== undefined && before.path !== path && FileLock.identityOf(before.path) === before.identity) {
    yield* Effect.logWarning(
      `${filename} is a copy of ${before.path}, which is still there. They are two ledgers from now on: what one of them ` +
        "records, the other one lacks, and calls with the same keys are counted and decided by each for itself."
    )
  }
  yield* sql.withTransaction(Effect.andThen(
    sql`DELETE FROM place`,
    sql`INSERT INTO place ${sql.insert({ path, identity })}`
  ))
})

const make = Effect.fnUntraced(function*({ filename }: Options) {
  const { known, path } = yield* take(filename)
  const toStorageError = storageError(filename)
  const { direct, heads, highestId, key, sql, transactor } = yield* Effect.gen(function*() {
    const { direct, sql } = yield* open(filename, path, known)
    const key = yield* unlock(path, sql)
    const transactor = yield* guarded(filename, path, { direct, sql })
    yield* notePlace(filename, path, sql)
    return {
      direct,
      sql,
      key,
      transactor,
      highestId: (yield* sql<{ readonly id: number | null }>`SELECT max(id) AS id FROM records`)[0]?.id ?? 0,
      heads: yield* HeadFile.make(isInMemory(path) ? undefined : path, sql, known)
    }
  }).pipe(Effect.catchTag("SqlError", (error) => Effect.fail(toStorageError(error))))
  /** The newest records of the transaction that is open. */
  const appended = new Map<string, Head>()
  let [lastId, committedId] = [highestId, highestId]
  const begin = () => {
    appended.clear()
    lastId = committedId
  }
  const committed = () => {
    heads.set(appended)
    committedId = lastId
  }
  const commit = yield* GroupCommit.make({
    attempt: direct.attempt,
    now: (statements) => {
      begin()
      const exit = transactor.now(statements)
      if (exit !== undefined && Exit.isSuccess(exit)) committed()
      return exit
    },
    withTransaction: (changes) =>
      Effect.suspend(() => {
        begin()
        return Effect.tap(transactor.withTransaction(changes), () => Effect.sync(committed))
      })
  })
  const labelOf = (place: ReadonlyArray<string>) => JSON.stringify(place)
  const orDie = <A>(query: Effect.Effect<A, SqlError | StorageError>) =>
    Effect.orDie(Effect.catchTag(query, "SqlError", (error) => Effect.fail(toStorageError(error))))

  return Database.of({
    sql,
    direct,
    look: (statements) =>
      Effect.suspend(() =>
        orDie(
          direct.isTransaction()
            // What it has written is not there before it has ended.
            ? Effect.scoped(Effect.andThen(sql.reserve, direct.attempt(statements)))
            : direct.attempt(statements)
        )
      ),
    change: direct.attempt,
    appended: (tenantId, head, id) => {
      appended.set(tenantId, head)
      lastId = Math.max(lastId, id)
    },
    newest: (tenantId) => ({ head: appended.get(tenantId) ?? heads.of(tenantId), id: lastId }),
    head: heads.of,
    read: orDie,
    commit: (change) => orDie(commit(change)),
    seal: (text, ...place) => seal(key, text, labelOf(place)),
    unseal: (sealed, ...place) => {
      const text = unseal(key, sealed, labelOf(place))
      if (text === undefined) {
        throw new Error(`${filename} holds a secret that its key does not open: ${labelOf(place)}`)
      }
      return text
    },
    fingerprint: (...text) => createHmac("sha256", key).update(labelOf(text)).digest()
  })
})

/**
 * The database at a path.
 *
 * **Details**
 *
 * One process at a time has it, whatever symbolic links and spellings of the path lead to it: that is kept by a lock on
 * `{filename}.lock`, which nothing else may open. With a hard link it is refused as `Linked`. The database itself can be read meanwhile, for backups as well.
 *
 * `{filename}.head` says how many records each tenant has at least. Where the database holds fewer, because it was deleted
 * or copied without its write-ahead log, it is refused as `Incomplete`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Database, StorageError> =>
  Layer.effect(Database, make(options)).pipe(Layer.provide(Reactivity.layer))
