/**
 * One call limit for all machines that act for a tenant, kept in Redis. Needs the package `redis`.
 *
 * **Details**
 *
 * A Redis that becomes unavailable stops no call: calls are then not limited here, and the gateway's own limit still
 * holds.
 *
 * @since 0.1.0
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type { RedisError } from "effect/persistence/Redis"
import * as Redacted from "effect/Redacted"
import * as CallLimiter from "../calls/CallLimiter.ts"

/**
 * Where Redis is, and what the limit is.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends CallLimiter.Options {
  /** `redis://user:password@host:port`, or `rediss://` for TLS. */
  readonly url: Redacted.Redacted | string
}

/**
 * A limiter that shares its count through Redis. Fails where Redis cannot be reached at the start.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ url, ...options }: Options): Layer.Layer<never, RedisError> =>
  CallLimiter.layer(options).pipe(
    Layer.provide(RateLimiter.layer),
    Layer.provide(RateLimiter.layerStoreRedis({ prefix: "effect-vargate:" })),
    Layer.provide(NodeRedis.layer({ url: Redacted.isRedacted(url) ? Redacted.value(url) : url }))
  )

/**
 * The same, with the address from `VARGATE_REDIS_URL`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (options?: CallLimiter.Options): Layer.Layer<never, RedisError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.Redacted("VARGATE_REDIS_URL"), (url) => layer({ ...options, url })))
