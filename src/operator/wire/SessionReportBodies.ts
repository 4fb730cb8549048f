/**
 * The reports on a session: GET /managed/sessions/{id}/compliance, POST /managed/sessions/{id}/replay
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { ReplayedDecision } from "../../audit/ReplayReport.ts"
import { ActionId } from "../../model/ActionId.ts"
import { ManagedAgentId } from "../../model/ManagedAgent.ts"
import { ManagedSession, ManagedSessionId, SessionRecord } from "../../model/ManagedSession.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { type ReplayedRecord, SessionCompliance, SessionReplay } from "../SessionReport.ts"

/**
 * A record of a session.
 *
 * @category codecs
 * @since 0.1.0
 */
export const SessionRecordRow = Schema.Struct({
  ...SessionRecord.fields,
  createdAt: Schema.optional(Schema.NullOr(Timestamp))
}).pipe(
  Schema.encodeKeys({
    actionId: "action_id",
    agentId: "agent_id",
    createdAt: "created_at",
    executionMode: "execution_mode",
    recordHash: "record_hash",
    prevHash: "prev_hash",
    bundleRevision: "bundle_revision"
  }),
  Schema.decodeTo(SessionRecord)
)

// --- compliance ------------------------------------------------------------------------------------------------------

const ComplianceWire = Schema.Struct({
  vargate_compliance_export: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String),
  exported_at: Timestamp,
  session: Schema.Struct({
    id: ManagedSessionId,
    anthropic_session_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
    tenant_id: Schema.optionalKey(Schema.String),
    agent_id: ManagedAgentId,
    status: Schema.String,
    system_prompt_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
    created_at: Timestamp,
    ended_at: Schema.optionalKey(Schema.NullOr(Timestamp)),
    duration_hours: Schema.optionalKey(Schema.NullOr(Schema.Finite))
  }),
  agent_config: Schema.NullOr(Schema.Struct({
    id: Schema.NullOr(ManagedAgentId),
    name: Schema.NullOr(Schema.String),
    model: Schema.optionalKey(Schema.NullOr(Schema.String)),
    allowed_tools: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
    max_delegation_depth: Schema.optionalKey(Schema.NullOr(Schema.Int))
  })),
  summary: Schema.Struct({
    total_events: Schema.Int,
    governed_calls: Schema.Int,
    observed_calls: Schema.Int,
    denied: Schema.Int,
    pending: Schema.Int,
    anomalies: Schema.Int,
    denial_rate: Schema.Finite
  }),
  chain_verification: Schema.Struct({
    valid: Schema.Boolean,
    records_checked: Schema.Int,
    broken_links: Schema.Array(Schema.Struct({
      record_id: Schema.Int,
      expected_prev: Schema.String,
      actual_prev: Schema.String
    }))
  }),
  timeline: Schema.Array(SessionRecordRow),
  agcs_controls: Schema.optionalKey(Schema.Array(Schema.String)),
  export_hash: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "SessionComplianceBody" })

const readCompliance = (wire: typeof ComplianceWire.Type) =>
  new SessionCompliance({
    version: wire.version,
    exportedAt: wire.exported_at,
    session: new ManagedSession({
      id: wire.session.id,
      agentId: wire.session.agent_id,
      status: wire.session.status,
      anthropicSessionId: wire.session.anthropic_session_id,
      tenantId: wire.session.tenant_id,
      createdAt: wire.session.created_at,
      endedAt: wire.session.ended_at,
      systemPromptHash: wire.session.system_prompt_hash
    }),
    durationHours: wire.session.duration_hours,
    agent: wire.agent_config && {
      id: wire.agent_config.id,
      name: wire.agent_config.name,
      model: wire.agent_config.model,
      allowedTools: wire.agent_config.allowed_tools,
      maxDelegationDepth: wire.agent_config.max_delegation_depth
    },
    summary: {
      events: wire.summary.total_events,
      governed: wire.summary.governed_calls,
      observed: wire.summary.observed_calls,
      denied: wire.summary.denied,
      pending: wire.summary.pending,
      anomalies: wire.summary.anomalies,
      denialRate: wire.summary.denial_rate
    },
    chain: {
      claimedValid: wire.chain_verification.valid,
      checked: wire.chain_verification.records_checked,
      brokenLinks: wire.chain_verification.broken_links.map(({ actual_prev, expected_prev, record_id }) => ({
        recordId: record_id,
        expectedPrevHash: expected_prev,
        actualPrevHash: actual_prev
      }))
    },
    timeline: wire.timeline,
    controls: wire.agcs_controls ?? [],
    exportHash: wire.export_hash
  })

