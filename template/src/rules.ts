/**
 * What the support agent may do, as `policy/support.rego` says it. A rule names what it lets through, and everything else is
 * denied: an amount that is a text, a list or below zero, or a second one under another spelling.
 */
interface Call {
  readonly action: { readonly tool: string; readonly params: Readonly<Record<string, unknown>> }
}

/** In any spelling: capitals and punctuation make no other tool of it. */
const isRefund = ({ action }: Call) => action.tool.toUpperCase().replaceAll(/[^A-Z0-9]/g, "") === "PAYMENTS"

/** `vargate_reference` is the client's own key. */
const known = ["charge", "amount", "vargate_reference"]

const isWithin = ({ action: { params } }: Call, limit: number) => {
  const amount = Object.hasOwn(params, "amount") ? params["amount"] : undefined
  return typeof amount === "number" && amount >= 0 && amount <= limit
}

export const rules = {
  rules: [
    {
      name: "refund_too_large",
      severity: "high" as const,
      when: (call: Call) => isRefund(call) && !isWithin(call, 1000)
    },
    {
      name: "unexpected_params",
      severity: "high" as const,
      when: (call: Call) => isRefund(call) && !Object.keys(call.action.params).every((key) => known.includes(key))
    }
  ],
  approvals: [(call: Call) => isRefund(call) && !isWithin(call, 100)]
}
