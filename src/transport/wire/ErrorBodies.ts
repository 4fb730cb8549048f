/**
 * The error bodies that all routes share: mostly `{"detail": "..."}` under one status each.
 *
 * **Details**
 *
 * A server picks the status by the first schema that fits a failure, so every body has a `_tag` of its own. It is never
 * sent.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { KeyScope } from "../../model/KeyScope.ts"

const detailBody = <const Tag extends string>(tag: Tag, status: number) =>
  Schema.Struct({
    _tag: Schema.tagDefaultOmit(tag),
    detail: Schema.String
  }).annotate({ httpApiStatus: status, identifier: tag })

/**
 * 400: the request makes no sense.
 *
 * @category bodies
 * @since 0.1.0
 */
export const BadRequest400 = detailBody("BadRequest400", 400)

/**
 * 401: no key, or a wrong one.
 *
 * @category bodies
 * @since 0.1.0
 */
export const Unauthorized401 = detailBody("Unauthorized401", 401)

/**
 * 403 with a text: not a policy decision. A gateway whose keys have scopes says which one the key lacks.
 *
 * @category bodies
 * @since 0.1.0
 */
export const Forbidden403 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("Forbidden403"),
  detail: Schema.String,
  required_scope: Schema.optionalKey(KeyScope)
}).annotate({ httpApiStatus: 403, identifier: "Forbidden403" })

/**
 * 404: unknown, or another tenant's.
 *
 * @category bodies
 * @since 0.1.0
 */
export const NotFound404 = detailBody("NotFound404", 404)

/**
 * 405: the path exists, the method does not.
 *
 * @category bodies
 * @since 0.1.0
 */
export const MethodNotAllowed405 = detailBody("MethodNotAllowed405", 405)

/**
 * 409: decided before.
 *
 * @category bodies
 * @since 0.1.0
 */
export const Conflict409 = detailBody("Conflict409", 409)

/**
 * 413: more than 1 MiB.
 *
 * @category bodies
 * @since 0.1.0
 */
export const TooLarge413 = detailBody("TooLarge413", 413)

const Limit = Schema.Struct({
  error: Schema.Literal("rate_limit_exceeded"),
  tenant_id: Schema.optionalKey(Schema.String),
  rate_limit_rps: Schema.optionalKey(Schema.Finite),
  rate_limit_burst: Schema.optionalKey(Schema.Finite)
})

/**
 * 429 with an object: the tenant's limit.
 *
 * @category bodies
 * @since 0.1.0
 */
export const Limited429 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("Limited429"),
  detail: Limit
}).annotate({ httpApiStatus: 429, identifier: "Limited429" })

/**
 * 429 as the guide shows it: the same object, bare.
 *
 * @category bodies
 * @since 0.1.0
 */
export const LimitedBare429 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("LimitedBare429"),
  ...Limit.fields
}).annotate({ httpApiStatus: 429, identifier: "LimitedBare429" })

/**
 * 429 with a text: a limit per IP address or per session.
 *
 * @category bodies
 * @since 0.1.0
 */
export const TooManyRequests429 = detailBody("TooManyRequests429", 429)

/**
 * 429 to a tool call with the words of a gateway: a limit per address or tenant, before the call was looked at. Any other
 * text comes from another server and proves nothing.
 *
 * @category bodies
 * @since 0.1.0
 */
export const TooManyCalls429 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("TooManyCalls429"),
  detail: Schema.String.check(Schema.isStartingWith("Too many requests"))
}).annotate({ httpApiStatus: 429, identifier: "TooManyCalls429" })

/**
 * 501: this gateway is not made for that.
 *
 * @category bodies
 * @since 0.1.0
 */
export const NotImplemented501 = detailBody("NotImplemented501", 501)

/**
 * 502 with a text: something behind the gateway did not answer.
 *
 * @category bodies
 * @since 0.1.0
 */
export const BadGateway502 = detailBody("BadGateway502", 502)

/**
 * 503 that says that nothing can be recorded, so nothing was done. Any other 503 comes from another server and proves
 * nothing.
 *
 * @category bodies
 * @since 0.1.0
 */
export const LedgerUnavailable503 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("LedgerUnavailable503"),
  detail: Schema.String.check(Schema.isStartingWith("Ledger unavailable"))
}).annotate({ httpApiStatus: 503, identifier: "LedgerUnavailable503" })

/**
 * 422: a list of what is wrong and where (one route answers with a text). The echo of what was sent (`input`) is left
 * out on reading.
 *
 * @category bodies
 * @since 0.1.0
 */
export const Unprocessable422 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("Unprocessable422"),
  detail: Schema.Union([
    Schema.String,
    Schema.Array(Schema.Struct({
      type: Schema.optional(Schema.String),
      loc: Schema.Array(Schema.Union([Schema.String, Schema.Finite])),
      msg: Schema.String
    }))
  ])
}).annotate({ httpApiStatus: 422, identifier: "Unprocessable422" })

/**
 * What any route may answer instead of what it was asked for.
 *
 * @category bodies
 * @since 0.1.0
 */
export const Refusals = [
  BadRequest400,
  Unauthorized401,
  Forbidden403,
  NotFound404,
  MethodNotAllowed405,
  Conflict409,
  TooLarge413,
  Unprocessable422,
  TooManyRequests429
] as const

/**
 * The type of one of the {@link Refusals}.
 *
 * @category bodies
 * @since 0.1.0
 */
export type Refusal = (typeof Refusals)[number]["Type"]
