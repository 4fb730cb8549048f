/**
 * POST /managed/sessions, GET /managed/sessions, and under /managed/sessions/{id}: GET status, GET audit, GET
 * compliance, POST interrupt, POST replay
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { ManagedAgentId } from "../../model/ManagedAgent.ts"
import { InterruptReceipt, ManagedSession, ManagedSessionId, type SessionCalls } from "../../model/ManagedSession.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { SessionComplianceBody, SessionRecordRow, SessionReplayBody } from "./SessionReportBodies.ts"

const totals = {
  total_governed_calls: Schema.optionalKey(Schema.Int),
  total_observed_calls: Schema.optionalKey(Schema.Int),
  total_denied: Schema.optionalKey(Schema.Int),
  total_pending: Schema.optionalKey(Schema.Int)
}

const Totals = Schema.Struct(totals)

/** What the routes say about a session between them, each a part of it. */
const SessionWire = Schema.Struct({
  id: Schema.optionalKey(ManagedSessionId),
  session_id: Schema.optionalKey(ManagedSessionId),
  anthropic_session_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  tenant_id: Schema.optionalKey(Schema.String),
  agent_id: ManagedAgentId,
  status: Schema.String,
  system_prompt_hash: Schema.optionalKey(Schema.NullOr(Schema.String)),
  governance: Schema.optionalKey(Schema.String),
  mcp_server_url: Schema.optionalKey(Schema.String),
  created_at: Timestamp,
  ended_at: Schema.optionalKey(Schema.NullOr(Timestamp)),
  ...totals,
  governance_summary: Schema.optionalKey(Totals),
  event_consumer: Schema.optionalKey(Schema.Struct({
    active: Schema.Boolean,
    total_events: Schema.optionalKey(Schema.Int),
    total_anomalies: Schema.optionalKey(Schema.Int)
  }))
}).check(
  Schema.makeFilter((wire) => wire.id !== undefined || wire.session_id !== undefined, {
    expected: "an id in session_id or id"
  })
)

type SessionWire = typeof SessionWire.Type

const readCalls = (wire: typeof Totals.Type): SessionCalls | undefined =>
  Object.keys(totals).some((key) => key in wire)
    ? {
      governed: wire.total_governed_calls ?? 0,
      observed: wire.total_observed_calls ?? 0,
      denied: wire.total_denied ?? 0,
      pending: wire.total_pending ?? 0
    }
    : undefined

const writeCalls = (calls: SessionCalls | undefined): typeof Totals.Type => ({
  total_governed_calls: calls?.governed ?? 0,
  total_observed_calls: calls?.observed ?? 0,
  total_denied: calls?.denied ?? 0,
  total_pending: calls?.pending ?? 0
})

const readSession = (wire: SessionWire) =>
  new ManagedSession({
    id: (wire.session_id ?? wire.id)!,
    agentId: wire.agent_id,
    status: wire.status,
    anthropicSessionId: wire.anthropic_session_id,
    tenantId: wire.tenant_id,
    createdAt: wire.created_at,
    endedAt: wire.ended_at,
    systemPromptHash: wire.system_prompt_hash,
    mcpServerUrl: wire.mcp_server_url,
    // The guide shows the counts beside the other fields.
    calls: readCalls(wire.governance_summary ?? wire),
    consumer: wire.event_consumer && {
      active: wire.event_consumer.active,
      events: wire.event_consumer.total_events,
      anomalies: wire.event_consumer.total_anomalies
    }
  })

const sessionBody = (identifier: string, encode: (session: ManagedSession) => SessionWire) =>
  SessionWire.pipe(
    Schema.decodeTo(Schema.toType(ManagedSession), SchemaTransformation.transform({ decode: readSession, encode }))
  ).annotate({ identifier })

const common = (session: ManagedSession) => ({
  anthropic_session_id: session.anthropicSessionId ?? null,
  agent_id: session.agentId,
  status: session.status,
  created_at: session.createdAt
})

const StartedBody = sessionBody("StartedSessionBody", (session) => ({
  session_id: session.id,
  ...common(session),
  ...(session.tenantId === undefined ? {} : { tenant_id: session.tenantId }),
  system_prompt_hash: session.systemPromptHash ?? null,
  governance: "active",
  ...(session.mcpServerUrl === undefined ? {} : { mcp_server_url: session.mcpServerUrl })
}))

const SessionRow = sessionBody("SessionRow", (session) => ({
  id: session.id,
  ...common(session),
  ended_at: session.endedAt ?? null,
  ...writeCalls(session.calls)
}))

