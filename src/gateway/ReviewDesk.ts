/**
 * Where people decide over held actions: settle, execute on approval, record.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { writeToolAnswer } from "../api/ToolCallsApi.ts"
import { ActionId } from "../domain/ActionId.ts"
import { ApprovalReceipt, type PendingAction, RejectionReceipt } from "../domain/Approval.ts"
import type { Execution } from "../domain/Execution.ts"
import { AgentHistory } from "./AgentHistory.ts"
import { type Entry, Ledger } from "./Ledger.ts"
import { noRevision } from "./PolicyEngine.ts"
import { ToolRunner } from "./ToolRunner.ts"

/**
 * The tenant has no such action.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownAction extends Data.TaggedError("UnknownAction") {}

/**
 * Somebody was faster, or time was.
 *
 * @category errors
 * @since 0.1.0
 */
export class AlreadySettled extends Data.TaggedError("AlreadySettled")<{ readonly status: string }> {}

/**
 * The action's time was over when it was to be approved.
 *
 * @category errors
 * @since 0.1.0
 */
export class JustExpired extends Data.TaggedError("JustExpired") {}

/**
 * Carries out reviewers' decisions.
 *
 * **Details**
 *
 * As measured: a rejection does not look at the clock; an approval does, and executes where the gateway has the tool. The
 * audit record `approval-{id}` comes after the execution and holds its result.
 *
 * @category services
 * @since 0.1.0
 */
export class ReviewDesk extends Context.Service<ReviewDesk, {
  readonly approve: (
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined
  ) => Effect.Effect<ApprovalReceipt, UnknownAction | AlreadySettled | JustExpired>
  readonly reject: (
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined
  ) => Effect.Effect<RejectionReceipt, UnknownAction | AlreadySettled>
}>()("effect-vargate/gateway/ReviewDesk") {}

/** An API key is nobody in particular; the gateway knows a person only by a session. */
const reviewer = "unknown"

const make = Effect.gen(function*() {
  const ledger = yield* Ledger
  const history = yield* AgentHistory
  const tools = yield* ToolRunner

  const waiting = Effect.fnUntraced(function*(tenantId: string, actionId: ActionId) {
    const held = yield* ledger.held(tenantId, actionId)
    if (held === undefined) return yield* new UnknownAction()
    return held.status === "pending" ? held.action : yield* new AlreadySettled({ status: held.status })
  })

  const settle = Effect.fnUntraced(function*(
    tenantId: string,
    actionId: ActionId,
    status: "approved" | "rejected",
    note: string | null | undefined
  ) {
    const reviewedAt = yield* DateTime.now
    if (!(yield* ledger.settle(tenantId, actionId, { status, reviewer, note: note ?? "", reviewedAt }))) {
      yield* waiting(tenantId, actionId)
    }
    return reviewedAt
  })

  const record = Effect.fnUntraced(function*(
    tenantId: string,
    method: "approve" | "reject",
    actionId: ActionId,
    params: Entry["params"]
  ) {
    yield* ledger.append({
      tenantId,
      actionId: ActionId.make(`${method === "approve" ? "approval" : "rejection"}-${actionId}`),
      agentId: "human-reviewer",
      tool: "approval_queue",
      method,
      params,
      requestedAt: yield* DateTime.now,
      decision: method === "approve" ? "allow" : "deny",
      violations: [],
      severity: "none",
      alertTier: "none",
      bundleRevision: noRevision,
      executionMode: "agent_direct",
      anomalyScore: 0,
      containsPii: false,
      piiFields: []
    })
  })

  const approve = Effect.fn("ReviewDesk.approve")(function*(
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined
  ) {
    const action = yield* waiting(tenantId, actionId)
    const now = yield* DateTime.now
    if (action.timeoutAt !== undefined && DateTime.isGreaterThan(now, action.timeoutAt)) {
      yield* ledger.expire(tenantId, now)
      return yield* new JustExpired()
    }
    const reviewedAt = yield* settle(tenantId, actionId, "approved", note)
    const params = paramsOf(action)
    const execution = yield* tools.run({ tool: action.tool, method: action.method, params })
    yield* history.addContact(tenantId, params)
    yield* record(tenantId, "approve", actionId, {
      target_action: actionId,
      note: note === undefined ? "" : note,
      ...executionFields(execution)
    })
    if (execution._tag !== "NotExecuted") yield* ledger.markBrokered(tenantId, actionId)
    return new ApprovalReceipt({
      actionId,
      reviewer,
      reviewedAt,
      tool: action.tool,
      method: action.method,
      params,
      execution
    })
  })

  const reject = Effect.fn("ReviewDesk.reject")(function*(
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined
  ) {
    yield* waiting(tenantId, actionId)
    const reviewedAt = yield* settle(tenantId, actionId, "rejected", note)
    yield* record(tenantId, "reject", actionId, { target_action: actionId, note: note === undefined ? "" : note })
    return new RejectionReceipt({ actionId, reviewer, reviewedAt })
  })

  return ReviewDesk.of({ approve, reject })
})

const paramsOf = (action: PendingAction) => action.params as Readonly<Record<string, unknown>>

const executionFields = (execution: Execution) => {
  if (execution._tag === "NotExecuted") return { executed: false }
  return {
    executed: true,
    ...(execution._tag === "ExecutionFailed" ? { execution_error: execution.error } : {}),
    execution_result: { result: writeToolAnswer(execution), execution_ms: execution.latency.executionMs ?? 0 }
  }
}

/**
 * The desk over the gateway's parts.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ReviewDesk, never, Ledger | AgentHistory | ToolRunner> = Layer.effect(ReviewDesk, make)
