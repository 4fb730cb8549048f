/**
 * POST /auth/signup, GET /auth/verify-email, POST /auth/session, POST /api-keys/rotate, GET /auth/my-tenants,
 * POST /auth/switch-tenant
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { BadGateway502, Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { Membership, RotatedKey, SignupReceipt } from "../Session.ts"

const Token = Schema.RedactedFromValue(Schema.NonEmptyString)

/**
 * A key in an answer. What no header could carry must not be taken for one.
 *
 * @category codecs
 * @since 0.1.0
 */
export const NewKey = Schema.RedactedFromValue(Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/)))

const SessionBody = Schema.Struct({
  session_token: Token,
  tenant_id: Schema.String
}).annotate({ identifier: "SessionBody" })

/** This answer has not been observed yet: the gateway sends it only to accounts that signed in with GitHub. */
const SwitchedBody = Schema.Struct({
  session_token: Token,
  tenant_id: Schema.optional(Schema.String)
}).annotate({ identifier: "SwitchedBody" })

const VerifiedBody = Schema.Struct({
  status: Schema.optional(Schema.String),
  tenant_id: Schema.String,
  api_key: NewKey,
  session_token: Schema.optional(Token),
  dashboard_url: Schema.optional(Schema.String)
}).annotate({ identifier: "VerifiedBody" })

const RotatedBody = Schema.Struct({
  ...RotatedKey.fields,
  apiKey: NewKey,
  rotatedAt: Schema.optional(Timestamp)
}).annotate({ identifier: "RotatedBody" }).pipe(
  Schema.encodeKeys({ tenantId: "tenant_id", apiKey: "api_key", rotatedAt: "rotated_at" }),
  Schema.decodeTo(RotatedKey)
)

const MembershipRow = Schema.Struct({
  ...Membership.fields,
  current: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
}).pipe(
  Schema.encodeKeys({ tenantId: "tenant_id" }),
  Schema.decodeTo(Membership)
)

/**
 * The routes of this group. The last two give a first key, and need none.
 *
 * @category groups
 * @since 0.1.0
 */
export class AccountApi extends HttpApiGroup.make("account").add(
  HttpApiEndpoint.post("session", "/auth/session", { success: SessionBody, error: Refusals }),
  HttpApiEndpoint.post("rotateKey", "/api-keys/rotate", { success: RotatedBody, error: Refusals }),
  HttpApiEndpoint.get("tenants", "/auth/my-tenants", {
    success: Schema.Struct({ tenants: Schema.Array(MembershipRow) }).annotate({ identifier: "MembershipsBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.post("switchTenant", "/auth/switch-tenant", {
    payload: Schema.Struct({ tenant_id: Schema.optionalKey(Schema.String) }).annotate({
      identifier: "SwitchTenantBody"
    }),
    success: SwitchedBody,
    error: Refusals
  })
).middleware(ApiKey).add(
  HttpApiEndpoint.post("signup", "/auth/signup", {
    payload: Schema.Struct({ email: Schema.String, name: Schema.String }).annotate({ identifier: "SignupBody" }),
    success: Schema.Struct(SignupReceipt.fields).pipe(Schema.decodeTo(SignupReceipt)),
    error: [...Refusals, BadGateway502]
  }),
  HttpApiEndpoint.get("verifyEmail", "/auth/verify-email", {
    query: { token: Schema.RedactedFromValue(Schema.String) },
    success: VerifiedBody,
    error: Refusals
  })
) {}
