/**
 * Copies of a gateway's file: a backup, taken while the gateway runs, and a ledger that is put back from one.
 *
 * **Details**
 *
 * Both are made by SQLite's own backup, which reads one state of the database, with what still stands in its write-ahead log,
 * and holds up no writer. A copy stands under a name of its own until it is whole, on the disk, and verified.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import type { SqlError } from "effect/sql/SqlError"
import { closeSync, existsSync, fsyncSync, openSync } from "node:fs"
import { rm } from "node:fs/promises"
import { dirname } from "node:path"
import type { ChainStatus } from "../../audit/AuditRecord.ts"
import * as FileLock from "../../internal/fileLock.ts"
import { replaceFile } from "../../internal/replaceFile.ts"
import * as SqliteClient from "../../internal/sqliteClient.ts"
import { verifyChain } from "../ledger/internal/chain.ts"
import * as Database from "./Database.ts"
import type { Head } from "./headFile.ts"
import * as HeadFile from "./headFile.ts"
import { keyPathOf, readKey } from "./keyFile.ts"
import { chainIn } from "./records.ts"
import { StorageError } from "./StorageError.ts"

/**
 * A ledger that was copied, and verified after it was.
 *
 * @category models
 * @since 0.2.0
 */
export interface Copy {
  /** The new file. Its head is beside it, in `{filename}.head`. */
  readonly filename: string
  /** Where the key is that opens the secrets in it. It was not copied: keep it elsewhere. */
  readonly keyFile: string
  readonly tenants: ReadonlyArray<{
    readonly id: string
    readonly records: number
    /** The hash of the newest record. */
    readonly head: string
  }>
}

/**
 * What to back up, and where to.
 *
 * @category options
 * @since 0.2.0
 */
export interface BackupOptions extends Database.Options {
  /** The backup. It must not exist. */
  readonly to: string
}

/**
 * What to restore, and from where.
 *
 * @category options
 * @since 0.2.0
 */
export interface RestoreOptions {
  /** The backup. */
  readonly from: string
  /** The gateway's file. It must not exist, and its key must be beside it, in `{filename}.key`. */
  readonly filename: string
  /**
   * Whether the records may be given up that the head of the lost file names, and the backup does not hold. Default: false.
   */
  readonly acceptLoss?: boolean | undefined
}

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code ?? String(cause)

const attempt = <A>(filename: string, verb: string, action: () => Promise<A>) =>
  Effect.tryPromise({
    try: action,
    catch: (cause) =>
      new StorageError({ problem: "Inaccessible", filename, detail: `cannot be ${verb} (${codeOf(cause)})` })
  })

/** The files of a ledger. One that is left over must not come together with another database. */
const filesOf = (path: string): ReadonlyArray<string> => [path, `${path}-wal`, `${path}-journal`]

const checkAbsence = (filename: string, paths: ReadonlyArray<string>) => {
  const found = paths.find((path) => existsSync(path))
  return found === undefined
    ? Effect.void
    : Effect.fail(new StorageError({ problem: "Exists", filename: found, detail: `is there, beside ${filename}` }))
}

