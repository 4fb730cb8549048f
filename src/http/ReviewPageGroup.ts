/**
 * What a panel's page needs beside the routes of `ReviewGroup`: the login, the history, and what an agent was allowed last.
 * `ReviewPageHandlers` implements it.
 *
 * | route | answer |
 * | --- | --- |
 * | `GET /panel/session` | 200: who is logged in, and how to log in |
 * | `POST /panel/session` with `{"token"}` | 200 and a cookie; 401 where the token is not known |
 * | `DELETE /panel/session` | 204: logged out |
 * | `GET /panel/history` | 200: the latest ballots that have ended, and the last 24 hours by hour |
 * | `GET /panel/previous/{id}` | 200: the agent's last approved call of that kind |
 *
 * The cookie opens the routes of `ReviewGroup` as well. A request with the cookie that changes something repeats the
 * session's `csrf` in the header `x-vargate-csrf`; 403 where it does not.
 *
 * @since 0.2.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { BallotOutcome } from "../reviews/Ballots.ts"
import { Group, ReviewerId } from "../reviews/Reviewer.ts"
import * as PublicError from "./PublicError.ts"
import { CastVote, ReviewerAuthorization, ReviewerUnknown, SessionForged } from "./ReviewGroup.ts"

/**
 * Who is logged in, and how to log in.
 *
 * @category schemas
 * @since 0.2.0
 */
export const PageSession = Schema.Struct({
  reviewer: Schema.NullOr(Schema.Struct({ id: ReviewerId, name: Schema.String, groups: Schema.Array(Group) })),
  /** What a request that changes something repeats in `x-vargate-csrf`. */
  csrf: Schema.NullOr(Schema.String),
  /** The name of the provider at which reviewers can log in, by `GET /panel/login`. */
  provider: Schema.NullOr(Schema.String)
})

/**
 * The type of {@link PageSession}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type PageSession = typeof PageSession.Type

/**
 * A ballot that has ended.
 *
 * @category schemas
 * @since 0.2.0
 */
export const HistoryEntry = Schema.Struct({
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  createdAt: Schema.DateTimeUtcFromString,
  outcome: BallotOutcome,
  votes: Schema.Array(CastVote)
})

/**
 * The type of {@link HistoryEntry}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type HistoryEntry = typeof HistoryEntry.Type

/**
 * What was decided in an hour, and how long it took.
 *
 * @category schemas
 * @since 0.2.0
 */
export const HistoryHour = Schema.Struct({
  /** When the hour begins. */
  hour: Schema.DateTimeUtcFromString,
  approved: Schema.Int,
  rejected: Schema.Int,
  /** Expired, changed or lost. */
  other: Schema.Int,
  /** From queueing to the decision; null where nothing was decided. */
  medianWaitMillis: Schema.NullOr(Schema.Finite)
})

/**
 * The type of {@link HistoryHour}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type HistoryHour = typeof HistoryHour.Type

/**
 * What was decided lately.
 *
 * @category schemas
 * @since 0.2.0
 */
export const History = Schema.Struct({
  /** The latest first. */
  entries: Schema.Array(HistoryEntry),
  /** The last 24 hours, the oldest first. */
  hours: Schema.Array(HistoryHour)
})

/**
 * The type of {@link History}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type History = typeof History.Type

/**
 * A call that was approved.
 *
 * @category schemas
 * @since 0.2.0
 */
export const ApprovedCall = Schema.Struct({
  actionId: ActionId,
  params: Schema.Unknown,
  approvedAt: Schema.DateTimeUtcFromString
})

/**
 * The type of {@link ApprovedCall}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type ApprovedCall = typeof ApprovedCall.Type

const failures = [
  PublicError.ActionInvalid,
  PublicError.ActionLimited,
  PublicError.ActionUnavailable,
  PublicError.ActionUnknown
] as const

/**
 * The routes of the login. They need no reviewer.
 *
 * @category groups
 * @since 0.2.0
 */
export class SessionGroup extends HttpApiGroup.make("session").add(
  HttpApiEndpoint.get("current", "/panel/session", { success: PageSession }),
  HttpApiEndpoint.post("logIn", "/panel/session", {
    payload: Schema.Struct({ token: Schema.String.check(Schema.isMaxLength(16_384)) }),
    success: PageSession,
    error: ReviewerUnknown
  }),
  HttpApiEndpoint.delete("logOut", "/panel/session", { success: HttpApiSchema.NoContent, error: SessionForged })
) {}

/**
 * The routes of what was decided before.
 *
 * @category groups
 * @since 0.2.0
 */
export class HistoryGroup extends HttpApiGroup.make("history").add(
  HttpApiEndpoint.get("latest", "/panel/history", { success: History, error: failures }),
  HttpApiEndpoint.get("previous", "/panel/previous/:id", {
    params: { id: ActionId },
    success: Schema.Struct({ previous: Schema.NullOr(ApprovedCall) }),
    error: failures
  })
).middleware(ReviewerAuthorization) {}

/**
 * These routes as an API of their own, beside `ReviewApi`.
 *
 * @category groups
 * @since 0.2.0
 */
export const ReviewPageApi = HttpApi.make("effect-vargate-review-page").add(SessionGroup).add(HistoryGroup)
