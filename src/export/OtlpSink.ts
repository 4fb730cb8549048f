/**
 * Exports as OpenTelemetry logs: OTLP over HTTP, as JSON or protobuf, to a collector or whatever speaks it.
 *
 * **Details**
 *
 * Each event is a log record with an event name (`vargate.audit.record`, `.gap`, `.finding`, `.refused`), the time of the
 * action, and attributes: `gen_ai.operation.name`, `gen_ai.tool.name`, `gen_ai.tool.type`, `gen_ai.tool.call.id` and
 * `gen_ai.agent.id`; `gen_ai.tool.call.arguments` where the redaction lets params out; and `vargate.event.id`,
 * `vargate.tenant.id`, `vargate.log.count`, `vargate.record.id`, `.hash` and `.prev_hash`, `vargate.action.id`,
 * `vargate.tool`, `vargate.method`, `vargate.decision`, `vargate.severity`, `vargate.violations`,
 * `vargate.bundle_revision`, `vargate.redacted`.
 *
 * The body is a sentence, or with `format: "ocsf"` the event in OCSF, as JSON.
 *
 * OTLP has no way to tell duplicates: `vargate.event.id` is the same whenever an event comes again. What a receiver refuses
 * for good (`partialSuccess`) is found by halves.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import { entriesToAttributes } from "effect/observability/OtlpResource"
import type { VargateError } from "../errors/VargateError.ts"
import { isRecord } from "../internal/isRecord.ts"
import { version } from "../internal/version.ts"
import type { ExportEvent } from "./ExportEvent.ts"
import type * as ExportSink from "./ExportSink.ts"
import { nanosOf, textOf } from "./internal/payload.ts"
import { type Answer, makePoster } from "./internal/post.ts"
import * as Ocsf from "./Ocsf.ts"

/**
 * What is used of `@opentelemetry/otlp-transformer`: its `ProtobufLogsSerializer`.
 *
 * @category models
 * @since 0.2.0
 */
export interface ProtobufLogs {
  readonly serializeRequest: (logRecords: Array<never>) => Uint8Array | undefined
  readonly deserializeResponse: (bytes: Uint8Array) => object
}

/**
 * Where to, and as what. `url` is that of the logs, like `https://collector:4318/v1/logs`.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options extends ExportSink.HttpOptions {
  /** Attributes of the resource. Default: `service.name` is `vargate`. */
  readonly resource?: Readonly<Record<string, unknown>> | undefined
  /** Log records in a request. Default: 512. */
  readonly maxEvents?: number | undefined
  /** Bytes in a request, roughly. Default: 2 MiB. */
  readonly maxBytes?: number | undefined
  /** What the body of a log record is. Default: `vargate`, a sentence. */
  readonly format?: ExportSink.Format | undefined
  /**
   * Sends protobuf, which takes two thirds of the space: `ProtobufLogsSerializer` of `@opentelemetry/otlp-transformer`, which
   * is not among the dependencies. Default: JSON.
   */
  readonly protobuf?: ProtobufLogs | undefined
  /** Compresses each request (`content-encoding: gzip`), which collectors take. Default: none. */
  readonly compression?: "gzip" | "none" | undefined
}

/** The numbers of OpenTelemetry. */
const info = 9
const warn = 13
const error = 17
const fatal = 21

const severityOf = (severity: string, decision: string): number =>
  severity === "critical"
    ? fatal
    : severity === "high"
    ? error
    : severity === "medium" || decision === "deny"
    ? warn
    : info

type Attributes = ReadonlyArray<readonly [string, unknown]>

const present = (entries: Attributes): Array<[string, unknown]> =>
  entries.flatMap(([key, value]) => value === undefined || value === null ? [] : [[key, value]])

interface LogRecord {
  readonly eventName: string
  /** Nanoseconds since 1970. */
  readonly time?: bigint
  readonly severityNumber: number
  readonly severityText: string
  readonly body: string
  readonly attributes: Attributes
}

