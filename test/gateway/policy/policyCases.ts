/** What each template decides about calls: every rule and its boundaries, odd values of params and parameters. */
import type { Call } from "./policyDocument.ts"

/** "allowed", "held", or the severity of a denial and its violations. */
export type Case = readonly [title: string, call: Call, outcome: string]

const polite = { to: "ann@corp.example", body: "This is an AI-generated mail." }

export const cases: Record<string, ReadonlyArray<Case>> = {
  general: [
    ["a quiet agent", {}, "allowed"],
    ["a score at the threshold", { score: 0.7 }, "allowed"],
    ["a score above the threshold", { score: 0.7001 }, "high: anomaly_score_threshold_exceeded"],
    [
      "a score above a lower threshold",
      { score: 0.5, config: { anomaly_threshold: 0.4 } },
      "high: anomaly_score_threshold_exceeded"
    ],
    ["the last action of the day", { actions: 200 }, "allowed"],
    ["one action too many", { actions: 201 }, "medium: daily_action_limit_exceeded"],
    [
      "one action too many for a lower limit",
      { actions: 4, config: { daily_action_limit: 3 } },
      "medium: daily_action_limit_exceeded"
    ],
    ["two violations", { violations: 2, lastViolation: "2026-11-23T11:59:59Z" }, "allowed"],
    [
      "three violations, the last under an hour ago",
      { violations: 3, lastViolation: "2026-11-23T11:00:00.001Z" },
      "high: violation_cooldown_active"
    ],
    ["three violations, the last an hour ago", { violations: 3, lastViolation: "2026-11-23T11:00:00Z" }, "allowed"],
    ["three violations in Python's notation of time", {
      violations: 3,
      lastViolation: "2026-11-23T12:59:59.123456+01:00"
    }, "high: violation_cooldown_active"],
    [
      "three violations at an unreadable time",
      { violations: 3, lastViolation: "lately" },
      "high: violation_cooldown_active"
    ],
    ["three violations at no time", { violations: 3 }, "allowed"],
    ["one violation of a stricter tenant", {
      violations: 1,
      lastViolation: "2026-11-23T11:30:00Z",
      config: { cooldown_violations: 1 }
    }, "high: violation_cooldown_active"],
    ["delete", { method: "delete" }, "held"],
    ["destroy", { method: "destroy" }, "held"],
    ["purge", { method: "purge" }, "held"],
    ["drop", { method: "drop" }, "held"],
    ["delete_draft, which is another method", { method: "delete_draft" }, "allowed"],
    ["delete without approval", { method: "delete", config: { approve_destructive: false } }, "allowed"],
    [
      "delete beside a violation, which is denied, not held",
      { method: "delete", actions: 201 },
      "medium: daily_action_limit_exceeded"
    ],
    [
      "everything at once, sorted, with the highest severity",
      { score: 1, actions: 999, violations: 9, lastViolation: "2026-11-23T12:00:00Z" },
      "high: anomaly_score_threshold_exceeded, daily_action_limit_exceeded, violation_cooldown_active"
    ]
  ],
  financial: [
    ["below the approval threshold", { params: { amount: 999.99 } }, "allowed"],
    ["at the approval threshold", { params: { amount: 1000 } }, "held"],
    ["just below the limit", { params: { amount: 4999.99 } }, "held"],
    ["at the limit", { params: { amount: 5000 } }, "high: transaction_exceeds_limit"],
    ["above a higher limit", { params: { amount: 5000 }, config: { transaction_limit: 5001 } }, "held"],
    [
      "below a higher approval threshold",
      { params: { amount: 4000 }, config: { approval_threshold: 4001 } },
      "allowed"
    ],
    [
      "a limit of a wrong type",
      { params: { amount: 6000 }, config: { transaction_limit: "9000" } },
      "high: transaction_exceeds_limit"
    ],
    [
      "a limit that is no number",
      { params: { amount: 6000 }, config: { transaction_limit: Infinity } },
      "high: transaction_exceeds_limit"
    ],
    ["one parameter of a wrong type beside a good one", {
      params: { amount: 10, currency: "USD" },
      config: { approval_threshold: null, currency: "USD" }
    }, "allowed"],
    ["an amount that is a text", { params: { amount: "9000" } }, "high: unexpected_shape_amount"],
    ["an amount of null", { params: { amount: null } }, "high: unexpected_shape_amount"],
    ["an amount that is a list", { params: { amount: [9000] } }, "high: unexpected_shape_amount"],
    ["an infinite amount", { params: { amount: Infinity } }, "high: unexpected_shape_amount"],
    ["a negative amount", { params: { amount: -9000 } }, "high: unexpected_shape_amount"],
    ["the right currency", { params: { currency: "EUR" } }, "allowed"],
    ["another currency", { params: { currency: "USD" } }, "medium: currency_mismatch"],
    ["a currency that is null", { params: { currency: null } }, "medium: currency_mismatch"],
    ["99.99 at night", { params: { amount: 99.99 }, businessHours: false }, "allowed"],
    ["100 at night", { params: { amount: 100 }, businessHours: false }, "medium: transaction_outside_business_hours"],
    ["100 at night for a tenant who does not mind", {
      params: { amount: 100 },
      businessHours: false,
      config: { business_hours_only: false }
    }, "allowed"],
    ["the last transaction of the day", { actions: 100 }, "allowed"],
    ["one transaction too many", { actions: 101 }, "medium: daily_transaction_cap_exceeded"],
    [
      "one too many for a lower cap",
      { actions: 2, config: { daily_transaction_cap: 1 } },
      "medium: daily_transaction_cap_exceeded"
    ]
  ],
  email: [
    ["a polite mail to an acquaintance", { params: polite }, "allowed"],
    ["a polite mail to a stranger", { params: polite, known: false }, "held"],
    [
      "a stranger without approval",
      { params: polite, known: false, config: { first_contact_approval: false } },
      "allowed"
    ],
    ["automated", { params: { ...polite, body: "an automated note" } }, "allowed"],
    ["no disclosure", { params: { ...polite, body: "Hello" } }, "medium: missing_ai_disclosure"],
    ["no body", { params: { to: polite.to } }, "medium: missing_ai_disclosure"],
    ["a body that is not a text", { params: { ...polite, body: ["automated"] } }, "medium: missing_ai_disclosure"],
    ["no disclosure required", { params: { to: polite.to }, config: { require_disclosure: false } }, "allowed"],
    ["the last mail of the day", { params: polite, actions: 50 }, "allowed"],
    ["one mail too many", { params: polite, actions: 51 }, "medium: daily_send_limit_exceeded"],
    [
      "one mail too many for a lower limit",
      { params: polite, actions: 2, config: { daily_send_limit: 1 } },
      "medium: daily_send_limit_exceeded"
    ],
    ...[
      "ann@gmail.com",
      "Ann@GMail.COM",
      "Ann <ann@yahoo.com>",
      "\"Example, Ann\" <ann@hotmail.com>",
      "ann@corp.example, bob@outlook.com",
      "ann@icloud.com bob@corp.example",
      "ann@aol.com.",
      ["ann@corp.example", "bob@protonmail.com"],
      ["ann@corp.example", "Bob <bob@proton.me>"]
    ].map((to): Case => [
      `a consumer address in ${JSON.stringify(to)}`,
      { params: { ...polite, to } },
      "high: consumer_email_blocked"
    ]),
    [
      "a consumer address among what is none",
      { params: { ...polite, to: [7, null, "Bob <bob@proton.me>"] } },
      "high: consumer_email_blocked, unexpected_shape_to"
    ],
    ...["ann@mail.gmail.com.example", "ann@notgmail.com", "", null, []].map((to): Case => [
      `no consumer address in ${JSON.stringify(to)}`,
      { params: { ...polite, to } },
      "allowed"
    ]),
    ...["gmail.com", "@", 7, {}].map((to): Case => [
      `no consumer address in ${JSON.stringify(to)}`,
      { params: { ...polite, to } },
      "high: unexpected_shape_to"
    ]),
    [
      "a domain blocked by the tenant",
      { params: polite, config: { blocked_domains: ["Corp.Example"] } },
      "high: consumer_email_blocked"
    ],
    [
      "a domain released by the tenant",
      { params: { ...polite, to: "a@gmail.com" }, config: { blocked_domains: [] } },
      "allowed"
    ],
    ["blocked domains of a wrong type", {
      params: { ...polite, to: "a@gmail.com" },
      config: { blocked_domains: ["x.example", 7] }
    }, "high: consumer_email_blocked"],
    ["gmail", { tool: "gmail", params: {} }, "medium: missing_ai_disclosure"],
    ["resend", { tool: "resend", params: {} }, "medium: missing_ai_disclosure"],
    ["another tool, which the template is not about", {
      tool: "slack",
      params: { to: "a@gmail.com" },
      known: false,
      actions: 999
    }, "allowed"]
  ],
  crm: [
    ["an update", { method: "update", params: { fields: { phone: "1" } } }, "allowed"],
    ["delete", { method: "delete" }, "high: crm_delete_not_allowed"],
    ["delete where allowed", { method: "delete", config: { allow_delete: true } }, "allowed"],
    ["a restricted field", { params: { fields: { owner: null } } }, "high: restricted_field_modification_owner"],
    [
      "two restricted fields",
      { params: { fields: { revenue: 1, name: "x", owner: "y" } } },
      "high: restricted_field_modification_owner, restricted_field_modification_revenue"
    ],
    ["fields restricted by the tenant", {
      params: { fields: { owner: "y", vip: true } },
      config: { restricted_fields: ["vip", "vip"] }
    }, "high: restricted_field_modification_vip"],
    ["a restricted field that only objects inherit", {
      params: { fields: {} },
      config: { restricted_fields: ["constructor"] }
    }, "allowed"],
    ["fields that are a list", { params: { fields: ["owner"] } }, "high: unexpected_shape_fields"],
    ["fields that are null", { params: { fields: null } }, "allowed"],
    ["10 records", { params: { record_count: 10 } }, "allowed"],
    ["11 records", { params: { record_count: 11 } }, "held"],
    ["99 records", { params: { record_count: 99 } }, "held"],
    ["100 records", { params: { record_count: 100 } }, "medium: bulk_operation_exceeds_threshold"],
    ["100 records of a higher threshold", { params: { record_count: 100 }, config: { bulk_threshold: 11 } }, "held"],
    ["a count that is a text", { params: { record_count: "100" } }, "high: unexpected_shape_record_count"],
    ["no records of a threshold of none", { params: { record_count: 0 }, config: { bulk_threshold: 0 } }, "allowed"],
    [
      "one record of a threshold of none",
      { params: { record_count: 1 }, config: { bulk_threshold: 0 } },
      "medium: bulk_operation_exceeds_threshold"
    ],
    ["export", { method: "export" }, "held"],
    ["export without approval", { method: "export", config: { export_approval: false } }, "allowed"]
  ],
  data_access: [
    ["a plain query", { params: { limit: 10_000, region: "eu-west-1" } }, "allowed"],
    ["personal data", { pii: true }, "high: pii_access_denied, pii_masking_required"],
    ["masked personal data", { pii: true, params: { masked: true } }, "high: pii_access_denied"],
    ["allowed personal data", { pii: true, config: { pii_allowed: true } }, "high: pii_masking_required"],
    [
      "allowed, masked personal data",
      { pii: true, params: { masked: true }, config: { pii_allowed: true } },
      "allowed"
    ],
    [
      "personal data masked in words",
      { pii: true, params: { masked: "true" }, config: { pii_allowed: true } },
      "high: pii_masking_required"
    ],
    [
      "allowed personal data that needs no mask",
      { pii: true, config: { pii_allowed: true, require_masking: false } },
      "allowed"
    ],
    ["one row too many", { params: { limit: 10_001 } }, "medium: query_row_limit_exceeded"],
    [
      "one row too many for a lower limit",
      { params: { limit: 6 }, config: { max_row_limit: 5 } },
      "medium: query_row_limit_exceeded"
    ],
    ["a limit that is a text", { params: { limit: "10001" } }, "high: unexpected_shape_limit"],
    ["another region", { params: { region: "us-east-1" } }, "high: data_residency_violation"],
    ["a region that is null", { params: { region: null } }, "high: data_residency_violation"],
    ["a region that is a list", { params: { region: ["eu-west-1"] } }, "high: data_residency_violation"],
    ["a region allowed by the tenant", { params: { region: "x" }, config: { allowed_regions: ["y", "x"] } }, "allowed"],
    ["the last query of the day", { actions: 500 }, "allowed"],
    ["one query too many", { actions: 501 }, "medium: daily_query_limit_exceeded"],
    [
      "one query too many for a lower limit",
      { actions: 2, config: { daily_query_limit: 1 } },
      "medium: daily_query_limit_exceeded"
    ],
    ["an export of 1000 rows", { method: "export", params: { limit: 1000 } }, "allowed"],
    ["an export of 1001 rows", { method: "export", params: { limit: 1001 } }, "held"],
    ["an export of no stated size", { method: "export" }, "allowed"]
  ]
}