const writeCompliance = (report: SessionCompliance): typeof ComplianceWire.Type => ({
  vargate_compliance_export: "managed_session",
  version: report.version ?? "1.0",
  exported_at: report.exportedAt,
  session: {
    id: report.session.id,
    anthropic_session_id: report.session.anthropicSessionId ?? null,
    ...(report.session.tenantId === undefined ? {} : { tenant_id: report.session.tenantId }),
    agent_id: report.session.agentId,
    status: report.session.status,
    system_prompt_hash: report.session.systemPromptHash ?? null,
    created_at: report.session.createdAt,
    ended_at: report.session.endedAt ?? null,
    duration_hours: report.durationHours ?? null
  },
  agent_config: report.agent && {
    id: report.agent.id,
    name: report.agent.name,
    model: report.agent.model ?? null,
    allowed_tools: report.agent.allowedTools ?? null,
    max_delegation_depth: report.agent.maxDelegationDepth ?? null
  },
  summary: {
    total_events: report.summary.events,
    governed_calls: report.summary.governed,
    observed_calls: report.summary.observed,
    denied: report.summary.denied,
    pending: report.summary.pending,
    anomalies: report.summary.anomalies,
    denial_rate: report.summary.denialRate
  },
  chain_verification: {
    valid: report.chain.claimedValid,
    records_checked: report.chain.checked,
    broken_links: report.chain.brokenLinks.map(({ actualPrevHash, expectedPrevHash, recordId }) => ({
      record_id: recordId,
      expected_prev: expectedPrevHash,
      actual_prev: actualPrevHash
    }))
  },
  timeline: report.timeline,
  agcs_controls: report.controls,
  ...(report.exportHash === undefined ? {} : { export_hash: report.exportHash })
})

/**
 * The report on one session.
 *
 * @category codecs
 * @since 0.1.0
 */
export const SessionComplianceBody = ComplianceWire.pipe(Schema.decodeTo(
  Schema.toType(SessionCompliance),
  SchemaTransformation.transform({ decode: readCompliance, encode: writeCompliance })
))

// --- replay ----------------------------------------------------------------------------------------------------------

const Side = Schema.Struct({
  decision: Schema.String,
  violations: Schema.optionalKey(Schema.Array(Schema.String)),
  severity: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const ResultWire = Schema.Struct({
  action_id: ActionId,
  tool: Schema.String,
  method: Schema.optionalKey(Schema.String),
  source: Schema.optionalKey(Schema.NullOr(Schema.String)),
  replay_status: Schema.Literals(["MATCH", "MISMATCH", "SKIP", "ERROR"]),
  original: Schema.optionalKey(Side),
  replayed: Schema.optionalKey(Side),
  reason: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String)
})

const outcomes = { MATCH: "Match", MISMATCH: "Mismatch", SKIP: "Skipped", ERROR: "Failed" } as const
const statuses = { Match: "MATCH", Mismatch: "MISMATCH", Skipped: "SKIP", Failed: "ERROR" } as const

const readSide = (side: typeof Side.Type | undefined): ReplayedDecision | undefined =>
  side && { decision: side.decision, violations: side.violations, severity: side.severity ?? undefined }

const writeSide = ({ decision, severity, violations }: ReplayedDecision): typeof Side.Type => ({
  decision,
  violations: violations ?? [],
  severity: severity ?? null
})

const readResult = (wire: typeof ResultWire.Type): ReplayedRecord => ({
  actionId: wire.action_id,
  tool: wire.tool,
  method: wire.method,
  source: wire.source,
  outcome: outcomes[wire.replay_status],
  original: readSide(wire.original),
  replayed: readSide(wire.replayed),
  detail: wire.error ?? wire.reason
})

const writeResult = (result: ReplayedRecord): typeof ResultWire.Type => ({
  action_id: result.actionId,
  tool: result.tool,
  ...(result.method === undefined ? {} : { method: result.method }),
  source: result.source ?? null,
  replay_status: statuses[result.outcome],
  ...(result.original === undefined ? {} : { original: writeSide(result.original) }),
  ...(result.replayed === undefined ? {} : { replayed: writeSide(result.replayed) }),
  ...(result.detail === undefined ? {} : { [result.outcome === "Failed" ? "error" : "reason"]: result.detail })
})

/**
 * The replay of one session.
 *
 * @category codecs
 * @since 0.1.0
 */
export const SessionReplayBody = Schema.Struct({
  session_id: Schema.String,
  results: Schema.Array(ResultWire),
  summary: Schema.optionalKey(Schema.Struct({
    total: Schema.Int,
    matched: Schema.Int,
    mismatched: Schema.Int,
    errors: Schema.Int
  }))
}).annotate({ identifier: "SessionReplayBody" }).pipe(Schema.decodeTo(
  Schema.toType(SessionReplay),
  SchemaTransformation.transform({
    decode: (wire) => new SessionReplay({ sessionId: wire.session_id, results: wire.results.map(readResult) }),
    encode: (replay) => ({
      session_id: replay.sessionId,
      results: replay.results.map(writeResult),
      summary: {
        total: replay.results.length,
        matched: replay.matched.length + replay.skipped.length,
        mismatched: replay.mismatched.length,
        errors: replay.failed.length
      }
    })
  })
))
