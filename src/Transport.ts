/**
 * The one way to the gateway: base URL, key, deadlines, size limits. Every service stands on it, and its only
 * requirement is an `HttpClient`: a real one, an embedded gateway in the same process, or a script in a test.
 *
 * What other libraries call errors ends here, in one switch.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as ApiKey from "./api/ApiKey.ts"
import { VargateApi } from "./api/VargateApi.ts"
import { boundedBody } from "./internal/boundedBody.ts"
import { type ForeignError, isForeignError, translate } from "./internal/foreignError.ts"
import { isLoopback } from "./internal/loopback.ts"
import { InvalidRequest, type OperationError, type SideEffect, Timeout, VargateError } from "./VargateError.ts"

/**
 * The typed client that derives from the contract.
 *
 * @category models
 * @since 0.1.0
 */
export type Client = HttpApiClient.ForApi<typeof VargateApi>

/**
 * One operation as the transport sees it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operation {
  /** The method's name, as it stands in errors: `AuditLog.verify`. */
  readonly name: string
  /** What may have happened when no answer comes: "none" for reads. */
  readonly sideEffect: SideEffect
  /**
   * A media type: the body of a 200 of this type is left to be read piece by piece, and neither the deadline nor the
   * limit holds for it. Default: every body is read before it is looked at, unless it declares its length.
   */
  readonly leaveOpen?: string | undefined
}

/**
 * Carries out operations of the derived client under the deadline, with foreign errors made ours.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  readonly baseUrl: string
  /** The largest response body that is read, in bytes. */
  readonly maxBodyBytes: number
  /** Answers that belong to one route alone (a denial, an unreachable policy engine) pass through as they are. */
  readonly request: <A, E>(
    operation: Operation,
    send: (client: Client) => Effect.Effect<A, E>
  ) => Effect.Effect<A, Exclude<E, ForeignError> | OperationError>
  /** Blots the API key out of a text of the gateway's, which may echo what it was sent. */
  readonly redact: (text: string) => string
}>()("effect-vargate/Transport") {}

/**
 * How to reach a gateway.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The tenant's key. Without one the gateway would silently act for its default tenant, so it is required. */
  readonly apiKey: Redacted.Redacted | string
  /** Default: `https://vargate.ai/api`. */
  readonly url?: string | undefined
  /** Time for one operation, from sending to the last byte of the answer. Default: 30 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** The largest response body that is read, in bytes. Default: 64 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** Permits plain `http:` to other machines, where everybody on the way can read the key. Default: false. */
  readonly allowInsecure?: boolean | undefined
  /**
   * Wraps the `HttpClient`, for instance to add a header. Never put a retry or a redirect here: a tool call that is
   * sent twice is two actions.
   */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

