import { time } from "./captures.ts"
import { type Raw, rows, suite } from "./suite.ts"

const record = (row: Raw) => ({
  id: row["id"],
  actionId: row["action_id"],
  agentId: row["agent_id"],
  tool: row["tool"],
  method: row["method"],
  params: row["params"],
  requestedAt: time(row["requested_at"]),
  decision: row["decision"],
  violations: row["violations"],
  severity: row["severity"],
  alertTier: row["alert_tier"],
  bundleRevision: row["bundle_revision"],
  prevHash: row["prev_hash"],
  recordHash: row["record_hash"],
  createdAt: time(row["created_at"]),
  evaluationPass: row["evaluation_pass"],
  anomalyScore: row["anomaly_score_at_eval"],
  containsPii: row["contains_pii"],
  piiSubjectId: row["pii_subject_id"],
  piiFields: row["pii_fields"],
  erasureStatus: row["erasure_status"],
  executionMode: row["execution_mode"],
  source: row["source"],
  managedSessionId: row["managed_session_id"]
})

suite({
  route: "GET /audit/log",
  operation: "AuditLog.page",
  expected: (body) => ({
    records: rows(body, "records").map(record),
    offset: body["offset"],
    total: body["total"],
    tenantId: body["tenant_id"]
  })
})

suite({
  route: "GET /audit/verify",
  operation: "AuditLog.verify",
  expected: (body) => ({
    valid: body["valid"],
    records: body["record_count"],
    tenantId: body["tenant_id"],
    failedAt: body["failed_at_action_id"],
    reason: body["reason"]
  })
})

const side = (raw: Raw) => ({
  decision: raw["decision"],
  violations: raw["violations"],
  severity: raw["severity"],
  bundleRevision: raw["bundle_revision"],
  at: time(raw["recorded_at"] ?? raw["replayed_at"])
})

suite({
  route: "POST /audit/replay",
  operation: "Replay.replay",
  expected: (body) => ({
    actionId: body["action_id"],
    consistent: body["replay_status"] === "MATCH",
    original: side(body["original"]!),
    replayed: side(body["replayed"]!),
    interpretation: body["interpretation"],
    input: body["opa_input_used"]
  })
})
