/**
 * Every failure of this package, as a table.
 *
 * | error | what happened | may something have happened? | try again? |
 * | --- | --- | --- | --- |
 * | `Denied` | the policy denied it | no | no: change the call or the policy |
 * | `PendingApproval` | queued for a reviewer | yes: a reviewer may approve it | no: wait for the decision |
 * | `RateLimited` | too many calls in a second | no | after a full second of silence, where `source` is the gateway |
 * | `OpaUnavailable` | no policy engine, the tenant fails closed | no | yes, with growing pauses |
 * | `OutcomeUnknown` | the answer was lost | **yes** | no: look it up |
 * | `DuplicateSubmission` | the same call was submitted before, and its effect is open | yes: by the first one | no: wait for the first one |
 * | `Rejected`, `Expired` | a reviewer rejected it, or none decided in time | no | no: the action has ended |
 * | `ApprovalTimeout` | the wait ended before the decision | yes: it may still be approved | no: wait again by its id |
 * | `ToolFailed` | the gateway executed, and the tool failed | **yes**, in part | no: look at the tool |
 * | `InterruptNotConfirmed` | a session counts as interrupted, its agent may continue | **yes** | no: stop it where it runs |
 * | `NeverQueued` | needs an approval, and the gateway's MCP endpoint queues nothing | no | no: submit it with `ToolCalls` |
 * | `ResultUnusable` | the gateway executed, and its result is lost or malformed | **yes** | no: it was executed |
 * | `ShadowRefused` | pending in shadow mode, and the gateway would execute it on approval | yes: a reviewer may approve it | no: wait for the decision |
 * | `StorageFailed` | checkpoints could not be read or kept | no | as the storage allows |
 * | `SettingNotApplied` | a setting is not as requested after it was applied | yes: others were applied | no: use a value that the gateway knows |
 * | `RotationUnknown` | the answer with the new key was lost | **yes** | with a session opened before |
 * | `WebhookRefused` | a delivery is not the gateway's, or not now | no | no |
 * | `WebhookUnconsumed` | your consumer of webhooks failed | **yes**, in part | the gateway does |
 * | `VargateError` | everything else; see its `reason` | see `sideEffect` | see `isRetryable` |
 *
 * All of them have `sideEffect`, `isRetryable` and `retryAfter`; a `message` that says what to do next; and a `toJSON`
 * that holds no key, no header and no body.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { ToolCall } from "../model/ToolCall.ts"
import { isForHoursAlone } from "./internal/hoursRules.ts"
import { Reason, type SideEffect, type Verdict } from "./Reason.ts"

/**
 * The reasons stand in a file of their own and belong to the same table.
 *
 * @since 0.1.0
 */
export * from "./Reason.ts"

/**
 * So do the failures of operators.
 *
 * @since 0.1.0
 */
export * from "./OperatorError.ts"

/**
 * So do the failures of receiving webhooks.
 *
 * @since 0.1.0
 */
export * from "./WebhookError.ts"

// --- the answers of a governed call ----------------------------------------------------------------------------------

/** Rules of the hosted gateway that deny a tool, whatever the call: another call or another policy does not help. */
const toolRules = {
  no_credential_registered_for_tool:
    "the gateway holds no credential for this tool, and without one it denies every call of it. An operator registers one under the tool's name (Credentials.register); from then on the gateway executes the tools that it knows, and your own handler does not run.",
  unknown_tool_no_execution_handler:
    "the gateway would execute this tool itself, and does not know how. Ask its operator to add the tool, or call it by a name that the gateway knows."
} as const

const nextStepOf = ({ opensAt, violations }: Denied): string => {
  for (const [rule, advice] of Object.entries(toolRules)) if (violations.includes(rule)) return advice
  const opening = opensAt === undefined ? "" : ` (the next begin at ${DateTime.formatIso(opensAt)})`
  return isForHoursAlone(violations)
    ? `ask again within business hours, Monday to Friday, 9:00 to 18:00 UTC${opening}, or change the call or the policy.`
    : "change the call or the policy before asking again."
}

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
  alertTier: Schema.String,
  /** When the same call would pass, where business hours alone stand in its way. */
  opensAt: Schema.optional(Schema.DateTimeUtc)
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const why = this.violations.length === 0 ? "no violation was named" : this.violations.join(", ")
    return `Action ${this.actionId} was denied by policy (${why}). It was not executed: ${nextStepOf(this)}`
  }
}

/**
 * The call is pending (202): a reviewer must decide. It may be executed as soon as it is approved, so it is never
 * submitted again.
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
 * The call needs an approval, but the gateway's MCP endpoint (POST /mcp/server) never queues such calls: it can never
 * be approved, and will never be executed.
 *
 * @category errors
 * @since 0.1.0
 */
export class NeverQueued extends Schema.TaggedError<NeverQueued>("effect-vargate/NeverQueued")("NeverQueued", {
  actionId: ActionId
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `Action ${this.actionId} needs an approval, but was submitted to the gateway's MCP endpoint, which never queues such calls: it was not executed and can never be approved. Submit it with ToolCalls instead.`
  }
}

