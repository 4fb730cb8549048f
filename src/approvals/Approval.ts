/**
 * Pending actions, and what reviewers decided.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { ExecutedUnseen, Execution } from "../model/Execution.ts"

/**
 * A pending action (GET /approvals): a reviewer must decide. It expires at `timeoutAt`, one hour after it was queued.
 *
 * @category models
 * @since 0.1.0
 */
export class PendingAction extends Schema.Class<PendingAction>("effect-vargate/PendingAction")({
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  params: Schema.Unknown,
  violations: Schema.Array(Schema.String),
  severity: Schema.String,
  createdAt: Schema.DateTimeUtc,
  timeoutAt: Schema.optional(Schema.DateTimeUtc),
  /** The policy engine's own answer, as it stands. */
  policyDecision: Schema.optional(Schema.Unknown)
}) {}

/**
 * How many actions of the tenant wait, and how many were decided how, ever.
 *
 * @category models
 * @since 0.1.0
 */
export const ApprovalStats = Schema.Struct({
  pending: Schema.Int,
  approved: Schema.Int,
  rejected: Schema.Int,
  expired: Schema.Int
})

/**
 * The pending list: the newest 50 by the time of queueing. There is no paging; older ones are not shown.
 *
 * @category models
 * @since 0.1.0
 */
export class PendingList extends Schema.Class<PendingList>("effect-vargate/PendingList")({
  pending: Schema.Array(PendingAction),
  /** Absent in the dialect of the guide. */
  stats: Schema.optional(ApprovalStats)
}) {}

/**
 * A decided action (GET /approvals/history): `status` is approved, rejected or expired.
 *
 * **Gotchas**
 *
 * Approved here may be a moment ahead of the execution: the audit record `approval-{id}` comes after it.
 *
 * @category models
 * @since 0.1.0
 */
export class DecidedAction extends Schema.Class<DecidedAction>("effect-vargate/DecidedAction")({
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  severity: Schema.String,
  status: Schema.String,
  reviewer: Schema.NullOr(Schema.String),
  note: Schema.NullOr(Schema.String),
  createdAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  reviewedAt: Schema.NullOr(Schema.DateTimeUtc)
}) {}

/**
 * The decision that a receipt is about, where it was made before: by another reviewer, or by an earlier request. The note
 * of this request is not on record.
 *
 * @category models
 * @since 0.1.0
 */
export const EarlierDecision = Schema.Struct({
  /** The note that is on record. */
  note: Schema.NullOr(Schema.String)
})

/**
 * The gateway's receipt for an approval (POST /approve/{id}), with what became of the execution.
 *
 * @category models
 * @since 0.1.0
 */
export class ApprovalReceipt extends Schema.Class<ApprovalReceipt>("effect-vargate/ApprovalReceipt")({
  actionId: ActionId,
  reviewer: Schema.String,
  reviewedAt: Schema.DateTimeUtc,
  tool: Schema.optional(Schema.String),
  method: Schema.optional(Schema.String),
  params: Schema.optional(Schema.Unknown),
  execution: Schema.Union([...Execution.members, ExecutedUnseen]),
  earlier: Schema.optional(EarlierDecision)
}) {}

/**
 * The gateway's receipt for a rejection (POST /reject/{id}).
 *
 * @category models
 * @since 0.1.0
 */
export class RejectionReceipt extends Schema.Class<RejectionReceipt>("effect-vargate/RejectionReceipt")({
  actionId: ActionId,
  reviewer: Schema.String,
  reviewedAt: Schema.DateTimeUtc,
  earlier: Schema.optional(EarlierDecision)
}) {}

/**
 * An action that was approved, with what became of it.
 *
 * **Details**
 *
 * Approved does not mean executed: `execution` is `NotExecuted` where the agent has to act itself. It is read from the
 * audit record that the gateway writes after executing. `reviewer` is null where only that record has the decision.
 *
 * @category models
 * @since 0.1.0
 */
export class Approved extends Schema.TaggedClass<Approved>("effect-vargate/Approved")("Approved", {
  actionId: ActionId,
  reviewer: Schema.NullOr(Schema.String),
  note: Schema.NullOr(Schema.String),
  reviewedAt: Schema.DateTimeUtc,
  execution: Schema.Union([...Execution.members, ExecutedUnseen])
}) {}

/**
 * An action that still waits, for all that can be seen.
 *
 * @category models
 * @since 0.1.0
 */
export class Waiting extends Schema.TaggedClass<Waiting>("effect-vargate/Waiting")("Waiting", {
  actionId: ActionId,
  /** Approved, and what became of its execution is not on record yet. */
  isApproved: Schema.Boolean,
  /** Unknown while the action is beyond the newest 50. */
  timeoutAt: Schema.NullOr(Schema.DateTimeUtc)
}) {}
