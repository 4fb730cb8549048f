/**
 * GET /audit/log, GET /audit/verify, GET /audit/agents, POST /audit/replay, POST /audit/replay-bulk
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { maxPageSize } from "../../internal/limits.ts"
import { ActionId } from "../../model/ActionId.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { BadGateway502, Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { AgentActivity } from "../AgentActivity.ts"
import { AuditPage, AuditRecord, ChainStatus } from "../AuditRecord.ts"
import { BulkReplay, type ReplayedDecision, ReplayFailure, ReplayReport } from "../ReplayReport.ts"

/**
 * One audit record.
 *
 * @category codecs
 * @since 0.1.0
 */
export const AuditRow = Schema.Struct({
  ...AuditRecord.fields,
  requestedAt: Timestamp,
  createdAt: Schema.optional(Schema.NullOr(Timestamp))
}).pipe(
  Schema.encodeKeys({
    actionId: "action_id",
    agentId: "agent_id",
    requestedAt: "requested_at",
    alertTier: "alert_tier",
    bundleRevision: "bundle_revision",
    prevHash: "prev_hash",
    recordHash: "record_hash",
    createdAt: "created_at",
    evaluationPass: "evaluation_pass",
    anomalyScore: "anomaly_score_at_eval",
    containsPii: "contains_pii",
    piiSubjectId: "pii_subject_id",
    piiFields: "pii_fields",
    erasureStatus: "erasure_status",
    executionMode: "execution_mode",
    managedSessionId: "managed_session_id"
  }),
  Schema.decodeTo(AuditRecord)
)

/**
 * A page of the log.
 *
 * @category codecs
 * @since 0.1.0
 */
export const LogBody = Schema.Struct({
  records: Schema.Array(AuditRow),
  count: Schema.optionalKey(Schema.Int),
  offset: Schema.optionalKey(Schema.Int),
  total: Schema.optionalKey(Schema.Int),
  tenant_id: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "AuditLogBody" }).pipe(Schema.decodeTo(
  Schema.toType(AuditPage),
  SchemaTransformation.transform({
    decode: (wire) =>
      new AuditPage({
        records: wire.records,
        offset: wire.offset ?? 0,
        total: wire.total ?? wire.records.length,
        tenantId: wire.tenant_id
      }),
    encode: (page) => ({
      records: page.records,
      count: page.records.length,
      offset: page.offset,
      total: page.total,
      ...(page.tenantId === undefined ? {} : { tenant_id: page.tenantId })
    })
  })
))

/**
 * What the gateway says about its own chain.
 *
 * @category codecs
 * @since 0.1.0
 */
export const VerifyBody = Schema.Struct({
  valid: Schema.Boolean,
  record_count: Schema.optionalKey(Schema.Int),
  tenant_id: Schema.optionalKey(Schema.String),
  failed_at_action_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  reason: Schema.optionalKey(Schema.NullOr(Schema.String))
}).annotate({ identifier: "AuditVerifyBody" }).pipe(Schema.decodeTo(
  Schema.toType(ChainStatus),
  SchemaTransformation.transform({
    decode: (wire) =>
      new ChainStatus({
        valid: wire.valid,
        records: wire.record_count,
        tenantId: wire.tenant_id,
        failedAt: wire.failed_at_action_id ?? undefined,
        reason: wire.reason ?? undefined
      }),
    encode: (status) => ({
      valid: status.valid,
      ...(status.records === undefined ? {} : { record_count: status.records }),
      ...(status.failedAt === undefined ? {} : { failed_at_action_id: status.failedAt }),
      ...(status.reason === undefined ? {} : { reason: status.reason }),
      ...(status.tenantId === undefined ? {} : { tenant_id: status.tenantId })
    })
  })
))

const AgentRow = Schema.Struct({
  ...AgentActivity.fields,
  lastAction: Schema.optional(Schema.NullOr(Timestamp))
}).pipe(
  Schema.encodeKeys({ agentId: "agent_id", lastAction: "last_action", anomalyScore: "anomaly_score" }),
  Schema.decodeTo(AgentActivity)
)

const AgentsBody = Schema.Struct({
  agents: Schema.Array(AgentRow),
  count: Schema.optionalKey(Schema.Int),
  tenant_id: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "AuditAgentsBody" })

// --- replay ----------------------------------------------------------------------------------------------------------

const ReplaySide = Schema.Struct({
  decision: Schema.String,
  violations: Schema.optionalKey(Schema.Array(Schema.String)),
  severity: Schema.optionalKey(Schema.String),
  bundle_revision: Schema.optionalKey(Schema.NullOr(Schema.String)),
  recorded_at: Schema.optionalKey(Timestamp),
  replayed_at: Schema.optionalKey(Timestamp)
})

const readSide = (wire: typeof ReplaySide.Type): ReplayedDecision => ({
  decision: wire.decision,
  violations: wire.violations,
  severity: wire.severity,
  bundleRevision: wire.bundle_revision,
  at: wire.recorded_at ?? wire.replayed_at
})

const writeSide = (side: ReplayedDecision, at: "recorded_at" | "replayed_at"): typeof ReplaySide.Type => ({
  decision: side.decision,
  violations: side.violations ?? [],
  severity: side.severity ?? "none",
  bundle_revision: side.bundleRevision ?? null,
  ...(side.at === undefined ? {} : { [at]: side.at })
})

