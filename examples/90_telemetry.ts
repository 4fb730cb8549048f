/**
 * @title Telemetry
 *
 * One trace from the agent over the policy's decision and a reviewer's approval to the execution, with logs that name
 * the action and metrics, exported by OTLP. A real collector takes one change: `FetchHttpClient.layer` in the place of
 * `collector`.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { Governed } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"

// --- a stand-in for the collector ------------------------------------------------------------------------------------

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes: ReadonlyArray<Attribute>
}

interface LogRecord {
  readonly body: { readonly stringValue: string }
  readonly attributes: ReadonlyArray<Attribute>
}

interface Export {
  readonly resourceSpans?: ReadonlyArray<
    { readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }> }
  >
  readonly resourceLogs?: ReadonlyArray<
    { readonly scopeLogs: ReadonlyArray<{ readonly logRecords: ReadonlyArray<LogRecord> }> }
  >
  readonly resourceMetrics?: ReadonlyArray<
    { readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<{ readonly name: string }> }> }
  >
}

const spans: Array<Span> = []
const logs: Array<LogRecord> = []
const metrics = new Set<string>()

const receive: typeof fetch = async (input, init) => {
  const { resourceLogs = [], resourceMetrics = [], resourceSpans = [] } = await new Request(input, init)
    .json() as Export
  spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)))
  logs.push(...resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords)))
  for (const { scopeMetrics } of resourceMetrics) {
    for (const { name } of scopeMetrics.flatMap(({ metrics }) => metrics)) metrics.add(name)
  }
  return Response.json({})
}

const collector = FetchHttpClient.layer.pipe(Layer.provide(Layer.succeed(FetchHttpClient.Fetch, receive)))

const observability = Otlp.layerJson({
  baseUrl: "http://collector:4318",
  resource: { serviceName: "refund-agent" }
}).pipe(Layer.provide(collector))

// --- the agent -------------------------------------------------------------------------------------------------------

const refund = Governed.run(
  { tool: "stripe", method: "create_refund", params: { charge: "ch_2", amount: 2000 }, isBusinessHours: true },
  Effect.log("refunding")
)

const agent = Effect.gen(function*() {
  yield* Effect.forkChild(TestReviewer.approveNext({ note: "known customer" }))
  yield* refund
}).pipe(
  Effect.withSpan("agent"),
  Effect.provide(GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "test-key", policyTemplate: "financial" }] })),
  Effect.provide(observability)
)

// --- what the collector has ------------------------------------------------------------------------------------------

const valueOf = ({ attributes }: { readonly attributes: ReadonlyArray<Attribute> }, key: string) =>
  attributes.find((attribute) => attribute.key === key)?.value["stringValue"]

const print = (traceId: string, parent?: string, indent = "  "): Effect.Effect<void> =>
  Effect.forEach(
    spans.filter((span) => span.traceId === traceId && span.parentSpanId === parent),
    (span) => {
      const verdict = valueOf(span, "vargate.decision") ?? valueOf(span, "vargate.approval.outcome")
      return Effect.andThen(
        Console.log(`${indent}${span.name}${verdict === undefined ? "" : `: ${verdict}`}`),
        print(traceId, span.spanId, `${indent}  `)
      )
    },
    { discard: true }
  )

const program = Effect.gen(function*() {
  yield* agent
  const { traceId } = spans.find(({ name }) => name === "agent")!
  yield* Console.log("one trace:")
  yield* print(traceId)
  const log = logs.find(({ body }) => body.stringValue === "refunding")!
  yield* Console.log(`the agent's log names the action: ${valueOf(log, "vargate.action_id")}`)
  yield* Console.log(`metrics: ${[...metrics].filter((name) => name.startsWith("vargate_")).sort().join(", ")}`)
})

NodeRuntime.runMain(program)
