/**
 * The head of the log, in a file beside the database: how many records each tenant has, and the hash of the newest. A
 * database that was deleted, or copied without its write-ahead log, looks like a shorter one; the head tells.
 *
 * **Details**
 *
 * The head follows the log with a delay of about a second, and is exact once the gateway has ended in order. It names only
 * records that are on the disk, so that a process which is killed leaves a head that lags behind, and never one that
 * accuses the log; the next start makes it exact. It is written whole and renamed. The key file has no part in it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { SqlClient } from "effect/sql/SqlClient"
import { existsSync } from "node:fs"
import { open, readFile, rm } from "node:fs/promises"
import { replaceFile } from "../../internal/replaceFile.ts"
import { StorageError } from "./StorageError.ts"

/**
 * The newest record of a tenant.
 *
 * @category models
 * @since 0.1.0
 */
export interface Head {
  /** Its place in the chain, which is also the number of records. */
  readonly records: number
  readonly hash: string
}

/**
 * Where the head of a database is: `{database}.head`.
 *
 * @category files
 * @since 0.1.0
 */
export const headPathOf = (filename: string): string => `${filename}.head`

const File = Schema.fromJsonString(Schema.Struct({
  format: Schema.Literal("vargate-head"),
  version: Schema.Literal(1),
  tenants: Schema.Array(Schema.Struct({ id: Schema.String, records: Schema.Int, hash: Schema.String }))
}))

const decode = Schema.decodeUnknownEffect(File)
const encode = Schema.encodeSync(File)

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code ?? String(cause)

const readIfThere = async (path: string) => {
  try {
    return await readFile(path, "utf8")
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined
    throw cause
  }
}

/**
 * Reads the heads of all tenants; undefined where there is no file.
 *
 * @category files
 * @since 0.1.0
 */
export const readHeads = Effect.fnUntraced(function*(filename: string) {
  const path = headPathOf(filename)
  const text = yield* Effect.tryPromise({
    try: () => readIfThere(path),
    catch: (cause) =>
      new StorageError({ problem: "Inaccessible", filename: path, detail: `cannot be read (${codeOf(cause)})` })
  })
  if (text === undefined) return undefined
  const { tenants } = yield* Effect.mapError(
    decode(text),
    () => new StorageError({ problem: "HeadUnfit", filename: path, detail: "is no head of a log" })
  )
  return new Map(tenants.map(({ hash, id, records }) => [id, { records, hash }]))
})

/**
 * Beside the old file, forced to the disk, then in its place: a crash leaves one or the other. Only the holder of the
 * database's lock writes here, so that what stands at the draft's name is a killed process's, or a link that must not be
 * followed.
 */
const writeFile = async (filename: string, heads: ReadonlyMap<string, Head>) => {
  const path = headPathOf(filename)
  const draft = `${path}.new`
  try {
    await rm(draft, { force: true })
    const file = await open(draft, "wx", 0o600)
    try {
      const tenants = Array.from(heads, ([id, head]) => ({ id, ...head }))
      await file.writeFile(encode({ format: "vargate-head", version: 1, tenants }))
      await file.sync()
    } finally {
      await file.close()
    }
    await replaceFile(draft, path)
  } catch (cause) {
    await rm(draft, { force: true })
    throw cause
  }
}

const incomplete = (filename: string, id: string, { records }: Head, found: number) =>
  new StorageError({
    problem: "Incomplete",
    filename,
    detail: `lacks records: tenant ${id} had ${records}, of which it holds ${found >= records ? "others" : found}`
  })

/**
 * Fails where a head names records and there is no database. To be run before one is created.
 *
 * @category checks
 * @since 0.1.0
 */
export const checkExistence = (filename: string, path: string, heads: ReadonlyMap<string, Head>) => {
  const [first] = heads
  return first === undefined || existsSync(path) ? Effect.void : Effect.fail(incomplete(filename, ...first, 0))
}

/**
 * Fails where a database holds less than its head names.
 *
 * @category checks
 * @since 0.1.0
 */