/**
 * A replay as the gateway answers it.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ReplayMeasured = Schema.Struct({
  action_id: Schema.optionalKey(ActionId),
  replay_status: Schema.String,
  original: ReplaySide,
  replayed: ReplaySide,
  match: Schema.optionalKey(Schema.Unknown),
  opa_input_used: Schema.optionalKey(Schema.Unknown),
  interpretation: Schema.optionalKey(Schema.String),
  consistent: Schema.optionalKey(Schema.Boolean),
  original_decision: Schema.optionalKey(Schema.String),
  replay_decision: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "ReplayMeasured" }).pipe(Schema.decodeTo(
  Schema.toType(ReplayReport),
  SchemaTransformation.transform({
    decode: (wire) =>
      new ReplayReport({
        actionId: wire.action_id,
        consistent: wire.replay_status === "MATCH",
        original: readSide(wire.original),
        replayed: readSide(wire.replayed),
        interpretation: wire.interpretation,
        input: wire.opa_input_used
      }),
    encode: (report) => ({
      ...(report.actionId === undefined ? {} : { action_id: report.actionId }),
      replay_status: report.consistent ? "MATCH" : "MISMATCH",
      original: writeSide(report.original, "recorded_at"),
      replayed: writeSide(report.replayed, "replayed_at"),
      match: {
        decision: report.original.decision === report.replayed.decision,
        violations: String(report.original.violations) === String(report.replayed.violations),
        severity: report.original.severity === report.replayed.severity,
        bundle_revision: report.original.bundleRevision === report.replayed.bundleRevision
      },
      opa_input_used: report.input ?? null,
      interpretation: report.interpretation ?? "",
      // The guide's program reads these; the measured gateway does not send them.
      consistent: report.consistent,
      original_decision: report.original.decision,
      replay_decision: report.replayed.decision
    })
  })
))

/**
 * A replay as the guide shows it.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ReplayDocumented = Schema.Struct({
  action_id: Schema.optionalKey(ActionId),
  consistent: Schema.Boolean,
  original_decision: Schema.String,
  replay_decision: Schema.String
}).annotate({ identifier: "ReplayDocumented" }).pipe(Schema.decodeTo(
  Schema.toType(ReplayReport),
  SchemaTransformation.transform({
    decode: (wire) =>
      new ReplayReport({
        actionId: wire.action_id,
        consistent: wire.consistent,
        original: { decision: wire.original_decision },
        replayed: { decision: wire.replay_decision }
      }),
    encode: (report) => ({
      ...(report.actionId === undefined ? {} : { action_id: report.actionId }),
      consistent: report.consistent,
      original_decision: report.original.decision,
      replay_decision: report.replayed.decision
    })
  })
))

const ReplayBody = Schema.Struct({
  action_id: Schema.optionalKey(Schema.String),
  record_number: Schema.optionalKey(Schema.Int),
  last_block: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "ReplayBody" })

/** What the gateway puts in the place of a replay that failed. */
const FailedReplay = Schema.Struct({
  action_id: Schema.optionalKey(Schema.String),
  replay_status: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String)
}).pipe(Schema.decodeTo(
  Schema.toType(ReplayFailure),
  SchemaTransformation.transform({
    decode: (wire) =>
      new ReplayFailure({
        actionId: wire.action_id,
        detail: wire.error ?? wire.replay_status ?? "the gateway does not say why"
      }),
    encode: ({ actionId, detail }) => ({
      ...(actionId === undefined ? {} : { action_id: actionId }),
      replay_status: "ERROR",
      error: detail
    })
  })
))

const BulkBody = Schema.Struct({
  results: Schema.Array(Schema.Union([ReplayMeasured, ReplayDocumented, FailedReplay])),
  summary: Schema.optionalKey(Schema.Struct({
    total: Schema.Int,
    matched: Schema.Int,
    mismatched: Schema.Int,
    errors: Schema.Int
  }))
}).annotate({ identifier: "BulkReplayBody" }).pipe(Schema.decodeTo(
  Schema.toType(BulkReplay),
  SchemaTransformation.transform({
    decode: ({ results }) => new BulkReplay({ results }),
    encode: ({ failures, matched, mismatched, results }) => ({
      results,
      summary: {
        total: results.length,
        matched: matched.length,
        mismatched: mismatched.length,
        errors: failures.length
      }
    })
  })
))

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class AuditApi extends HttpApiGroup.make("audit").add(
  HttpApiEndpoint.get("log", "/audit/log", {
    query: {
      limit: Schema.optionalKey(Schema.Int.check(Schema.isLessThanOrEqualTo(maxPageSize))),
      offset: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))
    },
    success: LogBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("verify", "/audit/verify", { success: VerifyBody, error: Refusals }),
  HttpApiEndpoint.get("agents", "/audit/agents", {
    query: { limit: Schema.optionalKey(Schema.Int.check(Schema.isLessThanOrEqualTo(100))) },
    success: AgentsBody,
    error: Refusals
  }),
  HttpApiEndpoint.post("replay", "/audit/replay", {
    payload: ReplayBody,
    success: [ReplayMeasured, ReplayDocumented],
    error: [...Refusals, BadGateway502]
  }),
  HttpApiEndpoint.post("replayBulk", "/audit/replay-bulk", {
    payload: Schema.Struct({ count: Schema.Int }).annotate({ identifier: "BulkReplayRequest" }),
    success: BulkBody,
    error: [...Refusals, BadGateway502]
  })
).middleware(ApiKey) {}