const logRecordOf = (event: ExportEvent): LogRecord => {
  const common = [
    ["vargate.event.id", event.id],
    ["vargate.tenant.id", event.tenantId],
    ["vargate.log.count", event.count]
  ] as const
  switch (event._tag) {
    case "Record": {
      const fields = event.fields
      const [tool, method, agent, decision, severity] = ["tool", "method", "agent_id", "decision", "severity"].map((
        key
      ) => textOf(fields[key])) as [string, string, string, string, string]
      const time = nanosOf(fields["requested_at"])
      const params = fields["params"]
      return {
        ...time === undefined ? {} : { time },
        eventName: "vargate.audit.record",
        severityNumber: severityOf(severity, decision),
        severityText: severity,
        body: `${decision}: ${tool}/${method} by ${agent}`,
        attributes: present([
          ...common,
          ["gen_ai.operation.name", "execute_tool"],
          ["gen_ai.tool.name", `${tool}/${method}`],
          ["gen_ai.tool.type", "function"],
          ["gen_ai.tool.call.id", textOf(fields["action_id"])],
          ["gen_ai.tool.call.arguments", params === null ? undefined : JSON.stringify(params)],
          ["gen_ai.agent.id", agent],
          ["vargate.record.id", event.recordId],
          ["vargate.record.hash", event.recordHash],
          ["vargate.record.prev_hash", textOf(fields["prev_hash"])],
          ["vargate.action.id", textOf(fields["action_id"])],
          ["vargate.tool", tool],
          ["vargate.method", method],
          ["vargate.decision", decision],
          ["vargate.severity", severity],
          ["vargate.violations", Array.isArray(fields["violations"]) ? fields["violations"].map(textOf) : undefined],
          ["vargate.bundle_revision", fields["bundle_revision"]],
          ["vargate.redacted", event.isRedacted]
        ])
      }
    }
    case "Gap":
      return {
        eventName: "vargate.audit.gap",
        severityNumber: warn,
        severityText: "gap",
        body: `The gateway cannot show record ${event.count} of its audit log`,
        attributes: present([...common, ["vargate.record.hash", event.recordHash]])
      }
    case "Finding":
      return {
        eventName: "vargate.audit.finding",
        severityNumber: error,
        severityText: event.finding._tag,
        body: `The audit log does not hold: ${event.finding._tag} at record ${event.finding.id}`,
        attributes: present([
          ...common,
          ...Object.entries(event.finding).map(([key, value]) => [`vargate.finding.${key}`, value] as const)
        ])
      }
    case "Refused":
      return {
        eventName: "vargate.audit.refused",
        severityNumber: warn,
        severityText: "refused",
        body: `Record ${event.count} of the audit log was refused: ${event.detail}`,
        attributes: present([
          ...common,
          ["vargate.refused.id", event.refused],
          ["vargate.refused.bytes", event.byteLength]
        ])
      }
  }
}

const encoder = new TextEncoder()

const gzip = (bytes: Uint8Array<ArrayBuffer>): Effect.Effect<Uint8Array> =>
  Effect.promise(async () => {
    const compressed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))
    return new Uint8Array(await new Response(compressed).arrayBuffer())
  })

interface Request {
  readonly events: ReadonlyArray<ExportEvent>
  /** Milliseconds since 1970. */
  readonly now: number
}

/** How requests are written, and answers read. */
interface Encoding {
  readonly contentType: string
  readonly encode: (request: Request) => Uint8Array<ArrayBuffer>
  /** Undefined where the answer is none of OTLP. */
  readonly partialSuccessOf: (answer: Answer) => Readonly<Record<string, unknown>> | undefined
}

const scope = { name: "effect-vargate", version }

