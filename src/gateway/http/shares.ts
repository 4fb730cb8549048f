/**
 * What one client can take of the gateway at a time: requests, large bodies, large answers. Connections are bounded before,
 * by the server.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpMethod from "effect/http/HttpMethod"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { maxBodyBytes } from "./bodyLimits.ts"
import { Budget } from "./Budget.ts"

/**
 * An answer that says why a request was not even looked at. Nothing has happened, and it may be sent again.
 *
 * @category answers
 * @since 0.1.0
 */
export const tooMany = (detail: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe({ detail: `Too many requests: ${detail}` }, {
    status: 429,
    headers: { "retry-after": "1" }
  })

/**
 * Requests of one address at a time. As many connections it has at most, unless it comes through a trusted proxy.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxRequests = 256

/** A body up to here needs no share: a tool call is no longer. */
const smallBody = 72 * 1024

/** What is written at a time: a slow reader holds no more of an answer in its connection. */
const slice = 64 * 1024

const MiB = 1024 * 1024

/**
 * The shares of one gateway's clients, by their addresses. A request without an address comes from the same process, and is
 * let through.
 *
 * @category models
 * @since 0.1.0
 */
export class Shares {
  private readonly requests = new Budget({ perOwner: maxRequests })
  private readonly bodies = new Budget({ perOwner: 8 * MiB, inAll: 32 * MiB })
  private readonly answers = new Budget({ perOwner: 16 * MiB, inAll: 64 * MiB })
  /** How many connections send an answer: one that is made once, such as a file, counts once. */
  private readonly readers = new Map<Uint8Array, number>()

  /** Handles a request of an address within its share, or says that it has none left. */
  within<E, R>(
    address: string | undefined,
    request: HttpServerRequest.HttpServerRequest,
    handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> {
    if (address === undefined) return handler
    return Effect.suspend(() => {
      if (!this.requests.take(address, 1)) {
        return Effect.succeed(tooMany(`this address has ${maxRequests} requests under way, as many as it may have`))
      }
      const size = sizeOf(request)
      const isLarge = size > smallBody
      if (isLarge && !this.bodies.take(address, size)) {
        this.requests.give(address, 1)
        return Effect.succeed(tooMany("the gateway is reading as many large bodies as it can at a time"))
      }
      return Effect.ensuring(
        handler,
        Effect.sync(() => {
          this.requests.give(address, 1)
          if (isLarge) this.bodies.give(address, size)
        })
      )
    })
  }

  /**
   * Writes a large answer piece by piece, each when the last one has been taken. It counts until the request's scope
   * closes, which is when it has gone out. Only what was asked for by GET is ever withheld: any other request has had
   * its effect, and its answer is owed.
   */
  bounded(
    address: string | undefined,
    { method }: HttpServerRequest.HttpServerRequest,
    response: HttpServerResponse.HttpServerResponse
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, never, Scope.Scope> {
    const { body } = response
    if (address === undefined || body._tag !== "Uint8Array" || body.body.byteLength <= slice) {
      return Effect.succeed(response)
    }
    const bytes = body.body
    return Effect.suspend(() => {
      const readers = this.readers.get(bytes) ?? 0
      const isOwed = method !== "GET" && method !== "HEAD"
      if (readers === 0 && !this.answers.take(address, bytes.byteLength, isOwed)) {
        return Effect.succeed(tooMany("large answers wait to be read. Read one before asking for the next"))
      }
      this.readers.set(bytes, readers + 1)
      return Effect.as(
        Effect.addFinalizer(() => Effect.sync(() => this.release(address, bytes))),
        HttpServerResponse.setBody(
          response,
          HttpBody.stream(Stream.fromIterable(slices(bytes)), body.contentType, bytes.byteLength)
        )
      )
    })
  }

  private release(address: string, bytes: Uint8Array): void {
    const readers = this.readers.get(bytes)! - 1
    if (readers > 0) return void this.readers.set(bytes, readers)
    this.readers.delete(bytes)
    this.answers.give(address, bytes.byteLength)
  }
}

/** How long a body may be; one that comes in chunks may be as long as any. */
const sizeOf = ({ headers, method }: HttpServerRequest.HttpServerRequest): number => {
  const length = headers["content-length"]
  if (length !== undefined) return Math.min(Number(length), maxBodyBytes)
  return HttpMethod.hasBody(method) && headers["transfer-encoding"] !== undefined ? maxBodyBytes : 0
}

const slices = function*(bytes: Uint8Array) {
  for (let start = 0; start < bytes.byteLength; start += slice) yield bytes.subarray(start, start + slice)
}
