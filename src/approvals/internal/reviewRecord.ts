/**
 * Reviewers' decisions in the audit log: `approval-{id}` and `rejection-{id}`.
 *
 * @internal
 */
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { readToolError } from "../../calls/wire/ToolCallsApi.ts"
import { Rejected } from "../../errors/VargateError.ts"
import { ActionId } from "../../model/ActionId.ts"
import { ExecutedUnseen, NotExecuted } from "../../model/Execution.ts"
import { Approved } from "../Approval.ts"
import { readBrokeredResult } from "../wire/ApprovalsApi.ts"

/** @internal */
export type Decided = Approved | Rejected

/**
 * The decision that a record holds, if it holds one.
 *
 * @internal
 */
export const readReview = (record: AuditRecord): Decided | undefined => {
  const match = /^(approval|rejection)-(.+)$/.exec(record.actionId)
  // Agents choose neither ids nor this name, so no other record can pass for a reviewer's.
  if (match === null || record.agentId !== "human-reviewer" || record.tool !== "approval_queue") return undefined
  const actionId = ActionId.make(match[2]!)
  const params = typeof record.params === "object" && record.params !== null ? record.params : {}
  const note = "note" in params && typeof params.note === "string" ? params.note : null
  return match[1] === "rejection"
    ? new Rejected({ actionId, reviewer: null, note, reviewedAt: record.requestedAt })
    : new Approved({
      actionId,
      reviewer: null,
      note,
      reviewedAt: record.requestedAt,
      execution: readExecution(params)
    })
}

const readExecution = (params: object): Approved["execution"] => {
  if ("execution_error" in params && params.execution_error != null) {
    return readToolError(params.execution_error, {})
  }
  if ("execution_result" in params && params.execution_result != null) {
    return readBrokeredResult(params.execution_result)
  }
  // Only the gateway's word that it executed nothing leaves the action to the agent.
  if (!("executed" in params)) return new ExecutedUnseen({})
  if (params.executed === false) return new NotExecuted()
  return new ExecutedUnseen(params.executed === null ? { isCutOff: true } : {})
}
