/** Sinks over HTTP: what they send, and what they make of every answer. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, HttpClientResponse } from "effect/http"
import { inspect } from "node:util"
import { gunzipSync } from "node:zlib"
import * as AuditExport from "../../src/export/AuditExport.ts"
import * as CloudEventsSink from "../../src/export/CloudEventsSink.ts"
import * as ExportCursor from "../../src/export/ExportCursor.ts"
import type * as ExportSink from "../../src/export/ExportSink.ts"
import * as OtlpSink from "../../src/export/OtlpSink.ts"
import * as Redaction from "../../src/export/Redaction.ts"
import * as SplunkSink from "../../src/export/SplunkSink.ts"
import { serving, until, wireRecords } from "../support/exporting.ts"
import { logsOf } from "../support/otlp.ts"

interface Sent {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly bytes: Uint8Array
  /** By the clock of the test, in milliseconds. */
  readonly at: number
}

type Answer = Response | "unreachable" | "silent"

/** A client whose answers the test gives. */
const receiver = (answer: (sent: Sent, attempt: number) => Answer) => {
  const requests: Array<Sent> = []
  const client = HttpClient.make((request: HttpClientRequest.HttpClientRequest, url) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      const { body } = request
      const sent: Sent = {
        url,
        headers: { ...request.headers },
        at,
        text: body._tag === "Uint8Array" ? new TextDecoder().decode(body.body) : "",
        bytes: body._tag === "Uint8Array" ? body.body : new Uint8Array()
      }
      requests.push(sent)
      const answered = answer(sent, requests.length - 1)
      if (answered === "silent") return Effect.never
      return answered === "unreachable"
        ? Effect.fail(
          new HttpClientError.HttpClientError({
            reason: new HttpClientError.TransportError({ request, description: `no route to ${url.href}` })
          })
        )
        : Effect.succeed(HttpClientResponse.fromWeb(request, answered))
    })
  )
  return { requests, layer: Layer.succeed(HttpClient.HttpClient, client) }
}

const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } })

const url = "https://receiver.example/base"
const key = "s3cret-key-of-the-receiver"

const makers: Readonly<
  Record<
    "otlp" | "cloudevents" | "hec",
    { readonly make: (options?: object) => ReturnType<typeof OtlpSink.make>; readonly good: unknown }
  >
> = {
  otlp: {
    make: (options) => OtlpSink.make({ url, headers: { "x-api-key": Redacted.make(key) }, ...options }),
    good: { partialSuccess: {} }
  },
  cloudevents: {
    make: (options) => CloudEventsSink.make({ url, headers: { authorization: `Bearer ${key}` }, ...options }),
    good: {}
  },
  hec: { make: (options) => SplunkSink.make({ url, token: key, ...options }), good: { text: "Success", code: 0 } }
}

const exportThrough = (
  made: ReturnType<typeof OtlpSink.make>,
  answer: (sent: Sent, attempt: number) => Answer,
  options: Partial<AuditExport.RunOptions> & { readonly records?: ReturnType<typeof wireRecords> } = {}
) =>
  Effect.gen(function*() {
    const { records = wireRecords(20), ...rest } = options
    const { layer, requests } = receiver(answer)
    const sink = yield* Effect.provide(made, layer)
    const cursor = yield* ExportCursor.memory
    const exit = yield* AuditExport.run({ sink, cursor, ...rest }).pipe(
      Effect.provide(serving(records).layer),
      Effect.exit
    )
    return { exit, requests, cursor: yield* cursor.read }
  })

const failureOf = (exit: Exit.Exit<unknown, AuditExport.ExportError>): ExportSink.SinkFailed => {
  assert(Exit.isFailure(exit))
  const error = Cause.squash(exit.cause) as AuditExport.ExportError
  assert(error._tag === "SinkFailed", String(error))
  return error
}

