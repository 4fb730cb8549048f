import { time } from "./captures.ts"
import { type Raw, rows, suite } from "./suite.ts"

suite({
  route: "GET /approvals",
  operation: "Approvals.pending",
  expected: (body) => ({
    pending: rows(body, "pending").map((row) => ({
      actionId: row["action_id"],
      agentId: row["agent_id"],
      tool: row["tool"],
      method: row["method"],
      params: row["params"],
      violations: row["violations"],
      severity: row["severity"],
      createdAt: time(row["created_at"]),
      timeoutAt: time(row["timeout_at"]),
      policyDecision: row["opa_decision"]
    })),
    stats: body["stats"]
  })
})

suite({
  route: "GET /approvals/history",
  operation: "Approvals.history",
  expected: (body) =>
    rows(body, "history").map((row) => ({
      actionId: row["action_id"],
      agentId: row["agent_id"],
      tool: row["tool"],
      method: row["method"],
      severity: row["severity"],
      status: row["status"],
      reviewer: row["reviewer_email"],
      note: row["review_note"],
      createdAt: time(row["created_at"]),
      reviewedAt: time(row["reviewed_at"])
    }))
})

/** `success` may hide the tool's failure one level further in. */
const execution = (raw: Raw | undefined) => {
  if (raw === undefined) return { _tag: "NotExecuted" }
  if (raw["status"] !== "success") return { _tag: "ExecutionFailed", error: raw["error"], latency: {} }
  const { execution_ms, result } = raw["result"] as unknown as { execution_ms?: number; result: Raw }
  const latency = { executionMs: execution_ms }
  const error = result["error"] ?? result["detail"]
  return error === undefined ? { _tag: "Executed", result, latency } : { _tag: "ExecutionFailed", error, latency }
}

suite({
  route: "POST /approve/{id}",
  operation: "Reviews.approve",
  expected: (body) => ({
    actionId: body["action_id"],
    reviewer: body["reviewer_email"],
    reviewedAt: time(body["reviewed_at"]),
    tool: body["tool"],
    method: body["method"],
    params: body["params"],
    execution: execution(body["execution"])
  })
})

suite({
  route: "POST /reject/{id}",
  operation: "Reviews.reject",
  expected: (body) => ({
    actionId: body["action_id"],
    reviewer: body["reviewer_email"],
    reviewedAt: time(body["reviewed_at"])
  })
})