/**
 * The hosted gateway.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultUrl = "https://vargate.ai/api"

/**
 * Builds a transport over the `HttpClient` in context. Fails with `InvalidRequest` when the key or the URL is unusable.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Transport["Service"], VargateError, HttpClient.HttpClient> {
  const key = yield* checkKey(options.apiKey)
  const baseUrl = yield* checkUrl(options.url ?? defaultUrl, options.allowInsecure ?? false)
  const timeout = yield* checkTimeout(options.timeout ?? "30 seconds")
  const maxBodyBytes = options.maxBodyBytes ?? 64 * 1024 * 1024
  if (!(maxBodyBytes >= 0)) return yield* invalidOption("maxBodyBytes", "the limit must be a number of bytes")
  const httpClient = yield* HttpClient.HttpClient

  const spellings = [JSON.stringify(Redacted.value(key)).slice(1, -1), Redacted.value(key)]
  const redact = (text: string) => spellings.reduce((text, spelling) => text.replaceAll(spelling, "<redacted>"), text)

  const client = yield* HttpApiClient.makeWith(VargateApi, {
    httpClient: (options.transformClient?.(httpClient) ?? httpClient).pipe(
      HttpClient.mapRequest((request) =>
        request.pipe(
          HttpClientRequest.prependUrl(baseUrl),
          HttpClientRequest.setHeader(ApiKey.header, Redacted.value(key))
        )
      ),
      HttpClient.transform(Effect.fnUntraced(function*(effect) {
        const exchange = yield* Exchange
        const response = exchange.response = yield* effect
        return isLeftOpen(exchange.leaveOpen, response)
          ? response
          : exchange.response = yield* boundedBody(response, maxBodyBytes)
      }))
    )
  })

  const request = <A, E>(
    operation: Operation,
    send: (client: Client) => Effect.Effect<A, E>
  ): Effect.Effect<A, Exclude<E, ForeignError> | OperationError> =>
    Effect.suspend(() => {
      const exchange: Exchange = { response: undefined, leaveOpen: operation.leaveOpen }
      const { name, sideEffect } = operation
      return send(client).pipe(
        Effect.catch((error): Effect.Effect<never, Exclude<E, ForeignError> | OperationError> =>
          isForeignError(error)
            ? Effect.flatMap(
              translate(error, { sideEffect, response: exchange.response, redact }),
              (ours) =>
                Effect.fail(ours._tag === "RateLimited" ? ours : new VargateError({ operation: name, reason: ours }))
            )
            : Effect.fail(error as Exclude<E, ForeignError>)
        ),
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () =>
            Effect.fail(new VargateError({ operation: name, reason: new Timeout({ after: timeout, sideEffect }) }))
        }),
        Effect.provideService(Exchange, exchange),
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
        // An HTTP span would cost as much as the call itself, and trace headers to a third party are nobody's default.
        Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
      )
    })

  return Transport.of({ baseUrl, maxBodyBytes, request, redact })
})

/**
 * A transport with the given options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Transport, VargateError, HttpClient.HttpClient> =>
  Layer.effect(Transport, make(options))

/**
 * A transport configured by `VARGATE_API_KEY` (required) and `VARGATE_URL` (default `https://vargate.ai/api`).
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options?: Omit<Options, "apiKey" | "url">
): Layer.Layer<Transport, VargateError | Config.ConfigError, HttpClient.HttpClient> =>
  Layer.effect(
    Transport,
    Effect.gen(function*() {
      const apiKey = yield* Config.Redacted("VARGATE_API_KEY")
      const url = yield* Config.String("VARGATE_URL").pipe(Config.withDefault(defaultUrl))
      return yield* make({ ...options, apiKey, url })
    })
  )

// --- the current exchange --------------------------------------------------------------------------------------------

/** Remembers the response of one operation, since a failure to decode it does not carry it along. */
interface Exchange {
  response: HttpClientResponse.HttpClientResponse | undefined
  readonly leaveOpen: string | undefined
}

const Exchange = Context.Reference<Exchange>("effect-vargate/Transport/Exchange", {
  defaultValue: () => ({ response: undefined, leaveOpen: undefined })
})

const isLeftOpen = (mediaType: string | undefined, { headers, status }: HttpClientResponse.HttpClientResponse) =>
  mediaType !== undefined && status === 200 && (headers["content-type"] ?? "").startsWith(mediaType)

// --- options ---------------------------------------------------------------------------------------------------------

const invalidOption = (option: string, message: string) =>
  new VargateError({
    operation: "Transport.make",
    reason: new InvalidRequest({ issues: [{ path: [option], message }] })
  })

const checkKey = (apiKey: Redacted.Redacted | string): Effect.Effect<Redacted.Redacted, VargateError> => {
  const key = Redacted.isRedacted(apiKey) ? apiKey : Redacted.make(apiKey)
  const text = Redacted.value(key)
  if (typeof text !== "string" || text.trim() === "") {
    return Effect.fail(
      invalidOption(
        "apiKey",
        "an API key is required (VARGATE_API_KEY): without one the gateway acts for its default tenant"
      )
    )
  }
  return /^[\x21-\x7e]+$/.test(text)
    ? Effect.succeed(key)
    : Effect.fail(invalidOption("apiKey", "the API key holds white space or characters that a header cannot carry"))
}

const checkTimeout = (input: Duration.Input): Effect.Effect<Duration.Duration, VargateError> => {
  const timeout = Duration.fromInput(input)
  return Option.isSome(timeout)
    ? Effect.succeed(timeout.value)
    : Effect.fail(invalidOption("timeout", "the time-out must be a duration, like \"30 seconds\""))
}

const checkUrl = (text: string, allowInsecure: boolean): Effect.Effect<string, VargateError> => {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    return Effect.fail(invalidOption("url", "the gateway's URL must begin with https:// (or http:// on this machine)"))
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return Effect.fail(invalidOption("url", "the gateway's URL must have no user, query or fragment"))
  }
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname)) {
    return Effect.fail(
      invalidOption("url", "plain http would show the API key to everybody on the way: use https, or set allowInsecure")
    )
  }
  return Effect.succeed(url.href.replace(/\/+$/, ""))
}
