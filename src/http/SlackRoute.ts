/**
 * Takes interactions of Slack on a route of an HTTP router: the Request URL of an app's Interactivity.
 *
 * | status | when |
 * | --- | --- |
 * | 200 | it is Slack's: what it asks for is done after the answer |
 * | 400 | its time is not now, or it cannot be read |
 * | 401 | no signature, or a wrong one |
 * | 405, 413, 415 | no POST, more than 1 MiB, no form |
 *
 * @since 0.2.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import { SlackInteractions, type SlackRequestRefused } from "../reviews/SlackInteractions.ts"

const maxBodyBytes = 1024 * 1024

const refuse = (status: number, detail: string, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.jsonUnsafe({ detail }, { status, headers })

const statuses: Readonly<Record<SlackRequestRefused["refusal"], number>> = {
  Unsigned: 401,
  WrongSignature: 401,
  NotOfNow: 400,
  Unreadable: 400
}

const answerWith = ({ receive }: SlackInteractions["Service"]) =>
  Effect.gen(function*() {
    const { arrayBuffer, headers, method } = yield* HttpServerRequest.HttpServerRequest
    if (method !== "POST") return refuse(405, "Only POST is answered here", { allow: "POST" })
    if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headers["content-type"] ?? "")) {
      return refuse(415, "Slack sends a form")
    }
    const tooLarge = refuse(413, `The body is longer than ${maxBodyBytes} bytes`)
    if (Number(headers["content-length"]) > maxBodyBytes) return tooLarge
    return yield* Effect.matchEffect(arrayBuffer, {
      onFailure: ({ reason }) =>
        Effect.succeed(
          reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
            ? tooLarge
            : refuse(400, "The body ended early")
        ),
      onSuccess: (body) =>
        receive({
          rawBody: new Uint8Array(body),
          timestamp: headers["x-slack-request-timestamp"],
          signature: headers["x-slack-signature"]
        }).pipe(
          // An empty body closes a dialog, and changes no message.
          Effect.as(HttpServerResponse.empty({ status: 200 })),
          Effect.catch(({ message, refusal }) => Effect.succeed(refuse(statuses[refusal], message)))
        )
    })
  }).pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(maxBodyBytes))
  )

/**
 * The route at a path of an HTTP router.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  path: HttpRouter.PathInput
): Layer.Layer<never, never, HttpRouter.HttpRouter | SlackInteractions> =>
  HttpRouter.use((router) =>
    Effect.flatMap(SlackInteractions, (interactions) => router.add("*", path, answerWith(interactions)))
  )
