// oxlint-disable-next-line typescript/triple-slash-reference -- a declaration for a file of undici has no other way in
/// <reference path="./undici.d.ts" />
/**
 * The fast `HttpClient` for Node: straight on undici's `dispatch`, at the price of a bare `undici.request`. Put it
 * where `FetchHttpClient.layer` would stand.
 *
 * **Details**
 *
 * Nothing is sent twice, no redirect is followed, no span is opened and no header is added. An interruption ends the
 * request and its connection. An answer of up to 64 KiB with a declared length, or that is JSON, is handed out when it is
 * complete; any other when its head is there, or once 64 KiB of its JSON are, and its connection waits for a reader who is
 * slow.
 *
 * **Example** (In the place of fetch)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Vargate } from "effect-vargate"
 * import * as NodeTransport from "effect-vargate/node/NodeTransport"
 *
 * export const layer = Vargate.layerConfig().pipe(Layer.provide(NodeTransport.layer))
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Cookies from "effect/http/Cookies"
import * as Headers from "effect/http/Headers"
import type * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Url from "effect/http/Url"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { IncomingHttpHeaders } from "node:http"
import type { buildConnector, Dispatcher } from "undici"
import Agent from "undici/lib/dispatcher/agent.js"
import { compileSchemas } from "../calls/internal/compiledSchemas.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { ByteGatherer } from "../internal/byteGatherer.ts"
import { BufferedResponse, type ResponseHead } from "../transport/internal/BufferedResponse.ts"
import { type Limits, makeTimed } from "../transport/internal/timedClient.ts"
import { ArrivingBody } from "./internal/ArrivingBody.ts"
import { ArrivingResponse } from "./internal/ArrivingResponse.ts"

/**
 * How connections are kept. Times are in milliseconds.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Connections to one gateway at most; further requests wait their turn. Default: 128. */
  readonly connections?: number | undefined
  /** How long an idle connection is kept, unless the gateway says less. Default: 4 seconds. */
  readonly keepAliveTimeout?: number | undefined
  /** Time for name look-up, connecting and TLS. Default: 10 seconds. */
  readonly connectTimeout?: number | undefined
  /** Time until the head of the answer is there; 0 for none. Default: 5 minutes. */
  readonly headersTimeout?: number | undefined
  /** Time between two parts of the answer's body; 0 for none. Default: 5 minutes. */
  readonly bodyTimeout?: number | undefined
  /** The largest head of an answer, in bytes. Default: 16 KiB. */
  readonly maxHeaderSize?: number | undefined
  /** Certificates, a Unix socket: what undici's connector takes. */
  readonly connect?: buildConnector.BuildOptions | undefined
}

/**
 * An `HttpClient` over a dispatcher of your own: a proxy agent, a mock, another pool.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (dispatcher: Dispatcher): HttpClient.HttpClient => {
  compileSchemas()
  return makeTimed(
    HttpClient.makeWith(
      Effect.flatMap((request: HttpClientRequest.HttpClientRequest) => send(dispatcher, request)),
      (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
    ),
    (request, limit) => send(dispatcher, request, limit)
  )
}

/**
 * An `HttpClient` with connections of its own, which are closed together with the layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.effect(
  HttpClient.HttpClient,
  Effect.suspend(() => open({}))
)

/**
 * The same with options. Fails with `InvalidRequest` where one is not a number that makes sense.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<HttpClient.HttpClient, VargateError> =>
  Layer.effect(HttpClient.HttpClient, Effect.andThen(checkOptions(options), Effect.suspend(() => open(options))))

const open = (options: Options) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Agent({ connections: 128, pipelining: 1, ...definedOf(options) })),
      (agent) => Effect.promise(() => agent.destroy())
    ),
    make
  )

const definedOf = (options: Options) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

/** undici itself looks at them only when it connects, in the middle of a call. */
const checkOptions = (options: Options): Effect.Effect<void, VargateError> => {
  const mayBeZero = new Set(["headersTimeout", "bodyTimeout"])
  const issues = Object.entries(options).flatMap(([name, value]) => {
    const least = mayBeZero.has(name) ? 0 : 1
    return name === "connect" || value === undefined || (Number.isSafeInteger(value) && value >= least)
      ? []
      : [{ path: [name], message: `must be a whole number from ${least} on` }]
  })
  return issues.length === 0
    ? Effect.void
    : Effect.fail(invalidRequest("NodeTransport.layerWith", issues))
}

