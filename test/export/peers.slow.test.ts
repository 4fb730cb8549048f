/** What sinks send, read by others' programs: the SDK of CloudEvents, protobuf's own reader, and OpenTelemetry's collector. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http"
import { createRequire } from "node:module"
import type { AddressInfo } from "node:net"
import { homedir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { gunzipSync } from "node:zlib"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as CloudEventsSink from "../../src/export/CloudEventsSink.ts"
import type { Sink } from "../../src/export/ExportSink.ts"
import * as OtlpSink from "../../src/export/OtlpSink.ts"
import * as Redaction from "../../src/export/Redaction.ts"
import * as SplunkSink from "../../src/export/SplunkSink.ts"
import { serving, wireRecords } from "../support/exporting.ts"
import { folder } from "../support/folder.ts"

// Outside of the lock file: `npm install cloudevents @opentelemetry/otlp-transformer @opentelemetry/api protobufjs` in the
// folder `export-peers`; the programs are those of `.ci/otlp/build` and `.ci/hec/build`.
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate")

const peer = async <A>(name: string): Promise<A | undefined> => {
  try {
    return await import(pathToFileURL(createRequire(join(cache, "export-peers", "index.js")).resolve(name)).href)
  } catch {
    return undefined
  }
}

/** What was parsed. */
type Json = ReturnType<JSON["parse"]>

interface CloudEvent {
  readonly validate: () => boolean
  readonly [attribute: string]: unknown
}
interface CloudEvents {
  readonly HTTP: {
    readonly toEvent: (message: { readonly headers: IncomingHttpHeaders; readonly body: string }) =>
      | CloudEvent
      | ReadonlyArray<CloudEvent>
  }
}
interface ProtobufType {
  readonly decode: (bytes: Uint8Array) => object
  readonly encode: (value: object) => { readonly finish: () => Uint8Array }
  readonly toObject: (message: object, options: object) => Json
}
interface Protobuf {
  readonly parse: (text: string) => { readonly root: { readonly lookupType: (name: string) => ProtobufType } }
}

const cloudevents = await peer<CloudEvents>("cloudevents")
const transformer = await peer<{ readonly ProtobufLogsSerializer: OtlpSink.ProtobufLogs }>(
  "@opentelemetry/otlp-transformer"
)
const protobufjs = await peer<{ readonly default: Protobuf }>("protobufjs")

/** opentelemetry-proto v1, as far as logs need it. */
const otlp = protobufjs?.default.parse(`syntax = "proto3";
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
  ArrayValue array_value = 5; } }
message ArrayValue { repeated AnyValue values = 1; }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Scope { string name = 1; string version = 2; }
message LogRecord { fixed64 time_unix_nano = 1; fixed64 observed_time_unix_nano = 11; int32 severity_number = 2;
  string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6; string event_name = 12; }
message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; }
message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; }
message Request { repeated ResourceLogs resource_logs = 1; }
message PartialSuccess { int64 rejected_log_records = 1; string error_message = 2; }
message Response { PartialSuccess partial_success = 1; }`).root

interface Got {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A server that hands on what it gets, and answers as it is told to. */
const receiver = (
  answer: (got: Got) => { readonly type?: string; readonly body: string | Uint8Array } = () => ({ body: "" })
) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const got: Array<Got> = []
      const server = createServer((request: IncomingMessage, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const one = { headers: request.headers, body: Buffer.concat(chunks) }
          got.push(one)
          const { body, type = "application/json" } = answer(one)
          response.writeHead(200, { "content-type": type }).end(body)
        })
      }).listen(0, "127.0.0.1")
      await once(server, "listening")
      return { got, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    }),
    ({ server }) => Effect.sync(() => void server.close())
  )

/** A program that receives, as soon as it does. */
const receiving = (program: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async (): Promise<ChildProcess> => {
      const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] })
      await once(child.stderr!, "data")
      return child
    }),
    (child) =>
      Effect.promise(async () => {
        child.kill("SIGTERM")
        await once(child, "exit")
      })
  )

const freePort = Effect.scoped(Effect.map(receiver(), ({ url }) => new URL(url).port))

