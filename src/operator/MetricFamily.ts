/**
 * The gateway's metrics.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * One value at one time. `NaN` and the infinities are values too.
 *
 * @category models
 * @since 0.1.0
 */
export const MetricSample = Schema.Struct({
  /** The family's name, with `_bucket`, `_sum` or `_count` behind it where it is a part of a histogram or a summary. */
  name: Schema.String,
  labels: Schema.Record(Schema.String, Schema.String),
  // @effect-diagnostics-next-line schemaNumber:off
  value: Schema.Number,
  /** Absent where the value is of now. */
  at: Schema.optional(Schema.DateTimeUtc)
})

/**
 * The type of {@link MetricSample}.
 *
 * @category models
 * @since 0.1.0
 */
export type MetricSample = typeof MetricSample.Type

/**
 * The samples of one metric (GET /metrics).
 *
 * @category models
 * @since 0.1.0
 */
export class MetricFamily extends Schema.Class<MetricFamily>("effect-vargate/MetricFamily")({
  name: Schema.String,
  type: Schema.Literals(["counter", "gauge", "histogram", "summary", "untyped"]),
  help: Schema.optional(Schema.String),
  samples: Schema.Array(MetricSample)
}) {}

/**
 * The value of the sample with this name and, among others, these labels. Undefined where there is none.
 *
 * **Example** (How many calls were denied?)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { MetricFamily, System } from "effect-vargate"
 *
 * const denied = System.System.use(({ metrics }) => metrics).pipe(
 *   Effect.map((families) => MetricFamily.valueOf(families, "gateway_actions_total", { decision: "deny" }) ?? 0)
 * )
 * ```
 *
 * @category reading
 * @since 0.1.0
 */
export const valueOf = (
  families: ReadonlyArray<MetricFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {}
): number | undefined =>
  families.flatMap(({ samples }) => samples).find((sample) =>
    sample.name === name &&
    Object.entries(labels).every(([key, value]) => Object.hasOwn(sample.labels, key) && sample.labels[key] === value)
  )?.value
