/**
 * What a model is told when a governed action was not performed, or when its outcome is unknown: in plain words, so
 * that it does not report it to its user as performed.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import type { Joined, Reason, ResultUnusable, StorageFailed, ToolFailed } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import type { ClearanceError } from "./Clearance.ts"

/**
 * Everything that can stand in the way of a governed tool call, before its handler has run.
 *
 * @category models
 * @since 0.1.0
 */
export type Refused = ClearanceError | ToolFailed | ResultUnusable | StorageFailed

/**
 * What the model gets in place of a result. It has the shape of Effect AI's own `ExecutionFailure`, which every tool's
 * failure type includes: `execution-denied` where nothing was done, `execution-interrupted` where something may have been,
 * or may yet be.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  readonly type: "execution-denied" | "execution-interrupted"
  readonly reason: string
}

/**
 * The refusal that an error stands for. `words` writes the reason; the default is {@link reasonOf}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (error: Refused, words: (error: Refused) => string = reasonOf): Refusal => ({
  type: error.sideEffect === "none" ? "execution-denied" : "execution-interrupted",
  reason: words(error)
})

/**
 * The action that an error is about, where it got as far as having an id.
 *
 * @category accessors
 * @since 0.1.0
 */
export const actionIdOf = (error: Refused): ActionId | undefined => {
  const about = error._tag === "VargateError" ? error.reason : error
  return "actionId" in about ? about.actionId : undefined
}

const notDone = "Do not report it as done."
const notAgain = "Do not call the tool again for it: that would be a second action."

/**
 * Says what happened, what did not, and what the model must not make of it. Every text begins with the verdict in capital
 * letters: `NOT PERFORMED`, `NOT PERFORMED YET`, `NOT PERFORMED AGAIN`, `PERFORMED BEFORE`, `FAILED`, `OUTCOME UNKNOWN` or
 * `PERFORMED, RESULT UNKNOWN`.
 *
 * @category constructors
 * @since 0.1.0
 */
export function reasonOf(error: Refused): string {
  switch (error._tag) {
    case "Denied": {
      const why = error.violations.length === 0 ? "no rule was named" : error.violations.join(", ")
      const when = error.opensAt === undefined
        ? "Do not try the same again."
        : `It may be tried again from ${
          DateTime.formatIso(error.opensAt)
        } on, when business hours begin, and not before.`
      return `NOT PERFORMED: the policy denied this action (${why}). ${notDone} ${when} Action id: ${error.actionId}.`
    }
    case "Rejected":
      return error.proposal === undefined
        ? `NOT PERFORMED: a reviewer rejected this action${
          error.note ? ` (${error.note})` : ""
        }. ${notDone} Do not try the same again. Action id: ${error.actionId}.`
        : `NOT PERFORMED: a reviewer rejected this action as it is, and would approve it with other params, which an operator can look up. ${notDone} Do not try the same again. Action id: ${error.actionId}.`
    case "Expired":
      return `NOT PERFORMED: no reviewer approved this action in time, and it can no longer be approved. ${notDone} Ask for it anew only if it is still wanted. Action id: ${error.actionId}.`
    case "PendingApproval":
    case "ApprovalTimeout":
      return `NOT PERFORMED YET: this action waits for a reviewer's approval as ${error.actionId}. ${notDone} ${notAgain}`
    case "RateLimited":
      return error.source === "gateway"
        ? `NOT PERFORMED: too many actions were asked for in a short time. ${notDone} It may be tried again later.`
        : `NOT PERFORMED: a server before the gateway refused this action, because there were too many requests. ${notDone} Do not try it again by yourself: say that an operator has to look at that server.`
    case "OpaUnavailable":
      return `NOT PERFORMED: this action could not be decided, because the policy engine is unavailable. ${notDone} It may be tried again later.`
    case "OutcomeUnknown":
      return `OUTCOME UNKNOWN: the answer to this action was lost, so it may or may not have been performed. Report it neither as done nor as not done, do not repeat it, and say that an operator has to look it up.`
    case "DuplicateSubmission":
      return error.first === "pending"
        ? `NOT PERFORMED YET: this very action was asked for before and waits for a reviewer's approval as ${error.actionId}. ${notDone} ${notAgain}`
        : `OUTCOME UNKNOWN: this very action was asked for before${
          error.actionId === undefined ? "" : ` as ${error.actionId}`
        }, and it may have been performed; it was not asked for again. Report it neither as done nor as not done, do not repeat it, and say that an operator has to look it up.`
    case "ToolFailed":
      return `FAILED: this action was executed, and the tool failed: ${
        wordsOf(error.error)
      }. It may have done part of its work. ${notDone} Do not repeat it before its effect is known. Action id: ${error.actionId}.`
    case "ResultUnusable":
      return `PERFORMED, RESULT UNKNOWN: this action was executed for you, but its result cannot be used (${error.detail}). Do not repeat it: it was done. Action id: ${error.actionId}.`
    case "StorageFailed":
      return `NOT PERFORMED: it could not be looked up whether this action was approved. ${notDone} ${notAgain}`
    case "VargateError":
      return ofReason(error.reason) ?? (error.sideEffect === "possible"
        ? `OUTCOME UNKNOWN: this action may or may not have been performed. Report it neither as done nor as not done, and do not repeat it. (${error.message})`
        : error.reason._tag === "InvalidRequest"
        ? `NOT PERFORMED: this action cannot be submitted as it is. ${notDone} (${error.reason.message})`
        : error.reason._tag === "Conflict"
        ? `NOT PERFORMED AGAIN: this action was begun before, and its approval allows it once. Take the answer to that for what became of it, and do not repeat it. (${error.reason.detail})`
        : `NOT PERFORMED: the gateway could not be asked for permission. ${notDone} (${error.message})`)
  }
}

