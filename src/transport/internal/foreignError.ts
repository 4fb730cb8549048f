/**
 * The one place where other libraries' errors become ours.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { fieldIssues } from "../../errors/internal/fieldIssues.ts"
import {
  Conflict,
  ConnectionLost,
  Forbidden,
  GatewayFault,
  InvalidRequest,
  NotFound,
  NotSupported,
  PayloadTooLarge,
  RateLimited,
  type Reason,
  type SideEffect,
  Unauthenticated,
  UnexpectedResponse,
  Unreachable
} from "../../errors/VargateError.ts"
import {
  type BadGateway502,
  type LedgerUnavailable503,
  Limited429,
  LimitedBare429,
  type NotImplemented501,
  type Refusal,
  TooManyCalls429,
  type Unprocessable422
} from "../wire/ErrorBodies.ts"
import { BodyTooLarge } from "./boundedBody.ts"
import { connectionFailure } from "./connectionFailure.ts"

/**
 * What a derived client can fail with, other than the answers that belong to one route alone.
 *
 * @internal
 */
export type ForeignError =
  | HttpClientError.HttpClientError
  | Schema.SchemaError
  | Refusal
  | typeof NotImplemented501.Type
  | typeof BadGateway502.Type
  | typeof LedgerUnavailable503.Type
  | typeof Limited429.Type
  | typeof LimitedBare429.Type
  | typeof TooManyCalls429.Type

const foreignTags: Record<ForeignError["_tag"], true> = {
  HttpClientError: true,
  SchemaError: true,
  BadRequest400: true,
  Unauthorized401: true,
  Forbidden403: true,
  NotFound404: true,
  MethodNotAllowed405: true,
  Conflict409: true,
  TooLarge413: true,
  Unprocessable422: true,
  TooManyRequests429: true,
  TooManyCalls429: true,
  NotImplemented501: true,
  BadGateway502: true,
  LedgerUnavailable503: true,
  Limited429: true,
  LimitedBare429: true
}

/** @internal */
export const isForeignError = (error: unknown): error is ForeignError =>
  typeof error === "object" && error !== null && "_tag" in error &&
  Object.hasOwn(foreignTags, error._tag as string)

/**
 * What is known about the exchange in which an error arose.
 *
 * @internal
 */
export interface Circumstances {
  /** What may have happened if the answer does not say. */
  readonly sideEffect: SideEffect
  /** The last response, if one began to arrive. */
  readonly response: HttpClientResponse.HttpClientResponse | undefined
  /** Redacts the secrets of the request, in every text from outside. */
  readonly redact: (text: string) => string
  /** It is not known where in such an answer the secret is, so nothing of it is shown. */
  readonly isAnswerSecret: boolean
}

/** @internal */
export const translate = Effect.fnUntraced(
  function*(error: ForeignError, circumstances: Circumstances): Effect.fn.Return<RateLimited | Reason> {
    const clean = circumstances.redact
    switch (error._tag) {
      case "Unauthorized401":
        return new Unauthenticated({ detail: clean(error.detail) })
      case "Forbidden403":
        return new Forbidden({ detail: clean(error.detail), requiredScope: error.required_scope })
      case "NotFound404":
        return new NotFound({ detail: clean(error.detail) })
      case "Conflict409":
        return new Conflict({ detail: clean(error.detail) })
      case "TooLarge413":
        return new PayloadTooLarge({ detail: clean(error.detail) })
      case "BadRequest400":
      case "MethodNotAllowed405":
        return new InvalidRequest({ issues: [{ path: [], message: clean(error.detail) }] })
      case "Unprocessable422":
        return new InvalidRequest({ issues: readIssues(error, clean) })
      case "TooManyRequests429":
      case "TooManyCalls429":
        return new RateLimited({ retryAfter: yield* silence(circumstances.response) })
      case "Limited429":
      case "LimitedBare429":
        return yield* limitOf(error, circumstances)
      case "NotImplemented501":
        return new NotSupported({ detail: clean(error.detail) })
      case "BadGateway502":
        return new GatewayFault({ status: 502, detail: clean(error.detail), sideEffect: circumstances.sideEffect })
      case "LedgerUnavailable503":
        return new GatewayFault({ status: 503, detail: clean(error.detail), sideEffect: "none" })
      case "SchemaError": {
        const issues = fieldIssues(error.issue, [])
        if (circumstances.response === undefined) return new InvalidRequest({ issues })
        const where = issues.map(({ message, path }) => `${path.join(".")} ${message}`.trim()).join("; ")
        return yield* unreadable(
          circumstances.response,
          circumstances.isAnswerSecret
            ? "it has not the documented shape"
            : clean(`it has not the documented shape (${where})`),
          circumstances,
          clean
        )
      }
      case "HttpClientError":
        return yield* transportFailure(error, circumstances, clean)
    }
  }
)

/** More would make an error unreadable. */
const maxIssues = 100

const readIssues = ({ detail }: typeof Unprocessable422.Type, clean: (text: string) => string) =>
  typeof detail === "string"
    ? [{ path: [], message: clean(detail) }]
    : detail.slice(0, maxIssues).map(({ loc, msg }) => ({
      path: loc.map((segment) => typeof segment === "string" ? clean(segment) : segment),
      message: clean(msg)
    }))

