/**
 * The durable calls of the crash tests. Every execution leaves a line in a file, written before anything else can happen,
 * so that it shows what was really done, whatever became of engine and journal.
 */
import { type Duration, Effect, Layer, Option, Schema } from "effect"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { appendFileSync, existsSync, readFileSync } from "node:fs"

export const linesOf = (file: string): ReadonlyArray<string> =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : []

const durable = (name: string, method: string, file: string, resendAfter: Duration.Input) =>
  GovernedWorkflow.make({
    name,
    tool: "bank",
    method,
    params: Schema.Struct({ n: Schema.Int }),
    success: Schema.String,
    run: ({ n }) =>
      Effect.sync(() => {
        appendFileSync(file, `${n}\n`)
        return `paid ${n}`
      }),
    recover: ({ n }) => Effect.sync(() => linesOf(file).includes(String(n)) ? Option.some(`paid ${n}`) : Option.none()),
    resendAfter
  })

/**
 * Payments with even numbers are made by the agent, those with odd ones by the gateway. A machine that is only frozen may
 * still send what it was about to: `resendAfter` must be longer than that.
 */
export const makePayments = (file: string, resendAfter: Duration.Input) => {
  const byAgent = durable("Payment", "pay", file, resendAfter)
  const byGateway = durable("Transfer", "transfer", file, resendAfter)
  return {
    layer: Layer.merge(byAgent.layer, byGateway.layer),
    of: (n: number) => (n % 2 === 0 ? byAgent : byGateway).execute({ key: String(n), params: { n } })
  }
}
