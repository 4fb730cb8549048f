/**
 * GET /metrics in the Prometheus text format.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { readMetrics } from "../internal/prometheusText.ts"
import { MetricFamily } from "../MetricFamily.ts"

/**
 * A text of metrics. It is only read: a gateway has its own way of writing it.
 *
 * @category codecs
 * @since 0.1.0
 */
export const MetricsText = Schema.String.annotate({ identifier: "MetricsText" }).pipe(Schema.decodeTo(
  Schema.toType(Schema.Array(MetricFamily)),
  {
    decode: SchemaGetter.transformEffect((text: string, options) => {
      const read = readMetrics(text)
      return Result.isSuccess(read)
        ? Effect.succeed(read.success)
        : Effect.fail(
          new SchemaIssue.InvalidValue(
            { message: `Expected Prometheus metrics, but line ${read.failure.line}: ${read.failure.message}` },
            text,
            options
          )
        )
    }),
    encode: SchemaGetter.forbidden(() => "metrics are only read")
  }
))