/** What kept the call from being submitted, where it was something before the gateway. */
const ofReason = (reason: Reason): string | undefined => {
  switch (reason._tag) {
    case "Joined":
      return joined(reason)
    case "RefusedAgain":
      return `NOT PERFORMED: a reviewer rejected this very action a short time ago${
        reason.note ? ` (${reason.note})` : ""
      }, and it was not asked for again. ${notDone} Do not try the same again. Action id: ${reason.actionId}.`
    case "Suspended": {
      const why = reason.note ? ` (${reason.note})` : ""
      return reason.sideEffect === "none"
        ? `NOT PERFORMED: an operator has suspended ${reason.scope}${why}. ${notDone} Do not try it again by yourself.`
        : `NOT PERFORMED YET: this action waits for a reviewer's approval as ${reason.actionId}, and an operator has suspended ${reason.scope}${why}. ${notDone} ${notAgain}`
    }
    case "OverBudget":
      return reason.problem === "exceeded"
        ? `NOT PERFORMED: there is no room for this action in a budget of ${reason.budget} (${reason.detail}). ${notDone} Do not try the same again, and do not split it into parts.`
        : `NOT PERFORMED: this action cannot be counted in a budget of ${reason.budget}: ${reason.detail}. ${notDone}`
    case "GuardUnavailable":
      return `NOT PERFORMED: it could not be looked up whether this action may be asked for now. ${notDone} It may be tried again later.`
    default:
      return undefined
  }
}

const joined = ({ actionId, note, outcome, result }: Joined): string => {
  switch (outcome) {
    case "pending":
      return `NOT PERFORMED YET: this very action was asked for before and waits for a reviewer's approval as ${actionId}. ${notDone} ${notAgain}`
    case "approved":
      return `NOT PERFORMED AGAIN: this very action was asked for before and was approved as ${actionId}; that call performs it. Take the answer to that for what became of it, and do not repeat it.`
    case "performed":
      return `PERFORMED BEFORE: this very action was asked for before and was performed as ${actionId}, once. Do not repeat it.${
        result === undefined ? "" : ` Its result: ${wordsOf(result, 2000)}`
      }`
    case "failed":
      return `FAILED: this very action was asked for before as ${actionId}, was begun, and failed. It may have done part of its work. ${notDone} Do not repeat it before its effect is known.`
    case "rejected":
      return `NOT PERFORMED: a reviewer rejected this action${
        note ? ` (${note})` : ""
      }. ${notDone} Do not try the same again. Action id: ${actionId}.`
    case "expired":
      return `NOT PERFORMED: no reviewer approved this action in time, and it can no longer be approved. ${notDone} Ask for it anew only if it is still wanted. Action id: ${actionId}.`
  }
}

/** A tool's failure is any JSON. */
const wordsOf = (error: unknown, max = 500): string => {
  const text = typeof error === "string" ? error : Formatter.formatJson(error)
  return text.length <= max ? text : `${text.slice(0, max)}...`
}

/**
 * Notes what a model is told instead of a program: as `error.type` on the current span, and in the log, a decision at
 * debug level, what the operator should see as a warning.
 *
 * @category telemetry
 * @since 0.1.0
 */
export const report = (tool: string, error: Refused): Effect.Effect<void> =>
  Effect.andThen(
    Effect.annotateCurrentSpan("error.type", ofReasonName(error)),
    isDecision(error)
      ? Effect.logDebug(`${tool}: ${error.message}`)
      : Effect.logWarning(`${tool}: ${error.message}`)
  )

/** Of what stands before the gateway, the reason says more. */
const ofReasonName = (error: Refused): string =>
  error._tag === "VargateError" && ofReason(error.reason) !== undefined ? error.reason._tag : error._tag

const isDecision = (error: Refused): boolean =>
  error._tag === "VargateError" ? decisionReasons.has(error.reason._tag) : isAnswer(error)

const decisionReasons: ReadonlySet<string> = new Set<Reason["_tag"]>(["Joined", "RefusedAgain"])

const isAnswer = ({ _tag }: Refused): boolean =>
  _tag === "Denied" || _tag === "Rejected" || _tag === "Expired" || _tag === "PendingApproval" ||
  _tag === "ApprovalTimeout"
