/**
 * GET /approvals, GET /approvals/history, POST /approve/{id}, POST /reject/{id}
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { readToolAnswer, readToolError, writeToolAnswer } from "../../calls/wire/ToolCallsApi.ts"
import { ActionId } from "../../model/ActionId.ts"
import { type ExecutedUnseen, type Execution, NotExecuted } from "../../model/Execution.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { LedgerUnavailable503, Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import {
  ApprovalReceipt,
  ApprovalStats,
  DecidedAction,
  PendingAction,
  PendingList,
  RejectionReceipt
} from "../Approval.ts"

/**
 * A row of the pending list. The guide says `queued_at` for `created_at` and `opa_result` for `opa_decision`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const PendingRow = Schema.Struct({
  action_id: ActionId,
  agent_id: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  params: Schema.Unknown,
  opa_decision: Schema.optionalKey(Schema.Unknown),
  opa_result: Schema.optionalKey(Schema.Unknown),
  violations: Schema.optionalKey(Schema.Array(Schema.String)),
  severity: Schema.optionalKey(Schema.NullOr(Schema.String)),
  status: Schema.optionalKey(Schema.String),
  created_at: Schema.optionalKey(Timestamp),
  queued_at: Schema.optionalKey(Timestamp),
  timeout_at: Schema.optionalKey(Schema.NullOr(Timestamp))
}).annotate({ identifier: "PendingRow" }).check(
  Schema.makeFilter((row) => row.created_at !== undefined || row.queued_at !== undefined, {
    expected: "a time in created_at or queued_at"
  })
).pipe(Schema.decodeTo(
  Schema.toType(PendingAction),
  SchemaTransformation.transform({
    decode: (row) =>
      new PendingAction({
        actionId: row.action_id,
        agentId: row.agent_id,
        tool: row.tool,
        method: row.method,
        params: row.params,
        violations: row.violations ?? [],
        severity: row.severity ?? "none",
        createdAt: (row.created_at ?? row.queued_at)!,
        timeoutAt: row.timeout_at ?? undefined,
        policyDecision: row.opa_decision ?? row.opa_result
      }),
    encode: (action) => ({
      action_id: action.actionId,
      agent_id: action.agentId,
      tool: action.tool,
      method: action.method,
      params: action.params,
      ...(action.policyDecision === undefined ? {} : { opa_decision: action.policyDecision }),
      violations: action.violations,
      severity: action.severity,
      status: "pending",
      created_at: action.createdAt,
      ...(action.timeoutAt === undefined ? {} : { timeout_at: action.timeoutAt })
    })
  })
))

const PendingListBody = Schema.Struct({
  pending: Schema.Array(PendingRow),
  stats: Schema.optional(ApprovalStats)
}).annotate({ identifier: "PendingListBody" }).pipe(Schema.decodeTo(
  Schema.toType(PendingList),
  SchemaTransformation.transform({
    decode: (wire) => new PendingList(wire),
    encode: ({ pending, stats }) => ({ pending, stats })
  })
))

/**
 * A row of the history.
 *
 * @category codecs
 * @since 0.1.0
 */
export const HistoryRow = Schema.Struct({
  action_id: ActionId,
  agent_id: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  severity: Schema.optionalKey(Schema.NullOr(Schema.String)),
  status: Schema.String,
  reviewer_email: Schema.optionalKey(Schema.NullOr(Schema.String)),
  review_note: Schema.optionalKey(Schema.NullOr(Schema.String)),
  created_at: Schema.optionalKey(Schema.NullOr(Timestamp)),
  reviewed_at: Schema.optionalKey(Schema.NullOr(Timestamp))
}).annotate({ identifier: "HistoryRow" }).pipe(Schema.decodeTo(
  Schema.toType(DecidedAction),
  SchemaTransformation.transform({
    decode: (row) =>
      new DecidedAction({
        actionId: row.action_id,
        agentId: row.agent_id,
        tool: row.tool,
        method: row.method,
        severity: row.severity ?? "none",
        status: row.status,
        reviewer: row.reviewer_email ?? null,
        note: row.review_note ?? null,
        createdAt: row.created_at ?? null,
        reviewedAt: row.reviewed_at ?? null
      }),
    encode: (action) => ({
      action_id: action.actionId,
      agent_id: action.agentId,
      tool: action.tool,
      method: action.method,
      severity: action.severity,
      status: action.status,
      reviewer_email: action.reviewer,
      review_note: action.note,
      created_at: action.createdAt ?? null,
      reviewed_at: action.reviewedAt
    })
  })
))

const History = Schema.Struct({ history: Schema.Array(HistoryRow) }).annotate({ identifier: "HistoryBody" })

const WireExecution = Schema.Struct({
  status: Schema.String,
  result: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.Unknown)
})

