/**
 * How the gateway tries out a tenant's webhook.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Tenant } from "./Tenants.ts"

/**
 * Sends `test.ping` to the webhook of a tenant that has one, in one attempt, and says whether the receiver took it.
 * Default: nothing can be sent, so nothing is taken.
 *
 * @category references
 * @since 0.1.0
 */
export const WebhookTest = Context.Reference<(tenant: Tenant) => Effect.Effect<boolean>>(
  "effect-vargate/gateway/WebhookTest",
  { defaultValue: () => () => Effect.succeed(false) }
)
