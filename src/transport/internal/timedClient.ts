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
 * Sends a request. When so many milliseconds have passed before the head of the answer is there, it ends the exchange and
 * continues with `onLate`.
 *
 * @internal
 */
export type ExecuteWithin = <E>(
  request: HttpClientRequest.HttpClientRequest,
  millis: number,
  onLate: () => Effect.Effect<never, E>
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
