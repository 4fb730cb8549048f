/**
 * Every failure of this package, as a table.
 *
 * | error | what happened | may something have happened? | try again? |
 * | --- | --- | --- | --- |
 * | `Denied` | policy said no | no | no: change the call or the policy |
 * | `PendingApproval` | held for a human | yes: a reviewer may release it | no: wait for the decision |
 * | `RateLimited` | too many calls in a second | no | after a full second of silence |
 * | `OpaUnavailable` | no policy engine, the tenant fails closed | no | yes, with growing pauses |
 * | `OutcomeUnknown` | the answer was lost | **yes** | never blindly: look it up |
 * | `Rejected`, `Expired` | a reviewer said no, or nobody said anything | no | no: the action is over |
 * | `ApprovalTimeout` | the wait ended before the decision | yes: it may still be approved | no: wait again by its id |
 * | `ToolFailed` | the gateway executed, and the tool failed | **yes**, in part | no: look at the tool |
 * | `StorageFailed` | checkpoints could not be read or kept | no | as the storage allows |
 * | `VargateError` | everything else; see its `reason` | see `sideEffect` | see `isRetryable` |
 *
 * All of them have `sideEffect`, `isRetryable` and `retryAfter`; a `message` that says what to do next; and a `toJSON`
 * that holds no key, no header and no body.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { ActionId } from "./domain/ActionId.ts"
import { ToolCall } from "./domain/ToolCall.ts"

/**
 * Whether the action that was asked for may have been done, or may yet be done, although the operation failed.
 *
 * @category models
 * @since 0.1.0
 */
export const SideEffect = Schema.Literals(["none", "possible"])

/**
 * The type of {@link SideEffect}.
 *
 * @category models
 * @since 0.1.0
 */
export type SideEffect = typeof SideEffect.Type

/**
 * What every error of this package says about itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly _tag: string
  /** May the action have been done, or may it yet be done? */
  readonly sideEffect: SideEffect
  /** Could the same operation succeed if it were tried again, with nothing done twice? */
  readonly isRetryable: boolean
  /** How long to keep silent first, where that is known. */
  readonly retryAfter: Duration.Duration | undefined
}

// --- the answers of a governed call ----------------------------------------------------------------------------------

/**
 * The policy denied the call (403 with an object). `violations` names the rules and may be empty.
 *
 * **Details**
 *
 * `severity` (none, low, medium, high, critical) and `alertTier` (none, slack_alert, soc_ticket, soc_page, P1 to P4) are
 * open vocabularies. A call denied because the gateway could not reach its secrets store looks the same.
 *
 * @category errors
 * @since 0.1.0
 */
export class Denied extends Schema.TaggedError<Denied>("effect-vargate/Denied")("Denied", {
  actionId: ActionId,
  violations: Schema.Array(Schema.String),
  severity: Schema.String,
  alertTier: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const why = this.violations.length === 0 ? "no violation was named" : this.violations.join(", ")
    return `Action ${this.actionId} was denied by policy (${why}). Nothing was done: change the call or the policy before asking again.`
  }
}

/**
 * The call is held for a human (202). It may be executed as soon as somebody approves it, so it is never submitted again.
 *
 * @category errors
 * @since 0.1.0
 */
export class PendingApproval extends Schema.TaggedError<PendingApproval>("effect-vargate/PendingApproval")(
  "PendingApproval",
  {
    actionId: ActionId,
    message: Schema.String
  }
) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
}

/**
 * The tenant's limit was hit (429 with an object): nothing was evaluated or recorded.
 *
 * **Details**
 *
 * The gateway lets `burst` calls through in any sliding second and counts the rejected ones too, so `retryAfter` is at
 * least a full second of silence; a proxy's Retry-After lengthens it. `limit` is reported but not what is enforced.
 *
 * @category errors
 * @since 0.1.0
 */
