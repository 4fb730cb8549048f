/**
 * Tenants in a gateway's directory.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A tenant as the directory shows it (GET /tenants).
 *
 * @category models
 * @since 0.1.0
 */
export class TenantEntry extends Schema.Class<TenantEntry>("effect-vargate/TenantEntry")({
  tenantId: Schema.String,
  name: Schema.String,
  /** The beginning of the key, to tell keys apart. */
  keyPrefix: Schema.optional(Schema.String),
  createdAt: Schema.optional(Schema.DateTimeUtc),
  /** Calls a second, as the gateway reports it; what it enforces is `burst`. */
  rateLimit: Schema.optional(Schema.Finite),
  /** Calls in any sliding second. */
  burst: Schema.optional(Schema.Finite)
}) {}

/**
 * A tenant that was just made (POST /tenants). The key is shown this once.
 *
 * @category models
 * @since 0.1.0
 */
export class NewTenant extends Schema.Class<NewTenant>("effect-vargate/NewTenant")({
  tenantId: Schema.String,
  name: Schema.String,
  apiKey: Schema.Redacted(Schema.String),
  createdAt: Schema.optional(Schema.DateTimeUtc),
  rateLimit: Schema.optional(Schema.Finite),
  burst: Schema.optional(Schema.Finite)
}) {}
