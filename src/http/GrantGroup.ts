/**
 * The routes of a panel's standing approvals: reviewers see them, and revoke them. They are made by a vote with `always`
 * (`ReviewGroup`). `GrantHandlers` implements the routes; a client needs this module only.
 *
 * | route | answer |
 * | --- | --- |
 * | `GET /grants` | 200 `{"offered", "grants": [...]}`: those in force, the latest 200 first; `offered` is false where the panel has none |
 * | `DELETE /grants/{id}` | 200 with the grant, which is revoked then; 404 where none with this id is in force |
 *
 * Every request carries the reviewer's own token, as those of `ReviewGroup` do. Any reviewer may revoke any grant: what it
 * covered is asked again.
 *
 * @since 0.2.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { Constraint, GrantBudget } from "../reviews/Grant.ts"
import { ReviewerId } from "../reviews/Reviewer.ts"
import * as PublicError from "./PublicError.ts"
import { ReviewerAuthorization } from "./ReviewGroup.ts"

/**
 * A grant as reviewers see it.
 *
 * @category schemas
 * @since 0.2.0
 */
export const StandingGrant = Schema.Struct({
  id: Schema.String,
  reviewerId: ReviewerId,
  reviewerName: Schema.String,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  params: Schema.Record(Schema.String, Constraint),
  count: Schema.NullOr(Schema.Int),
  budgets: Schema.Array(GrantBudget),
  note: Schema.NullOr(Schema.String),
  createdAt: Schema.DateTimeUtcFromString,
  expiresAt: Schema.DateTimeUtcFromString,
  revokedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  revokedBy: Schema.NullOr(Schema.String),
  /** How often it was used. */
  uses: Schema.Int
})

/**
 * The type of {@link StandingGrant}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type StandingGrant = typeof StandingGrant.Type

/**
 * The grants in force, the latest first.
 *
 * @category schemas
 * @since 0.2.0
 */
export const GrantList = Schema.Struct({
  /** Whether the panel makes and applies grants. */
  offered: Schema.Boolean,
  grants: Schema.Array(StandingGrant)
})

/**
 * The type of {@link GrantList}.
 *
 * @category schemas
 * @since 0.2.0
 */
export type GrantList = typeof GrantList.Type

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
export class GrantGroup extends HttpApiGroup.make("grants").add(
  HttpApiEndpoint.get("list", "/grants", {
    success: GrantList,
    error: failures
  }),
  HttpApiEndpoint.delete("revoke", "/grants/:id", {
    params: { id: Schema.String.check(Schema.isMaxLength(100)) },
    success: StandingGrant,
    error: [...failures, PublicError.ActionNotFound]
  })
).middleware(ReviewerAuthorization) {}

/**
 * The routes as an API of their own, beside `ReviewApi`.
 *
 * @category groups
 * @since 0.2.0
 */
export const GrantApi = HttpApi.make("effect-vargate-grants").add(GrantGroup)
