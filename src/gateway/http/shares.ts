/**
 * What one client can take of the gateway at a time: requests, large bodies, large answers. Connections are bounded before,
 * by the server.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpMethod from "effect/http/HttpMethod"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
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

/**
 * A body up to here needs no share: a tool call is no longer.
 *
 * @category constants
 * @since 0.2.0
 */
export const smallBody = 72 * 1024

/** What is written at a time: a slow reader holds no more of an answer in its connection. */
const slice = 64 * 1024

const MiB = 1024 * 1024

/**
 * The shares of one gateway's clients, by their addresses, and for large bodies by their tenants. A request without an
 * address comes from the same process, and is let through.
 *
 * @category models
 * @since 0.1.0
 */
export class Shares {
  private readonly requests = new Budget({ perOwner: maxRequests })
  /** Of tenants, by their ids; and of clients that have shown no key, by their addresses: they crowd out each other alone. */
  private readonly bodies = {
    known: new Budget({ perOwner: 8 * MiB, inAll: 32 * MiB }),
    unknown: new Budget({ perOwner: 2 * MiB, inAll: 8 * MiB })
  }
  private readonly answers = new Budget({ perOwner: 16 * MiB, inAll: 64 * MiB })
  /** How many connections send an answer: one that is made once, such as a file, counts once. */
  private readonly readers = new Map<Uint8Array, number>()

  /**
   * Handles a request of an address within its share, or says that it has none left. Whose key a request has is asked
   * where its body is large.
   */
  within<E, R>(
    address: string | undefined,
    request: HttpServerRequest.HttpServerRequest,
    tenantId: Effect.Effect<string | undefined>,
    handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> {
    if (address === undefined) return handler
    return Effect.suspend(() => {
      if (!this.enter(address)) {
        return Effect.succeed(tooMany(`this address has ${maxRequests} requests under way, as many as it may have`))
      }
      const size = sizeOf(request)
      return Effect.ensuring(
        size > smallBody
          ? Effect.flatMap(tenantId, (tenantId) => this.reading(address, tenantId, size, handler))
          : handler,
        Effect.sync(() => this.leave(address))
      )
    })
  }

  /** Takes the share of a request with a small body. False where there is none left. */
  enter(address: string | undefined): boolean {
    return address === undefined || this.requests.take(address, 1)
  }

  /** Returns that share. */
  leave(address: string | undefined): void {
    if (address !== undefined) this.requests.give(address, 1)
  }

  private reading<E, R>(
    address: string,
    tenantId: string | undefined,
    size: number,
    handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> {
    const [budget, owner] = tenantId === undefined
      ? [this.bodies.unknown, address] as const
      : [this.bodies.known, tenantId] as const
    return Effect.suspend(() =>
      budget.take(owner, size)
        ? Effect.ensuring(handler, Effect.sync(() => budget.give(owner, size)))
        : Effect.succeed(tooMany("the gateway is reading as many large bodies as it can at a time"))
    )
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

  /**
   * Counts an answer that is owed and written at once, if it is large. What comes out is to be run when it has gone out,
   * or its reader has.
   */
  owe(address: string | undefined, bytes: number): (() => void) | undefined {
    if (address === undefined || !(bytes > slice)) return undefined
    this.answers.take(address, bytes, true)
    return () => this.answers.give(address, bytes)
  }

  private release(address: string, bytes: Uint8Array): void {
    const readers = this.readers.get(bytes)! - 1
    if (readers > 0) return void this.readers.set(bytes, readers)
    this.readers.delete(bytes)
    this.answers.give(address, bytes.byteLength)
  }
}

/**
 * The shares of the gateway at hand.
 *
 * @category services
 * @since 0.2.0
 */
export class ClientShares extends Context.Service<ClientShares, Shares>()("effect-vargate/gateway/ClientShares") {}

/**
 * Fresh shares.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<ClientShares> = Layer.sync(ClientShares, () => new Shares())

/** How much of a large body must arrive in how long, so that it keeps its share. */
const pace = { bytes: 16 * 1024, within: "5 seconds" } as const

/**
 * What reads a body; or, where that is large and has stopped to arrive, the answer that ends the request and its connection.
 *
 * @category refusals
 * @since 0.2.0
 */
export const paced = <A, E, R>(
  request: HttpServerRequest.HttpServerRequest,
  read: Effect.Effect<A, E, R>
): Effect.Effect<A | HttpServerResponse.HttpServerResponse, E, R | Scope.Scope> => {
  const socket: unknown = Reflect.get(request.source, "socket")
  if (sizeOf(request) <= smallBody || !Predicate.hasProperty(socket, "bytesRead")) return read
  const arrived = Effect.sync(() => Number(socket.bytesRead))
  const stalled = Effect.gen(function*() {
    for (let [before, now] = [-Infinity, yield* arrived]; now - before >= pace.bytes;) {
      yield* Effect.sleep(pace.within)
      before = now
      now = yield* arrived
    }
    return HttpServerResponse.setHeader(tooMany("the body has stopped to arrive"), "connection", "close")
  })
  // Reading ends with the request, and not before its answer has gone out: its end is that of the connection.
  return Effect.flatMap(Effect.forkScoped(read), (reading) => Effect.raceFirst(Fiber.join(reading), stalled))
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