// --- sending ---------------------------------------------------------------------------------------------------------

type Sent<E = never> = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError | E>

/** How long the head of the answer may take, and what then. */
type Limit<E> = Pick<Limits<E>, "millis" | "onLate">

const send = <E = never>(
  dispatcher: Dispatcher,
  request: HttpClientRequest.HttpClientRequest,
  limit?: Limit<E>
): Sent<E> => {
  const place = placeOf(request)
  if (place === undefined) {
    return fail(new HttpClientError.InvalidUrlError({ request, description: "not an http or https URL" }))
  }
  const { body } = request
  switch (body._tag) {
    case "Empty":
      return exchange(dispatcher, request, place, null, limit)
    case "Uint8Array":
      return exchange(dispatcher, request, place, body.text ?? body.body, limit)
    case "Raw":
      return exchange(dispatcher, request, place, body.body as Dispatcher.DispatchOptions["body"], limit)
    case "Stream":
      return Effect.flatMap(
        Effect.context(),
        (context) =>
          exchange(dispatcher, request, place, Stream.toAsyncIterableWith(body.stream, context) as never, limit)
      )
    case "FormData":
      return sendForm(dispatcher, request, place, body, limit)
  }
}

/** Only a web `Response` writes multipart bodies, and only it knows the boundary. */
const sendForm = <E>(
  dispatcher: Dispatcher,
  request: HttpClientRequest.HttpClientRequest,
  place: Place,
  { formData }: HttpBody.FormData,
  limit: Limit<E> | undefined
): Sent<E> => {
  const form = new Response(formData)
  return Effect.flatMap(Effect.promise(() => form.bytes()), (bytes) =>
    exchange(
      dispatcher,
      HttpClientRequest.setHeader(request, "content-type", form.headers.get("content-type")!),
      place,
      bytes,
      limit
    ))
}

const fail = (reason: HttpClientError.HttpClientErrorReason) =>
  Effect.fail(new HttpClientError.HttpClientError({ reason }))

/** An answer up to this size is waited for as a whole, which spares its reader a second step. */
const smallBody = 64 * 1024

const exchange = <E>(
  dispatcher: Dispatcher,
  request: HttpClientRequest.HttpClientRequest,
  place: Place,
  body: Dispatcher.DispatchOptions["body"],
  limit: Limit<E> | undefined
): Sent<E> =>
  Effect.callback((resume) => {
    const handler = new Handler(request, (sent) => {
      clearTimeout(timer)
      resume(sent)
    })
    const timer = limit && setTimeout(() => {
      // First, since the end of the exchange is an error of its own.
      resume(limit.onLate())
      handler.interrupt()
    }, limit.millis)
    dispatcher.dispatch(
      {
        origin: place.origin,
        path: place.path,
        method: request.method as Dispatcher.HttpMethod,
        headers: request.headers,
        body: body!
      },
      handler
    )
    return Effect.sync(() => {
      clearTimeout(timer)
      handler.interrupt()
    })
  })

/** What undici calls while a request is sent and its answer arrives. */
class Handler implements Dispatcher.DispatchHandler {
  private readonly request: HttpClientRequest.HttpClientRequest
  private readonly resume: (sent: Sent) => void
  private controller: Dispatcher.DispatchController | undefined
  private isInterrupted = false
  private head: Head | undefined
  private readonly small = new ByteGatherer()
  private arriving: ArrivingBody | undefined

  constructor(request: HttpClientRequest.HttpClientRequest, resume: (sent: Sent) => void) {
    this.request = request
    this.resume = resume
  }

  interrupt() {
    this.isInterrupted = true
    this.controller?.abort(new Error("interrupted"))
  }

