/**
 * What the gateway counts about itself, for GET /metrics. Each gateway counts for itself.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { monotonicMillis } from "../../internal/elapsed.ts"
import { VargateApi } from "../../VargateApi.ts"

/**
 * Counts, and writes the counts down.
 *
 * @category services
 * @since 0.1.0
 */
export class GatewayMetrics extends Context.Service<GatewayMetrics, {
  /** A tool call was decided. */
  readonly decided: (tenantId: string, decision: string) => Effect.Effect<void>
  /** A request came in. */
  readonly began: Effect.Effect<void>
  /** It was answered. */
  readonly answered: (request: {
    readonly method: string
    readonly path: string
    readonly status: number
    readonly seconds: number
  }) => Effect.Effect<void>
  /** Everything in the Prometheus text format, with the lengths of the tenants' chains as they are now. */
  readonly text: (chainLengths: ReadonlyMap<string, number>) => Effect.Effect<string>
}>()("effect-vargate/gateway/GatewayMetrics") {}

const actions = Metric.counter("gateway_actions_total", { description: "Total tool call decisions", incremental: true })
const requests = Metric.counter("gateway_requests_total", { description: "Total HTTP requests", incremental: true })
const errors = Metric.counter("gateway_errors_total", { description: "Total errors by type", incremental: true })
const active = Metric.gauge("gateway_active_requests", { description: "Number of in-flight HTTP requests" })
const chainLength = Metric.gauge("gateway_audit_chain_length", {
  description: "Number of records in the audit chain"
})
const duration = Metric.histogram("gateway_request_duration_seconds", {
  description: "HTTP request duration in seconds",
  boundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
})

/** What is made of some texts, made once for each of them. */
const keptSeries = <A>(make: (...texts: ReadonlyArray<string>) => A) => {
  const kept = new Map<string, A>()
  return (...texts: ReadonlyArray<string>): A => {
    const key = texts.join("\0")
    const known = kept.get(key)
    if (known !== undefined) return known
    const made = make(...texts)
    kept.set(key, made)
    return made
  }
}

/**
 * Counts in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<GatewayMetrics> = Layer.sync(GatewayMetrics, () => {
  const registry: Metric.MetricRegistry = new Map()
  const context = Context.make(Metric.MetricRegistry, registry)
  const counted = Effect.provideService(Metric.MetricRegistry, registry)
  // A series is made of its attributes once: every request counts in some.
  const decisions = keptSeries((tenantId = "", decision = "") =>
    Metric.withAttributes(actions, { decision, tenant_id: tenantId })
  )
  const answers = keptSeries((method = "", path = "", status = "") => {
    const attributes = { method, path, status }
    return {
      requests: Metric.withAttributes(requests, attributes),
      duration: Metric.withAttributes(duration, attributes),
      errors: Number(status) < 500 ? undefined : Metric.withAttributes(errors, { type: `http_${status}` })
    }
  })
  return GatewayMetrics.of({
    decided: (tenantId, decision) => Effect.sync(() => decisions(tenantId, decision).updateUnsafe(1, context)),
    began: Effect.sync(() => active.modifyUnsafe(1, context)),
    answered: ({ method, path, seconds, status }) =>
      Effect.sync(() => {
        active.modifyUnsafe(-1, context)
        const { duration, errors, requests } = answers(method, path, String(status))
        requests.updateUnsafe(1, context)
        duration.updateUnsafe(seconds, context)
        errors?.updateUnsafe(1, context)
      }),
    text: (chainLengths) =>
      counted(Effect.andThen(
        Effect.forEach(
          chainLengths,
          ([tenantId, length]) => Metric.update(Metric.withAttributes(chainLength, { tenant_id: tenantId }), length),
          { discard: true }
        ),
        PrometheusMetrics.format()
      ))
  })
})

/** Paths as the contract writes them: with ids in them there would be a series for each id. */
const templates: ReadonlyArray<{ readonly pattern: RegExp; readonly path: string }> = Object.values(VargateApi.groups)
  .flatMap((group) => Object.values(group.endpoints))
  .map(({ path }) => ({
    pattern: new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`),
    path: path.replace(/:(\w+)/g, "{$1}")
  }))
  // A literal path precedes one with a place for an id that would fit as well.
  .sort((a, b) => a.path.split("{").length - b.path.split("{").length)

const templateOf = (url: string): string => {
  const path = url.split(/[?#]/, 1)[0]!
  return templates.find(({ pattern }) => pattern.test(path))?.path ?? "other"
}

/**
 * Stands for the status of a request whose client did not wait for the answer.
 *
 * @category constants
 * @since 0.2.0
 */
export const unanswered = 499

/**
 * Counts every request that a handler answers.
 *
 * @category constructors
 * @since 0.2.0
 */
export const meter = Effect.map(
  GatewayMetrics,
  (metrics) =>
    Effect.fnUntraced(function*<E, R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) {
      const request = yield* HttpServerRequest.HttpServerRequest
      const started = yield* monotonicMillis
      const answered = (status: number) =>
        Effect.flatMap(monotonicMillis, (now) =>
          metrics.answered({
            method: request.method,
            path: templateOf(request.url),
            status,
            seconds: (now - started) / 1000
          }))
      yield* metrics.began
      return yield* handler.pipe(
        Effect.tap(({ status }) => answered(status)),
        Effect.onError((cause) => answered(Cause.hasInterruptsOnly(cause) ? unanswered : 500))
      )
    })
)
