/**
 * Exports as OpenTelemetry logs: OTLP over HTTP, as JSON, to a collector or whatever speaks it.
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
 * OTLP has no way to tell duplicates: `vargate.event.id` is the same whenever an event comes again. What a receiver refuses
 * for good (`partialSuccess`) is found by halves.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import { entriesToAttributes, type KeyValue } from "effect/observability/OtlpResource"
import type { VargateError } from "../errors/VargateError.ts"
import { isRecord } from "../internal/isRecord.ts"
import { version } from "../internal/version.ts"
import type { ExportEvent } from "./ExportEvent.ts"
import type * as ExportSink from "./ExportSink.ts"
import { nanosOf, textOf } from "./internal/payload.ts"
import { makePoster } from "./internal/post.ts"

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

const present = (entries: ReadonlyArray<readonly [string, unknown]>): Array<KeyValue> =>
  entriesToAttributes(
    entries.flatMap(([key, value]) => value === undefined || value === null ? [] : [[key, value] as [string, unknown]])
  )

interface LogRecord {
  readonly eventName: string
  readonly timeUnixNano?: string
  readonly observedTimeUnixNano: string
  readonly severityNumber: number
  readonly severityText: string
  readonly body: { readonly stringValue: string }
  readonly attributes: ReadonlyArray<KeyValue>
}

const logRecordOf = (event: ExportEvent, observedTimeUnixNano: string): LogRecord => {
  const common = [
    ["vargate.event.id", event.id],
    ["vargate.tenant.id", event.tenantId],
    ["vargate.log.count", event.count]
  ] as const
  const base = { observedTimeUnixNano }
  switch (event._tag) {
    case "Record": {
      const fields = event.fields
      const [tool, method, agent, decision, severity] = ["tool", "method", "agent_id", "decision", "severity"].map((
        key
      ) => textOf(fields[key])) as [string, string, string, string, string]
      const time = nanosOf(fields["requested_at"])
      const params = fields["params"]
      return {
        ...base,
        ...time === undefined ? {} : { timeUnixNano: String(time) },
        eventName: "vargate.audit.record",
        severityNumber: severityOf(severity, decision),
        severityText: severity,
        body: { stringValue: `${decision}: ${tool}/${method} by ${agent}` },
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
        ...base,
        eventName: "vargate.audit.gap",
        severityNumber: warn,
        severityText: "gap",
        body: { stringValue: `The gateway cannot show record ${event.count} of its audit log` },
        attributes: present([...common, ["vargate.record.hash", event.recordHash]])
      }
    case "Finding":
      return {
        ...base,
        eventName: "vargate.audit.finding",
        severityNumber: error,
        severityText: event.finding._tag,
        body: { stringValue: `The audit log does not hold: ${event.finding._tag} at record ${event.finding.id}` },
        attributes: present([
          ...common,
          ...Object.entries(event.finding).map(([key, value]) => [`vargate.finding.${key}`, value] as const)
        ])
      }
    case "Refused":
      return {
        ...base,
        eventName: "vargate.audit.refused",
        severityNumber: warn,
        severityText: "refused",
        body: { stringValue: `Record ${event.count} of the audit log was refused: ${event.detail}` },
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
  const resource = {
    attributes: present(Object.entries({ "service.name": "vargate", ...options.resource })),
    droppedAttributesCount: 0
  }
  const scope = { name: "effect-vargate", version }
  return {
    name: "otlp",
    maxEvents: options.maxEvents ?? 512,
    maxBytes: options.maxBytes ?? 2 * 1024 * 1024,
    send: Effect.fnUntraced(function*(events) {
      // A clock may have fractions of a millisecond.
      const now = String(BigInt(Math.trunc(yield* Clock.currentTimeMillis)) * 1_000_000n)
      const logRecords = events.map((event) => logRecordOf(event, now))
      const body = encoder.encode(JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords }] }] }))
      const answer = yield* options.compression === "gzip"
        ? Effect.flatMap(
          gzip(body),
          (body) => post({ contentType: "application/json", body, headers: { "content-encoding": "gzip" } })
        )
        : post({ contentType: "application/json", body })
      if (!answer.isJson || (answer.body !== undefined && !isRecord(answer.body))) {
        return yield* failed("Rejected", "its answer is not OTLP")
      }
      const partial = isRecord(answer.body)
        ? answer.body["partialSuccess"] ?? answer.body["partial_success"]
        : undefined
      if (!isRecord(partial)) return
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
