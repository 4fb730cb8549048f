/**
 * What a client of your own HTTP service may read of a failure: a sentence, the action's id, and a status. No key, no
 * params, no detail of the gateway and no reviewer's name is in it; those are logged where the service runs.
 *
 * | error | status | stands for |
 * | --- | --- | --- |
 * | `ActionInvalid` | 400 | a request that the gateway does not take (`InvalidRequest`, `PayloadTooLarge`) |
 * | `ActionRefused` | 403 | `Denied`, `Rejected`, `RefusedAgain` |
 * | `ActionNotFound` | 404 | `NotFound` |
 * | `ActionPending` | 409 | `PendingApproval`, `ShadowRefused`, `ApprovalTimeout`, `NeverQueued`, a `DuplicateSubmission` of what is pending |
 * | `ActionConflict` | 409 | `Conflict`, a call that has `Joined` one that was performed |
 * | `ActionUnknown` | 409 | `OutcomeUnknown`, every other `DuplicateSubmission`, and every `VargateError` that may have had an effect |
 * | `ActionExpired` | 410 | `Expired` |
 * | `ActionFailed` | 424 | `ToolFailed`, `ResultUnusable` |
 * | `ActionLimited` | 429 | `RateLimited`, `QuotaExceeded`, `OverBudget` |
 * | `ActionUnavailable` | 503 | `OpaUnavailable`, `StorageFailed`, and every other `VargateError` |
 *
 * **Details**
 *
 * HTTP clients repeat 408, 429 and 5xx by themselves. So a failure that may have had an effect has none of those.
 *
 * **Example** (An endpoint of your own)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Governed } from "effect-vargate"
 * import * as PublicError from "effect-vargate/http/PublicError"
 * import { HttpApiEndpoint } from "effect/http-api"
 *
 * const refund = HttpApiEndpoint.post("refund", "/refunds", {
 *   payload: Schema.Struct({ charge: Schema.String }),
 *   success: Schema.String,
 *   error: PublicError.schemas
 * })
 *
 * // The handler's effect: what it fails with is declared above.
 * const handler = (charge: string) =>
 *   Governed.run({ tool: "stripe", method: "create_refund", params: { charge } }, Effect.log("refunding")).pipe(
 *     Effect.map(({ actionId }) => actionId),
 *     PublicError.expose
 *   )
 * ```
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  ApprovalTimeout,
  Denied,
  DuplicateSubmission,
  Expired,
  type Joined,
  NeverQueued,
  OpaUnavailable,
  OutcomeUnknown,
  PendingApproval,
  RateLimited,
  Rejected,
  ResultUnusable,
  ShadowRefused,
  StorageFailed,
  ToolFailed,
  VargateError
} from "../errors/VargateError.ts"
import { ActionId } from "../model/ActionId.ts"

// --- what a client reads ---------------------------------------------------------------------------------------------

const about = { message: Schema.String }
const aboutAction = { ...about, actionId: ActionId }

/**
 * The request is not acceptable; nothing was done.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionInvalid extends Schema.TaggedError<ActionInvalid>("effect-vargate/http/ActionInvalid")(
  "ActionInvalid",
  about,
  { httpApiStatus: 400 }
) {}

/**
 * The policy or a reviewer refused the action; nothing was done. `violations` names the policy's rules.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionRefused extends Schema.TaggedError<ActionRefused>("effect-vargate/http/ActionRefused")(
  "ActionRefused",
  { ...aboutAction, by: Schema.Literals(["policy", "reviewer"]), violations: Schema.Array(Schema.String) },
  { httpApiStatus: 403 }
) {}

/**
 * There is no such thing.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionNotFound extends Schema.TaggedError<ActionNotFound>("effect-vargate/http/ActionNotFound")(
  "ActionNotFound",
  about,
  { httpApiStatus: 404 }
) {}

/**
 * A reviewer must decide: the action may yet be performed. To ask again would be a second action.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionPending extends Schema.TaggedError<ActionPending>("effect-vargate/http/ActionPending")(
  "ActionPending",
  aboutAction,
  { httpApiStatus: 409 }
) {}

/**
 * Another decision came first; this one had no effect.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionConflict extends Schema.TaggedError<ActionConflict>("effect-vargate/http/ActionConflict")(
  "ActionConflict",
  about,
  { httpApiStatus: 409 }
) {}

/**
 * It is unknown whether the action was performed. To ask again might perform it twice.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionUnknown extends Schema.TaggedError<ActionUnknown>("effect-vargate/http/ActionUnknown")(
  "ActionUnknown",
  about,
  { httpApiStatus: 409 }
) {}

/**
 * No reviewer decided in time; nothing was done, and the action can no longer be approved.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionExpired extends Schema.TaggedError<ActionExpired>("effect-vargate/http/ActionExpired")(
  "ActionExpired",
  aboutAction,
  { httpApiStatus: 410 }
) {}

/**
 * The action was executed, and failed or left no usable result: part of it may have been done.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionFailed extends Schema.TaggedError<ActionFailed>("effect-vargate/http/ActionFailed")(
  "ActionFailed",
  aboutAction,
  { httpApiStatus: 424 }
) {}

/**
 * Too many actions at a time; nothing was done. After `retryAfterSeconds`, where it is there, it can be asked for again.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionLimited extends Schema.TaggedError<ActionLimited>("effect-vargate/http/ActionLimited")(
  "ActionLimited",
  { ...about, retryAfterSeconds: Schema.optionalKey(Schema.Finite) },
  { httpApiStatus: 429 }
) {}

/**
 * The action could not be decided or looked up; nothing was done by this request.
 *
 * @category errors
 * @since 0.1.0
 */
