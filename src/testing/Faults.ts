/**
 * Faults between a program and its gateway, by a seeded plan: lost requests, lost answers, cut bodies, error
 * pages of proxies. The same seed causes the same faults in the same order.
 *
 * **Example** (Does my agent act twice when answers get lost?)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Governed, Vargate } from "effect-vargate"
 * import * as Gateway from "effect-vargate/gateway/Gateway"
 * import * as Faults from "effect-vargate/testing/Faults"
 *
 * const flaky = Vargate.layer({ apiKey: Gateway.localTenant.apiKey }).pipe(
 *   Layer.provide(Faults.layer({ seed: 42, answerLost: 0.2, proxy502: 0.1 })),
 *   Layer.provide(Gateway.layerMemory())
 * )
 *
 * const test = Governed.run({ tool: "mail", method: "send" }, Effect.log("sending")).pipe(Effect.provide(flaky))
 * ```
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import { makeRandom } from "../internal/seededRandom.ts"
import { BufferedResponse } from "../transport/internal/BufferedResponse.ts"

/**
 * What can happen to a request.
 *
 * **Details**
 *
 * | fault | the gateway acts | the program sees |
 * | --- | --- | --- |
 * | `refused` | no | a connection that does not come about |
 * | `requestLost` | no | a connection that breaks |
 * | `answerLost` | yes | a connection that breaks |
 * | `bodyCut` | yes | an answer that breaks off |
 * | `delayed` | yes | the answer, late |
 * | `doubled` | yes | the answer late, and its body twice over |
 * | `garbage` | yes | a page of something else under a 200 |
 * | `limited429` | no | the tenant's limit |
 * | `opa502` | no | a policy engine that is away |
 * | `proxy502`, `unavailable503`, `error500` | by chance | an error page of another server |
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | "refused"
  | "requestLost"
  | "answerLost"
  | "bodyCut"
  | "delayed"
  | "doubled"
  | "garbage"
  | "limited429"
  | "opa502"
  | "proxy502"
  | "unavailable503"
  | "error500"

/**
 * How often each fault happens (a share from 0 to 1; together at most 1), and to which requests.
 *
 * @category options
 * @since 0.1.0
 */
export interface Plan extends Partial<Readonly<Record<Fault, number>>> {
  readonly seed: number
  /**
   * By how much `delayed` and `doubled` answers are late. Default: one minute on a test clock, past the default time-out;
   * 50 milliseconds on a live one, where a longer delay is for real.
   */
  readonly delay?: Duration.Input | undefined
  /** Which requests may be hit. Default: tool calls. */
  readonly applies?: ((request: HttpClientRequest.HttpClientRequest) => boolean) | undefined
}

/**
 * What the plan has done so far.
 *
 * @category services
 * @since 0.1.0
 */
export class Faults extends Context.Service<Faults, {
  /** How often each fault happened. */
  readonly counts: Effect.Effect<Readonly<Partial<Record<Fault, number>>>>
}>()("effect-vargate/testing/Faults") {}

/**
 * Puts the plan between a program and the `HttpClient` in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  plan: Plan
): Layer.Layer<HttpClient.HttpClient | Faults, never, HttpClient.HttpClient> =>
  Layer.effectContext(Effect.map(HttpClient.HttpClient, (client) => {
    const counts: Partial<Record<Fault, number>> = {}
    const random = makeRandom(plan.seed)
    const applies = plan.applies ?? isToolCall
    const faulty = HttpClient.transform(client, (send, request) => {
      if (!applies(request)) return send
      const fault = choose(plan, random())
      // Drawn for every request, so that changing one share does not reshuffle the rest.
      const chance = random()
      if (fault === undefined) return send
      counts[fault] = (counts[fault] ?? 0) + 1
      return inflict(fault, chance, send, request, plan.delay)
    })
    return Context.make(HttpClient.HttpClient, faulty).pipe(
      Context.add(Faults, { counts: Effect.sync(() => ({ ...counts })) })
    )
  }))

const isToolCall = (request: HttpClientRequest.HttpClientRequest) => request.url.endsWith("/mcp/tools/call")

const faults: ReadonlyArray<Fault> = [
  "refused",
  "requestLost",
  "answerLost",
  "bodyCut",
  "delayed",
  "doubled",
  "garbage",
  "limited429",
  "opa502",
  "proxy502",
  "unavailable503",
  "error500"
]

const choose = (plan: Plan, draw: number): Fault | undefined => {
  let left = draw
  return faults.find((fault) => (left -= plan[fault] ?? 0) < 0)
}

type Send = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>

const inflict = (
  fault: Fault,
  chance: number,
  send: Send,
  request: HttpClientRequest.HttpClientRequest,
  delay: Duration.Input | undefined
): Send => {
  const late = Clock.clockWith((clock) => Effect.sleep(delay ?? ("adjust" in clock ? "1 minute" : "50 millis")))
  const broken = (code: string) =>
    Effect.fail(
      new HttpClientError.HttpClientError({
        reason: new HttpClientError.TransportError({ request, cause: Object.assign(new Error(code), { code }) })
      })
    )
  const page = (status: number, contentType: string, text: string) =>
    Effect.succeed(
      new BufferedResponse(
        { request, status, headers: Headers.fromInput({ "content-type": contentType }) },
        new TextEncoder().encode(text)
      )
    )
  const perhaps = chance < 0.5 ? Effect.exit(send) : Effect.void
  switch (fault) {
    case "refused":
      return broken("ECONNREFUSED")
    case "requestLost":
      return broken("ECONNRESET")
    case "answerLost":
      return Effect.andThen(send, broken("ECONNRESET"))
    case "bodyCut":
      return Effect.flatMap(send, (response) => cut(response, chance))
    case "delayed":
      return Effect.tap(send, () => late)
    case "doubled":
      return Effect.flatMap(Effect.tap(send, () => late), doubled)
    case "garbage":
      return Effect.andThen(send, page(200, "text/html", "<html><body>Welcome to the network</body></html>"))
    case "limited429":
      return page(429, json, "{\"detail\":{\"error\":\"rate_limit_exceeded\",\"rate_limit_burst\":1000}}")
    case "opa502":
      return page(502, json, "{\"detail\":\"OPA unreachable: All connection attempts failed\"}")
    case "proxy502":
      return Effect.andThen(perhaps, page(502, "text/html", "<html><h1>502 Bad Gateway</h1></html>"))
    case "unavailable503":
      return Effect.andThen(perhaps, page(503, "text/html", "<html><h1>503 Service Unavailable</h1></html>"))
    case "error500":
      return Effect.andThen(perhaps, page(500, "text/plain", "Internal Server Error"))
  }
}

const json = "application/json"

/** Ends the body early, and the connection with it. */
const cut = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse, chance: number) {
  const bytes = new Uint8Array(yield* response.arrayBuffer)
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes.slice(0, Math.floor(bytes.length * chance))),
    pull: (controller) => controller.error(Object.assign(new Error("other side closed"), { code: "UND_ERR_SOCKET" }))
  })
  return HttpClientResponse.fromWeb(
    response.request,
    new Response(body, {
      status: response.status,
      headers: { "content-type": response.headers["content-type"] ?? json }
    })
  )
})

const doubled = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse) {
  const text = yield* response.text
  const { request, status } = response
  return new BufferedResponse(
    { request, status, headers: Headers.fromInput({ "content-type": json }) },
    new TextEncoder().encode(text + text)
  )
})
