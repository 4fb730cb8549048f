/**
 * What stands before governed calls in Postgres, for agents on several machines.
 *
 * @since 0.2.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { SqlError } from "effect/sql/SqlError"
import type { StorageFailed } from "../errors/VargateError.ts"
import * as GovernedSql from "./GovernedSql.ts"

/**
 * Where the database is.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** `postgres://user:password@host:port/database`. Postgres 14 or newer. */
  readonly url: Redacted.Redacted | string
  /** Connections to the database. Default: 10. */
  readonly maxConnections?: number | undefined
}

/**
 * The stores of `GovernedSql` in a Postgres database.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<GovernedSql.Stores, StorageFailed | SqlError> =>
  Layer.provide(
    GovernedSql.layer,
    PgClient.layer({
      url: Redacted.isRedacted(options.url) ? options.url : Redacted.make(options.url),
      maxConnections: options.maxConnections
    })
  )

/**
 * The same with the URL of `VARGATE_POSTGRES_URL`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerConfig = (
  options?: Omit<Options, "url">
): Layer.Layer<GovernedSql.Stores, StorageFailed | SqlError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.Redacted("VARGATE_POSTGRES_URL"), (url) => layer({ ...options, url })))
