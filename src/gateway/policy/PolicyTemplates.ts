/**
 * The five policy templates that a tenant chooses from, as data and pure rules.
 *
 * Params may be any JSON. Limits are compared with finite numbers only: an amount sent as text, null or a list is neither
 * above nor below any limit.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import type { PolicyInput } from "./PolicyInput.ts"
import { type PolicyTemplate, template } from "./PolicyRule.ts"

/** NaN, for anything that is not a finite number, makes every comparison false. */
const finite = (value: unknown): number => Predicate.isNumber(value) && Number.isFinite(value) ? value : Number.NaN

const destructive: ReadonlyArray<string> = ["delete", "destroy", "purge", "drop"]

/** A time that cannot be read counts as recent, so that the cool-down stays on. */
const violatedWithinTheHour = ({ context, history }: PolicyInput): boolean => {
  const last = history.last_24h.last_violation_at
  return last !== null && !(Date.parse(context.time_utc) - Date.parse(last) >= 3_600_000)
}

/**
 * For agents of any kind: a daily limit, a limit on the anomaly score, a cool-down of one hour after repeated violations,
 * and approval of destructive methods (`delete`, `destroy`, `purge`, `drop`).
 *
 * @category templates
 * @since 0.1.0
 */
export const general = template({
  id: "general",
  name: "General Purpose",
  description: "Sensible defaults for any agent type — rate limits, anomaly detection, destructive action approval",
  defaults: { daily_action_limit: 200, anomaly_threshold: 0.7, cooldown_violations: 3, approve_destructive: true },
  rules: [
    {
      name: "anomaly_score_threshold_exceeded",
      severity: "high",
      when: ({ history }, { anomaly_threshold }) => history.anomaly_score > anomaly_threshold
    },
    {
      name: "daily_action_limit_exceeded",
      severity: "medium",
      when: ({ history }, { daily_action_limit }) => history.last_24h.action_count > daily_action_limit
    },
    {
      name: "violation_cooldown_active",
      severity: "high",
      when: (input, { cooldown_violations }) =>
        input.history.last_24h.policy_violations >= cooldown_violations && violatedWithinTheHour(input)
    }
  ],
  approval: ({ action }, { approve_destructive }) => approve_destructive && destructive.includes(action.method)
})

/**
 * For agents that move money: a limit per transaction and per day, one currency, business hours for amounts from 100, and
 * approval from a threshold on.
 *
 * @category templates
 * @since 0.1.0
 */
export const financial = template({
  id: "financial",
  name: "Financial Services",
  description: "Transaction limits, currency enforcement, business-hours controls, mandatory approval above threshold",
  defaults: {
    transaction_limit: 5000,
    currency: "EUR",
    business_hours_only: true,
    approval_threshold: 1000,
    daily_transaction_cap: 100
  },
  rules: [
    {
      name: "transaction_exceeds_limit",
      severity: "high",
      when: ({ action }, { transaction_limit }) => finite(action.params.amount) >= transaction_limit
    },
    {
      name: "currency_mismatch",
      severity: "medium",
      when: ({ action }, { currency }) => action.params.currency !== undefined && action.params.currency !== currency
    },
    {
      name: "transaction_outside_business_hours",
      severity: "medium",
      when: ({ action, context }, { business_hours_only }) =>
        business_hours_only && !context.is_business_hours && finite(action.params.amount) >= 100
    },
    {
      name: "daily_transaction_cap_exceeded",
      severity: "medium",
      when: ({ history }, { daily_transaction_cap }) => history.last_24h.action_count > daily_transaction_cap
    }
  ],
  approval: ({ action }, { approval_threshold }) => finite(action.params.amount) >= approval_threshold
})

/**
 * For agents that write mail with the tools `email`, `gmail` and `resend`: no consumer addresses, a daily limit, a note
 * that a machine wrote it (`AI-generated` or `automated` in `params.body`), and approval of the first mail to somebody.
 *
 * @category templates
 * @since 0.1.0
 */
export const email = template({
  id: "email",
  name: "Email & Outreach",
  description: "Blocked recipient domains, daily send limits, AI disclosure mandates, first-contact approval",
  tools: ["email", "gmail", "resend"],
  defaults: {
    daily_send_limit: 50,
    require_disclosure: true,
    first_contact_approval: true,
    blocked_domains: [
      "gmail.com",
      "yahoo.com",
      "hotmail.com",
      "outlook.com",
      "icloud.com",
      "aol.com",
      "protonmail.com",
      "proton.me"
    ]
  },
  rules: [
    {
      name: "consumer_email_blocked",
      severity: "high",
      when: ({ data }, { blocked_domains }) => {
        const blocked = new Set(blocked_domains.map((domain) => domain.toLowerCase()))
        return data.recipients.some((address) => blocked.has(domainOf(address)))
      }
    },
    {
      name: "daily_send_limit_exceeded",
      severity: "medium",
      when: ({ history }, { daily_send_limit }) => history.last_24h.action_count > daily_send_limit
    },
    {
      name: "missing_ai_disclosure",
      severity: "medium",
      when: ({ action: { params } }, { require_disclosure }) =>
        require_disclosure && !(Predicate.isString(params.body) && /AI-generated|automated/.test(params.body))
    }
  ],
  approval: ({ history }, { first_contact_approval }) => first_contact_approval && !history.known_recipient
})