const hostile = "Zoë \u{1f600} 100%\n\"x\""
const records = wireRecords(30, (index) => ({
  agent_id: index === 4 ? hostile : "agent",
  action_id: index === 5 ? `a ${hostile}` : `a-${index}`,
  requested_at: `2026-11-30T10:00:00.${String(index).padStart(6, "0")}+00:00`,
  violations: index === 7 ? ["too much", hostile] : []
}))
const hashes = records.map(({ record_hash }) => record_hash)

const exportInto = (sink: Sink) =>
  AuditExport.run({ sink, redact: Redaction.only(["amount"]) }).pipe(
    Effect.provide(serving(records, { hidden: new Set([12]) }).layer)
  )
const without12 = hashes.map((hash, index) => index === 11 ? "t:gap:12" : hash)

describe("CloudEvents", () => {
  for (const mode of ["batch", "structured", "binary"] as const) {
    for (const format of ["vargate", "ocsf"] as const) {
      it.live.skipIf(cloudevents === undefined)(
        `the SDK reads them: ${mode}, ${format} (needs cloudevents)`,
        () =>
          Effect.gen(function*() {
            const { got, url } = yield* receiver()
            const sink = yield* CloudEventsSink.make({ url, mode, format })
            yield* exportInto(sink)
            const events = got.flatMap(({ body, headers }) =>
              cloudevents!.HTTP.toEvent({ headers, body: body.toString("utf8") })
            )
            assert.deepStrictEqual(events.map(({ id }) => id), without12)
            for (const event of events) assert.isTrue(event.validate())
            assert.strictEqual(got.length, mode === "batch" ? 1 : 30)
            assert.deepInclude(events[2], {
              source: "urn:vargate:t",
              type: "ai.vargate.audit.record",
              subject: "a-2",
              time: "2026-11-30T10:00:00.000Z"
            })
            // The SDK does not decode what the binding has it decode.
            const subject = events[5]!["subject"] as string
            assert.strictEqual(mode === "binary" ? decodeURIComponent(subject) : subject, `a ${hostile}`)
            const data = events[2]!["data"] as Json
            assert.deepStrictEqual(
              format === "ocsf" ? data.unmapped.params : data.record.params,
              { amount: 2, email: Redaction.mark }
            )
            assert.strictEqual(format === "ocsf" ? data.metadata.uid : data.id, hashes[2])
          }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
      )
    }
  }
})

const attributesOf = (record: Json) => Object.fromEntries(record.attributes.map(({ key, value }: Json) => [key, value]))
const idsIn = ({ resourceLogs }: Json) =>
  resourceLogs[0].scopeLogs[0].logRecords.map((record: Json) => attributesOf(record)["vargate.event.id"].stringValue)

describe("OTLP as protobuf", () => {
  const isThere = transformer !== undefined && otlp !== undefined
  const protobuf = transformer?.ProtobufLogsSerializer

  it.live.skipIf(!isThere)(
    "is what the schema decodes (needs protobufjs and otlp-transformer)",
    () =>
      Effect.gen(function*() {
        const { got, url } = yield* receiver(() => ({ type: "application/x-protobuf", body: "" }))
        const sink = yield* OtlpSink.make({ url, protobuf, compression: "gzip", resource: { region: "eu" } })
        yield* exportInto(sink)
        assert.strictEqual(got[0]!.headers["content-type"], "application/x-protobuf")
        const Request = otlp!.lookupType("Request")
        const { resourceLogs } = Request.toObject(Request.decode(gunzipSync(got[0]!.body)), { longs: String })
        assert.strictEqual(resourceLogs.length, 1)
        assert.deepStrictEqual(resourceLogs[0].resource.attributes, [
          { key: "service.name", value: { stringValue: "vargate" } },
          { key: "region", value: { stringValue: "eu" } }
        ])
        const { logRecords, scope } = resourceLogs[0].scopeLogs[0]
        assert.strictEqual(scope.name, "effect-vargate")
        assert.deepStrictEqual(idsIn({ resourceLogs }), without12)
        assert.deepInclude(logRecords[4], {
          eventName: "vargate.audit.record",
          timeUnixNano: String(BigInt(Date.UTC(2026, 10, 30, 10)) * 1_000_000n + 4000n),
          body: { stringValue: `allow: stripe/refund by ${hostile}` }
        })
        assert.strictEqual(logRecords[11].eventName, "vargate.audit.gap")
        assert.deepInclude(attributesOf(logRecords[7]), {
          "vargate.log.count": { intValue: "8" },
          "vargate.redacted": { boolValue: true },
          "vargate.violations": { arrayValue: { values: [{ stringValue: "too much" }, { stringValue: hostile }] } }
        })
      }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
  )

  it.live.skipIf(!isThere)(
    "finds what a partial success refuses, and takes no page of a proxy for an answer",
    () =>
      Effect.gen(function*() {
        const Request = otlp!.lookupType("Request")
        const Response = otlp!.lookupType("Response")
        const bad = hashes[6]!
        const { url } = yield* receiver(({ body }) => ({
          type: "application/x-protobuf",
          body: idsIn(Request.toObject(Request.decode(body), {})).includes(bad)
            ? Response.encode({ partialSuccess: { rejectedLogRecords: 1, errorMessage: "no" } }).finish()
            : new Uint8Array()
        }))
        const summary = yield* exportInto(yield* OtlpSink.make({ url, protobuf }))
        assert.deepInclude(summary, { records: 28, gaps: 1, refused: 1 })
        const proxy = yield* receiver(() => ({ type: "text/html", body: "<html>hello</html>" }))
        const error = yield* Effect.flip(exportInto(yield* OtlpSink.make({ url: proxy.url, protobuf })))
        assert.include(error.message, "not OTLP")
      }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
  )

  const collector = join(cache, "otlp-0.165.0", "otlp")
  for (const encoding of ["protobuf", "JSON"] as const) {
    for (const format of ["vargate", "ocsf"] as const) {
      it.live.skipIf(!existsSync(collector) || protobuf === undefined)(
        `OpenTelemetry's collector takes it, as it takes JSON: ${encoding}, ${format} (needs .ci/otlp/build)`,
        () =>
          Effect.gen(function*() {
            const file = join(yield* folder, "received")
            const port = yield* freePort
            yield* receiving(collector, [port, file])
            const url = `http://127.0.0.1:${port}/v1/logs`
            yield* exportInto(
              yield* OtlpSink.make({ url, format, protobuf: encoding === "JSON" ? undefined : protobuf })
            )
            const lines = readFileSync(file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line))
            assert.deepStrictEqual(lines.map(({ attributes }) => attributes["vargate.event.id"]), without12)
            assert.strictEqual(lines[4].event, "vargate.audit.record")
            assert.deepStrictEqual(lines[7].attributes["vargate.violations"], ["too much", hostile])
            const { body } = lines[4]
            if (format === "vargate") assert.strictEqual(body, `allow: stripe/refund by ${hostile}`)
            else {assert.deepInclude(JSON.parse(body), {
                class_uid: 6003,
                actor: { app_name: hostile, app_uid: hostile }
              })}
          }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
      )
    }
  }
})

describe("Splunk's event collector", () => {
  const program = join(cache, "hec-0.145.0", "hec")
  for (const acknowledge of [false, true]) {
    it.live.skipIf(!existsSync(program))(
      `the receiver of OpenTelemetry's collector for it takes what is sent${
        acknowledge ? ", and acknowledges" : ""
      } (needs .ci/hec/build)`,
      () =>
        Effect.gen(function*() {
          const file = join(yield* folder, "received")
          const port = yield* freePort
          yield* receiving(program, [port, file, ...acknowledge ? ["ack"] : []])
          const sink = yield* SplunkSink.make({
            url: `http://127.0.0.1:${port}`,
            token: "token",
            index: "audit",
            acknowledge
          })
          yield* exportInto(sink)
          const lines = readFileSync(file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line))
          assert.deepStrictEqual(lines.map(({ attributes }) => attributes["vargate_event_id"]), without12)
          assert.deepInclude(lines[4].resource, {
            "com.splunk.index": "audit",
            "com.splunk.source": "vargate",
            "com.splunk.sourcetype": "vargate:audit"
          })
          assert.strictEqual(Math.round(lines[4].time / 1000), Date.UTC(2026, 10, 30, 10) * 1000 + 4)
          assert.strictEqual(lines[4].body.record.agent_id, hostile)
        }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
    )
  }
})
