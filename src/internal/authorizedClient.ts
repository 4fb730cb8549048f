/**
 * Puts the base URL and the key on requests, and sends a request once more whose key was replaced meanwhile.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as ApiKey from "../api/ApiKey.ts"
import type { KeyUnavailable } from "../VargateError.ts"
import { boundedBody } from "./boundedBody.ts"
import type { KeyRing, Ticket } from "./keyRing.ts"

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
  /** Headers that tell the gateway which trace the request belongs to. */
  readonly trace: Headers.Headers | undefined
  response: HttpClientResponse.HttpClientResponse | undefined
  /** Whether a request is out of which nobody knows yet what it does. */
  isOut: boolean
  /** Whether the response is to be read once more, in the place of sending anything. */
  isReread: boolean
  /** Why there was no other key for a request that was refused. */
  keyFailure: KeyUnavailable | undefined
}

/** @internal */
export const makeExchange = (
  options: Partial<Pick<Exchange, "session" | "leaveOpen" | "trace">> = {}
): Exchange => ({
  session: options.session,
  leaveOpen: options.leaveOpen,
  trace: options.trace,
  response: undefined,
  isOut: false,
  isReread: false,
  keyFailure: undefined
})

/** @internal */
export const CurrentExchange = Context.Reference<Exchange>("effect-vargate/internal/authorizedClient/CurrentExchange", {
  defaultValue: () => makeExchange()
})

const isLeftOpen = (mediaType: string | undefined, { headers, status }: HttpClientResponse.HttpClientResponse) =>
  mediaType !== undefined && status === 200 && (headers["content-type"] ?? "").startsWith(mediaType)

type Answering = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

type Execute = (request: HttpClientRequest.HttpClientRequest, exchange: Exchange) => Answering

/**
 * A 401 says that nothing was done, so even a tool call may be sent again, with the key that is good now. Each time more
 * needs one more replacement of the key between two requests.
 */
const again = Effect.fnUntraced(function*(
  refused: HttpClientResponse.HttpClientResponse,
  firstTicket: Ticket,
  exchange: Exchange,
  keys: KeyRing,
  send: (ticket: Ticket) => Answering
) {
  let response = refused
  let ticket = firstTicket
  while (response.status === 401) {
    exchange.isOut = false
    const next = yield* Effect.catch(keys.after(ticket), (failure) => {
      exchange.keyFailure = failure
      return Effect.undefined
    })
    if (next === undefined) return response
    // A connection is free for others only when the answer on it has been read.
    yield* Effect.ignore(response.arrayBuffer)
    ticket = next
    response = yield* send(ticket)
  }
  return response
})

/**
 * Sends requests of an operation with the base URL and the key on them.
 *
 * @internal
 */
export const authorized = (httpClient: HttpClient.HttpClient, options: {
  readonly baseUrl: string
  readonly maxBodyBytes: number
  /** Without one, requests carry no key. */
  readonly keys: KeyRing | undefined
}): Execute => {
  const { baseUrl, keys, maxBodyBytes } = options

  const once = (request: HttpClientRequest.HttpClientRequest, exchange: Exchange): Answering => {
    exchange.isOut = true
    return Effect.flatMap(httpClient.execute(request), (response) => {
      exchange.response = response
      return isLeftOpen(exchange.leaveOpen, response)
        ? Effect.succeed(response)
        : Effect.map(boundedBody(response, maxBodyBytes), (bounded) => exchange.response = bounded)
    })
  }

  const withKey = (request: HttpClientRequest.HttpClientRequest, exchange: Exchange, keys: KeyRing) => {
    const send = (ticket: Ticket) =>
      once(HttpClientRequest.setHeader(request, ApiKey.header, Redacted.value(ticket.key)), exchange)
    const { ticket } = keys
    return Effect.flatMap(
      send(ticket),
      (response) => response.status === 401 ? again(response, ticket, exchange, keys, send) : Effect.succeed(response)
    )
  }

  return (request, exchange) =>
    Effect.suspend(() => {
      if (exchange.isReread && exchange.response !== undefined) return Effect.succeed(exchange.response)
      const traced = exchange.trace === undefined ? request : HttpClientRequest.setHeaders(request, exchange.trace)
      const addressed = HttpClientRequest.prependUrl(traced, baseUrl)
      if (exchange.session !== undefined) {
        return once(HttpClientRequest.bearerToken(addressed, Redacted.value(exchange.session)), exchange)
      }
      return keys === undefined ? once(addressed, exchange) : withKey(addressed, exchange, keys)
    })
}

/**
 * The same as a client, for the exchange in context.
 *
 * @internal
 */
export const clientOf = (execute: Execute): HttpClient.HttpClient =>
  HttpClient.makeWith(
    Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(CurrentExchange, (exchange) => execute(request, exchange))
    ),
    (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
  )