const sync = (path: string) => {
  // Windows has no such thing as a folder that can be opened.
  if (process.platform === "win32") return
  const file = openSync(path, "r")
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** So many pages at a time: all. A copy in parts begins anew with every change of the original. */
const allPages = 2 ** 31 - 1

/** Copies one state of a database into a file that is this user's alone. */
const copyDatabase = Effect.fnUntraced(function*(from: string, draft: string) {
  const { backup, DatabaseSync } = yield* SqliteClient.loadSqlite
  yield* attempt(draft, "written", async () => {
    await rm(draft, { force: true })
    closeSync(openSync(draft, "wx", 0o600))
  })
  yield* Effect.acquireUseRelease(
    Effect.try({
      try: () => new DatabaseSync(from, { readOnly: true, timeout: 5000 }),
      catch: SqliteClient.sqlError("open")
    }),
    (source) =>
      Effect.tryPromise({
        try: () => backup(source, draft, { rate: allPages }),
        catch: SqliteClient.sqlError("copy")
      }),
    (source) => Effect.sync(() => source.close())
  )
})

/** The verdict on the first chain that does not hold. */
const brokenChain = Effect.fnUntraced(function*(
  chain: ReturnType<typeof chainIn>,
  heads: ReadonlyMap<string, Head>
): Effect.fn.Return<ChainStatus | undefined, SqlError> {
  for (const id of heads.keys()) {
    const status = yield* verifyChain(chain, id)
    if (!status.valid) return status
  }
  return undefined
})

/** Opens a copy, and looks at what is in it. */
const inspect = (
  named: string,
  draft: string,
  known: ReadonlyMap<string, Head>,
  hasKey: (sql: Effect.Success<ReturnType<typeof SqliteClient.make>>) => Effect.Effect<void, StorageError | SqlError>
) =>
  Effect.gen(function*() {
    const sql = yield* SqliteClient.make({ filename: draft, applicationId: Database.applicationId })
    const version = yield* Database.knownVersion(named, sql)
    if (version === 0) {
      return yield* new StorageError({ problem: "Foreign", filename: named, detail: "holds no ledger" })
    }
    yield* hasKey(sql)
    yield* HeadFile.checkRecords(named, sql, known, false)
    const heads = yield* HeadFile.headsIn(sql)
    const broken = yield* brokenChain(chainIn(sql, version), heads)
    if (broken !== undefined) {
      const detail = `has a broken chain of tenant ${broken.tenantId} at ${broken.failedAt} (${broken.reason})`
      return yield* new StorageError({ problem: "Broken", filename: named, detail })
    }
    // One file, without a log beside it, is easier to keep.
    yield* sql`PRAGMA journal_mode = DELETE`
    return heads
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))

const copied = (filename: string, keyFile: string, heads: ReadonlyMap<string, Head>): Copy => ({
  filename,
  keyFile,
  tenants: Array.from(heads, ([id, { hash, records }]) => ({ id, records, head: hash }))
})

const put = Effect.fnUntraced(function*(draft: string, path: string, heads: ReadonlyMap<string, Head>) {
  yield* HeadFile.writeHeads(path, heads)
  yield* attempt(path, "written", async () => {
    sync(draft)
    await replaceFile(draft, path)
    sync(dirname(path))
  })
})

const asStorageError =
  (filename: string) =>
  <A, R>(effect: Effect.Effect<A, SqlError | StorageError, R>): Effect.Effect<A, StorageError, R> =>
    Effect.catchTag(effect, "SqlError", (error) => Effect.fail(Database.storageError(filename)(error)))

const canonical = (filename: string) =>
  Effect.try({
    try: () => FileLock.canonicalPath(filename),
    catch: (cause) =>
      new StorageError({ problem: "Inaccessible", filename, detail: `cannot be opened (${codeOf(cause)})` })
  })

const existing = Effect.fnUntraced(function*(filename: string) {
  const path = yield* canonical(filename)
  if (existsSync(path)) return path
  return yield* new StorageError({ problem: "Inaccessible", filename, detail: "is not there" })
})

const withDraft = <A, E, R>(path: string, use: (draft: string) => Effect.Effect<A, E, R>) => {
  const draft = `${path}.part`
  return Effect.ensuring(
    use(draft),
    Effect.promise(async () => {
      for (const file of filesOf(draft)) await rm(file, { force: true })
      await rm(`${draft}-shm`, { force: true })
    })
  )
}

/**
 * Backs a gateway's file up, whether or not a gateway has it open, in this process or another.
 *
 * **Details**
 *
 * The backup holds every record that was acknowledged before it began, and is verified: each tenant's chain, and that all
 * is in it that the head of the ledger named. Fails with a `StorageError` otherwise, and writes nothing.
 *
 * @category copies
 * @since 0.2.0
 */
export const backup = Effect.fn("Gateway.backup")(function*(
  { filename, to }: BackupOptions
): Effect.fn.Return<Copy, StorageError> {
  const source = yield* existing(filename)
  const path = yield* canonical(to)
  yield* checkAbsence(to, [...filesOf(path), HeadFile.headPathOf(path)])
  // Before the copy: the head may run ahead of what was copied, and must never do so here.
  const known = yield* HeadFile.readHeads(source)
  return yield* withDraft(
    path,
    Effect.fnUntraced(function*(draft) {
      yield* asStorageError(filename)(copyDatabase(source, draft))
      const heads = yield* asStorageError(to)(inspect(filename, draft, known ?? new Map(), () => Effect.void))
      yield* put(draft, path, heads)
      return copied(path, keyPathOf(source), heads)
    })
  )
})

/**
 * Puts a ledger back from a backup, where no gateway has the file. What is encrypted in it must open with the key beside
 * the file.
 *
 * **Gotchas**
 *
 * Records that were acknowledged after the backup are not in it. Where the head of the lost file is still there and names
 * some, that is a `StorageError` (`Incomplete`), unless `acceptLoss` says that they are given up.
 *
 * @category copies
 * @since 0.2.0
 */
export const restore = Effect.fn("Gateway.restore")(function*(
  { acceptLoss = false, filename, from }: RestoreOptions
) {
  const source = yield* existing(from)
  const path = yield* canonical(filename)
  yield* Database.lock(filename)
  yield* checkAbsence(filename, filesOf(path))
  const lost = acceptLoss ? undefined : yield* HeadFile.readHeads(path)
  const known = new Map([...(yield* HeadFile.readHeads(source)) ?? [], ...lost ?? []])
  return yield* withDraft(
    path,
    Effect.fnUntraced(function*(draft) {
      yield* asStorageError(from)(copyDatabase(source, draft))
      const opens = Effect.fnUntraced(function*(sql: Parameters<typeof Database.isKeyOf>[1]) {
        const key = yield* readKey(path, true)
        if (yield* Database.isKeyOf(key, sql)) return
        const detail = "is the key of another database"
        return yield* new StorageError({ problem: "KeyUnfit", filename: keyPathOf(path), detail })
      })
      const heads = yield* asStorageError(from)(inspect(from, draft, known, opens))
      yield* put(draft, path, heads)
      return copied(path, keyPathOf(path), heads)
    })
  )
}, Effect.scoped)
