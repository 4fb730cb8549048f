/**
 * Exports as CloudEvents 1.0 over HTTP: in batches, or one by one.
 *
 * **Details**
 *
 * `type` is `ai.vargate.audit.record`, `.gap`, `.finding` or `.refused`, `source` names the tenant, `id` is the event's: source
 * and id together tell duplicates. The extensions `sequence` (the count of records, in 20 digits, so that it sorts as a text)
 * and `partitionkey` (the tenant) keep the order in queues. `data` is what a line of `JsonlSink` is, or OCSF.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type { VargateError } from "../errors/VargateError.ts"
import type { ExportEvent } from "./ExportEvent.ts"
import type * as ExportSink from "./ExportSink.ts"
import { formatted } from "./internal/formatted.ts"
import { textOf } from "./internal/payload.ts"
import { makePoster } from "./internal/post.ts"

/**
 * Where to, and in which form.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends ExportSink.HttpOptions {
  /**
   * `batch` sends `application/cloudevents-batch+json`; `structured` and `binary` send each event in a request of its own, for
   * receivers that know no batches: as one JSON, or its attributes in headers (`ce-id`) and its data as the body. Default:
   * `batch`.
   */
  readonly mode?: "batch" | "structured" | "binary" | undefined
  /** What `data` is. Default: `vargate`. */
  readonly format?: ExportSink.Format | undefined
  /** Events in a batch. Default: 500. */
  readonly maxEvents?: number | undefined
  /** Bytes in a batch, roughly. Default: 1 MiB. */
  readonly maxBytes?: number | undefined
}

const cloudEventOf = (event: ExportEvent, format: ExportSink.Format, now: number) => {
  const requestedAt = event._tag === "Record" ? textOf(event.fields["requested_at"]) : ""
  return {
    specversion: "1.0",
    id: event.id,
    source: `urn:vargate:${encodeURIComponent(event.tenantId.toWellFormed())}`,
    type: `ai.vargate.audit.${event._tag.toLowerCase()}`,
    ...event._tag === "Record" && event.actionId !== "" ? { subject: event.actionId } : {},
    ...Number.isNaN(Date.parse(requestedAt)) ? {} : { time: new Date(requestedAt).toISOString() },
    datacontenttype: "application/json",
    sequence: String(event.count).padStart(20, "0"),
    partitionkey: event.tenantId,
    data: formatted(event, format, now)
  }
}

const encoder = new TextEncoder()

/** What a header cannot hold is percent-encoded, as the HTTP binding of CloudEvents has it. */
const headerOf = (value: string): string =>
  value.toWellFormed().replaceAll(
    /[^\x21\x23\x24\x26-\x7e]/gu,
    (character) =>
      [...encoder.encode(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")
  )

const requestOf = (mode: NonNullable<Options["mode"]>, events: ReadonlyArray<ReturnType<typeof cloudEventOf>>) => {
  if (mode === "batch") {
    return { contentType: "application/cloudevents-batch+json; charset=utf-8", body: events, headers: {} }
  }
  const [event] = events
  if (mode === "structured") {
    return { contentType: "application/cloudevents+json; charset=utf-8", body: event, headers: {} }
  }
  const { data, datacontenttype, ...attributes } = event!
  const headers = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, headerOf(value)])
  return { contentType: datacontenttype, body: data, headers: Object.fromEntries(headers) as Record<string, string> }
}

/**
 * A sink that sends CloudEvents. Any answer of 200 to 299 is an acknowledgement. Fails with `InvalidRequest` where the URL or
 * a header cannot be used.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ExportSink.Sink, VargateError, HttpClient.HttpClient> {
  const { format = "vargate", mode = "batch" } = options
  const { post } = yield* makePoster("cloudevents", "CloudEventsSink.make", options)
  return {
    name: "cloudevents",
    maxEvents: mode === "batch" ? options.maxEvents ?? 500 : 1,
    maxBytes: options.maxBytes ?? 1024 * 1024,
    send: Effect.fnUntraced(function*(events) {
      const now = Math.trunc(yield* Clock.currentTimeMillis)
      const all = events.map((event) => cloudEventOf(event, format, now))
      const { body, ...rest } = requestOf(mode, all)
      yield* post({ ...rest, body: encoder.encode(JSON.stringify(body)) })
    })
  }
})
