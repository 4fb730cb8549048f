/** Cases of the template `financial`, in which each of its rules fires. */
import type { PolicyCase } from "../../src/policy/PolicyTest.ts"

const charge = (params: Readonly<Record<string, unknown>>) => ({ tool: "stripe", method: "charge", params })
const financial = { template: "financial" }

export const payments: ReadonlyArray<PolicyCase> = [
  {
    title: "a large payment is denied",
    given: financial,
    when: charge({ amount: 9000 }),
    expect: { denied: ["transaction_exceeds_limit"] }
  },
  {
    title: "a payment above the threshold is pending",
    given: financial,
    when: charge({ amount: 2000 }),
    expect: "pending"
  },
  {
    title: "a small payment is allowed",
    given: financial,
    when: charge({ amount: 20, currency: "EUR" }),
    expect: "allowed"
  },
  {
    title: "a tenant may permit more",
    given: { ...financial, config: { transaction_limit: 10_000 } },
    when: charge({ amount: 9000 }),
    expect: "pending"
  },
  {
    title: "another currency at night is denied for both",
    given: { ...financial, at: "2026-11-23T23:00:00Z" },
    when: charge({ amount: 100, currency: "USD" }),
    expect: { denied: ["transaction_outside_business_hours", "currency_mismatch"] }
  },
  {
    title: "an agent that was busy is denied",
    given: { ...financial, history: { last_24h: { action_count: 101 } } },
    when: charge({ amount: 1 }),
    expect: { denied: ["daily_transaction_cap_exceeded"] }
  },
  {
    title: "an amount that is a text is denied",
    given: financial,
    when: charge({ amount: "20" }),
    expect: { denied: ["unexpected_shape_amount"] }
  }
]
