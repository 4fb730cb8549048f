/**
 * What a policy engine is asked and what it answers: the decision document and the decision, as plain JSON.
 *
 * The document holds everything that a decision depends on, the time and the agent's history included. It can therefore
 * be sent as it is to an OPA server (`{"input": ...}`), and stored with the audit record and evaluated again for
 * `POST /audit/replay`.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { isBusinessHours } from "../../internal/businessHours.ts"
import { addressesIn, valuesOf } from "./GovernedFields.ts"

const UnknownRecord = Schema.Record(Schema.String, Schema.Unknown)
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The decision document: who asks for what, when, and what is known about it.
 *
 * **Details**
 *
 * Times are ISO 8601. `context` is in UTC, with Sunday as day 0 ({@link contextAt}); `context.approval` says that the
 * call is not approved yet, since it is decided once, when it is submitted. `data` is what was found in the params:
 * personal data (`PersonalData.inspect`) and the addresses of a mail ({@link recipients}). `history` is the agent's
 * own, except `known_recipient`, which is the tenant's: an allowed or approved mail to at most 100 recipients went earlier to
 * every recipient, and there are at most 100.
 * `history.last_24h.high_value_transactions` counts calls with an amount of 5000 or more, or one that cannot be read,
 * that were not denied. `history.cooldown_active` and `history.flagged` follow the parameters `cooldown_violations` and
 * `anomaly_threshold` of the template `general`, whatever the tenant's template. `vault` names the tools for which the
 * tenant has registered a credential.
 *
 * What a gateway cannot know by itself is absent unless the tenant's registration says it: `agent.roles`,
 * `agent.jurisdiction`, `agent.deployment` and `agent.enclave_verified` (`agentDefaults` and `agents` of `TenantOptions`),
 * `data.classification`, `data.residency_required` and `data.destination` (`dataHandling`). Nothing of these is taken from
 * what a caller sends. A policy that reads them lists them as required (`RequiredFields`).
 *
 * @category schemas
 * @since 0.1.0
 */
export const PolicyInput = Schema.Struct({
  tenant: Schema.Struct({
    id: Schema.String,
    name: Schema.String,
    policy_template: Schema.String,
    policy_config: UnknownRecord
  }),
  agent: Schema.Struct({
    id: Schema.String,
    type: Schema.String,
    version: Schema.String,
    deployment: Schema.optionalKey(Schema.String),
    enclave_verified: Schema.optionalKey(Schema.Boolean),
    roles: Schema.optionalKey(Schema.Array(Schema.String)),
    jurisdiction: Schema.optionalKey(Schema.String)
  }),
  action: Schema.Struct({
    id: Schema.String,
    tool: Schema.String,
    method: Schema.String,
    params: UnknownRecord,
    requested_at: Schema.String
  }),
  context: Schema.Struct({
    time_utc: Schema.String,
    hour_of_day: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 23 })),
    day_of_week: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 6 })),
    is_business_hours: Schema.Boolean,
    approval: Schema.optionalKey(Schema.Struct({
      required: Schema.Boolean,
      granted: Schema.Boolean,
      approver: Schema.NullOr(Schema.String)
    }))
  }),
  data: Schema.Struct({
    contains_pii: Schema.Boolean,
    pii_types: Schema.Array(Schema.String),
    pii_fields: Schema.Array(Schema.String),
    recipients: Schema.Array(Schema.String),
    classification: Schema.optionalKey(Schema.String),
    residency_required: Schema.optionalKey(Schema.String),
    destination: Schema.optionalKey(Schema.Struct({ type: Schema.String, approved: Schema.Boolean }))
  }),
  history: Schema.Struct({
    anomaly_score: Schema.Finite,
    flagged: Schema.optionalKey(Schema.Boolean),
    cooldown_active: Schema.optionalKey(Schema.Boolean),
    last_10min: Schema.optionalKey(Schema.Struct({ action_count: Count, denied_count: Count })),
    last_24h: Schema.Struct({
      high_value_transactions: Schema.optionalKey(Count),
      action_count: Count,
      policy_violations: Count,
      last_violation_at: Schema.NullOr(Schema.String)
    }),
    known_recipient: Schema.Boolean
  }),
  vault: Schema.optionalKey(Schema.Struct({
    credentials_registered: Schema.Array(Schema.String),
    brokered_execution: Schema.Boolean
  }))
})

/**
 * The type of {@link PolicyInput}.
 *
 * @category models
 * @since 0.1.0
 */
export interface PolicyInput extends Schema.Schema.Type<typeof PolicyInput> {}

/**
 * How bad a violation is, from nothing to the worst.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Severity = Schema.Literals(["none", "low", "medium", "high", "critical"])

/**
 * The type of {@link Severity}.
 *
 * @category models
 * @since 0.1.0
 */
export type Severity = typeof Severity.Type

/**
 * The engine's answer. `requires_human` is only ever true beside `allow`: the call is pending until a reviewer decides.
 *
 * **Details**
 *
 * `violations` are sorted by name, each once. `alert_tier` is `none`, `slack_alert`, `soc_ticket` or `soc_page` here, but
 * other engines have their own words.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PolicyDecision = Schema.Struct({
  allow: Schema.Boolean,
  requires_human: Schema.Boolean,
  violations: Schema.Array(Schema.String),
  severity: Severity,
  alert_tier: Schema.String
})

/**
 * The type of {@link PolicyDecision}.
 *
 * @category models
 * @since 0.1.0
 */
export interface PolicyDecision extends Schema.Schema.Type<typeof PolicyDecision> {}

/**
 * The `context` of a decision at a moment: business hours are Monday to Friday, 9:00 to 18:00 UTC (18:00 is over), unless
 * the caller's `context_override` says otherwise.
 *
 * @category constructors
 * @since 0.1.0
 */
export const contextAt = (
  now: DateTime.DateTime,
  override?: { readonly is_business_hours?: boolean | undefined } | undefined
): PolicyInput["context"] => {
  // The parts of a time would be kept with it, and so with each record.
  const date = DateTime.toDateUtc(now)
  return {
    time_utc: date.toISOString(),
    hour_of_day: date.getUTCHours(),
    day_of_week: date.getUTCDay(),
    is_business_hours: override?.is_business_hours ?? isBusinessHours(now.epochMilliseconds)
  }
}

/** What the parameters of a mail are called. */
const recipientFields = ["to", "cc", "bcc", "recipient", "recipients"] as const

/**
 * The mail addresses in `params`, in lower case and each once: those under `to`, `cc`, `bcc`, `recipient` and `recipients`,
 * at any depth and however the key is spelled. Each may be a text or an array of texts, and a text may hold a list and
 * display names: `"Ann <ann@a.example>, bob@b.example"`.
 *
 * **Gotchas**
 *
 * An address within a display name counts as a recipient too: reading too many is the safe error. Any other shape
 * (an object, a nested array) has no recipients, and the template `email` denies it.
 *
 * @category getters
 * @since 0.1.0
 */
export const recipients = (params: Readonly<Record<string, unknown>>): ReadonlyArray<string> => [
  ...new Set(valuesOf(params, ...recipientFields).flatMap(addressesIn))
]
