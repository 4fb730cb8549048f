/**
 * A lock between processes, that the system frees when a process ends in whatever way: an exclusive SQLite transaction,
 * on a file of its own. Node has no `flock`, and files with process ids go stale.
 *
 * The lock has a file of its own because the system drops a process's locks on a file as soon as that process closes the
 * file anywhere, be it only for a checksum or a copy.
 *
 * @internal
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeSync, openSync, readlinkSync, realpathSync, statSync, unlinkSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import type { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import { loadSqlite } from "./sqliteClient.ts"

/**
 * The lock is held by another process or elsewhere in this one, or its file cannot be used.
 *
 * @internal
 */
export class FileLockError extends Data.TaggedError("FileLockError")<{
  readonly isHeld: boolean
  /** The system's code or SQLite's words, without paths. */
  readonly detail: string
}> {}

const codeOf = (cause: unknown) => (cause as NodeJS.ErrnoException).code

/**
 * The one path of a file, whatever links and spellings lead to it. The file itself may be missing, its folder may not.
 *
 * @internal
 */
export const canonicalPath = (filename: string): string => {
  try {
    return realpathSync.native(filename)
  } catch (cause) {
    if (codeOf(cause) !== "ENOENT") throw cause
  }
  const folder = realpathSync.native(dirname(resolve(filename)))
  const path = join(folder, basename(filename))
  const target = linkAt(path)
  return target === undefined ? path : canonicalPath(resolve(folder, target))
}

/** Where a link leads, be it to nothing. */
const linkAt = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

/**
 * What tells a file at a path from any other that was there before or comes after; undefined where there is none.
 *
 * @internal
 */
export const identityOf = (path: string): string | undefined => {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats && `${stats.dev}:${stats.ino}`
}

/**
 * Whether a file has a second name, a hard link: a lock is found by the name, and a process that uses the other does not see it.
 *
 * @internal
 */
export const hasOtherNames = (path: string): boolean => {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats !== undefined && stats.isFile() && stats.nlink > 1
}

/**
 * A new file is this user's alone. One that exists must not be opened here: closing it would drop the lock. Nor is a link
 * followed: it would lock, or make, a file of another's choice.
 */
const createIfMissing = (path: string) => {
  try {
    closeSync(openSync(path, "wx", 0o600))
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") throw cause
    if (linkAt(path) !== undefined) throw Object.assign(new Error("A lock is no link"), { code: "ELOOP" })
  }
}

interface Lock {
  readonly path: string
  readonly identity: string
  readonly db: DatabaseSync
}

const take = (Sqlite: typeof DatabaseSync, path: string): Lock => {
  for (;;) {
    createIfMissing(path)
    const identity = identityOf(path)
    const db = new Sqlite(path, { timeout: 0 })
    try {
      // No journal of its own: nothing is ever committed.
      db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    } catch (cause) {
      db.close()
      throw cause
    }
    // Its previous holder has removed the file, and another process may have locked its successor.
    if (identity !== undefined && identityOf(path) === identity) return { path, identity, db }
    db.close()
  }
}

const release = ({ db, identity, path }: Lock) => {
  try {
    if (identityOf(path) === identity) unlinkSync(path)
  } catch {
    // The file may stay: only the transaction is the lock.
  }
  db.close()
}

const sqliteBusy = 5

const errorOf = (cause: unknown): FileLockError => {
  const { errcode, message } = cause as { readonly errcode?: unknown; readonly message: string }
  return typeof errcode === "number"
    ? new FileLockError({ isHeld: (errcode & 0xff) === sqliteBusy, detail: message })
    : new FileLockError({ isHeld: false, detail: codeOf(cause) ?? message })
}

/** Milliseconds between two attempts, at random so that those who wait do not come together again. */
const pause = () => 2 + Math.random() * 10

/**
 * Takes the lock of a file, `{filename}.lock`, for as long as the scope lives. Where it is held by another process it
 * fails with `isHeld`, or keeps trying for the time given.
 *
 * @internal
 */
export const acquire = Effect.fnUntraced(function*(
  filename: string,
  options: { readonly wait?: Duration.Input | undefined } = {}
): Effect.fn.Return<void, FileLockError, Scope.Scope> {
  const { DatabaseSync } = yield* Effect.mapError(
    loadSqlite,
    ({ reason }) => new FileLockError({ isHeld: false, detail: reason.message })
  )
  // The time of the machine, whatever clock the program runs by: another process has no other.
  const deadline = performance.now() + Duration.toMillis(Duration.fromInputUnsafe(options.wait ?? 0))
  const attempt = Effect.acquireRelease(
    Effect.try({ try: () => take(DatabaseSync, `${canonicalPath(filename)}.lock`), catch: errorOf }),
    (lock) => Effect.sync(() => release(lock))
  )
  yield* Effect.retry(attempt, {
    while: ({ isHeld }) =>
      isHeld && performance.now() < deadline
        ? Effect.as(Effect.promise(() => sleep(pause())), true)
        : Effect.succeed(false)
  })
})