describe("every sink over HTTP", () => {
  for (const [name, { good, make }] of Object.entries(makers)) {
    it.effect(`${name}: sends the same again where it may pass, and moves its cursor after that`, () =>
      Effect.gen(function*() {
        const answers: ReadonlyArray<Answer> = [
          "unreachable",
          json(503, { message: "later" }, { "retry-after": "120" }),
          json(429, {}),
          "silent"
        ]
        const { layer, requests } = receiver((_, attempt) => answers[attempt] ?? json(200, good))
        const sink = yield* Effect.provide(make(), layer)
        const fiber = yield* AuditExport.run({ sink }).pipe(
          Effect.provide(serving(wireRecords(20)).layer),
          Effect.forkChild({ startImmediately: true })
        )
        yield* until(() => requests.length > 0, "0 millis")
        yield* until(() => fiber.pollUnsafe() !== undefined, "250 millis")
        const [first, second, third] = requests.map(({ at }) => at)
        assert.isAtMost(second! - first!, 10_000)
        assert.isAtLeast(third! - second!, 120_000, "the silence of a Retry-After is kept")
        const summary = yield* Fiber.join(fiber)
        assert.strictEqual(summary.records, 20)
        assert.isAtLeast(requests.length, 5)
        for (const { text } of requests) assert.strictEqual(idsIn(text).length, 20)
      }))

    it.effect(`${name}: ends where sending again is pointless, and shows neither key nor URL`, () =>
      Effect.gen(function*() {
        const refusals: ReadonlyArray<readonly [Answer, string]> = [
          [json(401, { message: `bad key ${key}`, text: `bad key ${key}` }), "401"],
          [json(403, {}), "403"],
          [new Response("<html>", { status: 404 }), "404"],
          [
            new Response(null, { status: 307, headers: { location: "https://other.example" } }),
            "redirects are never followed"
          ],
          [new Response("x".repeat(100_000), { status: 200 }), "has more than 65536 bytes"]
        ]
        for (const [answer, said] of refusals) {
          const { cursor, exit, requests } = yield* exportThrough(make(), () => answer)
          const error = failureOf(exit)
          assert.strictEqual(error.reason, "Rejected")
          assert.include(error.message, said)
          assert.strictEqual(requests.length, 1, "a redirect is not followed, a refusal not repeated")
          const everything = error.message + inspect(error, { depth: 9 }) + JSON.stringify(error)
          assert.notInclude(everything, key)
          assert.notInclude(everything, "receiver.example")
          assert.isUndefined(cursor)
        }
      }))

    it.effect(`${name}: takes what its URL carries out of the words of a receiver`, () =>
      Effect.gen(function*() {
        const secrets = ["t0ken-in-the-query", "a-webhook's-key/in-the-path", "receiver.example"]
        const target = `https://receiver.example/${encodeURIComponent(secrets[1]!)}?api_key=${secrets[0]!}`
        const { exit } = yield* exportThrough(make({ url: target }), ({ url }) => {
          const said = `no route for ${url.href}, ${url.pathname}, ${secrets.join(" ")}`
          return json(404, { message: said, text: said })
        })
        const error = failureOf(exit)
        const everything = error.message + inspect(error, { depth: 9 }) + JSON.stringify(error)
        assert.include(everything, "no route for <redacted>")
        for (const secret of secrets) {
          assert.notInclude(everything, secret)
          assert.notInclude(everything, encodeURIComponent(secret))
        }
      }))

    it.effect(`${name}: sends less at once after a 413, down to the record that is too large`, () =>
      Effect.gen(function*() {
        const records = wireRecords(20, (index) => index === 12 ? { params: { text: "x".repeat(5000) } } : {})
        const { cursor, exit, requests } = yield* exportThrough(
          make(),
          ({ text }) => text.length > 4000 ? json(413, {}) : json(200, good),
          { records, redact: Redaction.none }
        )
        assert(Exit.isSuccess(exit))
        assert.deepInclude(exit.value, { records: 19, refused: 1 })
        assert.strictEqual(cursor?.count, 20)
        const taken = requests.filter(({ text }) => text.length <= 4000).flatMap(({ text }) => idsIn(text))
        assert.deepStrictEqual(
          taken,
          records.map(({ id, record_hash }) => id === 13 ? `${record_hash}:refused` : record_hash)
        )
      }))

    it.effect(`${name}: refuses a URL or a key that must not be used`, () =>
      Effect.gen(function*() {
        const { layer } = receiver(() => json(200, good))
        for (
          const options of [
            { url: "http://receiver.example" },
            { url: "https://user:pass@receiver.example" },
            { url: "file:///tmp" },
            { url: "" },
            { headers: { "x-key": "a\nb" } }
          ]
        ) {
          const error = yield* make(options).pipe(Effect.provide(layer), Effect.flip)
          assert.strictEqual(error.reason._tag, "InvalidRequest", JSON.stringify(options))
        }
        yield* Effect.provide(make({ url: "http://127.0.0.1:4318" }), layer)
        yield* Effect.provide(make({ url: "http://receiver.example", allowHttp: true }), layer)
      }))
  }
})