export class RateLimited extends Schema.TaggedError<RateLimited>("effect-vargate/RateLimited")("RateLimited", {
  tenantId: Schema.optional(Schema.String),
  limit: Schema.optional(Schema.Finite),
  burst: Schema.optional(Schema.Finite),
  retryAfter: Schema.Duration
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = true
  override get message() {
    const limit = this.burst === undefined ? "" : ` of ${this.burst} calls a second`
    return `The tenant's limit${limit} was hit. Keep every caller silent for ${
      Duration.format(this.retryAfter)
    }, then try again: rejected calls count too.`
  }
}

/**
 * The gateway could not ask its policy engine and the tenant fails closed (502 that says so). Nothing was executed or
 * recorded; sending again is safe.
 *
 * @category errors
 * @since 0.1.0
 */
export class OpaUnavailable extends Schema.TaggedError<OpaUnavailable>("effect-vargate/OpaUnavailable")(
  "OpaUnavailable",
  { detail: Schema.String }
) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = true
  readonly retryAfter = undefined
  override get message() {
    return `The gateway's policy engine cannot be reached (${this.detail}). Nothing was done: try again with growing pauses, or set the tenant's failure mode.`
  }
}

// --- the answers of people -------------------------------------------------------------------------------------------

/**
 * A reviewer rejected the action. `reviewer` is unknown where only the audit log tells.
 *
 * @category errors
 * @since 0.1.0
 */
export class Rejected extends Schema.TaggedError<Rejected>("effect-vargate/Rejected")("Rejected", {
  actionId: ActionId,
  reviewer: Schema.NullOr(Schema.String),
  note: Schema.NullOr(Schema.String),
  reviewedAt: Schema.optional(Schema.NullOr(Schema.DateTimeUtc))
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    // The gateway writes "unknown" for a reviewer who came with an API key.
    const reviewer = this.reviewer === null || this.reviewer === "unknown" ? "a reviewer" : this.reviewer
    return `Action ${this.actionId} was rejected by ${reviewer}${this.note ? ` (${this.note})` : ""}. Nothing was done.`
  }
}

/**
 * Nobody decided in time: the gateway gives up one hour after queueing. The action can no longer be approved.
 *
 * @category errors
 * @since 0.1.0
 */
export class Expired extends Schema.TaggedError<Expired>("effect-vargate/Expired")("Expired", {
  actionId: ActionId,
  timeoutAt: Schema.NullOr(Schema.DateTimeUtc)
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `Action ${this.actionId} expired before anybody decided. Nothing was done; submit it anew if it is still wanted.`
  }
}

/**
 * The wait for a decision ended first. The action still waits and may yet be approved and executed.
 *
 * **Details**
 *
 * `lastFailure` tells why the gateway could not be asked, if it could not.
 *
 * @category errors
 * @since 0.1.0
 */
export class ApprovalTimeout extends Schema.TaggedError<ApprovalTimeout>("effect-vargate/ApprovalTimeout")(
  "ApprovalTimeout",
  { actionId: ActionId, waited: Schema.Duration, lastFailure: Schema.optional(Schema.String) }
) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const failure = this.lastFailure === undefined ? "" : ` The last look at the gateway failed: ${this.lastFailure}`
    return `No decision on ${this.actionId} within ${
      Duration.format(this.waited)
    }. It may still be approved and executed: wait again by its id, do not submit it anew.${failure}`
  }
}

/**
 * The gateway executed the action and the tool failed. What the tool had done by then, only the tool knows.
 *
 * @category errors
 * @since 0.1.0
 */
export class ToolFailed extends Schema.TaggedError<ToolFailed>("effect-vargate/ToolFailed")("ToolFailed", {
  actionId: ActionId,
  error: Schema.Unknown
}) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The gateway executed ${this.actionId}, and the tool failed. Look at what the tool did before asking again.`
  }
  override toJSON() {
    return { _tag: this._tag, actionId: this.actionId, message: this.message, sideEffect: this.sideEffect }
  }
}

// --- reasons ---------------------------------------------------------------------------------------------------------

/**
 * The key was not accepted (401).
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>("effect-vargate/Unauthenticated")(
  "Unauthenticated",
  { detail: Schema.String }
) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The gateway did not accept the API key (${this.detail}). Check VARGATE_API_KEY and that it belongs to this gateway.`
  }
}

/**
 * The key is good but may not do this (403 with a text: not a policy decision).
 *
 * @category reasons
 * @since 0.1.0
 */
