/**
 * A JSON text in a file that several processes change, each under a lock, and that a crash leaves as it was or as it was to
 * be.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { StorageFailed } from "../../errors/VargateError.ts"
import * as FileLock from "../../internal/fileLock.ts"
import type { Storage } from "../../verify/Checkpoints.ts"
import { codeOf, readIfThere, removeDrafts, writeDurably } from "./durableFile.ts"

/** Longer than many processes take that all write at the same time. */
const patience = "30 seconds"

/**
 * The file at a path, which comes into being with the first text, for this user alone. `service` is named in errors, `what`
 * says what the file is.
 *
 * @internal
 */
export const jsonFile = (path: string, service: string, what: string): Storage => {
  let isTidy = false
  const failure = (operation: string, why: string) =>
    new StorageFailed({ operation: `${service}.${operation}`, detail: `the ${what} cannot be used (${why})` })
  // The file system's code says enough; its messages hold paths.
  const failed = (operation: string) => (cause: unknown) => failure(operation, codeOf(cause))
  const lock = Effect.mapError(
    FileLock.acquire(path, { wait: patience }),
    ({ detail, isHeld }) => failure("write", isHeld ? "others are writing it" : detail)
  )
  return {
    read: Effect.tryPromise({ try: () => readIfThere(path), catch: failed("read") }),
    write: (text) =>
      Effect.tryPromise({
        try: async () => {
          const target = FileLock.canonicalPath(path)
          // Under the lock no other process is writing: the drafts that exist are those of processes that were killed.
          if (!isTidy) await removeDrafts(target)
          isTidy = true
          await writeDurably(target, text)
        },
        catch: failed("write")
      }),
    exclusively: (change) => Effect.scoped(Effect.andThen(lock, change))
  }
}