/** The ids of the events in a request, whatever its form. */
const idsIn = (text: string): ReadonlyArray<string> => {
  if (text.startsWith("{\"resourceLogs\"")) {
    return logsOf(text).map(({ attributes }) => String(attributes["vargate.event.id"]))
  }
  if (text.startsWith("[")) return JSON.parse(text).map(({ id }: { readonly id: string }) => id)
  return text.split("\n").map((line) => JSON.parse(line).fields.vargate_event_id)
}

describe("OtlpSink", () => {
  it.effect("sends what the schema of OTLP has, with GenAI's attributes and ours", () =>
    Effect.gen(function*() {
      const records = wireRecords(3, (index) => ({
        requested_at: "2026-11-30T10:00:00.123456+00:00",
        decision: index === 1 ? "deny" : "allow",
        severity: index === 1 ? "high" : "none",
        violations: index === 1 ? ["too much", "too late"] : []
      }))
      const { exit, requests } = yield* exportThrough(makers.otlp.make(), () => json(200, {}), {
        records,
        redact: Redaction.only(["amount"])
      })
      assert(Exit.isSuccess(exit))
      assert.strictEqual(requests[0]!.url.href, url)
      assert.strictEqual(requests[0]!.headers["x-api-key"], key)
      const [first, second] = logsOf(requests[0]!.text)
      assert.deepInclude(first, {
        eventName: "vargate.audit.record",
        severityNumber: 9,
        timeUnixNano: String(BigInt(Date.UTC(2026, 10, 30, 10)) * 1_000_000n + 123_456_000n)
      })
      assert.deepInclude(second, { severityNumber: 17, body: { stringValue: "deny: stripe/refund by agent" } })
      assert.deepInclude(first!.attributes, {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "stripe/refund",
        "gen_ai.tool.call.id": "a-0",
        "gen_ai.tool.call.arguments": JSON.stringify({ amount: 0, email: Redaction.mark }),
        "gen_ai.agent.id": "agent",
        "vargate.record.hash": records[0]!.record_hash,
        "vargate.log.count": 1,
        "vargate.redacted": true
      })
      assert.deepStrictEqual(second!.attributes["vargate.violations"], ["too much", "too late"])
    }))

  it.effect("compresses its requests where it is told so", () =>
    Effect.gen(function*() {
      const plain = yield* exportThrough(makers.otlp.make(), () => json(200, {}))
      const packed = yield* exportThrough(makers.otlp.make({ compression: "gzip" }), () => json(200, {}))
      assert(Exit.isSuccess(packed.exit))
      const [sent] = packed.requests
      assert.strictEqual(sent!.headers["content-encoding"], "gzip")
      assert.isBelow(sent!.bytes.length, plain.requests[0]!.bytes.length / 3)
      const attributesOf = (text: string) => logsOf(text).map(({ attributes }) => attributes)
      assert.deepStrictEqual(
        attributesOf(gunzipSync(sent!.bytes).toString("utf8")),
        attributesOf(plain.requests[0]!.text)
      )
      assert.isUndefined(plain.requests[0]!.headers["content-encoding"])
    }))

  it.effect("finds the records that a partial success refuses, and goes on without them", () =>
    Effect.gen(function*() {
      const records = wireRecords(20)
      const bad = records[6]!.record_hash
      for (const rejected of ["1", 1]) {
        const { exit, requests } = yield* exportThrough(
          makers.otlp.make(),
          ({ text }) =>
            json(
              200,
              idsIn(text).includes(bad) ? { partialSuccess: { rejectedLogRecords: rejected, errorMessage: "no" } } : {}
            ),
          { records }
        )
        assert(Exit.isSuccess(exit))
        assert.deepInclude(exit.value, { records: 19, refused: 1 })
        const sent = new Set(requests.flatMap(({ text }) => idsIn(text)))
        for (const { record_hash } of records) assert.isTrue(sent.has(record_hash))
        assert.isTrue(sent.has(`${bad}:refused`))
      }
    }))

  it.effect("does not take a page of a proxy for an acknowledgement, and takes an empty answer", () =>
    Effect.gen(function*() {
      for (const body of ["<html>hello</html>", "[]", "\"ok\""]) {
        const { exit } = yield* exportThrough(makers.otlp.make(), () => new Response(body, { status: 200 }))
        assert.include(failureOf(exit).message, "not OTLP")
      }
      const { exit } = yield* exportThrough(makers.otlp.make(), () => new Response(null, { status: 200 }))
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("has events for gaps and findings", () =>
    Effect.gen(function*() {
      const all = wireRecords(8).map((record) => record.id === 6 ? { ...record, decision: "deny" } : record)
      const { layer, requests } = receiver(() => json(200, {}))
      const sink = yield* Effect.provide(makers.otlp.make(), layer)
      yield* AuditExport.run({ sink }).pipe(Effect.provide(serving(all, { hidden: new Set([3]) }).layer))
      const logs = requests.flatMap(({ text }) => logsOf(text))
      assert.deepStrictEqual(
        logs.map(({ eventName }) => eventName.replace("vargate.audit.", "")),
        ["record", "record", "gap", "record", "record", "finding", "record", "record"]
      )
      assert.deepInclude(logs[5]!.attributes, { "vargate.finding._tag": "HashMismatch", "vargate.finding.id": 6 })
    }))
})

describe("CloudEventsSink", () => {
  it.effect("sends batches, or each event by itself, with what tells duplicates and keeps the order", () =>
    Effect.gen(function*() {
      const records = wireRecords(3)
      const batch = yield* exportThrough(makers.cloudevents.make(), () => new Response(null, { status: 202 }), {
        records
      })
      assert.include(batch.requests[0]!.headers["content-type"], "application/cloudevents-batch+json")
      const events = JSON.parse(batch.requests[0]!.text)
      assert.deepStrictEqual(Object.keys(events[0]).toSorted(), [
        "data",
        "datacontenttype",
        "id",
        "partitionkey",
        "sequence",
        "source",
        "specversion",
        "subject",
        "time",
        "type"
      ])
      assert.deepInclude(events[1], {
        specversion: "1.0",
        id: records[1]!.record_hash,
        source: "urn:vargate:t",
        type: "ai.vargate.audit.record",
        subject: "a-1",
        sequence: "00000000000000000002",
        time: "2026-11-30T10:00:00.000Z"
      })
      assert.isNull(events[0].data.record.params)
      const single = yield* exportThrough(makers.cloudevents.make({ mode: "structured" }), () => json(200, {}), {
        records
      })
      assert.strictEqual(single.requests.length, 3)
      assert.include(single.requests[0]!.headers["content-type"], "application/cloudevents+json")
      assert.strictEqual(JSON.parse(single.requests[2]!.text).id, records[2]!.record_hash)
    }))

  it.effect("has OCSF's classes as its data where that is asked for", () =>
    Effect.gen(function*() {
      const records = wireRecords(2, (index) => ({ decision: index === 0 ? "allow" : "deny", severity: "high" }))
      const { requests } = yield* exportThrough(makers.cloudevents.make({ format: "ocsf" }), () => json(200, {}), {
        records
      })
      const [first, second] = JSON.parse(requests[0]!.text).map(({ data }: { readonly data: object }) => data)
      assert.deepInclude(first, { class_uid: 6003, category_uid: 6, activity_id: 99, type_uid: 600_399, action_id: 1 })
      assert.deepInclude(second, { action_id: 2, disposition_id: 2, severity_id: 4, time: Date.UTC(2026, 10, 30, 10) })
      assert.deepInclude(first.metadata, {
        version: "1.5.0",
        uid: records[0]!.record_hash,
        tenant_uid: "t",
        sequence: 1
      })
      assert.deepStrictEqual(first.api, { operation: "refund", service: { name: "stripe" }, request: { uid: "a-0" } })
      assert.isNull(first.unmapped.params)
    }))
})

describe("SplunkSink", () => {
  const isAck = ({ url }: Sent) => url.pathname.endsWith("/ack")

  it.effect("sends events with their times", () =>
    Effect.gen(function*() {
      const { exit, requests } = yield* exportThrough(
        makers.hec.make({ url: "https://splunk.example:8088", index: "audit" }),
        () => json(200, { text: "Success", code: 0 })
      )
      assert(Exit.isSuccess(exit))
      assert.strictEqual(requests[0]!.url.href, "https://splunk.example:8088/services/collector/event")
      assert.strictEqual(requests[0]!.headers["authorization"], `Splunk ${key}`)
      assert.isUndefined(requests[0]!.headers["x-splunk-request-channel"])
      const line = JSON.parse(requests[0]!.text.split("\n")[1]!)
      assert.deepInclude(line, {
        time: Date.UTC(2026, 10, 30, 10) / 1000,
        index: "audit",
        source: "vargate",
        sourcetype: "vargate:audit"
      })
      assert.deepInclude(line.event, { type: "record", count: 2, tenant: "t" })
    }))

  it.effect("waits for the indexer's acknowledgement before its cursor moves", () =>
    Effect.gen(function*() {
      let asked = 0
      let isIndexed = false
      const { layer, requests } = receiver((sent) => {
        if (!isAck(sent)) return json(200, { text: "Success", code: 0, ackId: 7 })
        asked++
        return json(200, { acks: { 7: isIndexed } })
      })
      const sink = yield* Effect.provide(makers.hec.make({ acknowledge: true }), layer)
      const cursor = yield* ExportCursor.memory
      const fiber = yield* AuditExport.run({ sink, cursor }).pipe(
        Effect.provide(serving(wireRecords(20)).layer),
        Effect.forkChild({ startImmediately: true })
      )
      yield* until(() => asked > 0, "0 millis")
      yield* until(() => asked > 20)
      assert.isUndefined(yield* cursor.read)
      yield* until(() => requests.filter((sent) => !isAck(sent)).length >= 2)
      assert.isAtLeast(requests.at(-1)!.at - requests[0]!.at, 120_000, "sent again after two minutes")
      assert.isUndefined(yield* cursor.read)
      isIndexed = true
      yield* until(() => fiber.pollUnsafe() !== undefined)
      yield* Fiber.join(fiber)
      assert.strictEqual((yield* cursor.read)?.count, 20)
      const channels = new Set(requests.map(({ headers }) => headers["x-splunk-request-channel"]))
      assert.strictEqual(channels.size, 1)
      assert.isTrue(requests.filter(isAck).every(({ url }) => url.searchParams.get("channel") === [...channels][0]))
    }))

  it.effect("says what its codes mean", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [number, object, ExportSink.SinkFailed["reason"], string]> = [
        [403, { text: "Invalid token", code: 4 }, "Rejected", "Invalid token"],
        [400, { text: "Incorrect index", code: 7 }, "Rejected", "Incorrect index"],
        [400, { text: "Data channel is missing", code: 10 }, "Rejected", "Data channel is missing"],
        [200, { text: "Hello" }, "Rejected", "event collector"]
      ]
      for (const [status, body, reason, said] of cases) {
        const error = failureOf((yield* exportThrough(makers.hec.make(), () => json(status, body))).exit)
        assert.deepInclude({ ...error }, { reason })
        assert.include(error.message, said)
      }
      const unacknowledged = yield* exportThrough(
        makers.hec.make({ acknowledge: true }),
        () => json(200, { text: "Success", code: 0 })
      )
      assert.include(failureOf(unacknowledged.exit).message, "no acknowledgement enabled")
      const records = wireRecords(20)
      const bad = records[3]!.record_hash
      const { exit } = yield* exportThrough(makers.hec.make(), ({ text }) =>
        idsIn(text).includes(bad)
          ? json(400, { text: "Invalid data format", code: 6, "invalid-event-number": 3 })
          : json(200, { text: "Success", code: 0 }), { records })
      assert(Exit.isSuccess(exit))
      assert.deepInclude(exit.value, { records: 19, refused: 1 })
    }))
})