const json = (bodyOf: BodyOf, resource: Attributes): Encoding => {
  const described = { attributes: entriesToAttributes(present(resource)), droppedAttributesCount: 0 }
  return {
    contentType: "application/json",
    encode: ({ events, now }) => {
      const observedTimeUnixNano = String(BigInt(now) * 1_000_000n)
      const logRecords = events.map((event) => {
        const { attributes, body, time, ...rest } = logRecordOf(event)
        return {
          ...rest,
          ...time === undefined ? {} : { timeUnixNano: String(time) },
          observedTimeUnixNano,
          body: { stringValue: bodyOf(event, body, now) },
          attributes: entriesToAttributes(attributes as Array<[string, unknown]>)
        }
      })
      return encoder.encode(JSON.stringify({
        resourceLogs: [{ resource: described, scopeLogs: [{ scope, logRecords }] }]
      }))
    },
    partialSuccessOf: ({ body, isJson }) => {
      if (!isJson || (body !== undefined && !isRecord(body))) return undefined
      const partial = body?.["partialSuccess"] ?? body?.["partial_success"]
      return isRecord(partial) ? partial : {}
    }
  }
}

const secondsAndNanos = (nanos: bigint) => [Number(nanos / 1_000_000_000n), Number(nanos % 1_000_000_000n)]

const protobuf = (
  { deserializeResponse, serializeRequest }: ProtobufLogs,
  bodyOf: BodyOf,
  of: Attributes
): Encoding => {
  const resource = { attributes: Object.fromEntries(present(of)) }
  return {
    contentType: "application/x-protobuf",
    encode: ({ events, now }) => {
      const hrTimeObserved = secondsAndNanos(BigInt(now) * 1_000_000n)
      // One resource and one scope, by identity, are written once.
      const records = events.map((event) => {
        const { attributes, body, time = 0n, ...rest } = logRecordOf(event)
        return {
          ...rest,
          hrTime: secondsAndNanos(time),
          hrTimeObserved,
          body: bodyOf(event, body, now),
          attributes: Object.fromEntries(attributes),
          droppedAttributesCount: 0,
          resource,
          instrumentationScope: scope
        }
      })
      return new Uint8Array(serializeRequest(records as unknown as Array<never>)!)
    },
    partialSuccessOf: ({ bytes }) => {
      try {
        const answer = deserializeResponse(bytes)
        return "partialSuccess" in answer && isRecord(answer.partialSuccess) ? answer.partialSuccess : {}
      } catch {
        return undefined
      }
    }
  }
}

type BodyOf = (event: ExportEvent, sentence: string, now: number) => string

/**
 * A sink that sends OTLP logs. Fails with `InvalidRequest` where the URL or a header cannot be used.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ExportSink.Sink, VargateError, HttpClient.HttpClient> {
  const { failed, post, word } = yield* makePoster("otlp", "OtlpSink.make", options)
  const resource = Object.entries({ "service.name": "vargate", ...options.resource })
  const bodyOf: BodyOf = options.format === "ocsf"
    ? (event, _, now) => JSON.stringify(Ocsf.eventOf(event, now))
    : (_, sentence) => sentence
  const { contentType, encode, partialSuccessOf } = options.protobuf === undefined
    ? json(bodyOf, resource)
    : protobuf(options.protobuf, bodyOf, resource)
  return {
    name: "otlp",
    maxEvents: options.maxEvents ?? 512,
    maxBytes: options.maxBytes ?? 2 * 1024 * 1024,
    send: Effect.fnUntraced(function*(events) {
      // A clock may have fractions of a millisecond.
      const body = encode({ events, now: Math.trunc(yield* Clock.currentTimeMillis) })
      const answer = yield* options.compression === "gzip"
        ? Effect.flatMap(
          gzip(body),
          (body) => post({ contentType, body, headers: { "content-encoding": "gzip" } })
        )
        : post({ contentType, body })
      const partial = partialSuccessOf(answer)
      if (partial === undefined) return yield* failed("Rejected", "its answer is not OTLP")
      const refused = Number(partial["rejectedLogRecords"] ?? partial["rejected_log_records"] ?? 0)
      const said = word(partial["errorMessage"] ?? partial["error_message"])
      if (refused > 0) {
        return yield* failed(
          "PartlyRefused",
          `it refused ${refused} of ${events.length}${said === "" ? "" : `: ${said}`}`,
          {
            refused: Math.min(Math.trunc(refused), events.length)
          }
        )
      }
      if (said !== "") yield* Effect.logWarning(`The receiver of the export says: ${said}`)
    })
  }
})
