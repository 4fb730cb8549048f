/**
 * Clients that keep a deadline by themselves, so that no fiber has to be started for it.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"

const executeWithin = "~effect-vargate/executeWithin"

/**
 * What an exchange may take.
 *
 * @internal
 */
export interface Limits<E> {
  /** Time until the answer is returned. */
  readonly millis: number
  readonly onLate: () => Effect.Effect<never, E>
  /** How many bytes of an answer may be read, for those who read all of it. */
  readonly bytesOf: (answer: HttpClientResponse.HttpClientResponse) => number
}

/**
 * Sends a request. When the time has passed before an answer is returned, be it whole or its head, it ends the exchange and
 * continues with `onLate`.
 *
 * @internal
 */
export type ExecuteWithin = <E>(
  request: HttpClientRequest.HttpClientRequest,
  limits: Limits<E>
) => Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError | E>

/** @internal */
export const makeTimed = (client: HttpClient.HttpClient, execute: ExecuteWithin): HttpClient.HttpClient =>
  Object.assign(client, { [executeWithin]: execute })

/**
 * What a client does by itself. One that was wrapped around another does nothing of the kind.
 *
 * @internal
 */
export const timedOf = (client: HttpClient.HttpClient): ExecuteWithin | undefined =>
  (client as { readonly [executeWithin]?: ExecuteWithin })[executeWithin]
