/**
 * GET /dashboard/me, PATCH /dashboard/settings, POST /webhooks/test
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { renameKeys, toCamelCase, toSnakeCase } from "../../internal/casing.ts"
import { withoutUndefined } from "../../internal/withoutUndefined.ts"
import type { TenantSettings } from "../../model/TenantSettings.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"
import { TenantProfile } from "../TenantProfile.ts"

const AnyRecord = Schema.Record(Schema.String, Schema.Unknown)

/** `policy_config` is an object whose names are the template's. */
const Parameters = AnyRecord.pipe(Schema.decodeTo(
  AnyRecord,
  SchemaTransformation.transform({
    decode: (config) => renameKeys(config, toCamelCase),
    encode: (parameters) => renameKeys(parameters, toSnakeCase)
  })
))

/**
 * A tenant. The measured gateway shows neither policy nor failure modes nor webhook; a gateway of ours does.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ProfileBody = Schema.Struct({
  ...TenantProfile.fields,
  email: Schema.NullOr(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
  githubLogin: Schema.NullOr(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
  slug: Schema.NullOr(Schema.String).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
  createdAt: Schema.optional(Timestamp),
  stats: Schema.optional(
    Schema.Struct({ totalActions: Schema.Int, allowed: Schema.Int, denied: Schema.Int }).pipe(
      Schema.encodeKeys({ totalActions: "total_actions" })
    )
  ),
  policyParameters: Schema.optional(Parameters)
}).annotate({ identifier: "ProfileBody" }).pipe(
  Schema.encodeKeys({
    tenantId: "tenant_id",
    githubLogin: "github_login",
    keyPrefix: "api_key_prefix",
    publicDashboard: "public_dashboard",
    anchorChain: "anchor_chain",
    autoApproveTools: "auto_approve_tools",
    createdAt: "created_at",
    policyTemplate: "policy_template",
    policyParameters: "policy_config",
    failureModes: "failure_config",
    webhookUrl: "webhook_url",
    webhookEvents: "webhook_events",
    canSendWebhooks: "can_send_webhooks"
  }),
  Schema.decodeTo(TenantProfile)
)

const nullable = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/**
 * Settings as they are sent. The gateway takes null for absent, knows more than it checks, and ignores what it does not
 * know.
 *
 * @category codecs
 * @since 0.1.0
 */
export const SettingsBody = Schema.Struct({
  name: nullable(Schema.String),
  public_dashboard: nullable(Schema.Boolean),
  anchor_chain: nullable(Schema.String),
  policy_template: nullable(Schema.String),
  policy_config: nullable(AnyRecord),
  webhook_url: nullable(Schema.String),
  webhook_events: nullable(Schema.Array(Schema.Unknown)),
  failure_config: nullable(AnyRecord),
  auto_approve_tools: nullable(Schema.Array(Schema.Unknown))
}).annotate({ identifier: "SettingsBody" })

/**
 * Writes settings as the gateway reads them: an empty URL is none.
 *
 * @category codecs
 * @since 0.1.0
 */
export const writeSettings = (settings: TenantSettings): typeof SettingsBody.Type => {
  const { failureModes, policy: { parameters, template } = {}, webhookUrl } = settings
  return withoutUndefined({
    name: settings.name,
    public_dashboard: settings.publicDashboard,
    anchor_chain: settings.anchorChain,
    policy_template: template,
    policy_config: parameters && renameKeys(withoutUndefined(parameters), toSnakeCase),
    webhook_url: webhookUrl === null ? "" : webhookUrl,
    webhook_events: settings.webhookEvents,
    failure_config: failureModes && withoutUndefined(failureModes),
    auto_approve_tools: settings.autoApproveTools
  })
}

const UpdatedBody = Schema.Struct({
  status: Schema.Literal("updated"),
  tenant_id: Schema.optional(Schema.String),
  webhook_secret: Schema.optional(Schema.RedactedFromValue(Schema.String))
}).annotate({ identifier: "SettingsUpdated" })

const DeliveredBody = Schema.Struct({
  status: Schema.Literal("delivered"),
  webhook_url: Schema.String
}).annotate({ identifier: "WebhookDelivered" })

/**
 * 502: the gateway is well, the receiver of the webhook is not.
 *
 * @category codecs
 * @since 0.1.0
 */
export const WebhookFailed502 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("WebhookFailed502"),
  status: Schema.Literal("failed"),
  webhook_url: Schema.String,
  message: Schema.optional(Schema.String)
}).annotate({ httpApiStatus: 502, identifier: "WebhookFailed502" })

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class TenantApi extends HttpApiGroup.make("tenant").add(
  HttpApiEndpoint.get("me", "/dashboard/me", { success: ProfileBody, error: Refusals }),
  HttpApiEndpoint.patch("updateSettings", "/dashboard/settings", {
    payload: SettingsBody,
    success: UpdatedBody,
    error: Refusals
  }),
  HttpApiEndpoint.post("testWebhook", "/webhooks/test", {
    success: DeliveredBody,
    error: [...Refusals, WebhookFailed502]
  })
).middleware(ApiKey) {}
