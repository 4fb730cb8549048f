/**
 * What is too large for the gateway to read.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpMethod from "effect/http/HttpMethod"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { isNestedDeeper } from "../../internal/jsonNesting.ts"

/**
 * The longest body, in bytes: 1 MiB.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxBodyBytes = 1024 * 1024

/**
 * The deepest body: so many objects and arrays in one another. A measured gateway has no such limit: it takes deeper params
 * and answers 500 to every page of its log that shows them.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxBodyLevels = 1000

const tooLarge = HttpServerResponse.jsonUnsafe({ detail: "Request body too large" }, { status: 413 })

const tooDeep = HttpServerResponse.jsonUnsafe(
  {
    detail: [{ type: "value_error", loc: ["body"], msg: `Expected at most ${maxBodyLevels} levels of nesting` }]
  },
  { status: 422 }
)

/**
 * The answer to a body that is too long (413) or nested too deep (422); undefined for any other, also for one that never
 * ends: that is for its handler to find.
 *
 * @category refusals
 * @since 0.1.0
 */
export const refusalOfBody = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<HttpServerResponse.HttpServerResponse | undefined> => {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers
  if (length === undefined) {
    return HttpMethod.hasBody(request.method) || encoding !== undefined ? refusalOfText(request) : Effect.undefined
  }
  if (Number(length) > maxBodyBytes) return Effect.succeed(tooLarge)
  // Every level takes a byte, so most bodies need not even be read for it.
  return Number(length) > maxBodyLevels ? refusalOfText(request) : Effect.undefined
}

/** The handler finds the body read. */
const refusalOfText = (request: HttpServerRequest.HttpServerRequest) =>
  request.text.pipe(
    Effect.map((text) =>
      Buffer.byteLength(text) > maxBodyBytes
        ? tooLarge
        : isNestedDeeper(text, maxBodyLevels)
        ? tooDeep
        : undefined
    ),
    Effect.catch(({ reason }) =>
      Effect.succeed(
        reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge" ? tooLarge : undefined
      )
    )
  )
