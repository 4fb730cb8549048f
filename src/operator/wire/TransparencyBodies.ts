/**
 * What the public may see: GET /transparency, GET /transparency/{tenant_id}, GET /dashboard/public/{slug}
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { VerifyBody } from "../../audit/wire/AuditApi.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { DecisionCounts, PublicAction, PublicDashboard, Transparency } from "../Transparency.ts"

const Counted = Schema.Record(Schema.String, Schema.Int)

const TransparencyWire = Schema.Struct({
  generated_at: Timestamp,
  tenant_id: Schema.NullOr(Schema.String),
  overall: Schema.Struct({
    total_actions: Schema.Int,
    allowed: Schema.Int,
    denied: Schema.Int,
    anomalous: Schema.Int,
    compliance_rate: Schema.Finite
  }),
  hourly: DecisionCounts,
  daily: DecisionCounts,
  weekly: DecisionCounts,
  violations: Counted,
  severity_distribution: Counted,
  tool_usage: Transparency.fields.tools,
  policy_versions: Schema.Array(
    Schema.Struct({ revision: Schema.String, first_seen: Schema.NullOr(Timestamp) })
  ),
  approval_queue: Transparency.fields.approvals,
  chain: Schema.optionalKey(Schema.NullOr(Schema.Struct({
    total_records: Schema.Int,
    latest_hash: Schema.NullOr(Schema.String),
    latest_at: Schema.NullOr(Timestamp)
  })))
}).annotate({ identifier: "TransparencyBody" })

const readTransparency = (wire: typeof TransparencyWire.Type) =>
  new Transparency({
    generatedAt: wire.generated_at,
    tenantId: wire.tenant_id,
    overall: {
      total: wire.overall.total_actions,
      allowed: wire.overall.allowed,
      denied: wire.overall.denied,
      anomalous: wire.overall.anomalous,
      complianceRate: wire.overall.compliance_rate
    },
    lastHour: wire.hourly,
    lastDay: wire.daily,
    lastWeek: wire.weekly,
    violations: wire.violations,
    severities: wire.severity_distribution,
    tools: wire.tool_usage,
    policies: wire.policy_versions.map(({ first_seen, revision }) => ({ revision, firstSeen: first_seen })),
    approvals: wire.approval_queue,
    chain: wire.chain && {
      records: wire.chain.total_records,
      latestHash: wire.chain.latest_hash,
      latestAt: wire.chain.latest_at
    }
  })

const writeTransparency = (report: Transparency): typeof TransparencyWire.Type => ({
  generated_at: report.generatedAt,
  tenant_id: report.tenantId,
  overall: {
    total_actions: report.overall.total,
    allowed: report.overall.allowed,
    denied: report.overall.denied,
    anomalous: report.overall.anomalous,
    compliance_rate: report.overall.complianceRate
  },
  hourly: report.lastHour,
  daily: report.lastDay,
  weekly: report.lastWeek,
  violations: report.violations,
  severity_distribution: report.severities,
  tool_usage: report.tools,
  policy_versions: report.policies.map(({ firstSeen, revision }) => ({ revision, first_seen: firstSeen })),
  approval_queue: report.approvals ?? null,
  chain: report.chain
    ? {
      total_records: report.chain.records,
      latest_hash: report.chain.latestHash,
      latest_at: report.chain.latestAt
    }
    : null
})

/**
 * The figures of one tenant or of all.
 *
 * @category codecs
 * @since 0.1.0
 */
export const TransparencyBody = TransparencyWire.pipe(Schema.decodeTo(
  Schema.toType(Transparency),
  SchemaTransformation.transform({ decode: readTransparency, encode: writeTransparency })
))

const DashboardWire = Schema.Struct({
  tenant_name: Schema.String,
  slug: Schema.String,
  stats: Schema.Struct({ total_actions: Schema.Int, allowed: Schema.Int, denied: Schema.Int }),
  chain_integrity: Schema.optionalKey(VerifyBody),
  violation_breakdown: Counted,
  recent_actions: Schema.Array(
    Schema.Struct({
      ...PublicAction.fields,
      createdAt: Schema.NullOr(Timestamp)
    }).pipe(Schema.encodeKeys({ actionId: "action_id", agentId: "agent_id", createdAt: "created_at" }))
  )
}).annotate({ identifier: "PublicDashboardBody" })

/**
 * A tenant's public page.
 *
 * @category codecs
 * @since 0.1.0
 */
export const PublicDashboardBody = DashboardWire.pipe(Schema.decodeTo(
  Schema.toType(PublicDashboard),
  SchemaTransformation.transform({
    decode: (wire) =>
      new PublicDashboard({
        tenantName: wire.tenant_name,
        slug: wire.slug,
        stats: { total: wire.stats.total_actions, allowed: wire.stats.allowed, denied: wire.stats.denied },
        chain: wire.chain_integrity,
        violations: wire.violation_breakdown,
        recent: wire.recent_actions
      }),
    encode: (page) => ({
      tenant_name: page.tenantName,
      slug: page.slug,
      stats: { total_actions: page.stats.total, allowed: page.stats.allowed, denied: page.stats.denied },
      ...(page.chain === undefined ? {} : { chain_integrity: page.chain }),
      violation_breakdown: page.violations,
      recent_actions: page.recent
    })
  })
))
