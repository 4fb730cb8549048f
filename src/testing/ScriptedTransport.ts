/**
 * A scripted wire: answers in, requests out. Nothing leaves the process.
 *
 * **Example** (Scripting two answers)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ToolCalls, Vargate } from "effect-vargate"
 * import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
 *
 * const test = Effect.gen(function*() {
 *   const wire = yield* ScriptedTransport.ScriptedTransport
 *   yield* ToolCalls.call({ tool: "http", method: "GET" })
 *   return yield* wire.requests
 * }).pipe(Effect.provide(
 *   Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(
 *     ScriptedTransport.layer([ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" })])
 *   ))
 * ))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import { CurrentLedger } from "../approvals/internal/ledgers.ts"
import { BufferedResponse } from "../transport/internal/BufferedResponse.ts"

/**
 * A request as it left the client. The key is not in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SentRequest {
  readonly method: string
  readonly path: string
  /** The body's text, or "" without one. */
  readonly text: string
  /** The body read as JSON, or undefined. */
  readonly body: unknown
}

/**
 * One step of a script.
 *
 * @category models
 * @since 0.1.0
 */
export type Step =
  | {
    readonly _tag: "Answer"
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly text: string
    /** Breaks the connection after this many characters of the body. */
    readonly cutAfter?: number | undefined
    readonly delay?: Duration.Input | undefined
  }
  /** The connection breaks after the request was sent. */
  | { readonly _tag: "Disconnect" }
  /** No connection comes about: nothing is sent. */
  | { readonly _tag: "Refuse" }
  /** No answer ever comes. */
  | { readonly _tag: "Hang" }

/**
 * The record of what was sent.
 *
 * @category services
 * @since 0.1.0
 */
export class ScriptedTransport extends Context.Service<ScriptedTransport, {
  readonly requests: Effect.Effect<ReadonlyArray<SentRequest>>
}>()("effect-vargate/testing/ScriptedTransport") {}

/**
 * Answers with a JSON body.
 *
 * @category steps
 * @since 0.1.0
 */
export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Step =>
  text(status, JSON.stringify(body), { "content-type": "application/json", ...headers })

/**
 * Answers with exactly this text and these headers.
 *
 * @category steps
 * @since 0.1.0
 */
export const text = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): Step => ({
  _tag: "Answer",
  status,
  headers,
  text
})

/**
 * Breaks the connection after `characters` of the answer's body.
 *
 * @category steps
 * @since 0.1.0
 */
export const cut = (step: Step, characters: number): Step =>
  step._tag === "Answer" ? { ...step, cutAfter: characters } : step

/**
 * Answers only after a while.
 *
 * @category steps
 * @since 0.1.0
 */
export const delayed = (step: Step, delay: Duration.Input): Step => step._tag === "Answer" ? { ...step, delay } : step

/**
 * Breaks the connection after the request was sent: the outcome is unknown.
 *
 * @category steps
 * @since 0.1.0
 */
export const disconnect: Step = { _tag: "Disconnect" }

/**
 * Refuses the connection: nothing is sent.
 *
 * @category steps
 * @since 0.1.0
 */
export const refuse: Step = { _tag: "Refuse" }

/**
 * Never answers.
 *
 * @category steps
 * @since 0.1.0
 */
export const hang: Step = { _tag: "Hang" }

/**
 * An `HttpClient` that answers by the script, one step a request, or by a function of the request.
 *
 * **Details**
 *
 * A request beyond the script, or one that the function does not answer, is a defect whose message shows it: a test
 * that sends more than it says is wrong.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  script: ReadonlyArray<Step> | ((request: SentRequest, index: number) => Step | undefined)
): Layer.Layer<ScriptedTransport | HttpClient.HttpClient> =>
  Layer.effectContext(Effect.sync(() => {
    const requests: Array<SentRequest> = []
    let played = 0
    const client = HttpClient.makeWith(
      Effect.flatMap((request: HttpClientRequest.HttpClientRequest) => {
        const sent = readRequest(request)
        const index = played++
        const step = typeof script === "function" ? script(sent, index) : script[index]
        if (step?._tag !== "Refuse") requests.push(sent)
        return step === undefined
          ? Effect.die(new Error(`Unscripted request: ${sent.method} ${sent.path} ${sent.text}`))
          : play(step, request)
      }),
      (request: HttpClientRequest.HttpClientRequest) => Effect.succeed(request)
    )
    return Context.make(HttpClient.HttpClient, client).pipe(
      Context.add(ScriptedTransport, { requests: Effect.sync(() => requests.slice()) }),
      Context.add(CurrentLedger, { name: "script" })
    )
  }))

const play = (
  step: Step,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  switch (step._tag) {
    case "Hang":
      return Effect.never
    case "Refuse":
      return Effect.fail(transportError(request, "ECONNREFUSED", "connection refused"))
    case "Disconnect":
      return Effect.fail(transportError(request, "ECONNRESET", "connection reset by peer"))
    case "Answer": {
      const answer = Effect.sync(() => respond(step, request))
      return step.delay === undefined ? answer : Effect.delay(answer, step.delay)
    }
  }
}

const respond = (
  step: Extract<Step, { readonly _tag: "Answer" }>,
  request: HttpClientRequest.HttpClientRequest
): HttpClientResponse.HttpClientResponse => {
  const bytes = new TextEncoder().encode(step.text.slice(0, step.cutAfter))
  if (step.cutAfter === undefined || isBodyless(step.status)) {
    return new BufferedResponse({ request, status: step.status, headers: Headers.fromInput(step.headers) }, bytes)
  }
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes),
    pull: (controller) => controller.error(Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }))
  })
  return HttpClientResponse.fromWeb(request, new Response(body, { status: step.status, headers: step.headers }))
}

/** There is nothing to cut in these, and no web `Response` with a body can have such a status. */
const isBodyless = (status: number) => status < 200 || status === 204 || status === 205 || status === 304

const transportError = (request: HttpClientRequest.HttpClientRequest, code: string, message: string) =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request, cause: Object.assign(new Error(message), { code }) })
  })

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const readRequest = (request: HttpClientRequest.HttpClientRequest): SentRequest => {
  const { body } = request
  const text = body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : ""
  const path = request.url.replace(/^[a-z]+:\/\/[^/]*/, "")
  const query = new URLSearchParams(request.urlParams.params.map(([key, value]) => [key, String(value)])).toString()
  return {
    method: request.method,
    path: query === "" ? path : `${path}?${query}`,
    text,
    body: parsed(text)
  }
}