/**
 * Reads an execution after an approval: `status: "success"` may hide a tool's failure inside `result.result.error`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const readApprovedExecution = (
  wire: typeof WireExecution.Type | null | undefined
): Execution | ExecutedUnseen => {
  if (wire === null || wire === undefined) return new NotExecuted()
  if (wire.status !== "success") return readToolError(wire.error ?? wire.status, {})
  return readBrokeredResult(wire.result)
}

/**
 * Reads the `{result, execution_ms}` of an execution, in a receipt or in an audit record.
 *
 * @category codecs
 * @since 0.1.0
 */
export const readBrokeredResult = (outer: unknown): Execution | ExecutedUnseen => {
  if (typeof outer !== "object" || outer === null || !("result" in outer)) return readToolAnswer(outer, {})
  const ms = "execution_ms" in outer && typeof outer.execution_ms === "number" ? outer.execution_ms : undefined
  return readToolAnswer(outer.result, { executionMs: ms })
}

const writeExecution = (execution: ApprovalReceipt["execution"]): typeof WireExecution.Type | undefined =>
  execution._tag === "NotExecuted" || execution._tag === "ExecutedUnseen" ? undefined : {
    status: "success",
    result: { result: writeToolAnswer(execution), execution_ms: execution.latency.executionMs ?? 0 }
  }

/**
 * The receipt of an approval.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Approved200 = Schema.Struct({
  status: Schema.Literal("approved"),
  action_id: ActionId,
  reviewer_email: Schema.optionalKey(Schema.NullOr(Schema.String)),
  reviewed_at: Timestamp,
  tool: Schema.optionalKey(Schema.String),
  method: Schema.optionalKey(Schema.String),
  params: Schema.optionalKey(Schema.Unknown),
  execution: Schema.optionalKey(Schema.NullOr(WireExecution))
}).annotate({ identifier: "Approved200" }).pipe(Schema.decodeTo(
  Schema.toType(ApprovalReceipt),
  SchemaTransformation.transform({
    decode: (wire) =>
      new ApprovalReceipt({
        actionId: wire.action_id,
        reviewer: wire.reviewer_email ?? "unknown",
        reviewedAt: wire.reviewed_at,
        tool: wire.tool,
        method: wire.method,
        params: wire.params,
        execution: readApprovedExecution(wire.execution)
      }),
    encode: (receipt) => {
      const execution = writeExecution(receipt.execution)
      return {
        status: "approved" as const,
        action_id: receipt.actionId,
        reviewer_email: receipt.reviewer,
        reviewed_at: receipt.reviewedAt,
        ...(receipt.tool === undefined ? {} : { tool: receipt.tool }),
        ...(receipt.method === undefined ? {} : { method: receipt.method }),
        params: receipt.params,
        ...(execution === undefined ? {} : { execution })
      }
    }
  })
))

/**
 * The receipt of a rejection.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Rejected200 = Schema.Struct({
  status: Schema.Literal("rejected"),
  action_id: ActionId,
  reviewer_email: Schema.optionalKey(Schema.NullOr(Schema.String)),
  reviewed_at: Timestamp
}).annotate({ identifier: "Rejected200" }).pipe(Schema.decodeTo(
  Schema.toType(RejectionReceipt),
  SchemaTransformation.transform({
    decode: (wire) =>
      new RejectionReceipt({
        actionId: wire.action_id,
        reviewer: wire.reviewer_email ?? "unknown",
        reviewedAt: wire.reviewed_at
      }),
    encode: (receipt) => ({
      status: "rejected" as const,
      action_id: receipt.actionId,
      reviewer_email: receipt.reviewer,
      reviewed_at: receipt.reviewedAt
    })
  })
))

/** The body of a decision; none at all will do. */
const Review = Schema.Struct({ note: Schema.optionalKey(Schema.NullOr(Schema.String)) }).annotate({
  identifier: "ReviewBody"
})

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class ApprovalsApi extends HttpApiGroup.make("approvals").add(
  HttpApiEndpoint.get("pending", "/approvals", { success: PendingListBody, error: Refusals }),
  HttpApiEndpoint.get("history", "/approvals/history", { success: History, error: Refusals }),
  HttpApiEndpoint.post("approve", "/approve/:id", {
    params: { id: ActionId },
    payload: [Review, HttpApiSchema.NoContent],
    success: Approved200,
    error: [...Refusals, LedgerUnavailable503]
  }),
  HttpApiEndpoint.post("reject", "/reject/:id", {
    params: { id: ActionId },
    payload: [Review, HttpApiSchema.NoContent],
    success: Rejected200,
    error: [...Refusals, LedgerUnavailable503]
  })
).middleware(ApiKey) {}