/**
 * Whose limit was hit: the gateway's own, or that of another server on the way to it.
 *
 * @category models
 * @since 0.2.0
 */
export const LimitSource = Schema.Literals(["gateway", "other"])

/**
 * The type of {@link LimitSource}.
 *
 * @category models
 * @since 0.2.0
 */
export type LimitSource = typeof LimitSource.Type

/**
 * A limit was hit (429): the tenant's, where nothing was evaluated or recorded, or that of another server.
 *
 * **Details**
 *
 * The gateway lets `burst` calls through in any sliding second and counts the rejected ones too, so `retryAfter` is at
 * least a full second of silence; a Retry-After lengthens it. `limit` is reported but not what is enforced.
 *
 * `source` says whose word it is. The gateway's own proves that nothing has happened, and may be followed by another try.
 * Another server (a proxy, a firewall) is known by a body that is not the gateway's. A refused request was not acted upon,
 * but only the servers on the way know whether they have sent it twice: so that is not `isRetryable`, and a `RetryPolicy`
 * sends a tool call again only where it was made to (`otherLimits`). Reads are repeated after either.
 *
 * @category errors
 * @since 0.1.0
 */
export class RateLimited extends Schema.TaggedError<RateLimited>("effect-vargate/RateLimited")("RateLimited", {
  tenantId: Schema.optional(Schema.String),
  limit: Schema.optional(Schema.Finite),
  burst: Schema.optional(Schema.Finite),
  /** Whose limit it is. Default: the gateway's. */
  source: LimitSource.pipe(
    // What was kept before there were sources was the gateway's.
    Schema.withDecodingDefaultKey(Effect.succeed("gateway" as const)),
    Schema.withConstructorDefault(Effect.succeed("gateway" as const))
  ),
  retryAfter: Schema.Duration
}) implements Verdict {
  readonly sideEffect = "none"
  get isRetryable(): boolean {
    return this.source === "gateway"
  }
  override get message() {
    const pause = Duration.format(this.retryAfter)
    if (this.source === "other") {
      return `A server before the gateway refused the request (429): too many requests. It was not acted upon. Pause every caller for ${pause}, and raise the limit of that server; send a tool call again only where it is certain that the server has not passed it on.`
    }
    const limit = this.burst === undefined ? "" : ` of ${this.burst} calls a second`
    return `The tenant's limit${limit} was hit. Pause every caller for ${pause}, then try again: rejected calls count too.`
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
    return `The gateway's policy engine cannot be reached (${this.detail}). Nothing was executed: try again with growing pauses, or set the tenant's failure mode.`
  }
}

// --- the answers of reviewers ----------------------------------------------------------------------------------------

/**
 * A reviewer rejected the action. `reviewer` is unknown where only the audit log has the decision.
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
    return `Action ${this.actionId} was rejected by ${reviewer}${
      this.note ? ` (${this.note})` : ""
    }. It was not executed.${
      this.proposal === undefined ? "" : " The reviewer proposes other params: provide `Proposals` to submit them."
    }`
  }
  /**
   * What the reviewer would approve instead, where the note of a review panel names that: `Proposals.find` has it. The
   * digest is that of the action with the proposed params.
   */
  get proposal(): { readonly id: string; readonly digest: string } | undefined {
    const [, id, digest] =
      /^review-panel\/1 reject sha256:([0-9a-f]{64}) proposal:([0-9a-f]{64}) /.exec(this.note ?? "") ?? []
    return id === undefined || digest === undefined ? undefined : { id, digest }
  }
}

