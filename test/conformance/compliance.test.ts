import { time } from "./captures.ts"
import { type Raw, rows, suite } from "./suite.ts"

const link = (row: Raw) => ({
  recordId: row["record_id"],
  expectedPrevHash: row["expected_prev_hash"],
  actualPrevHash: row["actual_prev_hash"]
})

suite({
  route: "GET /compliance/export/{tenant_id}",
  operation: "Compliance.export",
  expected: (body) => {
    const { chain_verification: chain, metadata, policy_snapshot: policy } = body as Readonly<Record<string, Raw>>
    return {
      tenantId: metadata!["tenant_id"],
      tenantName: metadata!["tenant_name"],
      exportedAt: time(metadata!["export_date"]),
      from: metadata!["date_range"]!["from"],
      to: metadata!["date_range"]!["to"],
      systemVersion: metadata!["system_version"],
      standardVersion: metadata!["agcs_version"],
      exportHash: metadata!["export_hash"],
      records: rows(body, "audit_records").map((row) => ({
        id: row["id"],
        actionId: row["action_id"],
        agentId: row["agent_id"],
        tool: row["tool"],
        method: row["method"],
        decision: row["decision"],
        violations: row["violations"],
        severity: row["severity"],
        recordHash: row["record_hash"],
        prevHash: row["prev_hash"],
        requestedAt: time(row["requested_at"]),
        createdAt: time(row["created_at"]),
        bundleRevision: row["bundle_revision"],
        evaluationPass: row["evaluation_pass"],
        anomalyScore: row["anomaly_score_at_eval"],
        executionMode: row["execution_mode"]
      })),
      chain: {
        claimedValid: chain!["valid"],
        firstRecordId: chain!["first_record"],
        lastRecordId: chain!["last_record"],
        verified: chain!["records_verified"],
        brokenLinks: rows(chain!, "broken_links").map(link)
      },
      trees: rows(body, "merkle_trees").map((tree) => ({
        index: tree["tree_index"],
        root: tree["merkle_root"],
        records: tree["record_count"],
        fromRecordId: tree["from_record_id"],
        toRecordId: tree["to_record_id"],
        periodStart: time(tree["period_start"]),
        periodEnd: time(tree["period_end"]),
        anchorTx: tree["anchor_tx_hash"],
        anchorChain: tree["anchor_chain"],
        anchorBlock: tree["anchor_block"]
      })),
      anchors: rows(body, "blockchain_anchors"),
      proofs: rows(body, "inclusion_proofs").map((row) => ({
        recordHash: row["record_hash"],
        actionId: row["action_id"],
        recordId: row["record_id"],
        root: row["merkle_root"],
        path: row["proof_path"],
        claimedValid: row["verified"]
      })),
      policy: { template: policy!["policy_template"], config: policy!["policy_config"] }
    }
  }
})