export class Forbidden extends Schema.TaggedError<Forbidden>("effect-vargate/Forbidden")("Forbidden", {
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The gateway refused this operation for this key (${this.detail}). Use a key of the tenant that owns the resource.`
  }
}

/**
 * One thing that is wrong with a request: where (`["body", "agent_id"]`) and what.
 *
 * @category models
 * @since 0.1.0
 */
export const FieldIssue = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Finite])),
  message: Schema.String
})

/**
 * The type of {@link FieldIssue}.
 *
 * @category models
 * @since 0.1.0
 */
export type FieldIssue = typeof FieldIssue.Type

/**
 * The request is not acceptable: found here before anything was sent, or by the gateway (400, 405, 422).
 *
 * **Details**
 *
 * The paths are those of the gateway's own 422. What was sent (`input` in its answer) is not carried along.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>("effect-vargate/InvalidRequest")(
  "InvalidRequest",
  { issues: Schema.Array(FieldIssue) }
) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const issues = this.issues.map(({ message, path }) => path.length === 0 ? message : `${path.join(".")}: ${message}`)
    return `The request is not valid; nothing was done. Correct this and send it again: ${issues.join("; ")}`
  }
}

/**
 * There is no such thing, or it belongs to another tenant, or (a Merkle proof) its hour is not over (404).
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>("effect-vargate/NotFound")("NotFound", {
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The gateway has no such thing for this tenant (${this.detail}). Check the id and the key's tenant; a fresh record has no Merkle proof until its hour is over.`
  }
}

/**
 * Somebody decided otherwise before (409): the action is already approved, rejected or expired.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Conflict extends Schema.TaggedError<Conflict>("effect-vargate/Conflict")("Conflict", {
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `This comes too late (${this.detail}). Read the action's outcome instead of deciding again.`
  }
}

/**
 * The request body is larger than 1 MiB (413).
 *
 * @category reasons
 * @since 0.1.0
 */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>("effect-vargate/PayloadTooLarge")(
  "PayloadTooLarge",
  { detail: Schema.String }
) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The request is too large for the gateway (${this.detail}). Send a reference to the data instead of the data.`
  }
}

/**
 * Nothing was sent: the name did not resolve, the connection was refused, or TLS failed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("effect-vargate/Unreachable")("Unreachable", {
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = true
  readonly retryAfter = undefined
  override get message() {
    return `The gateway cannot be reached; nothing was sent (${this.detail}). Check VARGATE_URL and the network, then try again.`
  }
}

/**
 * No answer came in time.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Timeout extends Schema.TaggedError<Timeout>("effect-vargate/Timeout")("Timeout", {
  after: Schema.Duration,
  sideEffect: SideEffect
}) implements Verdict {
  readonly retryAfter = undefined
  get isRetryable() {
    return this.sideEffect === "none"
  }
  override get message() {
    return `No answer within ${Duration.format(this.after)}. ${whatNow(this.sideEffect)}`
  }
}

/**
 * The connection broke after the request was, or may have been, sent.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>("effect-vargate/ConnectionLost")(
  "ConnectionLost",
  { detail: Schema.String, sideEffect: SideEffect }
) implements Verdict {
  readonly retryAfter = undefined
  get isRetryable() {
    return this.sideEffect === "none"
  }
  override get message() {
    return `The connection broke before the answer was complete (${this.detail}). ${whatNow(this.sideEffect)}`
  }
}

/**
 * The gateway, or a proxy in front of it, failed (5xx).
 *
 * @category reasons
 * @since 0.1.0
 */
export class GatewayFault extends Schema.TaggedError<GatewayFault>("effect-vargate/GatewayFault")("GatewayFault", {
  status: Schema.Finite,
  detail: Schema.String,
  sideEffect: SideEffect
}) implements Verdict {
  readonly retryAfter = undefined
  get isRetryable() {
    return this.sideEffect === "none"
  }
  override get message() {
    return `The gateway failed with ${this.status} (${this.detail}). ${whatNow(this.sideEffect)}`
  }
}

/**
 * An answer that this package cannot read: not the gateway's words, cut short, too large, or a redirect (never followed).
 *
 * **Details**
 *
 * `excerpt` holds at most 200 characters of the body with the API key blotted out; it stays out of `toJSON`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnexpectedResponse extends Schema.TaggedError<UnexpectedResponse>("effect-vargate/UnexpectedResponse")(
  "UnexpectedResponse",
  {
    status: Schema.Finite,
    contentType: Schema.String,
    excerpt: Schema.String,
    detail: Schema.String,
    sideEffect: SideEffect
  }
) implements Verdict {
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The answer (status ${this.status}, ${
      this.contentType || "no content type"
    }) cannot be read: ${this.detail}. Check that VARGATE_URL is the gateway itself. ${whatNow(this.sideEffect)}`
  }
  override toJSON() {
    const { contentType, detail, sideEffect, status } = this
    return { _tag: this._tag, status, contentType, detail, sideEffect, message: this.message }
  }
}

