/**
 * Requests of sinks: what they may reach, how long they wait, and what their answers mean.
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
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { invalidRequest } from "../../errors/internal/invalidRequest.ts"
import type { VargateError } from "../../errors/VargateError.ts"
import { isRecord } from "../../internal/isRecord.ts"
import { isLoopback } from "../../internal/loopback.ts"
import { redactSpellings, spellings } from "../../internal/redact.ts"
import { BodyTooLarge, boundedBody } from "../../transport/internal/boundedBody.ts"
import * as ExportSink from "../ExportSink.ts"

/** @internal */
export interface Answer {
  readonly status: number
  /** What the body says, if it is JSON; undefined where it is empty. */
  readonly body: unknown
  readonly isJson: boolean
  readonly bytes: Uint8Array
}

/** @internal */
export interface Poster {
  readonly post: (
    request: {
      readonly path?: string | undefined
      readonly contentType: string
      readonly body: Uint8Array
      readonly headers?: Readonly<Record<string, string>> | undefined
    },
    /** What a refusal means to this receiver, where that is more than its status says. */
    meaning?: (status: number, body: unknown) => ExportSink.SinkFailed | undefined
  ) => Effect.Effect<Answer, ExportSink.SinkFailed>
  /** A word of the receiver, fit for an error: short, and without what we sent it. */
  readonly word: (text: unknown) => string
  readonly failed: ReturnType<typeof ExportSink.failed>
}

const isJsonType = (contentType: string) => contentType.includes("json")

/** Answers of receivers are a few bytes. */
const maxAnswer = 64 * 1024
const passing: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])
const utf8 = new TextDecoder()

const checkUrl = (
  operation: string,
  { allowHttp = false, url: text }: ExportSink.HttpOptions
): Effect.Effect<URL, VargateError> => {
  const url = URL.parse(text)
  const problem = url === null || (url.protocol !== "https:" && url.protocol !== "http:")
    ? "must be an http or https URL"
    : url.username !== "" || url.password !== ""
    ? "must not hold a password: put it into headers"
    : url.protocol === "http:" && !allowHttp && !isLoopback(url.hostname)
    ? "must be https, or the key and the records can be read on the way (allowHttp permits it)"
    : undefined
  return problem === undefined
    ? Effect.succeed(url!)
    : Effect.fail(invalidRequest(operation, [{ path: ["url"], message: problem }]))
}

const checkHeaders = (operation: string, headers: Readonly<Record<string, string>>) => {
  try {
    void Object.keys(new globalThis.Headers(headers))
    return Effect.void
  } catch {
    return Effect.fail(
      invalidRequest(operation, [{ path: ["headers"], message: "a header has a character that HTTP forbids" }])
    )
  }
}

const decoded = (text: string) => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Shorter parts of a path are words such as `collector`. */
const shortestKey = 16

/** What of a URL must not be shown: where it leads, and what may be a key in its path or its query. */
const partsOf = ({ host, hostname, href, origin, pathname, search, searchParams }: URL): ReadonlyArray<string> => {
  const steps = pathname.split("/").filter(({ length }) => length >= shortestKey)
  const texts = [href, origin, host, hostname, pathname, search, ...steps]
  return [...texts, ...[pathname, search, ...steps].map(decoded), ...searchParams.values()]
}

