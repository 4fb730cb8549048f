/** What tests of exports have in common: a log, an exporter over it, and sinks that can be told what to do. */
import { type Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import * as AuditExport from "../../src/export/AuditExport.ts"
import type { ExportEvent } from "../../src/export/ExportEvent.ts"
import * as ExportSink from "../../src/export/ExportSink.ts"
import * as NodeHasher from "../../src/node/NodeHasher.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import * as Vargate from "../../src/Vargate.ts"
import { gateway } from "./rawLog.ts"

/** A gateway with every service over it, and an exporter. */
export const exporting = () => AuditExport.layer.pipe(Layer.provideMerge(gateway()))

/** A sink in memory that does what it is told before it takes anything. */
export const collecting = (
  before: (events: ReadonlyArray<ExportEvent>, attempt: number) => Effect.Effect<void, ExportSink.SinkFailed> = () =>
    Effect.void,
  options: Partial<ExportSink.Sink> = {}
) => {
  const events: Array<ExportEvent> = []
  let attempt = 0
  const sink: ExportSink.Sink = {
    name: "test",
    send: (batch) =>
      Effect.suspend(() => before(batch, attempt++)).pipe(
        Effect.andThen(Effect.sync(() => void events.push(...batch)))
      ),
    ...options
  }
  return { sink, events, attempts: () => attempt }
}

export const failed = ExportSink.failed("test")

export interface WireRecord {
  readonly [field: string]: unknown
  readonly id: number
  readonly record_hash: string
}

/** JSON with nothing but ASCII, as it is hashed. */
const ascii = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[\x7f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** Records as the gateway sends them, chained, oldest first. */
export const wireRecords = (
  count: number,
  fields: (index: number) => Readonly<Record<string, unknown>> = () => ({})
): ReadonlyArray<WireRecord> => {
  const records: Array<WireRecord> = []
  let previous = "GENESIS"
  for (let index = 0; index < count; index++) {
    const hashed = {
      action_id: `a-${index}`,
      agent_id: "agent",
      tool: "stripe",
      method: "refund",
      params: { amount: index, email: `p${index}@example.org` } as unknown,
      requested_at: "2026-11-30T10:00:00.000000+00:00",
      decision: "allow",
      violations: [] as ReadonlyArray<string>,
      severity: "none",
      bundle_revision: "r1",
      ...fields(index)
    }
    const { params, violations, ...rest } = hashed
    const payload = {
      action_id: rest.action_id,
      agent_id: rest.agent_id,
      tool: rest.tool,
      method: rest.method,
      params: ascii(params),
      requested_at: rest.requested_at,
      decision: rest.decision,
      violations: ascii(violations),
      severity: rest.severity,
      bundle_revision: rest.bundle_revision,
      prev_hash: previous
    }
    const record_hash = createHash("sha256").update(ascii(payload)).digest("hex")
    records.push({ id: index + 1, ...hashed, alert_tier: null, prev_hash: previous, record_hash })
    previous = record_hash
  }
  return records
}

/** What a test changes about the log while it is read. */
export interface Served {
  records: ReadonlyArray<WireRecord>
  /** Ids of records that cannot be shown. */
  hidden: ReadonlySet<number>
  /** Called before each answer. */
  before: () => void
  requests: number
  /** Whether a proxy answers 503 instead. */
  isAway: boolean
  /** How an answer is written. */
  pretty: (text: string) => string
}

/** An exporter over a log that the test holds in its hands. */
export const serving = (records: ReadonlyArray<WireRecord>, options: Partial<Served> = {}) => {
  const served: Served = {
    records,
    hidden: new Set(),
    before: () => undefined,
    requests: 0,
    isAway: false,
    pretty: (text) => text,
    ...options
  }
  const layer = AuditExport.layer.pipe(
    Layer.provideMerge(Vargate.layer({ apiKey: "test-key" })),
    Layer.provideMerge(ScriptedTransport.layer(({ path }) => {
      served.requests++
      served.before()
      if (served.isAway) return ScriptedTransport.text(503, "away", { "content-type": "text/plain" })
      const query = new URL(path, "http://localhost").searchParams
      const offset = Number(query.get("offset"))
      const limit = Number(query.get("limit"))
      const total = served.records.length
      const page = served.records.slice(Math.max(0, total - offset - limit), Math.max(0, total - offset)).toReversed()
      return page.some(({ id }) => served.hidden.has(id))
        ? ScriptedTransport.text(500, "Internal Server Error", { "content-type": "text/plain; charset=utf-8" })
        : ScriptedTransport.text(
          200,
          served.pretty(JSON.stringify({ records: page, count: page.length, offset, total, tenant_id: "t" })),
          { "content-type": "application/json" }
        )
    })),
    Layer.provideMerge(NodeHasher.layer)
  )
  return { served, layer }
}

/** Lets the clock of the test run, second by second, and the event loop with it, until something has happened. */
export const until = (condition: () => boolean, step: Duration.Input = "1 second"): Effect.Effect<void> =>
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))).pipe(
    Effect.andThen(TestClock.adjust(step)),
    Effect.repeat({ until: condition }),
    Effect.asVoid
  )
