/**
 * A channel that posts signed JSON, or an Adaptive Card, to a URL.
 *
 * **Details**
 *
 * Signed as Standard Webhooks says: `webhook-id`, `webhook-timestamp` and `webhook-signature` (`v1,` and the base64
 * HMAC-SHA256 of `{id}.{timestamp}.{body}`). A delivery that is tried again has the same id.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import type { VargateError } from "../errors/VargateError.ts"
import { isLoopback } from "../internal/loopback.ts"
import { visible } from "../internal/visibleText.ts"
import { ChannelFailed, type ReviewChannel, type ReviewNotice } from "./ReviewChannel.ts"

/**
 * Where to, and how it is signed.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** Part of the ids of its deliveries: the same over restarts, another one for each channel. */
  readonly name: string
  /** https, or http on this machine. It may be a secret itself, and is shown nowhere. */
  readonly url: Redacted.Redacted | string
  /** `whsec_` and at least 24 bytes in base64. */
  readonly secret: Redacted.Redacted
  /** `json` (default): the notice. `adaptive-card`: a message with a card, as Teams' workflows take it. */
  readonly format?: "json" | "adaptive-card" | undefined
  /** Where reviewers vote: a button of the card. */
  readonly reviewUrl?: string | undefined
}

const jsonOf = ({ createdAt, timeoutAt, ...notice }: ReviewNotice) => ({
  ...notice,
  createdAt: DateTime.formatIso(createdAt),
  timeoutAt: timeoutAt === null ? null : DateTime.formatIso(timeoutAt)
})

const titles: { readonly [K in ReviewNotice["kind"]]: string } = {
  pending: "An action is pending",
  voted: "A vote on a pending action",
  reminder: "An action is still pending",
  ended: "An action was decided"
}

/** Texts of agents stand in text runs, which have no markup. */
const line = (text: string, more: object = {}) => ({
  type: "RichTextBlock",
  inlines: [{ type: "TextRun", text: visible(text), ...more }]
})

const maxParams = 2_000

const cardOf = (notice: ReviewNotice, reviewUrl: string | undefined) => {
  const params = JSON.stringify(notice.params ?? undefined) ?? "not shown"
  return {
    type: "message",
    attachments: [{
      contentType: "application/vnd.microsoft.card.adaptive",
      content: {
        $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
        type: "AdaptiveCard",
        version: "1.4",
        body: [
          line(notice.outcome === null ? titles[notice.kind] : `${titles[notice.kind]}: ${notice.outcome}`, {
            weight: "Bolder"
          }),
          line(`${notice.tool}/${notice.method} by ${notice.agentId}`),
          line(params.length > maxParams ? `${params.slice(0, maxParams)}...` : params, { fontType: "Monospace" }),
          ...notice.violations.length === 0 ? [] : [line(`Pending because of ${notice.violations.join(", ")}`)],
          ...notice.needs.map((need) => line(need))
        ],
        actions: reviewUrl === undefined ? [] : [{ type: "Action.OpenUrl", title: "Review", url: reviewUrl }]
      }
    }]
  }
}

/**
 * Makes the channel. Fails with `InvalidRequest` where an option is not usable.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  { format = "json", name, reviewUrl, secret, url }: Options
): Effect.fn.Return<ReviewChannel, VargateError, HttpClient.HttpClient> {
  const invalid = (path: string, message: string) => invalidRequest("WebhookChannel.make", [{ path: [path], message }])
  const http = yield* HttpClient.HttpClient
  const address = Redacted.isRedacted(url) ? Redacted.value(url) : url
  const parsed = URL.parse(address)
  if (name === "") return yield* invalid("name", "Expected a name")
  if (
    parsed === null || !(parsed.protocol === "https:" || (parsed.protocol === "http:" && isLoopback(parsed.hostname)))
  ) {
    return yield* invalid("url", "Expected an https URL, or http on this machine")
  }
  const encoded = /^whsec_(.+)$/.exec(Redacted.value(secret))?.[1]
  const bytes = encoded === undefined ? undefined : Result.getOrUndefined(Base64.decode(encoded))
  if (bytes === undefined || bytes.length < 24) {
    return yield* invalid("secret", "Expected whsec_ and at least 24 bytes in base64")
  }
  const key = yield* Effect.promise(() =>
    crypto.subtle.importKey("raw", Uint8Array.from(bytes), { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
  )
  const sign = (text: string) =>
    Effect.promise(async () =>
      Base64.encode(new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text))))
    )
  const failed = (detail: string) => new ChannelFailed({ channel: name, detail })

  return {
    name,
    deliver: Effect.fnUntraced(function*(notice) {
      const body = JSON.stringify(format === "json" ? jsonOf(notice) : cardOf(notice, reviewUrl))
      const timestamp = Math.floor((yield* Clock.currentTimeMillis) / 1000)
      const signature = yield* sign(`${notice.id}.${timestamp}.${body}`)
      const { status } = yield* http.execute(
        HttpClientRequest.post(address).pipe(
          HttpClientRequest.setHeaders({
            "webhook-id": notice.id,
            "webhook-timestamp": String(timestamp),
            "webhook-signature": `v1,${signature}`
          }),
          HttpClientRequest.bodyText(body, "application/json")
        )
      ).pipe(Effect.mapError(() => failed("it could not be reached")))
      if (status < 200 || status > 299) return yield* failed(`it answered ${status}`)
    })
  }
})
