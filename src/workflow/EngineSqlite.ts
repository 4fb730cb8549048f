/**
 * Durable calls on one machine: everything is in one SQLite file, and goes on where it was when the process comes back.
 *
 * @since 0.1.0
 */
import * as SingleRunner from "effect/cluster/SingleRunner"
import type { ConfigError } from "effect/Config"
import * as Digest from "effect/crypto/Digest"
import * as Layer from "effect/Layer"
import type { SqlError } from "effect/sql/SqlError"
import type { Approvals } from "../Approvals.ts"
import * as SqliteClient from "../internal/sqliteClient.ts"
import type { StorageFailed } from "../VargateError.ts"
import type * as ApprovalReconciler from "./ApprovalReconciler.ts"
import * as Engine from "./Engine.ts"

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
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<Engine.Engine, StorageFailed | SqlError | ConfigError, Approvals> =>
  Engine.layerCluster(options).pipe(
    Layer.provide(SingleRunner.layer({ runnerStorage: "memory" })),
    Layer.provide([SqliteClient.layer({ filename: options.filename, exclusive: true }), Digest.layerWebCrypto])
  )
