/**
 * A decision, taken again.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "./ActionId.ts"

/**
 * One side of a replay: what was decided, under which policy.
 *
 * @category models
 * @since 0.1.0
 */
export const ReplayedDecision = Schema.Struct({
  decision: Schema.String,
  violations: Schema.optional(Schema.Array(Schema.String)),
  severity: Schema.optional(Schema.String),
  bundleRevision: Schema.optional(Schema.NullOr(Schema.String)),
  at: Schema.optional(Schema.DateTimeUtc)
})

/**
 * The type of {@link ReplayedDecision}.
 *
 * @category models
 * @since 0.1.0
 */
export type ReplayedDecision = typeof ReplayedDecision.Type

/**
 * What the gateway found when it took a decision again with the recorded input (POST /audit/replay).
 *
 * **Details**
 *
 * It replays the policy bundle of that day, so `consistent` speaks of the record, not of today's policy. Pending
 * actions, reviewers' decisions and denials by the gateway itself never match. `input` is the policy's input document.
 *
 * @category models
 * @since 0.1.0
 */
export class ReplayReport extends Schema.Class<ReplayReport>("effect-vargate/ReplayReport")({
  actionId: Schema.optional(ActionId),
  consistent: Schema.Boolean,
  original: ReplayedDecision,
  replayed: ReplayedDecision,
  interpretation: Schema.optional(Schema.String),
  input: Schema.optional(Schema.Unknown)
}) {}
