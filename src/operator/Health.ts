/**
 * The gateway's health.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What the gateway says about itself and its neighbours (GET /health). Needs no key; `status` is `ok` even while Redis
 * is away, so look at the parts.
 *
 * @category models
 * @since 0.1.0
 */
export class Health extends Schema.Class<Health>("effect-vargate/Health")({
  status: Schema.String,
  service: Schema.optional(Schema.String),
  redis: Schema.optional(Schema.Boolean),
  blockchain: Schema.optional(Schema.Boolean),
  connectedChains: Schema.optional(Schema.Array(Schema.String)),
  merkleTrees: Schema.optional(Schema.Boolean),
  merkleTreeCount: Schema.optional(Schema.Int),
  sepoliaMerkle: Schema.optional(Schema.Boolean)
}) {}
