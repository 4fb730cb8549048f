/**
 * Where reviewers decide over pending actions: settle, execute on approval, record.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ApprovalReceipt, type PendingAction, RejectionReceipt } from "../../approvals/Approval.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { NotExecuted } from "../../model/Execution.ts"
import { approvalOf, interruptedApprovalOf, rejectionOf, type Review } from "../ledger/internal/reviewEntry.ts"
import { type Entry, Ledger } from "../ledger/Ledger.ts"
import { recipients } from "../policy/PolicyInput.ts"
import { beforeEffect, type LedgerUnavailable } from "./LedgerUnavailable.ts"
import { ToolRunner } from "./ToolRunner.ts"

/**
 * The tenant has no such action.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownAction extends Data.TaggedError("UnknownAction") {}

/**
 * Another reviewer or the expiry was faster.
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
 * Where the ledger cannot be written nothing is decided or executed. What is executed is on the disk as an intent first.
 *
 * As measured: a rejection does not look at the clock; an approval does, and executes where the gateway has the tool. The
 * audit record `approval-{id}` comes after the execution and holds its result. A reviewer without a name is `unknown`.
 *
 * @category services
 * @since 0.1.0
 */
export class ReviewDesk extends Context.Service<ReviewDesk, {
  readonly approve: (
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined,
    reviewer?: string
  ) => Effect.Effect<ApprovalReceipt, UnknownAction | AlreadySettled | JustExpired | LedgerUnavailable>
  readonly reject: (
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined,
    reviewer?: string
  ) => Effect.Effect<RejectionReceipt, UnknownAction | AlreadySettled | LedgerUnavailable>
}>()("effect-vargate/gateway/ReviewDesk") {}

/** An API key names no reviewer; the gateway knows one only by a session. */
const unknownReviewer = "unknown"

const make = Effect.gen(function*() {
  const ledger = yield* Ledger
  const tools = yield* ToolRunner

  const waiting = Effect.fnUntraced(function*(tenantId: string, actionId: ActionId) {
    const found = yield* ledger.held(tenantId, actionId)
    if (found === undefined) return yield* new UnknownAction()
    return found.status === "pending" ? found.action : yield* new AlreadySettled({ status: found.status })
  })

  /** Fails where another reviewer, or time, was faster. */
  const settle = Effect.fnUntraced(function*(
    status: "approved" | "rejected",
    reviewer: string,
    { actionId, at, note, tenantId }: Review,
    entry: Entry | undefined,
    intent?: Entry
  ) {
    const settlement = { status, reviewer, note: note ?? "", reviewedAt: at }
    if (!(yield* ledger.settle(tenantId, actionId, settlement, entry, intent))) yield* waiting(tenantId, actionId)
  })

  /** Settles the action: with its record, or with an intent where the gateway has to execute it yet. */
  const takeUp = Effect.fnUntraced(function*(review: Review, reviewer: string) {
    const { actionId, at, tenantId } = review
    const action = yield* waiting(tenantId, actionId)
    if (action.timeoutAt !== undefined && DateTime.isGreaterThan(at, action.timeoutAt)) {
      yield* ledger.expire(tenantId, at)
      return yield* new JustExpired()
    }
    const call = { tool: action.tool, method: action.method, params: paramsOf(action) }
    const execute = yield* tools.prepare({ ...call, tenantId, actionId, agentId: action.agentId })
    const contacts = recipients(call.params)
    // Settled first, so that of two reviewers only one executes.
    yield* execute === undefined
      ? settle("approved", reviewer, review, approvalOf(review, new NotExecuted(), contacts))
      : settle("approved", reviewer, review, undefined, interruptedApprovalOf(review))
    return { call, execute, contacts }
  })

  const approve = Effect.fn("ReviewDesk.approve")(function*(
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined,
    reviewer: string = unknownReviewer
  ) {
    const now = yield* DateTime.now
    const review = { tenantId, actionId, note, at: now }
    const { call, contacts, execute } = yield* beforeEffect(takeUp(review, reviewer))
    const execution = execute === undefined ? new NotExecuted() : yield* execute
    if (execute !== undefined) {
      yield* ledger.append(approvalOf({ ...review, at: yield* DateTime.now }, execution, contacts))
    }
    return new ApprovalReceipt({ actionId, reviewer, reviewedAt: now, ...call, execution })
  })

  const reject = Effect.fn("ReviewDesk.reject")(function*(
    tenantId: string,
    actionId: ActionId,
    note: string | null | undefined,
    reviewer: string = unknownReviewer
  ) {
    const review = { tenantId, actionId, note, at: yield* DateTime.now }
    yield* beforeEffect(Effect.andThen(
      waiting(tenantId, actionId),
      settle("rejected", reviewer, review, rejectionOf(review))
    ))
    return new RejectionReceipt({ actionId, reviewer, reviewedAt: review.at })
  })

  return ReviewDesk.of({ approve, reject })
})

const paramsOf = (action: PendingAction) => action.params as Readonly<Record<string, unknown>>

/**
 * The desk over the gateway's parts.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ReviewDesk, never, Ledger | ToolRunner> = Layer.effect(ReviewDesk, make)
