/**
 * How far an export has got: a checkpoint of the log, moved after the sink has acknowledged what is before it. Each pair of
 * log and sink has its own. `FileExportCursor` keeps it in a file, with a lock.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Schema from "effect/Schema"
import { Checkpoint } from "../audit/Checkpoint.ts"
import { StorageFailed } from "../errors/VargateError.ts"

/**
 * A cursor. `write` must leave either the old one or the new one, whatever happens, and only one export may use it.
 *
 * @category models
 * @since 0.2.0
 */
export interface ExportCursor {
  /** Undefined where nothing was exported yet. */
  readonly read: Effect.Effect<Checkpoint | undefined, StorageFailed>
  readonly write: (checkpoint: Checkpoint) => Effect.Effect<void, StorageFailed>
}

const Text = Schema.fromJsonString(Schema.Struct({
  format: Schema.Literal("vargate-export-cursor"),
  version: Schema.Literal(1),
  checkpoint: Checkpoint
}))

const decode = Schema.decodeEffect(Text)
const encode = Schema.encodeSync(Text)

/**
 * A cursor over a place that holds one text.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (storage: {
  /** Undefined where nothing was ever written. */
  readonly read: Effect.Effect<string | undefined, StorageFailed>
  readonly write: (text: string) => Effect.Effect<void, StorageFailed>
}): ExportCursor => ({
  read: Effect.flatMap(storage.read, (text) =>
    text === undefined
      ? Effect.undefined
      : Effect.mapBoth(decode(text), {
        onSuccess: ({ checkpoint }) => checkpoint,
        onFailure: () =>
          new StorageFailed({ operation: "ExportCursor.read", detail: "what is stored is not the cursor of an export" })
      })),
  write: (checkpoint) => storage.write(encode({ format: "vargate-export-cursor", version: 1, checkpoint }))
})

/**
 * A cursor in memory: gone with the process.
 *
 * @category constructors
 * @since 0.2.0
 */
export const memory: Effect.Effect<ExportCursor> = Effect.sync(() => {
  let kept: Checkpoint | undefined
  return {
    read: Effect.sync(() => kept),
    write: (checkpoint) => Effect.sync(() => void (kept = checkpoint))
  }
})

/**
 * A cursor in the `KeyValueStore` in context, under a key.
 *
 * @category constructors
 * @since 0.2.0
 */
export const keyValueStore = (key: string): Effect.Effect<ExportCursor, never, KeyValueStore.KeyValueStore> => {
  const failed = (operation: string) => ({ message }: KeyValueStore.KeyValueStoreError) =>
    new StorageFailed({ operation, detail: message })
  return Effect.map(KeyValueStore.KeyValueStore, (store) =>
    make({
      read: Effect.mapError(store.get(key), failed("ExportCursor.read")),
      write: (text) => Effect.mapError(store.set(key, text), failed("ExportCursor.write"))
    }))
}
