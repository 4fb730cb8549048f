/**
 * What a tenant can set: its policy, what happens while something is away, who is told.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { PolicyChoice } from "./PolicyTemplate.ts"

/**
 * What the gateway does with a call while something behind it is away: refuse it, let it pass, or ask a reviewer.
 *
 * @category models
 * @since 0.1.0
 */
export const FailureMode = Schema.Literals(["fail_closed", "fail_open", "fail_to_queue"])

/**
 * The type of {@link FailureMode}.
 *
 * @category models
 * @since 0.1.0
 */
export type FailureMode = typeof FailureMode.Type

/**
 * A failure mode for each thing that can be away. Those that are left out stay as they are. A gateway's defaults:
 * `fail_closed` for `opa`, the policy engine, and `fail_open` for the others.
 *
 * @category models
 * @since 0.1.0
 */
export const FailureModes = Schema.Struct({
  opa: Schema.optional(FailureMode),
  redis: Schema.optional(FailureMode),
  blockchain: Schema.optional(FailureMode)
})

/**
 * The type of {@link FailureModes}.
 *
 * @category models
 * @since 0.1.0
 */
export type FailureModes = typeof FailureModes.Type

/**
 * A pair `tool/method`, such as `slack/post_message`. The method is what comes after the last slash.
 *
 * @category models
 * @since 0.1.0
 */
export const ToolMethod = Schema.TemplateLiteral([Schema.String, "/", Schema.String]).check(
  Schema.isPattern(/^[a-zA-Z0-9_\-.:/]+\/[a-zA-Z0-9_\-.]+$/, { expected: "a pair like slack/post_message" })
)

/**
 * The events that a webhook can get.
 *
 * @category models
 * @since 0.1.0
 */
export const WebhookEventName = Schema.Literals([
  "action.allowed",
  "action.denied",
  "action.pending",
  "session.interrupted",
  "chain.anchored",
  "anomaly.detected",
  "test.ping"
])

const isHttps = (text: string) => {
  const url = URL.parse(text)
  return url !== null && url.protocol === "https:" && url.hostname !== ""
}

/**
 * Settings to apply; what is left out stays as it is (PATCH /dashboard/settings).
 *
 * **Details**
 *
 * `anchorChain` is a gateway's own vocabulary (`polygon`). A gateway delivers only the events in `webhookEvents`, none
 * at first: a URL alone delivers nothing. `webhookUrl: null` ends all delivery.
 *
 * @category models
 * @since 0.1.0
 */
export const TenantSettings = Schema.Struct({
  name: Schema.optional(Schema.NonEmptyString),
  publicDashboard: Schema.optional(Schema.Boolean),
  anchorChain: Schema.optional(Schema.NonEmptyString),
  policy: Schema.optional(PolicyChoice),
  failureModes: Schema.optional(FailureModes),
  /** What is allowed although it would need an approval. Replaces the previous list. */
  autoApproveTools: Schema.optional(Schema.Array(ToolMethod)),
  webhookUrl: Schema.optional(
    Schema.NullOr(Schema.String.check(Schema.makeFilter(isHttps, { expected: "a URL that begins with https://" })))
  ),
  /** Takes the place of the list before. */
  webhookEvents: Schema.optional(Schema.Array(WebhookEventName))
})

/**
 * The type of {@link TenantSettings}.
 *
 * @category models
 * @since 0.1.0
 */
export type TenantSettings = typeof TenantSettings.Type

/**
 * The settings one by one, as plans and errors name them.
 *
 * @category models
 * @since 0.1.0
 */
export const SettingName = Schema.Literals([
  "name",
  "publicDashboard",
  "anchorChain",
  "policyTemplate",
  "policyParameters",
  "failureModes",
  "autoApproveTools",
  "webhookUrl",
  "webhookEvents"
])

/**
 * The type of {@link SettingName}.
 *
 * @category models
 * @since 0.1.0
 */
export type SettingName = typeof SettingName.Type
