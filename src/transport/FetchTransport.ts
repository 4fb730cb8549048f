/**
 * The fast `HttpClient` over `fetch`, for programs that do not run on Node: browsers, edges, Deno, Bun. Put it where
 * `FetchHttpClient.layer` would stand.
 *
 * **Details**
 *
 * Nothing is sent twice, no redirect is followed, and no span is opened for a tool call. Its answer is read as it arrives,
 * without a stream, and an interruption or a deadline ends the request. Everything else is left to `FetchHttpClient`, whose
 * `Fetch` says which `fetch` is used; of `RequestInit` nothing is.
 *
 * **Example** (In the place of FetchHttpClient)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { FetchTransport, Vargate } from "effect-vargate"
 *
 * export const layer = Vargate.layerConfig().pipe(Layer.provide(FetchTransport.layer))
 * ```
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Url from "effect/http/Url"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { ByteGatherer } from "../internal/byteGatherer.ts"
import { declaredLength, refused } from "./internal/boundedBody.ts"
import { BufferedResponse } from "./internal/BufferedResponse.ts"
import { type ExecuteWithin, makeTimed } from "./internal/timedClient.ts"

type Fetch = typeof globalThis.fetch

/** A redirect that is followed is a call to another server, with the key. */
const init = { redirect: "manual" } as const satisfies RequestInit

const make = Effect.gen(function*() {
  const client = HttpClient.transformResponse(
    yield* HttpClient.HttpClient,
    Effect.provideService(FetchHttpClient.RequestInit, init)
  )
  return makeTimed(client, executeWithin(client, yield* FetchHttpClient.Fetch))
})

/**
 * An `HttpClient` over the `fetch` of `FetchHttpClient.Fetch`, by default that of the runtime.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<HttpClient.HttpClient> = Layer.effect(HttpClient.HttpClient, make).pipe(
  Layer.provide(FetchHttpClient.layer)
)

// --- sending ---------------------------------------------------------------------------------------------------------

const unset = Context.get(Context.empty(), FetchHttpClient.Fetch)

const executeWithin = (client: HttpClient.HttpClient, given: Fetch): ExecuteWithin => (request, limits) => {
  const { body } = request
  // A body of another kind, and a length that `fetch` writes itself, are not those of a tool call.
  if (body._tag !== "Uint8Array" || request.headers["content-length"] !== undefined) {
    return Effect.timeoutOrElse(client.execute(request), { duration: limits.millis, orElse: limits.onLate })
  }
  const url = Url.make(request.url, request.urlParams, Option.getOrUndefined(request.hash))
  if (Result.isFailure(url)) {
    const reason = new HttpClientError.InvalidUrlError({ request, cause: url.failure })
    return Effect.fail(new HttpClientError.HttpClientError({ reason }))
  }
  return Effect.withFiber((fiber) => {
    const own = fiber.getRef(FetchHttpClient.Fetch)
    const fetch = own === unset ? given : own
    return Effect.callback((resume) => {
      const controller = new AbortController()
      const timer = setTimeout(() => {
        // First, since the end of the exchange is an error of its own.
        resume(limits.onLate())
        controller.abort()
      }, limits.millis)
      const sending = {
        ...init,
        method: request.method,
        headers: request.headers,
        body: body.text ?? body.body as Uint8Array<ArrayBuffer>,
        signal: controller.signal
      }
      void exchange(() => fetch(url.success, sending), request, limits.bytesOf).then((sent) => {
        clearTimeout(timer)
        resume(sent)
        // The rest of an answer that is refused is not wanted.
        if (Exit.isFailure(sent)) controller.abort()
      })
      return Effect.sync(() => {
        clearTimeout(timer)
        controller.abort()
      })
    })
  })
}

type Sent = Exit.Exit<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

/** Never rejects. */
const exchange = async (
  send: () => Promise<Response>,
  request: HttpClientRequest.HttpClientRequest,
  limitOf: (response: HttpClientResponse.HttpClientResponse) => number
): Promise<Sent> => {
  let answer: HttpClientResponse.HttpClientResponse | undefined
  try {
    const response = await send()
    answer = HttpClientResponse.fromWeb(request, response)
    const limit = limitOf(answer)
    if ((declaredLength((name) => response.headers.get(name)) ?? 0) > limit) return Exit.fail(refused(answer, limit))
    const gathered = new ByteGatherer()
    const reader = response.body?.getReader()
    for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) {
      gathered.add(read.value)
      if (gathered.size > limit) return Exit.fail(refused(answer, limit))
    }
    return Exit.succeed(new BufferedResponse(answer, gathered.join()))
  } catch (cause) {
    const reason = answer === undefined
      ? new HttpClientError.TransportError({ request, cause })
      // The request was sent, whatever the rest failed with.
      : new HttpClientError.DecodeError({ request, response: answer, cause })
    return Exit.fail(new HttpClientError.HttpClientError({ reason }))
  }
}