/**
 * No reviewer decided in time: the action expires one hour after it was queued. The action can no longer be approved.
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
    return `Action ${this.actionId} expired before a reviewer decided. It was not executed; submit it anew if it is still wanted.`
  }
}

/**
 * The wait for a decision ended first. The action is still pending and may yet be approved and executed.
 *
 * **Details**
 *
 * `lastFailure` says why the gateway could not be asked, if it could not.
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
 * The gateway executed the action and the tool failed. What the tool did before it failed is known to the tool alone.
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

/**
 * The action was executed, and its result cannot be used. The gateway executed it, and its result was lost or does not fit
 * the schema of the tool; or the agent did, in a durable call, and its result or its failure cannot be stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class ResultUnusable extends Schema.TaggedError<ResultUnusable>("effect-vargate/ResultUnusable")(
  "ResultUnusable",
  { actionId: ActionId, detail: Schema.String }
) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `${this.actionId} was executed, but its result cannot be used: ${this.detail}. Do not submit it again; correct the schema of its result, or look the action up in the audit log.`
  }
}

// --- everything else -------------------------------------------------------------------------------------------------

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

/** What the look into the audit log told, and what to do with it. */
const nextStep = (
  { candidates = [], evidence, waited }: Pick<OutcomeUnknown, "candidates" | "evidence" | "waited">
): string => {
  switch (evidence) {
    case undefined:
      return "Do not resend it; look it up in the audit log."
    case "not recorded": {
      const after = waited === undefined ? "" : ` after ${Duration.format(waited)}`
      return `The audit log had no record of it${after}, which proves nothing while the gateway may still be executing it. Do not resend it; look again later.`
    }
    case "ambiguous":
      return candidates.length === 1
        ? `The audit log has a record that fits it (${
          candidates[0]
        }), which may be another call's. Do not resend it; have an operator compare them.`
        : `The audit log has records that fit it (${
          candidates.length === 0 ? "none of them certain" : candidates.join(", ")
        }), and does not tell which one is its own. Do not resend it; have an operator compare them.`
    case "not executed":
      return `The audit log has a record that fits it (${
        candidates.join(", ")
      }), which the gateway left to its agent to act on, and which may be another process's. Do not act on it; have an operator look whether its agent has.`
    case "log unreadable":
      return "The audit log could not be read far enough to tell. Do not resend it; look it up once the log can be read."
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
 * After a look, `evidence` says what the log has: no record after `waited` ("not recorded", which proves nothing while
 * the gateway may still be executing), one that the gateway left to an agent to act on, and that may be another process's
 * ("not executed"), one or several that fit and may be other calls' (`candidates`), or nothing, because it could not be
 * read.
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
    evidence: Schema.optional(Schema.Literals(["not recorded", "not executed", "ambiguous", "log unreadable"])),
    waited: Schema.optional(Schema.Duration),
    candidates: Schema.optional(Schema.Array(ActionId))
  }
) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const { method, tool } = this.request
    return `The outcome of ${tool}/${method} is unknown: ${this.cause.message} ${nextStep(this)}`
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

const openEffects = {
  pending: "waits for a reviewer, and may yet be executed",
  approved: "was approved, and may have been executed",
  unknown: "may have been executed: its answer was lost",
  interrupted: "may have been executed: it was interrupted after it was sent"
}

/**
 * The call was not sent, because it repeats one that may yet be executed, or may have been: the same agent, tool, method
 * and params, on the same fiber or in the same retry.
 *
 * **Details**
 *
 * `first` says what is known of the earlier submission: it is `pending`, its answer was lost (`unknown`), it was
 * `interrupted` after it was sent, or it was `approved` and the loop around it failed later. `actionId` is its action,
 * where that is known; `sentAt` is when it was sent.
 *
 * A second action that is meant is submitted with `allowDuplicate: true`.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateSubmission
  extends Schema.TaggedError<DuplicateSubmission>("effect-vargate/DuplicateSubmission")("DuplicateSubmission", {
    agentId: Schema.String,
    tool: Schema.String,
    method: Schema.String,
    first: Schema.Literals(["pending", "approved", "unknown", "interrupted"]),
    sentAt: Schema.DateTimeUtc,
    actionId: Schema.optional(ActionId)
  })
  implements Verdict
{
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const { actionId, first, method, sentAt, tool } = this
    const named = `${actionId === undefined ? "" : `as ${actionId} `}at ${DateTime.formatIso(sentAt)}`
    const next = actionId === undefined
      ? "Look it up in the audit log (Reconcile does)"
      : `Wait for the decision on ${actionId} (Approvals.await)`
    return `${tool}/${method} was submitted with the same params ${named}, and ${
      openEffects[first]
    }. This call was not sent. ${next}, and take no generic retry around a tool call; where a second action is meant, submit it with allowDuplicate: true.`
  }
  override toJSON() {
    const { _tag, actionId, agentId, first, message, method, sentAt, sideEffect, tool } = this
    return { _tag, agentId, tool, method, first, sentAt: DateTime.formatIso(sentAt), actionId, message, sideEffect }
  }
}

/**
 * A call in shadow is pending, and was not acted on: the gateway has executed calls of this tool, so that an approval would
 * execute the action a second time.
 *
 * @category errors
 * @since 0.2.0
 */
export class ShadowRefused extends Schema.TaggedError<ShadowRefused>("effect-vargate/ShadowRefused")("ShadowRefused", {
  actionId: ActionId,
  tool: Schema.String
}) implements Verdict {
  readonly sideEffect = "possible"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const { actionId, tool } = this
    return `Action ${actionId} waits for a reviewer, and was not acted on in shadow: the gateway has executed calls of ${tool}, and would execute this one on approval. Wait for the decision (Governed.resume), and govern ${tool} with Governed.run, or take its credentials from the gateway.`
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
    return `${this.operation}: ${this.detail}. What was stored before is unchanged; check that the storage can be read and written.`
  }
}

/**
 * Everything that submitting a tool call can fail with when decisions are values (`ToolCalls.decide`).
 *
 * @category models
 * @since 0.1.0
 */
export type SubmitError = RateLimited | OpaUnavailable | OutcomeUnknown | DuplicateSubmission | VargateError

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