/** @internal */
export const makePoster = Effect.fnUntraced(function*(
  name: string,
  operation: string,
  options: ExportSink.HttpOptions
): Effect.fn.Return<Poster, VargateError, HttpClient.HttpClient> {
  const client = HttpClient.withScope(yield* HttpClient.HttpClient)
  const { headers = {}, timeout = "30 seconds" } = options
  const url = yield* checkUrl(operation, options)
  const values = Object.fromEntries(
    Object.entries(headers).map(([key, value]) => [key, Redacted.isRedacted(value) ? Redacted.value(value) : value])
  )
  yield* checkHeaders(operation, values)
  const secrets = spellings(
    [...partsOf(url), ...Object.values(values).flatMap((value) => [value, value.replace(/^\w+ /, "")])]
      .filter(({ length }) => length >= 4)
      .map((value) => Redacted.make(value))
  )
  const failed = ExportSink.failed(name)
  const word = (text: unknown) =>
    redactSpellings(typeof text === "string" ? text : "", secrets).replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 200)

  const read = (response: HttpClientResponse.HttpClientResponse) =>
    boundedBody(response, maxAnswer).pipe(
      Effect.flatMap((bounded) => bounded.arrayBuffer),
      Effect.map((buffer): Answer => {
        const { status } = response
        const bytes = new Uint8Array(buffer)
        const text = utf8.decode(bytes).trim()
        if (text === "") return { status, body: undefined, isJson: true, bytes }
        try {
          return { status, body: JSON.parse(text), isJson: true, bytes }
        } catch {
          return { status, body: undefined, isJson: false, bytes }
        }
      })
    )

  const unanswered = (error: HttpClientError.HttpClientError) => {
    const { reason } = error
    return "cause" in reason && reason.cause instanceof BodyTooLarge
      ? failed("Rejected", `its answer has more than ${maxAnswer} bytes`)
      // The reason's own words hold the URL.
      : failed("Unavailable", reason._tag === "TransportError" ? "it cannot be reached" : "its answer broke off")
  }

  const refused = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse, answer: Answer) {
    const { status } = response
    const said = isRecord(answer.body)
      ? word(answer.body["message"] ?? answer.body["text"] ?? answer.body["error"])
      : ""
    const detail = `it answered ${status}${said === "" ? "" : ` (${said})`}`
    if (status === 413) return yield* failed("TooLarge", detail, { status })
    if (status >= 300 && status < 400) {
      return yield* failed(
        "Rejected",
        `it answered ${status}, and redirects are never followed: give the URL it leads to`,
        {
          status
        }
      )
    }
    if (!passing.has(status)) return yield* failed("Rejected", detail, { status })
    const header = response.headers["retry-after"]
    const parsed = header === undefined ? undefined : Headers.parseRetryAfter(header)
    const retryAfter = parsed === undefined || Result.isFailure(parsed)
      ? undefined
      : parsed.success._tag === "Duration"
      ? parsed.success.duration
      : DateTime.distance(yield* DateTime.now, parsed.success.dateTime)
    return yield* failed("Unavailable", detail, {
      status,
      // What a receiver asks for is bounded: a mistake of its own must not end the export for a year.
      retryAfter: retryAfter === undefined ? undefined : Duration.min(retryAfter, Duration.hours(1))
    })
  })

  const post: Poster["post"] = ({ body, contentType, headers, path = "" }, meaning = () => undefined) =>
    Effect.suspend(() => {
      const target = new URL(url)
      if (path !== "") {
        const [suffix, query] = path.split("?")
        target.pathname = `${target.pathname === "/" ? "" : target.pathname}${suffix}`
        if (query !== undefined) target.search = query
      }
      const request = HttpClientRequest.post(target, {
        body: HttpBody.uint8Array(body, contentType),
        headers: { accept: isJsonType(contentType) ? "application/json" : contentType, ...values, ...headers }
      })
      return client.execute(request).pipe(
        Effect.flatMap((response) => Effect.map(read(response), (answer) => ({ response, answer }))),
        Effect.mapError(unanswered),
        Effect.scoped,
        Effect.timeoutOrElse({
          duration: timeout,
          orElse: () => Effect.fail(failed("Unavailable", "it gave no answer in time"))
        }),
        Effect.flatMap(({ answer, response }) =>
          response.status >= 200 && response.status < 300
            ? Effect.succeed(answer)
            : Effect.suspend(() => {
              const known = meaning(response.status, answer.body)
              return known === undefined ? refused(response, answer) : Effect.fail(known)
            })
        ),
        Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
        // What is exported is no trace of the exporter.
        Effect.provideService(HttpClient.TracerDisabledWhen, () => true)
      )
    })

  return { post, word, failed }
})