export const checkRecords = Effect.fnUntraced(function*(
  filename: string,
  sql: SqlClient,
  heads: ReadonlyMap<string, Head>,
  isEmpty: boolean
) {
  for (const [id, head] of heads) {
    if (isEmpty) return yield* incomplete(filename, id, head, 0)
    const [found] = yield* sql<{ readonly record_hash: string }>`
      SELECT record_hash FROM records WHERE tenant_id = ${id} AND position = ${head.records}`
    if (found?.record_hash === head.hash) continue
    const [newest] = yield* sql<{ readonly records: number | null }>`
      SELECT max(position) AS records FROM records WHERE tenant_id = ${id}`
    return yield* incomplete(filename, id, head, newest?.records ?? 0)
  }
})

/**
 * Writes the heads of a database's copy.
 *
 * @category files
 * @since 0.2.0
 */
export const writeHeads = (filename: string, heads: ReadonlyMap<string, Head>) => {
  const path = headPathOf(filename)
  return Effect.tryPromise({
    try: () => writeFile(filename, heads),
    catch: (cause) =>
      new StorageError({ problem: "Inaccessible", filename: path, detail: `cannot be written (${codeOf(cause)})` })
  })
}

/**
 * The heads as the records of a database have them. It leaps from tenant to tenant and to the end of each: a log may be
 * long.
 *
 * @category files
 * @since 0.2.0
 */
export const headsIn = (sql: SqlClient) =>
  Effect.map(
    sql<{ readonly tenant_id: string; readonly records: number; readonly record_hash: string }>`
      WITH RECURSIVE tenants (tenant) AS (
        SELECT min(tenant_id) FROM records
        UNION ALL
        SELECT (SELECT min(tenant_id) FROM records WHERE tenant_id > tenant) FROM tenants WHERE tenant IS NOT NULL
      )
      SELECT tenant_id, position AS records, record_hash FROM tenants JOIN records
        ON tenant_id = tenant AND position = (SELECT max(position) FROM records WHERE tenant_id = tenant)`,
    (rows) =>
      new Map(rows.map((row): [string, Head] => [row.tenant_id, { records: row.records, hash: row.record_hash }]))
  )

const isSame = (one: ReadonlyMap<string, Head>, other: ReadonlyMap<string, Head>): boolean =>
  one.size === other.size &&
  Array.from(one).every(([id, { hash, records }]) => {
    const head = other.get(id)
    return head?.records === records && head.hash === hash
  })

/** How long the file is left alone after it was written. */
const pause = "1 second"

/**
 * Keeps the heads, and their file. `path` is undefined for a database in memory. `known` is what the file says, and has
 * been checked: the database holds that, and more where the last process was killed before its head was written.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  path: string | undefined,
  sql: SqlClient,
  known: ReadonlyMap<string, Head> | undefined
) {
  const scope = yield* Effect.scope
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const heads = yield* headsIn(sql)
  let isDirty = known === undefined || !isSame(heads, known)
  let isWriting = false
  const writing = Semaphore.makeUnsafe(1)

  const write = Effect.suspend(() => {
    if (path === undefined || !isDirty) return Effect.void
    isDirty = false
    return Effect.tryPromise(() => writeFile(path, heads)).pipe(
      Effect.catch((error) => {
        // A full disk: the head lags behind until space is free.
        isDirty = true
        return Effect.logDebug("The head of the log could not be written", error)
      })
    )
  }).pipe(writing.withPermit, Effect.uninterruptible)

  const follow = Effect.andThen(write, Effect.sleep(pause)).pipe(
    Effect.repeat({ while: () => isDirty }),
    Effect.ensuring(Effect.sync(() => {
      isWriting = false
    }))
  )

  yield* write
  yield* Effect.addFinalizer(() => write)

  return {
    of: (tenantId: string): Head | undefined => heads.get(tenantId),
    /** Takes over what has been committed. */
    set: (committed: ReadonlyMap<string, Head>): void => {
      if (committed.size === 0) return
      for (const [tenantId, head] of committed) {
        if (head.records === 0) heads.delete(tenantId)
        else heads.set(tenantId, head)
      }
      if (path === undefined) return
      isDirty = true
      if (isWriting) return
      isWriting = true
      fork(Effect.forkIn(follow, scope))
    }
  }
})
