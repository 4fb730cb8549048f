import { DateTime } from "effect"
import { contextAt, type PolicyInput, recipients } from "../../../src/gateway/policy/PolicyInput.ts"

const noon = DateTime.makeUnsafe("2026-11-23T12:00:00Z")

/** What a test says about a call; the rest is a quiet afternoon of an agent without history. */
export interface Call {
  readonly config?: Record<string, unknown>
  readonly tool?: string
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly businessHours?: boolean
  readonly pii?: boolean
  readonly score?: number
  readonly actions?: number
  readonly violations?: number
  readonly lastViolation?: string | null
  readonly known?: boolean
}

/** The decision document of a call on a Monday at noon UTC. */
export const document = (template: string, call: Call = {}): PolicyInput => ({
  tenant: { id: "t", name: "Tenant", policy_template: template, policy_config: call.config ?? {} },
  agent: { id: "a", type: "autonomous", version: "1.0.0" },
  action: {
    id: "1",
    tool: call.tool ?? "email",
    method: call.method ?? "create",
    params: call.params ?? {},
    requested_at: "2026-11-23T12:00:00Z"
  },
  context: contextAt(noon, { is_business_hours: call.businessHours }),
  data: {
    ...(call.pii === true
      ? { contains_pii: true, pii_types: ["name"], pii_fields: ["name"] }
      : { contains_pii: false, pii_types: [], pii_fields: [] }),
    recipients: recipients(call.params ?? {})
  },
  history: {
    anomaly_score: call.score ?? 0,
    last_24h: {
      action_count: call.actions ?? 0,
      policy_violations: call.violations ?? 0,
      last_violation_at: call.lastViolation ?? null
    },
    known_recipient: call.known ?? true
  }
})
