/**
 * Why an operation failed, other than by one of the answers of a governed call: the `reason` of a `VargateError`.
 *
 * | reason | what happened | try again? |
 * | --- | --- | --- |
 * | `Unauthenticated`, `Forbidden` | the key is not accepted, or may not do this | no |
 * | `KeyUnavailable` | the key provider returned no usable key | yes |
 * | `InvalidRequest`, `PayloadTooLarge` | the request is not acceptable | no: correct it |
 * | `NotFound`, `Conflict` | there is no such thing, or another client was faster | no |
 * | `QuotaExceeded` | there are as many as there may be | no: not before some have ended |
 * | `NotSupported` | this gateway is not made for that (501) | no |
 * | `ReportedFailure` | a 200 whose body says that it failed | no: see `detail` |
 * | `Unreachable` | nothing was sent | yes |
 * | `Timeout`, `ConnectionLost`, `GatewayFault` | no answer, or a 5xx | where `sideEffect` is "none" |
 * | `UnexpectedResponse` | an answer that cannot be read | no: look at the URL |
 * | `WebhookUndelivered` | the tenant's webhook did not take a test event | no: look at the receiver |
 * | `Joined` | the same call was pending already, and this one was not submitted (`Decisions`) | no: see `outcome` |
 * | `Suspended` | an operator has stopped the agent, the tool or everything (`Suspension`) | no: not before it is lifted |
 * | `OverBudget` | a limit has no room for the call, or its amount cannot be read (`Budgets`) | no: not in this period |
 * | `GuardUnavailable` | suspensions, budgets or shadow mode's notes cannot be looked up | yes |
 * | `RefusedAgain` | a reviewer has rejected the same call just now (`Decisions`) | no: not before `until` |
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { KeyScope } from "../model/KeyScope.ts"
import { sendsNoWebhooks } from "./internal/sendsNoWebhooks.ts"

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
 * The `KeyProvider` returned no usable key: when the transport was built, or after the gateway had refused the one
 * before. Nothing was done.
 *
 * @category reasons
 * @since 0.1.0
 */
export class KeyUnavailable extends Schema.TaggedError<KeyUnavailable>("effect-vargate/KeyUnavailable")(
  "KeyUnavailable",
  { detail: Schema.String }
) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = true
  readonly retryAfter = undefined
  override get message() {
    return `There is no API key to send: ${this.detail}. Look at where the key comes from, then try again.`
  }
}

/**
 * The key is good but may not do this (403 with a text: not a policy decision).
 *
 * @category reasons
 * @since 0.1.0
 */
export class Forbidden extends Schema.TaggedError<Forbidden>("effect-vargate/Forbidden")("Forbidden", {
  detail: Schema.String,
  /** The scope that the key lacks, where the gateway's keys have scopes. */
  requiredScope: Schema.optional(KeyScope)
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const advice = this.requiredScope === undefined
      ? "Use a key of the tenant that owns the resource."
      : `Use a key with the scope ${this.requiredScope}.`
    return `The gateway refused this operation for this key (${this.detail}). ${advice}`
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
    return `The request is not valid; it had no effect. Correct this and send it again: ${issues.join("; ")}`
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
    return `The gateway has no such resource for this tenant (${this.detail}). Check the id and the key's tenant; a fresh record has no Merkle proof until its hour is over.`
  }
}

