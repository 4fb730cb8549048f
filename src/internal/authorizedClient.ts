/**
 * Puts the base URL and the key on requests, and sends a request once more whose key was replaced meanwhile.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as ApiKey from "../api/ApiKey.ts"
import type { KeyUnavailable } from "../VargateError.ts"
import { boundedBody } from "./boundedBody.ts"
import type { KeyRing } from "./keyRing.ts"

/**
 * One operation on the wire, since a failure to decode an answer does not carry the answer along.
 *
 * @internal
 */
export interface Exchange {
  /** Goes in the place of the key: the two are never sent together. */
  readonly session: Redacted.Redacted | undefined
  /** A media type: the body of a 200 of this type is left to be read piece by piece. */
  readonly leaveOpen: string | undefined
  response: HttpClientResponse.HttpClientResponse | undefined
  /** Whether a request is out of which nobody knows yet what it does. */
  isOut: boolean
  /** Why there was no other key for a request that was refused. */
  keyFailure: KeyUnavailable | undefined
}

/** @internal */
export const makeExchange = (
  options: { readonly session?: Redacted.Redacted | undefined; readonly leaveOpen?: string | undefined } = {}
): Exchange => ({
  session: options.session,
  leaveOpen: options.leaveOpen,
  response: undefined,
  isOut: false,
  keyFailure: undefined
})

/** @internal */
export const CurrentExchange = Context.Reference<Exchange>("effect-vargate/internal/authorizedClient/CurrentExchange", {
  defaultValue: () => makeExchange()
})

const isLeftOpen = (mediaType: string | undefined, { headers, status }: HttpClientResponse.HttpClientResponse) =>
  mediaType !== undefined && status === 200 && (headers["content-type"] ?? "").startsWith(mediaType)

/** Each time more needs one more replacement of the key between two requests. */
const maxSends = 5

/** @internal */
export const authorizedClient = (httpClient: HttpClient.HttpClient, options: {
  readonly baseUrl: string
  readonly maxBodyBytes: number
  /** Without one, requests carry no key. */
  readonly keys: KeyRing | undefined
}): HttpClient.HttpClient => {
  const { baseUrl, keys, maxBodyBytes } = options

  const once = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest, exchange: Exchange) {
    exchange.isOut = true
    const response = exchange.response = yield* httpClient.execute(request)
    return isLeftOpen(exchange.leaveOpen, response)
      ? response
      : exchange.response = yield* boundedBody(response, maxBodyBytes)
  })

  /** A 401 says that nothing was done, so even a tool call may be sent again, with the key that is good now. */
  const withKey = Effect.fnUntraced(
    function*(request: HttpClientRequest.HttpClientRequest, exchange: Exchange, keys: KeyRing) {
      let ticket = keys.ticket
      for (let sent = 1;; sent++) {
        const response = yield* once(
          HttpClientRequest.setHeader(request, ApiKey.header, Redacted.value(ticket.key)),
          exchange
        )
        if (response.status !== 401 || sent === maxSends) return response
        exchange.isOut = false
        const next = yield* Effect.catch(keys.after(ticket), (failure) => {
          exchange.keyFailure = failure
          return Effect.undefined
        })
        if (next === undefined) return response
        // A connection is free for others only when the answer on it has been read.
        yield* Effect.ignore(response.arrayBuffer)
        ticket = next
      }
    }
  )

  return HttpClient.makeWith(
    Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(CurrentExchange, (exchange) => {
        const addressed = HttpClientRequest.prependUrl(request, baseUrl)
        if (exchange.session !== undefined) {
          return once(HttpClientRequest.bearerToken(addressed, Redacted.value(exchange.session)), exchange)
        }
        return keys === undefined ? once(addressed, exchange) : withKey(addressed, exchange, keys)
      })
    ),
    (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
  )
}
