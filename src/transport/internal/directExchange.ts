/**
 * How an operation is carried out that happens so often that the derived client's steps count: its request is written, and
 * its answer read, by the caller. Deadline, limits, keys and errors are those of `Transport.request`.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as HttpBody from "effect/http/HttpBody"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { OperationError, SideEffect, VargateError } from "../../errors/VargateError.ts"
import type { BufferedResponse } from "./BufferedResponse.ts"
import type { ForeignError } from "./foreignError.ts"

/**
 * Sends a request once, and has its whole answer read.
 *
 * @internal
 */
export type DirectExchange = <A, E>(
  operation: {
    readonly name: string
    readonly sideEffect: SideEffect
    /** Runs when the key is known and nothing is sent yet; nothing is where it fails. */
    readonly before?: Effect.Effect<void, VargateError> | undefined
  },
  request: HttpClientRequest.HttpClientRequest,
  body: HttpBody.HttpBody,
  read: (answer: BufferedResponse) => Effect.Effect<A, E>
) => Effect.Effect<A, Exclude<E, ForeignError> | OperationError>

/** By the `request` of their transport. */
const exchanges = new WeakMap<object, DirectExchange>()

/** @internal */
export const offerDirectExchange = (request: object, exchange: DirectExchange): void => {
  exchanges.set(request, exchange)
}

/**
 * None where `request` is not the transport's own: what a replacement does about an operation must not be bypassed.
 *
 * @internal
 */
export const directExchangeOf = ({ request }: { readonly request: object }): DirectExchange | undefined =>
  exchanges.get(request)
