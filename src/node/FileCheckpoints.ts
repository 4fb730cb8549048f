/**
 * Checkpoints in a file.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { open, readFile, rename } from "node:fs/promises"
import { StorageFailed } from "../errors/VargateError.ts"
import { CheckpointStore, make } from "../verify/Checkpoints.ts"

/** The file system's code says enough; its messages hold paths. */
const failed = (operation: string) => (cause: unknown) =>
  new StorageFailed({
    operation,
    detail: `the checkpoint file cannot be used (${(cause as { readonly code?: string }).code ?? "unknown error"})`
  })

const isMissing = (cause: unknown) => (cause as { readonly code?: string }).code === "ENOENT"

const readText = async (path: string) => {
  try {
    return await readFile(path, "utf8")
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw cause
  }
}

/** Written beside the old file, forced to the disk, then put in its place: a crash leaves one or the other. */
const writeText = async (path: string, text: string) => {
  const draft = `${path}.new`
  const file = await open(draft, "w", 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}

/**
 * Checkpoints in the JSON file at a path, which comes into being with the first one. Its folder must exist. One process
 * at a time: two that write to the same file can lose a checkpoint to one another.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (path: string): Layer.Layer<CheckpointStore> =>
  Layer.effect(
    CheckpointStore,
    make({
      read: Effect.tryPromise({ try: () => readText(path), catch: failed("CheckpointStore.read") }),
      write: (text) => Effect.tryPromise({ try: () => writeText(path, text), catch: failed("CheckpointStore.write") })
    })
  )
