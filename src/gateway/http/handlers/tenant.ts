/**
 * A tenant and its settings, answered by the embedded gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { sendsNoWebhooks } from "../../../errors/internal/sendsNoWebhooks.ts"
import { renameKeys, toCamelCase } from "../../../internal/casing.ts"
import { TenantProfile } from "../../../operator/TenantProfile.ts"
import { WebhookFailed502 } from "../../../operator/wire/TenantApi.ts"
import { BadRequest400 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { WebhookSender } from "../../calls/WebhookSender.ts"
import { Ledger } from "../../ledger/Ledger.ts"
import { keyPrefix, newWebhookSecret } from "../../tenants/internal/apiKeys.ts"
import { settingsChanges } from "../../tenants/internal/settingsChanges.ts"
import { type Tenant, Tenants } from "../../tenants/Tenants.ts"

/**
 * The handlers of this group.
 *
 * **Details**
 *
 * What is set holds from the next call on. The measured gateway applies one setting after the other and stops at one that
 * it refuses; here either all are applied or none.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "tenant",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    const ledger = yield* Ledger
    const webhooks = yield* WebhookSender

    return handlers
      .handle(
        "me",
        Effect.fnUntraced(function*() {
          const tenant = yield* tenants.current
          const stats = { totalActions: 0, allowed: 0, denied: 0 }
          yield* Stream.runForEach(ledger.stream(tenant.id), ({ decision }) =>
            Effect.sync(() => {
              stats.totalActions++
              if (decision === "allow") stats.allowed++
              if (decision === "deny") stats.denied++
            }))
          return profileOf(tenant, stats, webhooks.canSend)
        })
      )
      .handle(
        "updateSettings",
        Effect.fnUntraced(function*({ payload }) {
          const { id } = yield* tenants.current
          const changes = settingsChanges(payload)
          if (Result.isFailure(changes)) return yield* Effect.fail(BadRequest400.make({ detail: changes.failure }))
          const mentionsWebhook = typeof payload.webhook_url === "string"
          const updated = yield* tenants.update(id, (tenant) => ({
            ...changes.success(tenant),
            ...(mentionsWebhook && tenant.webhookSecret === null ? { webhookSecret: newWebhookSecret() } : {})
          }))
          const webhookSecret = updated?.webhookSecret
          return {
            status: "updated",
            tenant_id: id,
            ...(mentionsWebhook && webhookSecret ? { webhook_secret: webhookSecret } : {})
          } as const
        })
      )
      .handle(
        "testWebhook",
        Effect.fnUntraced(function*() {
          const url = yield* webhooks.sendTest(yield* tenants.current).pipe(
            Effect.catchTags({
              NoWebhookUrl: () =>
                Effect.fail(
                  BadRequest400.make({ detail: "No webhook URL configured. Set one via PATCH /dashboard/settings." })
                ),
              NotDelivered: ({ webhookUrl }) =>
                Effect.fail(WebhookFailed502.make({
                  status: "failed",
                  webhook_url: webhookUrl,
                  message: webhooks.canSend ? "Webhook delivery failed" : sendsNoWebhooks
                }))
            })
          )
          return { status: "delivered", webhook_url: url } as const
        })
      )
  })
)

const profileOf = (tenant: Tenant, stats: NonNullable<TenantProfile["stats"]>, canSendWebhooks: boolean) =>
  new TenantProfile({
    tenantId: tenant.id,
    name: tenant.name,
    email: tenant.email,
    githubLogin: tenant.githubLogin,
    keyPrefix: keyPrefix(tenant.apiKey),
    slug: tenant.slug,
    publicDashboard: tenant.publicDashboard,
    anchorChain: tenant.anchorChain,
    autoApproveTools: tenant.autoApproveTools,
    createdAt: tenant.createdAt,
    activated: stats.totalActions > 0,
    stats,
    policyTemplate: tenant.policyTemplate,
    policyParameters: renameKeys(tenant.policyConfig, toCamelCase),
    failureModes: { opa: tenant.opaFailure, redis: tenant.redisFailure, blockchain: tenant.blockchainFailure },
    webhookUrl: tenant.webhookUrl,
    webhookEvents: tenant.webhookEvents,
    canSendWebhooks
  })
