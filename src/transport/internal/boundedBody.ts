/**
 * Keeps a response body from filling the memory.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"
import { ByteGatherer } from "../../internal/byteGatherer.ts"
import { BufferedResponse } from "./BufferedResponse.ts"

/**
 * Marks the error of a body that was refused for its size.
 *
 * @internal
 */
export class BodyTooLarge {
  readonly _tag = "BodyTooLarge"
  readonly limit: number
  constructor(limit: number) {
    this.limit = limit
  }
}

/**
 * The failure of a body that is larger than its limit.
 *
 * @internal
 */
export const refused = (response: HttpClientResponse.HttpClientResponse, limit: number) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.DecodeError({
      request: response.request,
      response,
      cause: new BodyTooLarge(limit)
    })
  })

/**
 * How long a body says that it is, if that tells anything. HTTP clients read no further, but where the body is compressed
 * it says nothing about what comes out.
 *
 * @internal
 */
export const declaredLength = (header: (name: string) => string | null | undefined): number | undefined => {
  const declared = header("content-length") ?? ""
  return /^\d+$/.test(declared) && (header("content-encoding") ?? "") === "" ? Number(declared) : undefined
}

/**
 * Refuses a body of more than `limit` bytes: by its declared length before anything is read, otherwise while it streams.
 *
 * @internal
 */
export const boundedBody = (
  response: HttpClientResponse.HttpClientResponse,
  limit: number
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  const declared = declaredLength((name) => response.headers[name])
  if (declared === undefined) return collect(response, limit)
  return declared <= limit ? Effect.succeed(response) : Effect.fail(refused(response, limit))
}

const collect = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse, limit: number) {
  const gathered = new ByteGatherer()
  yield* response.stream.pipe(
    Stream.runForEach((chunk) => {
      gathered.add(chunk)
      return gathered.size > limit ? Effect.fail(refused(response, limit)) : Effect.void
    }),
    // A response without a body (204, or an empty chunked one) has nothing to stream.
    Effect.catchIf(
      (error) => error.reason._tag === "EmptyBodyError",
      () => Effect.void
    )
  )
  return new BufferedResponse(response, gathered.join())
})
