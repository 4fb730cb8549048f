/**
 * Where an export delivers to. Any object with `send` will do.
 *
 * **Example** (A sink of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { ExportSink } from "effect-vargate"
 *
 * const lines: Array<string> = []
 * const sink: ExportSink.Sink = {
 *   name: "memory",
 *   send: (events) => Effect.sync(() => void lines.push(...events.map((event) => JSON.stringify(event))))
 * }
 * ```
 *
 * @since 0.2.0
 */
import type * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { ExportEvent } from "./ExportEvent.ts"

/**
 * The sink did not take what it was given, or it is not known that it did.
 *
 * **Details**
 *
 * | `reason` | what it means | what an export does |
 * | --- | --- | --- |
 * | `Unavailable` | it cannot be reached, is busy, or gave no answer in time | sends the same events again, by its schedule |
 * | `TooLarge` | more than it takes at once | sends halves, down to single events, then a `Refused` event in its place |
 * | `PartlyRefused` | it took some and refused `refused` of them for good | the same |
 * | `Rejected` | it takes nothing: wrong key, wrong address, disk full | ends, with its cursor where it was |
 *
 * @category errors
 * @since 0.2.0
 */
export class SinkFailed extends Schema.TaggedError<SinkFailed>("effect-vargate/SinkFailed")("SinkFailed", {
  sink: Schema.String,
  reason: Schema.Literals(["Unavailable", "TooLarge", "PartlyRefused", "Rejected"]),
  /** What happened, without keys, bodies or query strings. */
  detail: Schema.String,
  status: Schema.optional(Schema.Int),
  /** How many events were refused, where some were. */
  refused: Schema.optional(Schema.Int),
  retryAfter: Schema.optional(Schema.DurationFromMillis)
}) {
  /** Whether the same events may be taken later. */
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }

  override get message() {
    const advice = this.reason === "Unavailable"
      ? "What was not acknowledged is sent again by the next export"
      : this.reason === "Rejected"
      ? "Nothing was lost: correct it, and run the export again"
      : "Let the sink take larger requests, or find the record in the audit log"
    return `The sink ${this.sink} did not take the events: ${this.detail}. ${advice}.`
  }
}

/**
 * The end of what a sink has, after a crash or a restart.
 *
 * @category models
 * @since 0.2.0
 */
export interface Tail {
  /** The `count` of its last event. */
  readonly count: number
  /** The ids of its last events with that `count`. */
  readonly ids: ReadonlyArray<string>
  /** The hash of its last record, if that is its last event. */
  readonly recordHash: string | undefined
}

/**
 * A sink. `send` succeeds only when the events are safe: written to the disk, or acknowledged by the receiver. It must
 * bound its own time: an export waits for it, and reads no further meanwhile.
 *
 * @category models
 * @since 0.2.0
 */
export interface Sink {
  /** For messages. */
  readonly name: string
  /** At most so many events at once. Default: 1000. */
  readonly maxEvents?: number | undefined
  /** At most so many bytes of JSON at once, unless it is a single event. Default: 4 MiB. */
  readonly maxBytes?: number | undefined
  /** Events of one tenant, oldest first. */
  readonly send: (events: Arr.NonEmptyReadonlyArray<ExportEvent>) => Effect.Effect<void, SinkFailed>
  /**
   * The end of what it already has of a tenant. A sink that can say so gets each event exactly once: the export leaves out
   * what the sink had taken when the last export was stopped before its cursor could be moved.
   */
  readonly tail?: ((tenantId: string) => Effect.Effect<Tail | undefined, SinkFailed>) | undefined
}

/**
 * The form of an event: `vargate` has its names from the gateway (what a line of `JsonlSink` is), `ocsf` is the Open
 * Cybersecurity Schema Framework (`Ocsf`). The event's id is in both.
 *
 * @category options
 * @since 0.2.0
 */
export type Format = "vargate" | "ocsf"

/**
 * What all sinks over HTTP are told.
 *
 * @category options
 * @since 0.2.0
 */
export interface HttpOptions {
  /** Where to. `https`, or `http` on this machine, unless `allowHttp` says otherwise; no password in it. */
  readonly url: string
  /** Sent with each request: a key, redacted or not. None is shown in an error. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** For one request. Default: 30 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** Permits plain `http` to other machines: what is sent, and the key, can be read on the way. Default: false. */
  readonly allowHttp?: boolean | undefined
}

/**
 * What a sink failed with, in short.
 *
 * @category models
 * @since 0.2.0
 */
export interface FailureInfo {
  readonly status?: number | undefined
  readonly refused?: number | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

/**
 * Makes the failures of a sink.
 *
 * @category constructors
 * @since 0.2.0
 */
export const failed =
  (sink: string) => (reason: SinkFailed["reason"], detail: string, info: FailureInfo = {}): SinkFailed =>
    new SinkFailed({ sink, reason, detail, ...info })