const StatusBody = sessionBody("SessionStatusBody", (session) => ({
  session_id: session.id,
  ...common(session),
  system_prompt_hash: session.systemPromptHash ?? null,
  ended_at: session.endedAt ?? null,
  governance_summary: writeCalls(session.calls),
  event_consumer: {
    active: session.consumer?.active ?? false,
    ...(session.consumer?.events === undefined ? {} : { total_events: session.consumer.events }),
    ...(session.consumer?.anomalies === undefined ? {} : { total_anomalies: session.consumer.anomalies })
  }
}))

const ReceiptBody = Schema.Struct({
  session_id: ManagedSessionId,
  status: Schema.String,
  reason: Schema.optionalKey(Schema.String),
  anthropic_interrupt_sent: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  ended_at: Schema.optionalKey(Schema.NullOr(Timestamp))
}).annotate({ identifier: "InterruptBody" }).pipe(Schema.decodeTo(
  Schema.toType(InterruptReceipt),
  SchemaTransformation.transform({
    decode: (wire) =>
      new InterruptReceipt({
        sessionId: wire.session_id,
        status: wire.status,
        reason: wire.reason,
        // An answer without the field has confirmed nothing.
        isSent: wire.anthropic_interrupt_sent === true,
        endedAt: wire.ended_at
      }),
    encode: (receipt) => ({
      session_id: receipt.sessionId,
      status: receipt.status,
      ...(receipt.reason === undefined ? {} : { reason: receipt.reason }),
      anthropic_interrupt_sent: receipt.isSent,
      ended_at: receipt.endedAt ?? null
    })
  })
))

/** `Concurrent session limit exceeded (5/5)`: both in the last line, one after the other. */
const tellsOfSessions = (detail: string): boolean => {
  const end = /exceeded \(\d+\/\d+\)$/.exec(detail)
  if (end === null) return false
  const before = detail.slice(0, end.index)
  return /sessions? /.test(before.slice(before.lastIndexOf("\n") + 1))
}

/**
 * 429 for too many sessions. Any other is a limit on requests.
 *
 * @category bodies
 * @since 0.1.0
 */
export const SessionLimit429 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("SessionLimit429"),
  detail: Schema.String.check(Schema.makeFilter(tellsOfSessions, { expected: "how many sessions are too many" }))
}).annotate({ httpApiStatus: 429, identifier: "SessionLimit429" })

const params = { id: ManagedSessionId }

const limit = (maximum: number) => Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum })))

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class ManagedSessionsApi extends HttpApiGroup.make("managedSessions").add(
  HttpApiEndpoint.post("start", "/managed/sessions", {
    payload: Schema.Struct({
      agent_id: Schema.String,
      user_message: Schema.optionalKey(Schema.NullOr(Schema.String)),
      environment_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
      metadata: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))
    }).annotate({ identifier: "StartSessionRequest" }),
    success: StartedBody,
    error: [SessionLimit429, ...Refusals]
  }),
  HttpApiEndpoint.get("list", "/managed/sessions", {
    query: {
      status: Schema.optionalKey(Schema.String),
      agent_id: Schema.optionalKey(Schema.String),
      limit: limit(200)
    },
    success: Schema.Struct({
      sessions: Schema.Array(SessionRow),
      count: Schema.optionalKey(Schema.Int),
      tenant_id: Schema.optionalKey(Schema.String)
    }).annotate({ identifier: "SessionsBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.get("status", "/managed/sessions/:id/status", { params, success: StatusBody, error: Refusals }),
  HttpApiEndpoint.get("audit", "/managed/sessions/:id/audit", {
    params,
    query: { limit: limit(1000) },
    success: Schema.Struct({
      session_id: Schema.optionalKey(Schema.String),
      records: Schema.Array(SessionRecordRow),
      count: Schema.optionalKey(Schema.Int)
    }).annotate({ identifier: "SessionAuditBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.get("compliance", "/managed/sessions/:id/compliance", {
    params,
    success: SessionComplianceBody,
    error: Refusals
  }),
  HttpApiEndpoint.post("interrupt", "/managed/sessions/:id/interrupt", {
    params,
    payload: Schema.Struct({
      reason: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(1000)),
      auto_triggered: Schema.optionalKey(Schema.Boolean)
    }).annotate({ identifier: "InterruptRequest" }),
    success: ReceiptBody,
    error: Refusals
  }),
  HttpApiEndpoint.post("replay", "/managed/sessions/:id/replay", {
    params,
    success: SessionReplayBody,
    error: Refusals
  })
).middleware(ApiKey) {}
