/**
 * What a gateway shows of a tenant.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A tenant as it sees itself (GET /dashboard/me).
 *
 * **Details**
 *
 * The policy, the failure modes and the webhook are here only where the gateway shows them: an embedded one does, the
 * measured one does not. Their words are the gateway's own, which may know more than this package.
 *
 * @category models
 * @since 0.1.0
 */
export class TenantProfile extends Schema.Class<TenantProfile>("effect-vargate/TenantProfile")({
  tenantId: Schema.String,
  name: Schema.String,
  email: Schema.NullOr(Schema.String),
  githubLogin: Schema.NullOr(Schema.String),
  /** The beginning of the key, to tell keys apart. */
  keyPrefix: Schema.String,
  slug: Schema.NullOr(Schema.String),
  publicDashboard: Schema.Boolean,
  anchorChain: Schema.NullOr(Schema.String),
  autoApproveTools: Schema.Array(Schema.String),
  createdAt: Schema.optional(Schema.DateTimeUtc),
  /** Whether the tenant has done anything yet. */
  activated: Schema.optional(Schema.Boolean),
  stats: Schema.optional(Schema.Struct({
    totalActions: Schema.Int,
    allowed: Schema.Int,
    denied: Schema.Int
  })),
  policyTemplate: Schema.optional(Schema.String),
  policyParameters: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  failureModes: Schema.optional(Schema.Struct({
    opa: Schema.optional(Schema.String),
    redis: Schema.optional(Schema.String),
    blockchain: Schema.optional(Schema.String)
  })),
  webhookUrl: Schema.optional(Schema.NullOr(Schema.String)),
  webhookEvents: Schema.optional(Schema.Array(Schema.String)),
  /** False where an embedded gateway was started without a client for webhooks: it delivers none. */
  canSendWebhooks: Schema.optional(Schema.Boolean)
}) {}
