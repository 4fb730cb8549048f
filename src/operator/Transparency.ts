/**
 * What a gateway tells the public.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ChainStatus } from "../audit/AuditRecord.ts"
import { ActionId } from "../model/ActionId.ts"

/**
 * Counts of records. Those that are neither allowed nor denied were pending, or only observed.
 *
 * @category models
 * @since 0.1.0
 */
export const DecisionCounts = Schema.Struct({ total: Schema.Int, allowed: Schema.Int, denied: Schema.Int })

/**
 * Figures without personal data, over all tenants or one (GET /transparency, GET /transparency/{tenant_id}).
 *
 * **Gotchas**
 *
 * Reviewers' decisions are counted as actions of the tool `approval_queue`. `complianceRate` is the share of allowed
 * records in percent, so a policy that denies much looks less compliant.
 *
 * @category models
 * @since 0.1.0
 */
export class Transparency extends Schema.Class<Transparency>("effect-vargate/Transparency")({
  generatedAt: Schema.DateTimeUtc,
  /** Absent where the figures are of all tenants. */
  tenantId: Schema.NullOr(Schema.String),
  overall: Schema.Struct({
    ...DecisionCounts.fields,
    /** Records with an anomaly score above 0.5. */
    anomalous: Schema.Int,
    complianceRate: Schema.Finite
  }),
  lastHour: DecisionCounts,
  lastDay: DecisionCounts,
  lastWeek: DecisionCounts,
  /** Of the denied records, by rule. */
  violations: Schema.Record(Schema.String, Schema.Int),
  /** Of the denied records. */
  severities: Schema.Record(Schema.String, Schema.Int),
  /** The most used first, at most 20. */
  tools: Schema.Array(Schema.Struct({ tool: Schema.String, ...DecisionCounts.fields })),
  /** The newest first, at most 10. */
  policies: Schema.Array(Schema.Struct({ revision: Schema.String, firstSeen: Schema.NullOr(Schema.DateTimeUtc) })),
  approvals: Schema.optional(Schema.NullOr(Schema.Struct({
    pending: Schema.Int,
    approved: Schema.Int,
    rejected: Schema.Int,
    expired: Schema.Int
  }))),
  chain: Schema.optional(Schema.NullOr(Schema.Struct({
    records: Schema.Int,
    /** The first 16 digits of the newest hash, and dots. */
    latestHash: Schema.NullOr(Schema.String),
    latestAt: Schema.NullOr(Schema.DateTimeUtc)
  })))
}) {}

/**
 * A record as the public may see it.
 *
 * @category models
 * @since 0.1.0
 */
export const PublicAction = Schema.Struct({
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  decision: Schema.String,
  severity: Schema.String,
  createdAt: Schema.NullOr(Schema.DateTimeUtc)
})

/**
 * What a tenant shows on its public page (GET /dashboard/public/{slug}).
 *
 * @category models
 * @since 0.1.0
 */
export class PublicDashboard extends Schema.Class<PublicDashboard>("effect-vargate/PublicDashboard")({
  tenantName: Schema.String,
  slug: Schema.String,
  stats: DecisionCounts,
  /** The gateway's word. */
  chain: Schema.optional(ChainStatus),
  /** By rule. */
  violations: Schema.Record(Schema.String, Schema.Int),
  /** The newest first. */
  recent: Schema.Array(PublicAction)
}) {}

/**
 * How far the limits on outgoing sales messages are used up (GET /gtm/stats). Only a gateway with these limits has it.
 *
 * @category models
 * @since 0.1.0
 */
export class OutreachStats extends Schema.Class<OutreachStats>("effect-vargate/OutreachStats")({
  sentToday: Schema.Int,
  dailyCap: Schema.Int,
  remainingToday: Schema.Int,
  sentEver: Schema.Int,
  recipients: Schema.Int,
  /** Days before the same recipient may be written to again. */
  cooldownDays: Schema.Int
}) {}