const whatNow = (sideEffect: SideEffect) =>
  sideEffect === "none"
    ? "Nothing was changed by this request: it can be sent again."
    : "It may have taken effect: look up what happened before sending it again."

/**
 * Why an operation failed, other than by one of the answers of a governed call.
 *
 * @category reasons
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  Unauthenticated,
  Forbidden,
  InvalidRequest,
  NotFound,
  Conflict,
  PayloadTooLarge,
  Unreachable,
  Timeout,
  ConnectionLost,
  GatewayFault,
  UnexpectedResponse
])

/**
 * The type of {@link Reason}.
 *
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * An operation failed. `operation` is the method's name (`AuditLog.verify`), `reason` says why; handle one reason with
 * `Effect.catchReason("VargateError", "NotFound", ...)`.
 *
 * @category errors
 * @since 0.1.0
 */
export class VargateError extends Schema.TaggedError<VargateError>("effect-vargate/VargateError")("VargateError", {
  operation: Schema.String,
  reason: Reason
}) implements Verdict {
  override readonly cause = this.reason
  get sideEffect(): SideEffect {
    return this.reason.sideEffect
  }
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
  get retryAfter(): Duration.Duration | undefined {
    return this.reason.retryAfter
  }
  override get message() {
    return `${this.operation}: ${this.reason.message}`
  }
  override toJSON() {
    return {
      _tag: this._tag,
      operation: this.operation,
      message: this.message,
      sideEffect: this.sideEffect,
      reason: this.reason.toJSON()
    }
  }
}

/**
 * The answer to a tool call was lost: a time-out, a connection that broke after sending, a 5xx that is not OPA's, or an
 * answer that cannot be read. The action **may have been executed**.
 *
 * **Details**
 *
 * The gateway has no idempotency key: the same request twice is two actions. Look the call up in the audit log before
 * deciding (`Reconcile` does). `request` is what was sent (its params stay out of `toJSON`), `sentAt` when, by this
 * machine's clock.
 *
 * After a look, `evidence` says what the log told: no record after `waited` ("not recorded", which proves nothing while
 * the gateway may still be executing), several that fit (`candidates`), or nothing, because it could not be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>("effect-vargate/OutcomeUnknown")(
  "OutcomeUnknown",
  {
    request: ToolCall,
    sentAt: Schema.DateTimeUtc,
    cause: Reason,
    evidence: Schema.optional(Schema.Literals(["not recorded", "ambiguous", "log unreadable"])),
    waited: Schema.optional(Schema.Duration),
    candidates: Schema.optional(Schema.Array(ActionId))
  }
) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `Nobody knows whether ${this.request.tool}/${this.request.method} was executed: ${this.cause.message} Do not repeat it blindly; the audit log knows.`
  }
  override toJSON() {
    const { agentId, method, tool } = this.request
    return {
      _tag: this._tag,
      request: { agentId, tool, method },
      sentAt: DateTime.formatIso(this.sentAt),
      message: this.message,
      sideEffect: this.sideEffect,
      evidence: this.evidence,
      waited: this.waited === undefined ? undefined : Duration.format(this.waited),
      candidates: this.candidates,
      cause: this.cause.toJSON()
    }
  }
}

/**
 * Checkpoints could not be read from where they are kept, or not be written there. Whatever was verified meanwhile is not
 * remembered.
 *
 * @category errors
 * @since 0.1.0
 */
export class StorageFailed extends Schema.TaggedError<StorageFailed>("effect-vargate/StorageFailed")("StorageFailed", {
  operation: Schema.String,
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `${this.operation}: ${this.detail}. Nothing was lost of what was kept before; see that the storage can be read and written.`
  }
}

/**
 * Everything that submitting a tool call can fail with when decisions are values (`ToolCalls.decide`).
 *
 * @category models
 * @since 0.1.0
 */
export type SubmitError = RateLimited | OpaUnavailable | OutcomeUnknown | VargateError

/**
 * Everything that a governed call can fail with (`ToolCalls.call`).
 *
 * @category models
 * @since 0.1.0
 */
export type CallError = Denied | PendingApproval | SubmitError

/**
 * Everything that an operation other than a tool call can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export type OperationError = RateLimited | VargateError

/**
 * Everything that waiting for a decision can fail with (`Approvals.await`).
 *
 * @category models
 * @since 0.1.0
 */
export type ApprovalError = Rejected | Expired | ApprovalTimeout | VargateError