export class ActionUnavailable extends Schema.TaggedError<ActionUnavailable>("effect-vargate/http/ActionUnavailable")(
  "ActionUnavailable",
  about,
  { httpApiStatus: 503 }
) {}

/**
 * All of them, for the `error` of an endpoint.
 *
 * @category schemas
 * @since 0.1.0
 */
export const schemas = [
  ActionInvalid,
  ActionRefused,
  ActionNotFound,
  ActionPending,
  ActionConflict,
  ActionUnknown,
  ActionExpired,
  ActionFailed,
  ActionLimited,
  ActionUnavailable
] as const

/**
 * One of them.
 *
 * @category models
 * @since 0.1.0
 */
export type PublicError = (typeof schemas)[number]["Type"]

// --- from ours to theirs ---------------------------------------------------------------------------------------------

const Failure = Schema.Union([
  Denied,
  Rejected,
  PendingApproval,
  ShadowRefused,
  ApprovalTimeout,
  NeverQueued,
  Expired,
  ToolFailed,
  ResultUnusable,
  OutcomeUnknown,
  DuplicateSubmission,
  RateLimited,
  OpaUnavailable,
  StorageFailed,
  VargateError
])
const isFailure = Schema.is(Failure)

/**
 * The failures of this package that have a public form: those of governed calls, waits and workflows.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = typeof Failure.Type

interface Forms {
  readonly Denied: ActionRefused
  readonly Rejected: ActionRefused
  readonly PendingApproval: ActionPending
  readonly ShadowRefused: ActionPending
  readonly ApprovalTimeout: ActionPending
  readonly NeverQueued: ActionPending
  readonly Expired: ActionExpired
  readonly ToolFailed: ActionFailed
  readonly ResultUnusable: ActionFailed
  readonly OutcomeUnknown: ActionUnknown
  readonly DuplicateSubmission: ActionPending | ActionUnknown
  readonly RateLimited: ActionLimited
  readonly OpaUnavailable: ActionUnavailable
  readonly StorageFailed: ActionUnavailable
  readonly VargateError:
    | ActionInvalid
    | ActionRefused
    | ActionNotFound
    | ActionPending
    | ActionConflict
    | ActionUnknown
    | ActionExpired
    | ActionFailed
    | ActionLimited
    | ActionUnavailable
}

/**
 * What {@link expose} makes of an error type: the public form of a failure of this package, and any other type as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Exposed<E> = E extends Failure ? Forms[E["_tag"]] : E

const unavailable = "The action could not be decided; nothing was done. Try again later."

const rejected = (actionId: ActionId, note: string | null | undefined) => {
  const message = `A reviewer rejected the action${note ? ` (${note})` : ""}; nothing was done.`
  return new ActionRefused({ actionId, by: "reviewer", violations: [], message })
}

const expired = (actionId: ActionId) => {
  const message = "No reviewer decided in time; nothing was done. Ask for the action anew if it is still wanted."
  return new ActionExpired({ actionId, message })
}

const failed = (actionId: ActionId) => {
  const message = "The action was begun and failed: part of it may have been done. Do not repeat it unseen."
  return new ActionFailed({ actionId, message })
}

/** The same call was asked for before. */
const ofJoined = ({ actionId, note, outcome }: Joined) => {
  switch (outcome) {
    case "pending":
    case "approved":
      return pending(actionId)
    case "performed":
      return new ActionConflict({ message: "The same action was performed before; this request did nothing." })
    case "failed":
      return failed(actionId)
    case "rejected":
      return rejected(actionId, note)
    case "expired":
      return expired(actionId)
  }
}

