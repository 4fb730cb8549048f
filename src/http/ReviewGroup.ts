/**
 * The routes of a review panel: reviewers see what is pending, and vote as themselves. `ReviewHandlers` implements them; a
 * client needs this module only.
 *
 * | route | answer |
 * | --- | --- |
 * | `GET /reviews` | 200 `{"reviews": [...]}`: what is pending now, with what each action needs |
 * | `GET /reviews/{id}` | 200 with one, also where it has ended; 404 where there is no ballot on that action |
 * | `POST /reviews/{id}/votes` with `{"digest", "choice"}` | 200 with the review as it stands then; with `always` the reviewer approves such calls from now on too |
 *
 * Every request carries the reviewer's own token (`Authorization: Bearer`), or the cookie of a session at a page; 401 where it
 * is not known. A vote that is not counted is answered 403 where the reviewer may not decide, and 409 where the ballot does not take it (now).
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { ActionDigest, BallotOutcome, Choice } from "../reviews/Ballots.ts"
import { Constraint, GrantBudget } from "../reviews/Grant.ts"
import { type Reviewer, ReviewerId } from "../reviews/Reviewer.ts"
import { Refusal } from "../reviews/ReviewError.ts"
import * as PublicError from "./PublicError.ts"

/**
 * Who asks.
 *
 * @category services
 * @since 0.2.0
 */
export class CurrentReviewer
  extends Context.Service<CurrentReviewer, Reviewer>()("effect-vargate/http/CurrentReviewer")
{}

/**
 * The token is missing, or not known.
 *
 * @category errors
 * @since 0.2.0
 */
export class ReviewerUnknown extends Schema.TaggedError<ReviewerUnknown>("effect-vargate/http/ReviewerUnknown")(
  "ReviewerUnknown",
  { message: Schema.String },
  { httpApiStatus: 401 }
) {}

const about = { message: Schema.String, refusal: Refusal }

/**
 * The reviewer may not decide on this action.
 *
 * @category errors
 * @since 0.2.0
 */
export class VoteForbidden extends Schema.TaggedError<VoteForbidden>("effect-vargate/http/VoteForbidden")(
  "VoteForbidden",
  about,
  { httpApiStatus: 403 }
) {}

/**
 * The ballot does not take this vote, or not now.
 *
 * @category errors
 * @since 0.2.0
 */
export class VoteNotTaken extends Schema.TaggedError<VoteNotTaken>("effect-vargate/http/VoteNotTaken")(
  "VoteNotTaken",
  about,
  { httpApiStatus: 409 }
) {}

/**
 * The request has a session's cookie, and does not repeat the session's `csrf`: a page of another site may have sent it.
 *
 * @category errors
 * @since 0.2.0
 */
export class SessionForged extends Schema.TaggedError<SessionForged>("effect-vargate/http/SessionForged")(
  "SessionForged",
  { message: Schema.String },
  { httpApiStatus: 403 }
) {}

/**
 * Finds out who asks, by the token, or by the session of a page.
 *
 * @category middleware
 * @since 0.2.0
 */
export class ReviewerAuthorization
  extends HttpApiMiddleware.Service<ReviewerAuthorization, { provides: CurrentReviewer }>()(
    "effect-vargate/http/ReviewerAuthorization",
    { security: { bearer: HttpApiSecurity.bearer }, error: [ReviewerUnknown, SessionForged] }
  )
{}

/**
 * A vote as other reviewers see it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const CastVote = Schema.Struct({
  reviewerId: ReviewerId,
  reviewerName: Schema.String,
  onBehalfOf: Schema.NullOr(ReviewerId),
  choice: Choice,
  note: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromString,
  /** The digest of the action, with other params, that the reviewer would approve instead. */
  proposal: Schema.optionalKey(ActionDigest)
})

