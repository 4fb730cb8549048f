/**
 * Durable calls on many machines: each is a runner of one cluster, and all share a Postgres database. When one ends,
 * another continues its executions.
 *
 * **Details**
 *
 * Needs `@effect/sql-pg`. How runners find one another is set as for any cluster of Effect, by `shardingConfig` or by
 * the environment (`HOST`, `PORT`, ...: see `ShardingConfig.layerFromEnv`); each runner needs an address that the
 * others reach. Of the reconciler there is one in the whole cluster.
 *
 * @since 0.1.0
 */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { SocketServerError } from "effect/socket/SocketServer"
import type { SqlError } from "effect/sql/SqlError"
import type { Approvals } from "../approvals/Approvals.ts"
import type { StorageFailed } from "../errors/VargateError.ts"
import type * as ApprovalReconciler from "../workflow/ApprovalReconciler.ts"
import * as Engine from "../workflow/Engine.ts"
import { closingWithin } from "../workflow/internal/closingWithin.ts"
import { quietStart } from "../workflow/internal/quietStart.ts"
import type * as JournalSql from "../workflow/JournalSql.ts"
import { openSocket } from "./internal/postgresSocket.ts"

/**
 * Where the database is, and where this runner is.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends ApprovalReconciler.Options, JournalSql.Options {
  /** `postgres://user:password@host:port/database`. Postgres 14 or newer. */
  readonly url: Redacted.Redacted | string
  /** Connections to the database. Default: 10. */
  readonly maxConnections?: number | undefined
  /**
   * How long a connection to the database may be silent before it is closed and its statements fail, to be made again:
   * a machine or a router that is lost says nothing. Default: 30 seconds. Choose more than `shardLockRefreshInterval`
   * (10 seconds), and more than the longest statement takes.
   */
  readonly silence?: Duration.Input | undefined
  readonly shardingConfig?: Partial<ShardingConfig.ShardingConfig["Service"]> | undefined
  /**
   * How long the engine's end may take once no action runs any more, however its connections are. Default: 30 seconds.
   */
  readonly grace?: Duration.Input | undefined
}

/**
 * Everything that building the engine can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export type EngineError = StorageFailed | SqlError | Config.ConfigError | SocketServerError

/**
 * An engine on a Postgres database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Engine.Engine, EngineError, Approvals> => {
  const url = Redacted.isRedacted(options.url) ? options.url : Redacted.make(options.url)
  const silence = Duration.toMillis(Duration.fromInputUnsafe(options.silence ?? "30 seconds"))
  return closingWithin(
    options.grace ?? "30 seconds",
    Engine.layerCluster(options).pipe(
      Layer.provide(quietStart(NodeClusterSocket.layer({ shardingConfig: options.shardingConfig }))),
      Layer.provide(PgClient.layer({
        url,
        maxConnections: options.maxConnections,
        stream: () => openSocket(Redacted.value(url), silence)
      }))
    )
  )
}

/**
 * An engine on the database that `VARGATE_POSTGRES_URL` names.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options?: Omit<Options, "url">
): Layer.Layer<Engine.Engine, EngineError, Approvals> =>
  Layer.unwrap(Effect.map(Config.Redacted("VARGATE_POSTGRES_URL"), (url) => layer({ ...options, url })))
