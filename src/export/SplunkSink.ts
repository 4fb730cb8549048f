/**
 * Exports to Splunk's HTTP Event Collector.
 *
 * **Details**
 *
 * With `acknowledge`, events count as taken only once the indexer says so (`/services/collector/ack`); without it, when the
 * collector has accepted them. `event` is what a line of `JsonlSink` is, or OCSF; `fields` has `vargate_event_id`, by which
 * `dedup` tells duplicates.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Redacted from "effect/Redacted"
import type { VargateError } from "../errors/VargateError.ts"
import { isRecord } from "../internal/isRecord.ts"
import type { ExportEvent } from "./ExportEvent.ts"
import type * as ExportSink from "./ExportSink.ts"
import { formatted } from "./internal/formatted.ts"
import { nanosOf } from "./internal/payload.ts"
import { makePoster } from "./internal/post.ts"

/**
 * Where to, and as what. `url` is the base, like `https://splunk:8088`.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends ExportSink.HttpOptions {
  /** The token of the collector. */
  readonly token: Redacted.Redacted | string
  /** Waits for the indexer. The token must have acknowledgement enabled, and then needs this. Default: false. */
  readonly acknowledge?: boolean | undefined
  /** How long to wait for the indexer before the events are sent again. Default: 2 minutes. */
  readonly acknowledgeWithin?: Duration.Input | undefined
  readonly index?: string | undefined
  /** Default: `vargate:audit`. */
  readonly sourcetype?: string | undefined
  /** Default: `vargate`. */
  readonly source?: string | undefined
  /** What `event` is. Default: `vargate`. */
  readonly format?: ExportSink.Format | undefined
  /** Events in a request. Default: 500. */
  readonly maxEvents?: number | undefined
  /** Bytes in a request, roughly. Default: 800 KB, below the limit of a collector as installed. */
  readonly maxBytes?: number | undefined
}

/** Codes of single events that cannot be indexed, whatever comes with them. */
const badEvents: ReadonlySet<unknown> = new Set([5, 6, 12, 13, 15])
const encoder = new TextEncoder()

/**
 * A sink that sends to a collector. Fails with `InvalidRequest` where the URL or the token cannot be used.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ExportSink.Sink, VargateError, HttpClient.HttpClient> {
  const { acknowledge = false, acknowledgeWithin = "2 minutes", format = "vargate", index } = options
  const { source = "vargate", sourcetype = "vargate:audit" } = options
  const token = Redacted.isRedacted(options.token) ? Redacted.value(options.token) : options.token
  const { failed, post, word } = yield* makePoster("hec", "SplunkSink.make", {
    ...options,
    headers: { ...options.headers, authorization: Redacted.make(`Splunk ${token}`) }
  })
  // One channel for one sender: the indexer counts by it.
  const channel = crypto.randomUUID()
  const headers: Readonly<Record<string, string>> = acknowledge ? { "x-splunk-request-channel": channel } : {}

  const lineOf = (event: ExportEvent, now: number) => {
    const time = event._tag === "Record" ? nanosOf(event.fields["requested_at"]) : undefined
    return JSON.stringify({
      time: time === undefined ? now / 1000 : Number(time / 1000n) / 1_000_000,
      source,
      sourcetype,
      index,
      event: formatted(event, format, now),
      fields: { vargate_event_id: event.id, vargate_tenant: event.tenantId, vargate_count: event.count }
    })
  }

  const isIndexed = Effect.fnUntraced(function*(ackId: number) {
    const answer = yield* post({
      path: `/services/collector/ack?channel=${channel}`,
      contentType: "application/json",
      body: encoder.encode(JSON.stringify({ acks: [ackId] })),
      headers
    })
    const acks = isRecord(answer.body) ? answer.body["acks"] : undefined
    if (!isRecord(acks)) return yield* failed("Rejected", "its answer about acknowledgements is not Splunk's")
    return acks[String(ackId)] === true
  })

  const indexed = Effect.fnUntraced(function*(ackId: number) {
    const pause = Duration.seconds(1)
    const limit = Duration.toMillis(Duration.fromInputUnsafe(acknowledgeWithin))
    for (let waited = 0;; waited += Duration.toMillis(pause)) {
      if (yield* isIndexed(ackId)) return
      if (waited >= limit) return yield* failed("Unavailable", "its indexer has not acknowledged in time")
      yield* Effect.sleep(pause)
    }
  })

  return {
    name: "hec",
    maxEvents: options.maxEvents ?? 500,
    maxBytes: options.maxBytes ?? 800_000,
    send: Effect.fnUntraced(function*(events) {
      const now = Math.trunc(yield* Clock.currentTimeMillis)
      const answer = yield* post({
        path: "/services/collector/event",
        contentType: "application/json",
        body: encoder.encode(events.map((event) => lineOf(event, now)).join("\n")),
        headers
      }, (status, body) =>
        status === 400 && isRecord(body) && badEvents.has(body["code"])
          ? failed("PartlyRefused", `it answered ${status} (${word(body["text"])})`, { status })
          : undefined)
      if (!isRecord(answer.body) || answer.body["code"] !== 0) {
        return yield* failed("Rejected", "its answer is not that of an event collector")
      }
      if (!acknowledge) return
      const { ackId } = answer.body
      if (typeof ackId !== "number") return yield* failed("Rejected", "its token has no acknowledgement enabled")
      yield* indexed(ackId)
    })
  }
})
