/**
 * Credentials of tools that the gateway keeps, so that it can act without showing them to an agent.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A tool or a credential as the vault names it: 1 to 256 characters without a slash, not `.` or `..`, which could not
 * stand in a URL.
 *
 * @category ids
 * @since 0.1.0
 */
export const CredentialName = Schema.String.check(
  Schema.isPattern(/^(?!\.{1,2}$)[^/\p{Cc}\p{Cs}]{1,256}$/u, { expected: "1 to 256 characters without a slash" })
)

/**
 * A credential that the gateway holds (GET /credentials). Its value never comes back.
 *
 * @category models
 * @since 0.1.0
 */
export class Credential extends Schema.Class<Credential>("effect-vargate/Credential")({
  toolId: Schema.String,
  name: Schema.String,
  createdAt: Schema.optional(Schema.DateTimeUtc)
}) {}

/**
 * What the gateway holds for one tool (GET /credentials/{tool_id}/status).
 *
 * @category models
 * @since 0.1.0
 */
export class CredentialStatus extends Schema.Class<CredentialStatus>("effect-vargate/CredentialStatus")({
  toolId: Schema.String,
  registered: Schema.Boolean,
  credentials: Schema.Array(Credential)
}) {}

/**
 * One use of a credential by the gateway (GET /credentials/access-log).
 *
 * @category models
 * @since 0.1.0
 */
export class CredentialAccess extends Schema.Class<CredentialAccess>("effect-vargate/CredentialAccess")({
  toolId: Schema.String,
  name: Schema.String,
  actionId: Schema.NullOr(Schema.String),
  agentId: Schema.NullOr(Schema.String),
  accessedAt: Schema.DateTimeUtc
}) {}
