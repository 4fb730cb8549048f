/**
 * The five policy templates that a tenant chooses from, as data and pure rules.
 *
 * **Details**
 *
 * Params may be any JSON. A field that a template governs is found under every key that reads like its name, at any depth
 * (`GovernedFields`), and a value that cannot be compared, such as an amount sent as text, null or a list, denies the call
 * as `unexpected_shape_{field}`. Methods and tools are compared without case, punctuation and blanks.
 *
 * A rule covers the fields that it names and no others: an amount under `total`, or in JSON within a text, is not seen.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import { domainOf, hasShape, keysOf, namesAmong, numbersOf, valuesOf } from "./GovernedFields.ts"
import { type PolicyInput, recipients } from "./PolicyInput.ts"
import { hasMethod, type PolicyTemplate, template, unexpectedShape } from "./PolicyRule.ts"

const destructive: ReadonlyArray<string> = ["delete", "destroy", "purge", "drop"]

/** Every number in the field is looked at, so that a small one beside a large one hides nothing. */
const hasQuantity = (
  { action }: PolicyInput,
  field: string,
  isConcerned: (quantity: number) => boolean
): boolean => numbersOf(action.params, field).some(isConcerned)

/**
 * Whether an agent has to rest: so many violations in 24 hours, the last of them under an hour ago. A time that cannot be
 * read counts as recent.
 *
 * @category scoring
 * @since 0.1.0
 */
export const isCoolingDown = (
  { context, history: { last_24h } }: Pick<PolicyInput, "context" | "history">,
  cooldownViolations: number
): boolean =>
  last_24h.policy_violations >= cooldownViolations && last_24h.last_violation_at !== null &&
  !(Date.parse(context.time_utc) - Date.parse(last_24h.last_violation_at) >= 3_600_000)

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
      when: (input, { cooldown_violations }) => isCoolingDown(input, cooldown_violations)
    }
  ],
  approval: (input, { approve_destructive }) => approve_destructive && hasMethod(input, ...destructive)
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
    unexpectedShape({ amount: "quantity" }),
    {
      name: "transaction_exceeds_limit",
      severity: "high",
      when: (input, { transaction_limit }) => hasQuantity(input, "amount", (amount) => amount >= transaction_limit)
    },
    {
      name: "currency_mismatch",
      severity: "medium",
      when: ({ action }, { currency }) => valuesOf(action.params, "currency").some((value) => value !== currency)
    },
    {
      name: "transaction_outside_business_hours",
      severity: "medium",
      when: (input, { business_hours_only }) =>
        business_hours_only && !input.context.is_business_hours &&
        hasQuantity(input, "amount", (amount) => amount >= 100)
    },
    {
      name: "daily_transaction_cap_exceeded",
      severity: "medium",
      when: ({ history }, { daily_transaction_cap }) => history.last_24h.action_count > daily_transaction_cap
    }
  ],
  approval: (input, { approval_threshold }) => hasQuantity(input, "amount", (amount) => amount >= approval_threshold)
})

/**
 * For agents that write mail with the tools `email`, `gmail` and `resend`: no consumer addresses, a daily limit, a note
 * that a machine wrote it (`AI-generated` or `automated` in `params.body`), and approval of the first mail to a recipient.
 *
 * **Details**
 *
 * Recipients are those in `to`, `cc`, `bcc`, `recipient` and `recipients`. A mail to more than 100 of them counts as a first
 * one, however often it is sent. An address that is not plain ASCII, or not of the
 * form `name@domain.example`, is an unexpected shape. An internationalised domain (`xn--...`) may look like any other to a
 * reader, so a mail to one always needs approval.
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
    unexpectedShape({
      to: "recipients",
      cc: "recipients",
      bcc: "recipients",
      recipient: "recipients",
      recipients: "recipients"
    }),
    {
      name: "consumer_email_blocked",
      severity: "high",
      when: (input, { blocked_domains }) => {
        const blocked = new Set(blocked_domains.map((domain) => domainOf(domain.trim())))
        return domainsOf(input).some((domain) => blocked.has(domain))
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
  approval: (input, { first_contact_approval }) =>
    (first_contact_approval && !input.history.known_recipient) || domainsOf(input).some(isInternational)
})

const domainsOf = ({ action, data }: PolicyInput): ReadonlyArray<string> =>
  [...data.recipients, ...recipients(action.params)].map(domainOf)

const isInternational = (domain: string): boolean => domain.split(".").some((label) => label.startsWith("xn--"))

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
    unexpectedShape({ fields: "object", record_count: "quantity" }),
    {
      name: "crm_delete_not_allowed",
      severity: "high",
      when: (input, { allow_delete }) => hasMethod(input, "delete") && !allow_delete
    },
    {
      name: "restricted_field_modification",
      severity: "high",
      when: ({ action }, { restricted_fields }) => namesAmong(keysOf(action.params, "fields"), restricted_fields)
    },
    {
      name: "bulk_operation_exceeds_threshold",
      severity: "medium",
      when: (input, { bulk_threshold }) =>
        hasQuantity(input, "record_count", (count) => count > bulk_threshold && count >= 10 * bulk_threshold)
    }
  ],
  approval: (input, { bulk_threshold, export_approval }) =>
    (hasMethod(input, "export") && export_approval) ||
    hasQuantity(input, "record_count", (count) => count > bulk_threshold)
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
    unexpectedShape({ limit: "quantity" }),
    {
      name: "pii_access_denied",
      severity: "high",
      when: ({ data }, { pii_allowed }) => data.contains_pii && !pii_allowed
    },
    {
      name: "pii_masking_required",
      severity: "high",
      when: ({ action, data }, { require_masking }) =>
        require_masking && data.contains_pii &&
        !(action.params.masked === true && valuesOf(action.params, "masked").every((masked) => masked === true))
    },
    {
      name: "query_row_limit_exceeded",
      severity: "medium",
      when: (input, { max_row_limit }) => hasQuantity(input, "limit", (rows) => rows > max_row_limit)
    },
    {
      name: "data_residency_violation",
      severity: "high",
      when: ({ action }, { allowed_regions }) =>
        valuesOf(action.params, "region").some((value) => !allowed_regions.some((region) => region === value))
    },
    {
      name: "daily_query_limit_exceeded",
      severity: "medium",
      when: ({ history }, { daily_query_limit }) => history.last_24h.action_count > daily_query_limit
    }
  ],
  approval: (input) => hasMethod(input, "export") && hasQuantity(input, "limit", (rows) => rows > 1000)
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
 * The largest amount in params, in any spelling.
 *
 * @category scoring
 * @since 0.1.0
 */
export const largestAmount = (params: Readonly<Record<string, unknown>>): number | undefined =>
  numbersOf(params, "amount").reduce<number | undefined>(
    (largest, amount) => largest === undefined || amount > largest ? amount : largest,
    undefined
  )

/**
 * Whether params name an amount of 5000 or more, or one that cannot be read.
 *
 * @category scoring
 * @since 0.1.0
 */
export const isHighValue = (params: Readonly<Record<string, unknown>>): boolean =>
  valuesOf(params, "amount").some((amount) => !(hasShape(amount, "quantity") && Number(amount) < 5000))

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
  const isLarge = Predicate.isNumber(decision.amount) && Number.isFinite(decision.amount) && decision.amount >= 1000
  const step = decision.denied ? 0.15 : isLarge ? 0.03 : 0
  return Math.min(1, 0.95 * previous + step)
}