/** A domain may be written with the root's dot (`gmail.com.`) and is the same domain. */
const domainOf = (address: string): string => address.slice(address.lastIndexOf("@") + 1).replace(/\.$/, "")

/**
 * For agents that work on customer records: no deletion, no change of restricted fields, approval of bulk operations
 * (violation from ten times the threshold on) and of exports.
 *
 * @category templates
 * @since 0.1.0
 */
export const crm = template({
  id: "crm",
  name: "CRM & Sales",
  description: "Record modification limits, field-level access control, bulk operation approval, export restrictions",
  defaults: { bulk_threshold: 10, allow_delete: false, export_approval: true, restricted_fields: ["owner", "revenue"] },
  rules: [
    {
      name: "crm_delete_not_allowed",
      severity: "high",
      when: ({ action }, { allow_delete }) => action.method === "delete" && !allow_delete
    },
    {
      name: "restricted_field_modification",
      severity: "high",
      when: ({ action: { params: { fields } } }, { restricted_fields }) =>
        Predicate.isObject(fields) ? restricted_fields.filter((field) => Object.hasOwn(fields, field)) : []
    },
    {
      name: "bulk_operation_exceeds_threshold",
      severity: "medium",
      when: ({ action }, { bulk_threshold }) =>
        finite(action.params.record_count) > bulk_threshold && finite(action.params.record_count) >= 10 * bulk_threshold
    }
  ],
  approval: ({ action }, { bulk_threshold, export_approval }) =>
    (action.method === "export" && export_approval) || finite(action.params.record_count) > bulk_threshold
})

/**
 * For agents that query data: no personal data unless allowed and masked, a limit on rows and on queries per day, only
 * some regions, and approval of exports of more than 1000 rows.
 *
 * @category templates
 * @since 0.1.0
 */
export const dataAccess = template({
  id: "data_access",
  name: "Data Access",
  description: "PII handling, data residency controls, query scope limits, masking requirements",
  defaults: {
    max_row_limit: 10_000,
    pii_allowed: false,
    allowed_regions: ["eu-west-1"],
    require_masking: true,
    daily_query_limit: 500
  },
  rules: [
    {
      name: "pii_access_denied",
      severity: "high",
      when: ({ data }, { pii_allowed }) => data.contains_pii && !pii_allowed
    },
    {
      name: "pii_masking_required",
      severity: "high",
      when: ({ action, data }, { require_masking }) =>
        require_masking && data.contains_pii && action.params.masked !== true
    },
    {
      name: "query_row_limit_exceeded",
      severity: "medium",
      when: ({ action }, { max_row_limit }) => finite(action.params.limit) > max_row_limit
    },
    {
      name: "data_residency_violation",
      severity: "high",
      when: ({ action: { params } }, { allowed_regions }) =>
        params.region !== undefined && !allowed_regions.some((region) => region === params.region)
    },
    {
      name: "daily_query_limit_exceeded",
      severity: "medium",
      when: ({ history }, { daily_query_limit }) => history.last_24h.action_count > daily_query_limit
    }
  ],
  approval: ({ action }) => action.method === "export" && finite(action.params.limit) > 1000
})

/**
 * The five templates, in the order in which `GET /policy/templates` lists them.
 *
 * @category templates
 * @since 0.1.0
 */
export const all: ReadonlyArray<PolicyTemplate> = [general, financial, email, crm, dataAccess]

/**
 * The template of that id, or {@link general}: a tenant is never without rules.
 *
 * @category getters
 * @since 0.1.0
 */
export const byId = (id: string): PolicyTemplate => all.find((template) => template.id === id) ?? general

/**
 * The anomaly score of an agent after a decision: the old score fades by 5 %, a denial adds 0.15, an amount of 1000 or
 * more that was not denied adds 0.03. Never above 1.
 *
 * @category scoring
 * @since 0.1.0
 */
export const nextAnomalyScore = (
  previous: number,
  decision: { readonly denied: boolean; readonly amount: unknown }
): number => {
  const step = decision.denied ? 0.15 : finite(decision.amount) >= 1000 ? 0.03 : 0
  return Math.min(1, 0.95 * previous + step)
}