/** The gateway's window is one second and rejected calls enter it, so anything shorter keeps the door shut. */
const shortestSilence = Duration.seconds(1)

const silence = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse | undefined) {
  const header = response?.headers["retry-after"]
  const parsed = header === undefined ? undefined : Headers.parseRetryAfter(header)
  if (parsed === undefined || Result.isFailure(parsed)) return shortestSilence
  const asked = parsed.success._tag === "Duration"
    ? parsed.success.duration
    : DateTime.distance(yield* DateTime.now, parsed.success.dateTime)
  return Duration.max(shortestSilence, asked)
})

const limitOf = Effect.fnUntraced(function*(
  error: typeof Limited429.Type | typeof LimitedBare429.Type,
  { redact, response }: Pick<Circumstances, "redact" | "response">
) {
  const limit = error._tag === "Limited429" ? error.detail : error
  return new RateLimited({
    tenantId: limit.tenant_id === undefined ? undefined : redact(limit.tenant_id),
    limit: limit.rate_limit_rps,
    burst: limit.rate_limit_burst,
    retryAfter: yield* silence(response)
  })
})

const readOwnLimit = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Union([Limited429, LimitedBare429, TooManyCalls429]))
)

/**
 * The status says what it is. On routes without documented limits, too, the gateway is known by its measured words; any
 * other body is another server's.
 */
const undocumentedLimit = Effect.fnUntraced(function*(
  response: HttpClientResponse.HttpClientResponse,
  body: string,
  { redact }: Circumstances
) {
  const own = Option.getOrUndefined(readOwnLimit(body))
  if (own !== undefined && own._tag !== "TooManyCalls429") return yield* limitOf(own, { redact, response })
  return new RateLimited({ source: own === undefined ? "other" : "gateway", retryAfter: yield* silence(response) })
})

const transportFailure = Effect.fnUntraced(function*(
  error: HttpClientError.HttpClientError,
  circumstances: Circumstances,
  clean: (text: string) => string
): Effect.fn.Return<RateLimited | Reason> {
  const { reason } = error
  switch (reason._tag) {
    case "InvalidUrlError":
    case "EncodeError":
      return new InvalidRequest({ issues: [{ path: [], message: "the request cannot be written as HTTP" }] })
    case "TransportError": {
      const { detail, nothingSent } = connectionFailure(reason.cause ?? reason)
      return nothingSent
        ? new Unreachable({ detail: clean(detail) })
        : new ConnectionLost({ detail: clean(detail), sideEffect: circumstances.sideEffect })
    }
    case "StatusCodeError":
    case "DecodeError":
    case "EmptyBodyError": {
      if (reason.cause instanceof BodyTooLarge) {
        return reason.response.status === 429
          ? yield* undocumentedLimit(reason.response, "", circumstances)
          : unexpected(reason.response, "", `its body is larger than ${reason.cause.limit} bytes`, circumstances)
      }
      // The head arrived, the body broke off: that is a connection's failure, not a strange answer.
      if (reason.cause !== undefined) {
        const { detail } = connectionFailure(reason.cause)
        return new ConnectionLost({ detail: clean(detail), sideEffect: circumstances.sideEffect })
      }
      return yield* unreadable(reason.response, "its status or body is not the gateway's", circumstances, clean)
    }
  }
})

/** An answer that is there but is not one of the documented ones. */
const unreadable = Effect.fnUntraced(function*(
  response: HttpClientResponse.HttpClientResponse,
  detail: string,
  circumstances: Circumstances,
  clean: (text: string) => string
): Effect.fn.Return<RateLimited | Reason> {
  const body = circumstances.isAnswerSecret ? "" : yield* Effect.orElseSucceed(response.text, () => "")
  if (response.status === 429) return yield* undocumentedLimit(response, body, circumstances)
  const excerpt = clean(body).slice(0, 200)
  if (response.status >= 500) {
    const isText = (response.headers["content-type"] ?? "").startsWith("text/plain")
    const words = detailOf(body) ?? (isText && body !== "" ? body : "an answer that is not the gateway's")
    return new GatewayFault({
      status: response.status,
      detail: clean(words).slice(0, 200),
      sideEffect: circumstances.sideEffect
    })
  }
  return unexpected(response, excerpt, detail, circumstances)
})

const detailOf = (body: string): string | undefined => {
  try {
    const { detail } = JSON.parse(body)
    return typeof detail === "string" ? detail : undefined
  } catch {
    return undefined
  }
}

const unexpected = (
  response: HttpClientResponse.HttpClientResponse,
  excerpt: string,
  detail: string,
  circumstances: Circumstances
) =>
  new UnexpectedResponse({
    status: response.status,
    contentType: circumstances.redact(response.headers["content-type"] ?? ""),
    excerpt,
    detail: response.status >= 300 && response.status < 400
      ? "it is a redirect, and redirects are never followed"
      : detail,
    sideEffect: neverActed(response.status) ? "none" : circumstances.sideEffect
  })

/**
 * A request that was refused (4xx) or sent elsewhere (301, 307, 308) was not acted upon. The exceptions are a server or a
 * proxy that lost patience (408, 499), and redirects that may follow an action (302, 303).
 */
const neverActed = (status: number) =>
  (status >= 400 && status < 500 && status !== 408 && status !== 499) ||
  status === 301 || status === 307 || status === 308
