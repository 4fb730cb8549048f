/**
 * Checkpoints in a file.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CheckpointStore, make } from "../verify/Checkpoints.ts"
import { jsonFile } from "./internal/jsonFile.ts"

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
  Layer.effect(CheckpointStore, Effect.suspend(() => make(jsonFile(path, "CheckpointStore", "checkpoint file"))))
