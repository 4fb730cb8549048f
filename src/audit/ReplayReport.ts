/**
 * A decision, taken again.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"

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

/**
 * A decision of which no replay came about.
 *
 * @category models
 * @since 0.1.0
 */
export class ReplayFailure extends Schema.Class<ReplayFailure>("effect-vargate/ReplayFailure")({
  actionId: Schema.optional(Schema.String),
  detail: Schema.String
}) {}

/**
 * The replays of the newest decisions (POST /audit/replay-bulk), newest first.
 *
 * **Gotchas**
 *
 * A measured gateway takes the newest records of *all* tenants. To ask about your own, take `Replay.drift`.
 *
 * @category models
 * @since 0.1.0
 */
export class BulkReplay extends Schema.Class<BulkReplay>("effect-vargate/BulkReplay")({
  results: Schema.Array(Schema.Union([ReplayReport, ReplayFailure]))
}) {
  /** Those that came out as recorded. */
  get matched(): ReadonlyArray<ReplayReport> {
    return this.replays.filter(({ consistent }) => consistent)
  }
  /** Those that came out otherwise. */
  get mismatched(): ReadonlyArray<ReplayReport> {
    return this.replays.filter(({ consistent }) => !consistent)
  }
  /** Those that did not come about. */
  get failures(): ReadonlyArray<ReplayFailure> {
    return this.results.filter((result) => result instanceof ReplayFailure)
  }
  private get replays(): ReadonlyArray<ReplayReport> {
    return this.results.filter((result) => result instanceof ReplayReport)
  }
}

/**
 * Why a decision is left out of {@link DriftReport}.
 *
 * | reason | meaning |
 * | --- | --- |
 * | `Pending` | it was pending: the record says `pending_approval`, a replay says `allow` or `deny` |
 * | `HumanDecision` | a reviewer decided, no policy was asked |
 * | `GatewayDecision` | the gateway itself decided or noted it: a tool it cannot execute, a switch of the tenant, a control action |
 *
 * @category models
 * @since 0.1.0
 */
export const LeftOut = Schema.Literals(["Pending", "HumanDecision", "GatewayDecision"])

/**
 * The type of {@link LeftOut}.
 *
 * @category models
 * @since 0.1.0
 */
export type LeftOut = typeof LeftOut.Type

/**
 * Which of the newest decisions would come out otherwise if they were taken again.
 *
 * @category models
 * @since 0.1.0
 */
export class DriftReport extends Schema.Class<DriftReport>("effect-vargate/DriftReport")({
  /** Decisions that came out as recorded. */
  same: Schema.Int,
  changed: Schema.Array(ReplayReport),
  failures: Schema.Array(ReplayFailure),
  leftOut: Schema.Array(Schema.Struct({ actionId: Schema.String, reason: LeftOut }))
}) {
  /** For `process.exit`: 0 where nothing has drifted, 1 where something has, 2 where not all could be asked. */
  get exitCode(): 0 | 1 | 2 {
    return this.changed.length > 0 ? 1 : this.failures.length > 0 ? 2 : 0
  }
  /** One line to read. */
  get summary(): string {
    const { changed, failures, leftOut, same } = this
    return `${same} the same, ${changed.length} changed, ${failures.length} not replayed, ${leftOut.length} left out`
  }
}