  onRequestStart(controller: Dispatcher.DispatchController) {
    this.controller = controller
    if (this.isInterrupted) controller.abort(new Error("interrupted"))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders) {
    // 1xx is word that an answer will come.
    if (status < 200) return
    this.head = new Head(this.request, status, headers)
    if (!isSmall(this.request.method, status, headers)) this.handOut(this.head, controller)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array) {
    if (this.arriving !== undefined) return this.arriving.push(chunk)
    this.small.add(chunk)
    if (this.small.size > smallBody) this.handOut(this.head!, controller)
  }

  private handOut(head: Head, controller: Dispatcher.DispatchController) {
    this.arriving = new ArrivingBody(controller)
    if (this.small.size > 0) this.arriving.push(this.small.join())
    this.resume(Effect.succeed(new ArrivingResponse(head, this.arriving)))
  }

  onResponseEnd() {
    if (this.arriving !== undefined) return this.arriving.end()
    this.resume(Effect.succeed(new BufferedResponse(this.head!, this.small.join())))
  }

  onResponseError(_: Dispatcher.DispatchController, cause: Error) {
    if (this.arriving !== undefined) return this.arriving.fail(cause)
    const { request } = this
    // What undici cannot write it refuses before anything starts.
    const isRefused = this.controller === undefined && "code" in cause && cause.code === "UND_ERR_INVALID_ARG"
    this.resume(fail(new HttpClientError[isRefused ? "EncodeError" : "TransportError"]({ request, cause })))
  }
}

/** Whether an answer is small, or may be: behind a proxy that compresses or streams, JSON comes without a length. */
const isSmall = (method: string, status: number, headers: IncomingHttpHeaders): boolean => {
  const length = headers["content-length"]
  return method === "HEAD" || status === 204 || status === 304 ||
    (length === undefined ? isJson(headers["content-type"]) : Number(length) <= smallBody)
}

const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && contentType.startsWith("application/json")

/** Most answers are read for their bodies alone. */
class Head implements ResponseHead {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  private readonly incoming: IncomingHttpHeaders
  private asked: Headers.Headers | undefined

  constructor(request: HttpClientRequest.HttpClientRequest, status: number, incoming: IncomingHttpHeaders) {
    this.request = request
    this.status = status
    this.incoming = incoming
  }

  get headers() {
    return this.asked ??= headersOf(this.incoming)
  }

  get cookies() {
    return Cookies.fromSetCookie(this.incoming["set-cookie"] ?? [])
  }
}

/** undici returns names in lower case, in a new object for each answer, and lists only what was repeated. */
const headersOf = (headers: IncomingHttpHeaders): Headers.Headers =>
  Object.values(headers).some(Array.isArray)
    ? Headers.fromInput(headers)
    : Headers.fromRecordUnsafe(headers as Record<string, string>)

// --- where to --------------------------------------------------------------------------------------------------------

interface Place {
  readonly origin: string
  readonly path: string
}

/** URLs that read the same after parsing: no user, no upper case, no dots to resolve, nothing to escape. */
const plainUrl = /^(https?:\/\/[a-z0-9.-]+(?::[1-9]\d{0,4})?)((?:\/[\w~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@%-]*)+)$/

/** Parsing a URL costs more than everything else here, and a program says the same few over and over. */
const placeOf = (request: HttpClientRequest.HttpClientRequest): Place | undefined => {
  if (request.urlParams.params.length === 0) {
    if (last?.url === request.url) return last.place
    const plain = plainUrl.exec(request.url)
    if (plain !== null) {
      const place = { origin: plain[1]!, path: plain[2]! }
      last = { url: request.url, place }
      return place
    }
  }
  const parsed = Url.make(request.url, request.urlParams, Option.getOrUndefined(request.hash))
  if (Result.isFailure(parsed)) return undefined
  const { origin, pathname, protocol, search } = parsed.success
  return protocol === "http:" || protocol === "https:" ? { origin, path: pathname + search } : undefined
}

let last: { readonly url: string; readonly place: Place } | undefined
