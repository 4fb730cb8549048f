/**
 * Signed heads in a file.
 *
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HeadStore, make } from "../verify/witness/HeadStore.ts"
import { jsonFile } from "./internal/jsonFile.ts"

/**
 * Heads in the JSON file at a path, which comes into being with the first one, for this user alone. Its folder must exist.
 *
 * **Details**
 *
 * Several processes may use one file, one after the other: whatever one of them was about to sign, the next one knows.
 *
 * **Gotchas**
 *
 * An older copy of the file that is put in its place lets a log be told in two ways. Do not restore it from a backup: make a
 * new key instead.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (path: string): Layer.Layer<HeadStore> =>
  Layer.effect(HeadStore, Effect.suspend(() => make(jsonFile(path, "HeadStore", "file of heads"))))
