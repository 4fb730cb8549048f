/**
 * Durable calls on one machine: everything is in one SQLite file, and continues where it was after a restart of the
 * process.
 *
 * @since 0.1.0
 */
import * as SingleRunner from "effect/cluster/SingleRunner"
import type { ConfigError } from "effect/Config"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SqlError } from "effect/sql/SqlError"
import type { Approvals } from "../approvals/Approvals.ts"
import { StorageFailed } from "../errors/VargateError.ts"
import * as FileLock from "../internal/fileLock.ts"
import * as SqliteClient from "../internal/sqliteClient.ts"
import type * as ApprovalReconciler from "../workflow/ApprovalReconciler.ts"
import * as Engine from "../workflow/Engine.ts"
import { quietStart } from "../workflow/internal/quietStart.ts"

/**
 * Where the file is.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends ApprovalReconciler.Options {
  /** Made where it is missing. One process at a time has it. */
  readonly filename: string
}

/**
 * An engine on a SQLite file.
 *
 * **Details**
 *
 * Fails with `StorageFailed` where another process has the file: two engines would do the same work. That is kept by a
 * lock on `{filename}.lock`, so that operators can look into the file itself meanwhile
 * (`effect-vargate workflows --data FILE`).
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<Engine.Engine, StorageFailed | SqlError | ConfigError, Approvals> =>
  // The lock says that every other owner of a claim has ended.
  Engine.layerCluster({ ...options, lease: 0 }).pipe(
    Layer.provide(quietStart(SingleRunner.layer({ runnerStorage: "memory" }))),
    Layer.provide([SqliteClient.layer({ filename: options.filename }), Digest.layerWebCrypto]),
    Layer.provide(lock(options.filename))
  )

/** Locked for as long as the engine runs. */
const lock = (filename: string): Layer.Layer<never, StorageFailed> => {
  if (filename === ":memory:") return Layer.empty
  const failed = (detail: string) => new StorageFailed({ operation: "EngineSqlite.layer", detail })
  return Layer.effectDiscard(Effect.gen(function*() {
    yield* Effect.mapError(FileLock.acquire(filename), ({ detail, isHeld }) =>
      failed(
        isHeld
          ? `${filename} is in use by another process, and one at a time may have it: stop that one, or choose another file`
          : `${filename} cannot be locked (${detail})`
      ))
    if (FileLock.hasOtherNames(filename)) {
      return yield* failed(
        `${filename} has another name (a hard link), under which another process could open it unnoticed: remove that one, or make a copy`
      )
    }
  }))
}
