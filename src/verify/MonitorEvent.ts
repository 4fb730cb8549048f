/**
 * What watching a log brings to light.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AnchorsReport } from "./anchors/AnchorsReport.ts"
import { ChainReport } from "./ChainReport.ts"

/**
 * The log still is what it was, and what is new fits to it.
 *
 * @category models
 * @since 0.1.0
 */
export class Verified extends Schema.TaggedClass<Verified>("effect-vargate/Verified")("Verified", {
  at: Schema.DateTimeUtcFromString,
  /** Whether every record was read again, and not only what was new. */
  isFull: Schema.Boolean,
  report: ChainReport,
  /** What nodes of a chain said about the anchors, where they were asked. */
  anchors: Schema.optional(AnchorsReport)
}) {}

/**
 * Something was found that an operator should look at.
 *
 * **Details**
 *
 * - `Tampered`: the log, its trees or a kept checkpoint contradict one another; `report` says where. It is repeated
 * with
 *   every look while that is so, and the old checkpoint is kept.
 * - `Anchors`: the log is well in itself, and the chain says something else (`anchors`); the old checkpoint is kept.
 * - `Unverifiable`: for longer than was agreed nothing could be verified; `failure` says why. A gateway that does not
 *   answer may be down, or may have something to hide.
 *
 * @category models
 * @since 0.1.0
 */
export class Alert extends Schema.TaggedClass<Alert>("effect-vargate/Alert")("Alert", {
  at: Schema.DateTimeUtcFromString,
  reason: Schema.Literals(["Tampered", "Anchors", "Unverifiable"]),
  report: Schema.optional(ChainReport),
  anchors: Schema.optional(AnchorsReport),
  failure: Schema.optional(Schema.String)
}) {}

/**
 * One event of a watch.
 *
 * @category models
 * @since 0.1.0
 */
export type MonitorEvent = Verified | Alert
