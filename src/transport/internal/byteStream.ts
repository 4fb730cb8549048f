/**
 * Bodies that are read piece by piece.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as Stream from "effect/Stream"
import { type OperationError, UnexpectedResponse, VargateError } from "../../errors/VargateError.ts"
import type { Operation, Transport } from "../Transport.ts"
import type { ForeignError } from "./foreignError.ts"

/**
 * The bytes of an answer as they arrive. The transport's deadline holds for the head, and then for each piece; its limit
 * for all of them together. Nothing is sent before the first pull.
 *
 * @internal
 */
export const byteStream = <E>(
  transport: Transport["Service"],
  operation: Operation & { readonly leaveOpen: string },
  opening: Effect.Effect<Stream.Stream<Uint8Array, HttpClientError.HttpClientError>, E>
): Stream.Stream<Uint8Array, Exclude<E, ForeignError> | OperationError> =>
  Stream.unwrap(Effect.map(transport.request(operation, opening), (body) => {
    let size = 0
    return Stream.transformPull(body, (pull) =>
      Effect.succeed(Effect.tap(
        // Each pull is a request of its own to the transport: it has a deadline, and its failures become ours.
        transport.request(operation, pull),
        (pieces) => {
          for (const { byteLength } of pieces) size += byteLength
          return size <= transport.maxBodyBytes ? Effect.void : Effect.fail(tooLarge(transport, operation))
        }
      )))
  }))

const tooLarge = ({ maxBodyBytes }: Transport["Service"], { leaveOpen, name, sideEffect }: Operation) =>
  new VargateError({
    operation: name,
    reason: new UnexpectedResponse({
      status: 200,
      contentType: leaveOpen ?? "",
      excerpt: "",
      detail: `its body is larger than ${maxBodyBytes} bytes`,
      sideEffect
    })
  })