const ofVargateError = ({ reason }: VargateError): Forms["VargateError"] => {
  if (reason._tag === "Joined") return ofJoined(reason)
  if (reason._tag === "Suspended" && reason.sideEffect === "possible" && reason.actionId !== undefined) {
    return pending(reason.actionId)
  }
  if (reason.sideEffect === "possible") return unknown
  switch (reason._tag) {
    case "InvalidRequest":
      return new ActionInvalid({ message: reason.message })
    case "PayloadTooLarge":
      return new ActionInvalid({
        message: "The request is too large. Send a reference to the data instead of the data."
      })
    case "NotFound":
      return new ActionNotFound({ message: "There is no such action." })
    case "Conflict":
      return new ActionConflict({ message: "Another decision came first; this one had no effect." })
    case "RefusedAgain":
      return rejected(reason.actionId, reason.note)
    case "OverBudget":
      return new ActionLimited({ message: "There is no room for the action in its budget; nothing was done." })
    case "QuotaExceeded":
      return new ActionLimited({ message: "The allowed number is reached; nothing was done." })
    default:
      return new ActionUnavailable({ message: unavailable })
  }
}

const unknown = new ActionUnknown({
  message: "It is unknown whether the action was performed. Do not repeat it: an operator has to look it up."
})

const pending = (actionId: ActionId) =>
  new ActionPending({
    actionId,
    message: "A reviewer must decide on the action, which may yet be performed. Do not ask for it again."
  })

/**
 * The public form of a failure.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (error: Failure): PublicError => {
  switch (error._tag) {
    case "Denied": {
      const { actionId, violations } = error
      const why = violations.length === 0 ? "" : ` (${violations.join(", ")})`
      const message = `The policy denied the action${why}; nothing was done.`
      return new ActionRefused({ actionId, by: "policy", violations, message })
    }
    case "Rejected":
      return rejected(error.actionId, error.note)
    case "PendingApproval":
    case "ShadowRefused":
    case "ApprovalTimeout":
      return pending(error.actionId)
    case "DuplicateSubmission":
      return error.first === "pending" && error.actionId !== undefined ? pending(error.actionId) : unknown
    case "NeverQueued": {
      const message = "The action needs an approval, and was not queued for one; nothing was done."
      return new ActionPending({ actionId: error.actionId, message })
    }
    case "Expired":
      return expired(error.actionId)
    case "ToolFailed":
      return failed(error.actionId)
    case "ResultUnusable": {
      const message = "The action was performed, and its result cannot be used. Do not repeat it."
      return new ActionFailed({ actionId: error.actionId, message })
    }
    case "OutcomeUnknown":
      return unknown
    case "RateLimited":
      return new ActionLimited({
        message: "There are too many actions at a time; nothing was done. Try again later.",
        retryAfterSeconds: Math.ceil(Duration.toSeconds(error.retryAfter))
      })
    case "OpaUnavailable":
    case "StorageFailed":
      return new ActionUnavailable({ message: unavailable })
    case "VargateError":
      return ofVargateError(error)
  }
}

/** What an operator has to look at. The rest is an answer like any other. */
const isNews = (error: PublicError): boolean =>
  error._tag === "ActionUnavailable" || error._tag === "ActionUnknown" || error._tag === "ActionFailed"

/**
 * Replaces the failures of this package by their public forms. Other errors stay as they are. What an operator has to
 * look at is logged in full, as a warning.
 *
 * @category constructors
 * @since 0.1.0
 */
export const expose = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Exposed<E>, R> =>
  Effect.catch(effect, (error) => {
    if (!isFailure(error)) return Effect.fail(error as Exposed<E>)
    const form = of(error)
    const failing = Effect.fail(form as Exposed<E>)
    return isNews(form) ? Effect.andThen(Effect.logWarning(error.message), failing) : failing
  })
