/**
 * What the agent may ask for. Each tool submits its params to the gateway, waits for a reviewer where the policy wants
 * one, and runs once, if at all.
 */
import { Schema } from "effect"
import { Governed } from "effect-vargate"
import { Payments } from "./Payments.ts"

export const refund = Governed.tool({
  tool: "payments",
  method: "refund",
  params: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
  onPending: Governed.wait({ timeout: "30 minutes" }),
  run: (params) => Payments.use((payments) => payments.refund(params))
})
