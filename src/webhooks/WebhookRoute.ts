/**
 * Puts `Webhooks` on the network: as a route of an HTTP router, or as a `fetch`-style handler for edge runtimes.
 *
 * | status | body | when |
 * | --- | --- | --- |
 * | 200 | `{"status":"accepted"}` | consumed |
 * | 200 | `{"status":"duplicate"}` | consumed when it came before |
 * | 400, 401, 413 | `{"detail"}` | refused: see the reasons of `WebhookRefused` |
 * | 405, 415 | `{"detail"}` | no POST, no JSON |
 * | 500 | `{"detail"}` | the consumer failed |
 * | 503 | none | the service is closing |
 *
 * The gateway sends again what is not answered with a 2xx.
 *
 * @since 0.1.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import type { WebhookRefused } from "../errors/WebhookError.ts"
import { signatureHeader } from "./internal/webhookSignature.ts"
import { Webhooks } from "./Webhooks.ts"

const refuse = (status: number, detail: string, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.jsonUnsafe({ detail }, { status, headers })

const statuses: Readonly<Record<WebhookRefused["reason"]["_tag"], number>> = {
  MissingSignature: 401,
  MalformedSignature: 401,
  WrongSignature: 401,
  OutsideTolerance: 400,
  UnreadableBody: 400,
  BodyTooLarge: 413
}

/**
 * Answers the request at hand with the given service.
 *
 * @category constructors
 * @since 0.1.0
 */
export const answerWith = (
  webhooks: Webhooks["Service"]
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest> =>
  Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.method !== "POST") return refuse(405, "Only POST is answered here", { allow: "POST" })
    if (!/^application\/json\s*(?:;|$)/i.test(request.headers["content-type"] ?? "")) {
      return refuse(415, "The gateway sends application/json")
    }
    const tooLarge = refuse(413, `The body is longer than ${webhooks.maxBodyBytes} bytes`)
    if (Number(request.headers["content-length"]) > webhooks.maxBodyBytes) return tooLarge
    return yield* request.arrayBuffer.pipe(
      Effect.matchEffect({
        onFailure: ({ reason }) =>
          Effect.succeed(
            reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
              ? tooLarge
              : refuse(400, "The body ended early")
          ),
        onSuccess: (body) =>
          webhooks.receive(new Uint8Array(body), request.headers[signatureHeader]).pipe(
            Effect.map(({ isDuplicate }) =>
              HttpServerResponse.jsonUnsafe({ status: isDuplicate ? "duplicate" : "accepted" })
            ),
            Effect.catchTags({
              WebhookRefused: ({ message, reason }) => Effect.succeed(refuse(statuses[reason._tag], message)),
              WebhookUnconsumed: (error) =>
                Effect.as(
                  Effect.logError("A webhook was not consumed", Cause.fail(error)),
                  refuse(500, "The event could not be consumed")
                )
            })
          )
      })
    )
  }).pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(webhooks.maxBodyBytes))
  )

/**
 * The route at a path of an HTTP router.
 *
 * **Example** (On a server)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Console, Layer } from "effect"
 * import { WebhookRoute, Webhooks } from "effect-vargate"
 * import { HttpRouter } from "effect/http"
 * import { createServer } from "node:http"
 *
 * const server = HttpRouter.serve(WebhookRoute.layer("/webhooks/vargate")).pipe(
 *   Layer.provide(Webhooks.layerConfig({ handle: (event) => Console.log(event._tag) })),
 *   Layer.provide(NodeHttpServer.layer(createServer, { port: 3000 }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (path: HttpRouter.PathInput): Layer.Layer<never, never, HttpRouter.HttpRouter | Webhooks> =>
  HttpRouter.use((router) => Effect.flatMap(Webhooks, (webhooks) => router.add("*", path, answerWith(webhooks))))

/**
 * A `fetch`-style handler over the given layer. It answers at every path. `dispose` closes the layer.
 *
 * **Gotchas**
 *
 * Where the layer cannot be built, for instance for want of a secret, every request is rejected with that error.
 *
 * **Example** (On an edge runtime)
 *
 * ```ts
 * import { Console } from "effect"
 * import { WebhookRoute, Webhooks } from "effect-vargate"
 *
 * declare const env: { readonly VARGATE_WEBHOOK_SECRET: string }
 *
 * const { handler } = WebhookRoute.toWebHandler(Webhooks.layer({
 *   secret: env.VARGATE_WEBHOOK_SECRET,
 *   handle: (event) => Console.log(event._tag)
 * }))
 *
 * export default { fetch: (request: Request) => handler(request) }
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toWebHandler = <E>(
  webhooks: Layer.Layer<Webhooks, E>
): {
  readonly handler: (request: Request) => Promise<Response>
  readonly dispose: () => Promise<void>
} => HttpEffect.toWebHandlerLayer(Effect.flatMap(Webhooks, answerWith), webhooks)
