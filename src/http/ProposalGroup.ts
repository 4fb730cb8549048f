/**
 * The routes by which processes of agents get what reviewers propose. `ProposalHandlers` implements them, and
 * `ProposalsClient` is the service `Proposals` over them.
 *
 * | route | answer |
 * | --- | --- |
 * | `GET /proposals/{id}` | 200 with the proposal; 404 where there is none |
 * | `POST /proposals/{id}/claim` with `{"token"}` | 200 `{"claimed"}`: whether it is this token's |
 * | `POST /proposals/{id}/release` with `{"token"}` | 204: nothing was submitted |
 * | `POST /proposals/{id}/submission` with `{"token", "actionId"}` | 204: this action was made of it |
 *
 * Every request carries a token of the agents' (`Authorization: Bearer`); 401 where it is not known. It can make no
 * proposal, and no vote.
 *
 * @since 0.2.0
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpApiSecurity from "effect/http-api/HttpApiSecurity"
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import { Proposal, ProposalId } from "../reviews/Proposal.ts"
import * as PublicError from "./PublicError.ts"

/**
 * The token is missing, or not known.
 *
 * @category errors
 * @since 0.2.0
 */
export class AgentUnknown extends Schema.TaggedError<AgentUnknown>("effect-vargate/http/AgentUnknown")(
  "AgentUnknown",
  { message: Schema.String },
  { httpApiStatus: 401 }
) {}

/**
 * Checks the token.
 *
 * @category middleware
 * @since 0.2.0
 */
export class AgentAuthorization extends HttpApiMiddleware.Service<AgentAuthorization>()(
  "effect-vargate/http/AgentAuthorization",
  { security: { bearer: HttpApiSecurity.bearer }, error: AgentUnknown }
) {}

const Token = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9-]{16,128}$/, { expected: "16 to 128 letters, digits and hyphens" })
)

const params = { id: ProposalId }

/**
 * The routes.
 *
 * @category groups
 * @since 0.2.0
 */
export class ProposalGroup extends HttpApiGroup.make("proposals").add(
  HttpApiEndpoint.get("find", "/proposals/:id", {
    params,
    success: Proposal,
    error: [PublicError.ActionNotFound, PublicError.ActionUnavailable]
  }),
  HttpApiEndpoint.post("claim", "/proposals/:id/claim", {
    params,
    payload: Schema.Struct({ token: Token }),
    success: Schema.Struct({ claimed: Schema.Boolean }),
    error: PublicError.ActionUnavailable
  }),
  HttpApiEndpoint.post("release", "/proposals/:id/release", {
    params,
    payload: Schema.Struct({ token: Token }),
    success: HttpApiSchema.NoContent,
    error: PublicError.ActionUnavailable
  }),
  HttpApiEndpoint.post("submitted", "/proposals/:id/submission", {
    params,
    payload: Schema.Struct({ token: Token, actionId: ActionId }),
    success: HttpApiSchema.NoContent,
    error: PublicError.ActionUnavailable
  })
).middleware(AgentAuthorization) {}

/**
 * The routes as an API of their own.
 *
 * @category groups
 * @since 0.2.0
 */
export const ProposalApi = HttpApi.make("effect-vargate-proposals").add(ProposalGroup)