/**
 * Another decision came first (409): the action is already approved, rejected or expired.
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
    return `Another decision came first (${this.detail}); this one had no effect. Read the action's outcome instead of deciding again.`
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
 * There are as many as there may be at a time or a day (429 with both numbers), unlike `RateLimited`, which passes within
 * a second.
 *
 * @category reasons
 * @since 0.1.0
 */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>("effect-vargate/QuotaExceeded")("QuotaExceeded", {
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The allowed number is reached; the request had no effect (${this.detail}). End some, or try again tomorrow.`
  }
}

/**
 * This gateway is not made for what was asked of it (501): it cannot print PDF, has no database to copy, or knows no such
 * limits.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotSupported extends Schema.TaggedError<NotSupported>("effect-vargate/NotSupported")("NotSupported", {
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `This gateway does not support the operation; it had no effect (${this.detail}). Use another gateway, or configure this one for it.`
  }
}

/**
 * The answer was a 200, and its body says that the operation failed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ReportedFailure extends Schema.TaggedError<ReportedFailure>("effect-vargate/ReportedFailure")(
  "ReportedFailure",
  { detail: Schema.String, sideEffect: SideEffect }
) implements Verdict {
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `The gateway answered with 200 and says that it failed (${this.detail}). ${
      this.sideEffect === "none"
        ? "Nothing was changed by this request; it will not succeed before that is put right."
        : "Look up what happened before asking again."
    }`
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
 * `excerpt` holds at most 200 characters of the body with the API key redacted; it stays out of `toJSON`.
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

/**
 * The gateway sent a test event to the tenant's webhook, and the receiver could not be reached or did not answer with a
 * 2xx (502 from POST /webhooks/test). Redirects do not count. Only the receiver's origin is named: the rest of such a URL
 * may be a secret. `isSent` is false where an embedded gateway says that it can send no webhooks: then the receiver has no
 * part in it.
 *
 * @category reasons
 * @since 0.1.0
 */
export class WebhookUndelivered extends Schema.TaggedError<WebhookUndelivered>("effect-vargate/WebhookUndelivered")(
  "WebhookUndelivered",
  { origin: Schema.String, detail: Schema.String }
) implements Verdict {
  readonly isRetryable = false
  readonly retryAfter = undefined
  get isSent(): boolean {
    return this.detail !== sendsNoWebhooks
  }
  get sideEffect(): SideEffect {
    return this.isSent ? "possible" : "none"
  }
  override get message() {
    if (!this.isSent) {
      return "This gateway sends no webhooks, whatever the receiver is like: it was started without a client for them. Start it with `effect-vargate dev`, or with the option `webhooks`."
    }
    return `The gateway could not deliver the test event to ${this.origin} (${this.detail}). See that the receiver can be reached over https and answers with 2xx, without a redirect.`
  }
}

/** What became of the action that a call has joined, in words. */
const joinedOutcomes = {
  pending: "It waits for a reviewer.",
  approved: "It was approved, and the first one performs it.",
  performed: "It was performed then.",
  failed: "It was begun then, and failed: part of it may have been done.",
  rejected: "A reviewer rejected it.",
  expired: "No reviewer decided in time, and it can no longer be approved."
} as const

/**
 * The same call of the same agent was pending already: this one was not submitted, and its handler did not run. It joined
 * the wait of the first one, and `outcome` is what became of that.
 *
 * **Details**
 *
 * `pending`: the wait has ended before the decision, or there was none. `approved`: the first one is to perform it, in
 * another process or later. `performed` and `failed`: by the first one, or by the gateway; `result` is there where the
 * first one ran in this process, or the gateway's answer is known. It stays out of `toJSON`.
 *
 * @category reasons
 * @since 0.2.0
 */
export class Joined extends Schema.TaggedError<Joined>("effect-vargate/Joined")("Joined", {
  /** The first one's. */
  actionId: ActionId,
  outcome: Schema.Literals(["pending", "approved", "performed", "failed", "rejected", "expired"]),
  /** The reviewer's, where it was rejected. */
  note: Schema.optional(Schema.NullOr(Schema.String)),
  result: Schema.optional(Schema.Unknown)
}) implements Verdict {
  readonly isRetryable = false
  readonly retryAfter = undefined
  get sideEffect(): SideEffect {
    return this.outcome === "rejected" || this.outcome === "expired" ? "none" : "possible"
  }
  override get message() {
    const note = this.note ? ` The note: ${this.note}.` : ""
    return `The same call was submitted before, as ${this.actionId}, and was not submitted again. ${
      joinedOutcomes[this.outcome]
    }${note} That is the outcome of this call, too.`
  }
  override toJSON() {
    const { actionId, outcome, sideEffect } = this
    return { _tag: this._tag, actionId, outcome, sideEffect, message: this.message }
  }
}

/**
 * A reviewer has rejected the same call of the same agent a short time ago: it was not submitted again.
 *
 * @category reasons
 * @since 0.2.0
 */
export class RefusedAgain extends Schema.TaggedError<RefusedAgain>("effect-vargate/RefusedAgain")("RefusedAgain", {
  /** The rejected one. */
  actionId: ActionId,
  note: Schema.NullOr(Schema.String),
  /** Until when it is refused here. */
  until: Schema.DateTimeUtc
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `A reviewer rejected the same call as ${this.actionId}${
      this.note ? ` (${this.note})` : ""
    }. It was not submitted again: do not ask for it before ${DateTime.formatIso(this.until)}, or ask for another one.`
  }
}

/**
 * An operator has stopped the agent, the tool, or everything: the call was not sent, its action not begun, or the wait for
 * its approval has ended.
 *
 * **Details**
 *
 * `sideEffect` is `"possible"` where the wait has ended: the action is pending still, and may be approved, and executed by
 * the gateway.
 *
 * @category reasons
 * @since 0.2.0
 */
export class Suspended extends Schema.TaggedError<Suspended>("effect-vargate/Suspended")("Suspended", {
  /** What is stopped, in words. */
  scope: Schema.String,
  note: Schema.NullOr(Schema.String),
  since: Schema.DateTimeUtc,
  sideEffect: SideEffect,
  /** Where the call was submitted before. */
  actionId: Schema.optional(ActionId)
}) implements Verdict {
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    const { actionId, note, scope, sideEffect, since } = this
    const done = actionId === undefined
      ? "The call was not sent."
      : sideEffect === "none"
      ? `${actionId} was not begun.`
      : `${actionId} is pending still, and is not waited for: reject it, or resume it once the suspension is lifted.`
    return `An operator has suspended ${scope} since ${DateTime.formatIso(since)}${note ? ` (${note})` : ""}. ${done}`
  }
}

/**
 * A limit of `Budgets` has no room for the call, or its amount cannot be read. Nothing was sent.
 *
 * @category reasons
 * @since 0.2.0
 */
export class OverBudget extends Schema.TaggedError<OverBudget>("effect-vargate/OverBudget")("OverBudget", {
  /** The limit, in words. */
  budget: Schema.String,
  max: Schema.Finite,
  problem: Schema.Literals(["exceeded", "unreadable"]),
  detail: Schema.String
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return this.problem === "exceeded"
      ? `There is no room for the call in the budget of ${this.budget} (${this.detail}). It was not sent: ask for less, or in the next period.`
      : `The call cannot be counted in the budget of ${this.budget}: ${this.detail}. It was not sent.`
  }
}

/**
 * It could not be looked up whether the call is suspended, or within its budgets, and nothing was sent; or what shadow mode
 * does could not be written down, and nothing was begun.
 *
 * @category reasons
 * @since 0.2.0
 */
export class GuardUnavailable extends Schema.TaggedError<GuardUnavailable>("effect-vargate/GuardUnavailable")(
  "GuardUnavailable",
  { guard: Schema.Literals(["suspension", "budgets", "shadow"]), detail: Schema.String }
) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = true
  readonly retryAfter = undefined
  override get message() {
    const of = this.guard === "shadow" ? "shadow mode" : this.guard
    return `The store of ${of} cannot be reached (${this.detail}). Nothing was done by this call: see that the store can be read and written, then try again.`
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
  KeyUnavailable,
  Forbidden,
  InvalidRequest,
  NotFound,
  Conflict,
  PayloadTooLarge,
  QuotaExceeded,
  NotSupported,
  ReportedFailure,
  Unreachable,
  Timeout,
  ConnectionLost,
  GatewayFault,
  UnexpectedResponse,
  WebhookUndelivered,
  Joined,
  RefusedAgain,
  Suspended,
  OverBudget,
  GuardUnavailable
])

/**
 * The type of {@link Reason}.
 *
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type
