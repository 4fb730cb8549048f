/** Makes audit logs in the wire format of a gateway, with records of 64 to 455 bytes of params. */
import { hash } from "node:crypto"
import { auditPayload, canonicalJson } from "../../src/internal/canonicalJson.ts"

export const pageSize = 1000

export const sha256 = (bytes: Uint8Array | string): string => hash("sha256", bytes, "hex")

const paramsOf = (i: number): unknown => {
  switch (i % 3) {
    case 0:
      return { channel: "#general", text: `Job ${i} green`, n: i % 7, ok: true }
    case 1:
      return {
        object_type: "Opportunity",
        id: `00${i}`,
        fields: { Name: `Müller ${i}`, Amount: 1250.5 + i, StageName: "Closed \"Won\"", Probability: 75 },
        dry_run: false
      }
    default:
      return {
        to: [`user${i}@example.com`, "b@example.com"],
        subject: `Invoice ${i}`,
        body: `Dear customer,\n\nplease find attached the invoice number ${i}. It is due in 30 days. `.repeat(2),
        attachments: [{ name: `invoice-${i}.pdf`, bytes: 48213, sha: "9f86d081884c7d659a2feaa0" }],
        metadata: { campaign: null, priority: "normal", retries: 0, cost: 0.00042, region: "eu-central-1" }
      }
  }
}

/** The fields of the record at a place, counted from 0 for the oldest, and what is hashed of it. */
export const recordAt = (i: number, prevHash: string) => {
  const params = paramsOf(i)
  const violations = i % 5 === 0 ? ["high_value_transaction_unapproved"] : []
  const row = {
    actionId: `a91429b5-b256-4ae6-8f86-${String(i).padStart(12, "0")}`,
    agentId: `agent-${i % 50}`,
    tool: "salesforce",
    method: "update_record",
    paramsText: canonicalJson(params),
    requestedAt: "2026-11-23T00:47:54.662007+00:00",
    decision: "allow",
    violationsText: canonicalJson(violations),
    severity: "none",
    bundleRevision: "v1.0.0-1795393667",
    prevHash
  }
  const payload = auditPayload(row)
  const fields = (recordHash: string): ReadonlyArray<readonly [string, unknown]> => [
    ["id", i + 1],
    ["action_id", row.actionId],
    ["agent_id", row.agentId],
    ["tool", row.tool],
    ["method", row.method],
    ["params", params],
    ["requested_at", row.requestedAt],
    ["decision", row.decision],
    ["violations", violations],
    ["severity", row.severity],
    ["alert_tier", "none"],
    ["bundle_revision", row.bundleRevision],
    ["prev_hash", row.prevHash],
    ["record_hash", recordHash],
    ["created_at", "2026-11-23T00:47:54.667348+00:00"],
    ["evaluation_pass", 1],
    ["anomaly_score_at_eval", 0],
    ["contains_pii", false],
    ["pii_subject_id", null],
    ["pii_fields", null],
    ["erasure_status", "active"],
    ["execution_mode", "agent_direct"],
    ["source", "direct"],
    ["managed_session_id", null]
  ]
  return { payload, fields }
}
