/**
 * Checkpoints in a file.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import { open, readdir, readFile, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { StorageFailed } from "../errors/VargateError.ts"
import * as FileLock from "../internal/fileLock.ts"
import { CheckpointStore, make } from "../verify/Checkpoints.ts"
import { replaceFile } from "./internal/replaceFile.ts"

const failure = (operation: string, what: string) =>
  new StorageFailed({ operation, detail: `the checkpoint file cannot be used (${what})` })

/** The file system's code says enough; its messages hold paths. */
const failed = (operation: string) => (cause: unknown) =>
  failure(operation, (cause as { readonly code?: string }).code ?? "unknown error")

const isMissing = (cause: unknown) => (cause as { readonly code?: string }).code === "ENOENT"

const readText = async (path: string) => {
  try {
    return await readFile(path, "utf8")
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw cause
  }
}

/** A name that is used once, so that nothing can have it already: neither another draft nor a link. */
const draftOf = (path: string) => `${path}.${randomUUID()}.new`

const isDraftOf = (path: string) => {
  const prefix = `${basename(path)}.`
  return (name: string) => name.startsWith(prefix) && /^[0-9a-f-]{36}\.new$/.test(name.slice(prefix.length))
}

/** Written beside the old file, forced to the disk, then put in its place: a crash leaves one or the other. */
const writeText = async (path: string, text: string) => {
  const draft = draftOf(path)
  try {
    const file = await open(draft, "wx", 0o600)
    try {
      await file.writeFile(text)
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

/** Under the lock no other process is writing: the drafts that exist are those of processes that were killed. */
const removeDrafts = async (path: string) => {
  const folder = dirname(path)
  const drafts = (await readdir(folder)).filter(isDraftOf(path))
  await Promise.all(drafts.map((name) => rm(join(folder, name), { force: true })))
}

/** Longer than many processes take that all write at the same time. */
const patience = "30 seconds"

/**
 * Checkpoints in the JSON file at a path, which comes into being with the first one, for this user alone. Its folder must
 * exist.
 *
 * **Details**
 *
 * Several processes may use one file: each adds to what the others have kept, under a lock on `{path}.lock`. A link at the
 * path is followed, and stays.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (path: string): Layer.Layer<CheckpointStore> =>
  Layer.effect(
    CheckpointStore,
    Effect.suspend(() => {
      let isTidy = false
      const attempt = <A>(operation: string, action: (path: string) => Promise<A>) =>
        Effect.tryPromise({
          try: async () => action(FileLock.canonicalPath(path)),
          catch: failed(operation)
        })
      const lock = Effect.mapError(
        FileLock.acquire(path, { wait: patience }),
        ({ detail, isHeld }) => failure("CheckpointStore.write", isHeld ? "others are writing it" : detail)
      )
      return make({
        read: Effect.tryPromise({ try: () => readText(path), catch: failed("CheckpointStore.read") }),
        write: (text) =>
          attempt("CheckpointStore.write", async (target) => {
            if (!isTidy) await removeDrafts(target)
            isTidy = true
            await writeText(target, text)
          }),
        exclusively: (change) => Effect.scoped(Effect.andThen(lock, change))
      })
    })
  )
