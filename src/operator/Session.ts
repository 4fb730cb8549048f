/**
 * Accounts: signing up, keys, sessions, and the tenants of one account.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Secret = Schema.Redacted(Schema.String)

/**
 * A session of a tenant: a JWT that stands in for the key on the routes that take it (POST /auth/session).
 *
 * **Gotchas**
 *
 * It outlives the key that it was opened with. That makes it the way back in when the answer to a rotation was lost.
 *
 * @category models
 * @since 0.1.0
 */
export class Session extends Schema.Class<Session>("effect-vargate/Session")({
  token: Secret,
  tenantId: Schema.String
}) {
  /** When the token says that it ends. Its signature is the gateway's to check. Undefined where it does not say. */
  get expiresAt(): DateTime.Utc | undefined {
    const [, payload = ""] = Redacted.value(this.token).split(".")
    const claims = Result.flatMap(Base64Url.decodeString(payload), parse)
    if (Result.isFailure(claims)) return undefined
    const { exp } = Object(claims.success) as { readonly exp?: unknown }
    return typeof exp === "number" && Math.abs(exp) < 8.64e12 ? DateTime.makeUnsafe(exp * 1000) : undefined
  }
}

const parse = (text: string): Result.Result<unknown, unknown> => Result.try(() => JSON.parse(text))

/**
 * The gateway's word that it sent a link for verification (POST /auth/signup).
 *
 * @category models
 * @since 0.1.0
 */
export class SignupReceipt extends Schema.Class<SignupReceipt>("effect-vargate/SignupReceipt")({
  email: Schema.String,
  /** `verification_sent`. */
  status: Schema.String
}) {}

/**
 * A tenant that was just made for a verified address (GET /auth/verify-email). The key is shown this once.
 *
 * @category models
 * @since 0.1.0
 */
export class NewAccount extends Schema.Class<NewAccount>("effect-vargate/NewAccount")({
  tenantId: Schema.String,
  apiKey: Secret,
  session: Schema.optional(Session),
  dashboardUrl: Schema.optional(Schema.String)
}) {}

/**
 * The key that took the place of another (POST /api-keys/rotate). It is shown this once.
 *
 * @category models
 * @since 0.1.0
 */
export class RotatedKey extends Schema.Class<RotatedKey>("effect-vargate/RotatedKey")({
  tenantId: Schema.String,
  apiKey: Secret,
  rotatedAt: Schema.optional(Schema.DateTimeUtc)
}) {}

/**
 * A tenant that an account may act for (GET /auth/my-tenants).
 *
 * @category models
 * @since 0.1.0
 */
export class Membership extends Schema.Class<Membership>("effect-vargate/Membership")({
  tenantId: Schema.String,
  name: Schema.String,
  /** Whether it is the one that asks. */
  current: Schema.Boolean
}) {}
