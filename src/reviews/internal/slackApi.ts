/**
 * Slack's Web API: methods that are called with a token, and addresses that Slack hands out for answers.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Headers from "effect/http/Headers"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { isRecord } from "../../internal/isRecord.ts"
import { isLoopback } from "../../internal/loopback.ts"
import { withoutTrailingSlashes } from "../../internal/slashes.ts"
import { boundedBody } from "../../transport/internal/boundedBody.ts"

/**
 * A method did not do what it was asked for. Neither the token nor a body is in it.
 *
 * @internal
 */
export class SlackFailed extends Schema.TaggedError<SlackFailed>("effect-vargate/SlackFailed")("SlackFailed", {
  detail: Schema.String,
  /** Slack's own word, like `channel_not_found`. */
  code: Schema.optionalKey(Schema.String),
  retryAfterMillis: Schema.optionalKey(Schema.Finite)
}) {
  override get message() {
    return this.detail
  }
}

/** @internal */
export interface SlackOptions {
  /** A bot token (`xoxb-`), or an app-level one (`xapp-`) for socket mode. */
  readonly token: Redacted.Redacted
  /** Default: `https://slack.com/api`. */
  readonly apiUrl?: string | undefined
}

type Answer = Readonly<Record<string, unknown>>

/** @internal */
export interface SlackApi {
  /** A method that writes: its arguments as JSON. */
  readonly write: (method: string, body: object) => Effect.Effect<Answer, SlackFailed>
  /** A method that reads: Slack takes its arguments as a form alone. */
  readonly read: (method: string, params: Readonly<Record<string, string>>) => Effect.Effect<Answer, SlackFailed>
  /** Answers an interaction at the address that came with it. */
  readonly respond: (responseUrl: string, body: object) => Effect.Effect<void, SlackFailed>
}

const defaultUrl = "https://slack.com/api"

/** A page of a channel's history holds messages as long as ours. */
const maxAnswer = 4 * 1024 * 1024

const timeoutMillis = 9_000

/** What Slack asks for is bounded: nothing waits longer than an action does. */
const maxPause = Duration.hours(1)

const isSecure = (url: URL) => url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname))

const failed = (detail: string, more: { readonly code?: string; readonly retryAfterMillis?: number } = {}) =>
  new SlackFailed({ detail, ...more })

const retryAfterOf = Effect.fnUntraced(function*(header: string | undefined) {
  const parsed = header === undefined ? undefined : Headers.parseRetryAfter(header)
  if (parsed === undefined || Result.isFailure(parsed)) return 30_000
  const wait = parsed.success._tag === "Duration"
    ? parsed.success.duration
    : DateTime.distance(yield* DateTime.now, parsed.success.dateTime)
  return Math.max(0, Duration.toMillis(Duration.min(wait, maxPause)))
})

const textOf = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.flatMap(boundedBody(response, maxAnswer), ({ text }) => text)

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** @internal */
export const makeSlackApi = Effect.fnUntraced(function*(
  operation: string,
  { apiUrl = defaultUrl, token }: SlackOptions
): Effect.fn.Return<SlackApi, VargateError, HttpClient.HttpClient> {
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const invalid = (path: string, message: string) => invalidRequest(operation, [{ path: [path], message }])
  const base = URL.parse(apiUrl)
  if (base === null || !isSecure(base) || base.username !== "") {
    return yield* invalid("apiUrl", "Expected an https URL, or http on this machine")
  }
  if (!/^xox[a-z]-[!-~]+$|^xapp-[!-~]+$/.test(Redacted.value(token))) {
    return yield* invalid("token", "Expected a token of Slack's, which begins with xoxb- or xapp-")
  }

  const send = (request: HttpClientRequest.HttpClientRequest) =>
    client.execute(request).pipe(
      Effect.flatMap((response) => Effect.map(textOf(response), (text) => ({ response, text }))),
      // The words of the error hold the address, which may be a secret.
      Effect.mapError(() => failed("it could not be reached")),
      Effect.scoped,
      // Also where a vote must not be interrupted: no shutdown waits for Slack.
      Effect.interruptible,
      Effect.timeoutOrElse({ duration: timeoutMillis, orElse: () => Effect.fail(failed("it gave no answer in time")) }),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.provideService(HttpClient.TracerDisabledWhen, () => true),
      Effect.flatMap(({ response: { headers, status }, text }) =>
        status === 429
          ? Effect.flatMap(
            retryAfterOf(headers["retry-after"]),
            (retryAfterMillis) =>
              Effect.fail(failed("it asks for a pause (429)", { code: "ratelimited", retryAfterMillis }))
          )
          : status === 200
          ? Effect.succeed(text)
          : Effect.fail(failed(`it answered ${status}`))
      )
    )

  const call = Effect.fnUntraced(function*(method: string, body: HttpBody.HttpBody) {
    const text = yield* send(
      HttpClientRequest.post(`${withoutTrailingSlashes(apiUrl)}/${method}`, { body }).pipe(
        HttpClientRequest.bearerToken(token)
      )
    )
    const answer = parsed(text)
    if (!isRecord(answer)) return yield* failed("its answer is no JSON")
    if (answer["ok"] === true) return answer
    const code = String(answer["error"]).replaceAll(/[^a-z0-9_]/g, "?").slice(0, 60)
    return yield* failed(`it answered ${code}`, { code, ...code === "ratelimited" ? { retryAfterMillis: 30_000 } : {} })
  })

  const isSlacks = (url: URL) =>
    (url.protocol === "https:" && /(?:^|\.)slack(?:-gov)?\.com$/.test(url.hostname)) || url.origin === base.origin

  return {
    write: (method, body) => call(method, HttpBody.text(JSON.stringify(body), "application/json; charset=utf-8")),
    read: (method, params) =>
      call(method, HttpBody.text(String(new URLSearchParams(params)), "application/x-www-form-urlencoded")),
    respond: Effect.fnUntraced(function*(responseUrl, body) {
      const url = URL.parse(responseUrl)
      if (url === null || !isSlacks(url)) return yield* failed("the address for the answer is not Slack's")
      yield* send(HttpClientRequest.post(url, { body: HttpBody.text(JSON.stringify(body), "application/json") }))
    })
  }
})