/**
 * What the reviewer who asks can do: one entry for themselves, then one for each reviewer whom they represent. `approve`,
 * `reject` and `change` (a rejection with `changes`) say why that vote would be refused now; null where it would count.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ReviewerSeat = Schema.Struct({
  onBehalfOf: Schema.NullOr(ReviewerId),
  approve: Schema.NullOr(Refusal),
  reject: Schema.NullOr(Refusal),
  change: Schema.NullOr(Refusal)
})

/**
 * A pending action with its ballot.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Review = Schema.Struct({
  actionId: ActionId,
  /** What a vote on this has to name. */
  digest: ActionDigest,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  /** As they are pending. Absent where the action has left the queue, or is beyond its newest 50. */
  params: Schema.optionalKey(Schema.Unknown),
  /** What made it pending. */
  violations: Schema.Array(Schema.String),
  severity: Schema.optionalKey(Schema.String),
  /** The violations, and what else the gateway's policy says of why. */
  reasons: Schema.optionalKey(Schema.Array(Schema.String)),
  /** To which actions its rule applies, in words. */
  because: Schema.optionalKey(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  timeoutAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  state: Schema.Literals(["open", "deciding", "ended"]),
  outcome: Schema.NullOr(BallotOutcome),
  votes: Schema.Array(CastVote),
  /** What is still needed, a sentence each. */
  needs: Schema.Array(Schema.String),
  /** What the reviewer who asks can do. */
  you: Schema.optionalKey(Schema.Array(ReviewerSeat))
})

/**
 * The type of {@link Review}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type Review = typeof Review.Type

const day = 86_400

/**
 * What a reviewer answers "always" to: calls of the same agent, tool and method with such params. A call with a field that
 * `params` does not name is not covered.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Always = Schema.Struct({
  /** By the names of the fields. */
  params: Schema.Record(Schema.String, Constraint),
  /** How often at most. Default: as often as it is asked for. */
  count: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  budgets: Schema.optionalKey(Schema.Array(GrantBudget).check(Schema.isMaxLength(10))),
  /** At most 366 days. */
  expiresInSeconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 366 * day })),
  note: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2_000)))
})

/**
 * The type of {@link Always}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type Always = typeof Always.Type

/**
 * A vote: on exactly what was shown.
 *
 * @category schemas
 * @since 0.2.0
 */
export const NewVote = Schema.Struct({
  digest: ActionDigest,
  choice: Choice,
  /** With `reject`, where the rule lets the reviewer change the action: the params that are to be submitted instead. */
  changes: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  /** With `approve`, where the panel has grants: approves what this covers from now on as well. It covers this action. */
  always: Schema.optionalKey(Always),
  note: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(2_000))),
  onBehalfOf: Schema.optionalKey(ReviewerId)
})

const failures = [
  PublicError.ActionInvalid,
  PublicError.ActionLimited,
  PublicError.ActionUnavailable,
  PublicError.ActionUnknown
] as const

/**
 * The routes.
 *
 * @category groups
 * @since 0.2.0
 */
export class ReviewGroup extends HttpApiGroup.make("reviews").add(
  HttpApiEndpoint.get("list", "/reviews", {
    success: Schema.Struct({
      reviews: Schema.Array(Review),
      /** How many are pending at the gateway, which lists its newest 50. */
      total: Schema.optionalKey(Schema.Int)
    }),
    error: failures
  }),
  HttpApiEndpoint.get("get", "/reviews/:id", {
    params: { id: ActionId },
    success: Review,
    error: [...failures, PublicError.ActionNotFound]
  }),
  HttpApiEndpoint.post("vote", "/reviews/:id/votes", {
    params: { id: ActionId },
    payload: NewVote,
    success: Review,
    error: [...failures, PublicError.ActionNotFound, VoteForbidden, VoteNotTaken]
  })
).middleware(ReviewerAuthorization) {}

/**
 * The routes as an API of their own.
 *
 * @category groups
 * @since 0.2.0
 */
export const ReviewApi = HttpApi.make("effect-vargate-reviews").add(ReviewGroup)
