/**
 * Puts the base URL and the key on requests, and sends a request once more whose key was replaced meanwhile.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import type * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import type { KeyUnavailable } from "../../errors/VargateError.ts"
import { monotonicMillisOf } from "../../internal/elapsed.ts"
import * as ApiKey from "../wire/ApiKey.ts"
import { boundedBody } from "./boundedBody.ts"
import { BufferedResponse } from "./BufferedResponse.ts"
import { type Deadline, machineTimer, withDeadline } from "./deadline.ts"
import type { KeyRing, Ticket } from "./keyRing.ts"
import { timedOf } from "./timedClient.ts"

/**
 * One operation on the wire, since a failure to decode an answer does not carry the answer along.
 *
 * @internal
 */
export interface Exchange {
  /** Is sent in place of the key: the two are never sent together. */
  readonly session: Redacted.Redacted | undefined
  /** A media type: the body of a 200 of this type is left to be read piece by piece. */
  readonly leaveOpen: string | undefined
  /** Headers that tell the gateway which trace the request belongs to. */
  readonly trace: Headers.Headers | undefined
  response: HttpClientResponse.HttpClientResponse | undefined
  /** Whether a request was sent whose outcome is not known yet. */
  isOut: boolean
  /** Why there was no other key for a request that was refused. */
  keyFailure: KeyUnavailable | undefined
}

/** @internal */
export const makeExchange = (
  operation: Partial<Pick<Exchange, "session" | "leaveOpen">> = {},
  trace?: Headers.Headers | undefined
): Exchange => ({
  session: operation.session,
  leaveOpen: operation.leaveOpen,
  trace,
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

/**
 * What a gateway says of a failure takes a few hundred bytes, and the reading of a long list of issues would outlast the
 * deadline, which ends with the last byte.
 */
const maxErrorBytes = 256 * 1024

type Answering = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/**
 * Sends the requests of an operation.
 *
 * @internal
 */
export interface AuthorizedClient {
  readonly execute: (request: HttpClientRequest.HttpClientRequest, exchange: Exchange) => Answering
  /** The same with a body, up to the last byte of the answer, within a deadline. Then the answer is read. */
  readonly executeWithin: <A, E, E2>(
    request: HttpClientRequest.HttpClientRequest,
    body: HttpBody.HttpBody,
    within: Within<E>,
    read: (answer: BufferedResponse) => Effect.Effect<A, E2>
  ) => Effect.Effect<A, HttpClientError.HttpClientError | E | E2>
}

/**
 * The limits of an exchange, and the context of whatever needs one.
 *
 * @internal
 */
export interface Within<E> {
  readonly exchange: Exchange
  readonly deadline: Deadline<E>
  readonly context: () => Context.Context<never>
}

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

const whole = (response: HttpClientResponse.HttpClientResponse) =>
  response instanceof BufferedResponse
    ? Effect.succeed(response)
    : Effect.map(response.arrayBuffer, (bytes) => new BufferedResponse(response, new Uint8Array(bytes)))

/** With the headers as they are: to copy them for each body costs more than to send them. */
const withBody = (
  { hash, headers, method, url, urlParams }: HttpClientRequest.HttpClientRequest,
  body: HttpBody.HttpBody
) => HttpClientRequest.makeWith(method, url, urlParams, hash, headers, body)

/** @internal */
export const make = (httpClient: HttpClient.HttpClient, options: {
  readonly baseUrl: string
  readonly maxBodyBytes: number
  /** Without one, requests carry no key. */
  readonly keys: KeyRing | undefined
}): AuthorizedClient => {
  const { baseUrl, keys, maxBodyBytes } = options
  const timed = timedOf(httpClient)

  const limitOf = ({ status }: HttpClientResponse.HttpClientResponse) =>
    status < 400 ? maxBodyBytes : Math.min(maxBodyBytes, maxErrorBytes)

  const ticketFor = ({ session }: Exchange) => session === undefined ? keys?.ticket : undefined

  const address = (request: HttpClientRequest.HttpClientRequest, { session, trace }: Exchange, ticket?: Ticket) => {
    const traced = trace === undefined ? request : HttpClientRequest.setHeaders(request, trace)
    const addressed = HttpClientRequest.prependUrl(traced, baseUrl)
    if (session !== undefined) return HttpClientRequest.bearerToken(addressed, Redacted.value(session))
    return ticket === undefined
      ? addressed
      : HttpClientRequest.setHeader(addressed, ApiKey.header, Redacted.value(ticket.key))
  }

  const send = (request: HttpClientRequest.HttpClientRequest, exchange: Exchange, ticket?: Ticket): Answering => {
    exchange.isOut = true
    return Effect.flatMap(httpClient.execute(address(request, exchange, ticket)), (response) => {
      exchange.response = response
      return bounded(response, exchange)
    })
  }

  const bounded = (response: HttpClientResponse.HttpClientResponse, exchange: Exchange): Answering =>
    isLeftOpen(exchange.leaveOpen, response)
      ? Effect.succeed(response)
      : Effect.map(boundedBody(response, limitOf(response)), (bounded) => exchange.response = bounded)

  const accepted = (
    response: HttpClientResponse.HttpClientResponse,
    request: HttpClientRequest.HttpClientRequest,
    exchange: Exchange,
    ticket?: Ticket
  ): Answering =>
    response.status === 401 && keys !== undefined && ticket !== undefined
      ? again(response, ticket, exchange, keys, (next) => send(request, exchange, next))
      : Effect.succeed(response)

  const execute: AuthorizedClient["execute"] = (request, exchange) =>
    Effect.suspend(() => {
      const ticket = ticketFor(exchange)
      return Effect.flatMap(
        send(request, exchange, ticket),
        (response) => accepted(response, request, exchange, ticket)
      )
    })

  const executeWithin: AuthorizedClient["executeWithin"] = (request, body, { context, deadline, exchange }, read) =>
    Effect.suspend(() => {
      const millis = machineTimer(deadline)
      if (timed === undefined || millis === undefined) {
        const sending = Effect.flatMap(execute(withBody(request, body), exchange), whole)
        return Effect.flatMap(withDeadline(sending, deadline, context()), read)
      }
      const startedAt = monotonicMillisOf(deadline.clock)
      const ticket = ticketFor(exchange)
      const addressed = withBody(address(request, exchange, ticket), body)
      exchange.isOut = true
      return Effect.flatMap(timed(addressed, { millis, onLate: deadline.onLate, bytesOf: limitOf }), (response) => {
        exchange.response = response
        if (
          response instanceof BufferedResponse && response.status !== 401 &&
          response.bytes.byteLength <= limitOf(response)
        ) return read(response)
        const rest = bounded(response, exchange).pipe(
          Effect.flatMap((response) => accepted(response, withBody(request, body), exchange, ticket)),
          Effect.flatMap(whole)
        )
        const duration = Duration.millis(Math.max(0, millis - (monotonicMillisOf(deadline.clock) - startedAt)))
        return Effect.flatMap(withDeadline(rest, { ...deadline, duration }, context()), read)
      })
    })

  return { execute, executeWithin }
}

/**
 * The same as a client, for the exchange in context.
 *
 * @internal
 */
export const clientOf = ({ execute }: AuthorizedClient): HttpClient.HttpClient =>
  HttpClient.makeWith(
    Effect.flatMap((request: HttpClientRequest.HttpClientRequest) =>
      Effect.flatMap(CurrentExchange, (exchange) => execute(request, exchange))
    ),
    (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
  )
