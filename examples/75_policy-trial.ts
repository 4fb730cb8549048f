/**
 * @title A policy, tried on the past
 *
 * Asks what a lower limit would have changed before it is put in force, and lets it only so far.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Agent, ToolCalls } from "effect-vargate"
import * as PastDecisions from "effect-vargate/policy/PastDecisions"
import * as PolicyCandidate from "effect-vargate/policy/PolicyCandidate"
import * as PolicyTrial from "effect-vargate/policy/PolicyTrial"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const pay = (id: string, amount: number) =>
  ToolCalls.decide({ tool: "stripe", method: "create_charge", params: { amount }, isBusinessHours: true }).pipe(
    Effect.provideService(Agent.Agent, { id })
  )

const program = Effect.gen(function*() {
  yield* Effect.forEach([20, 400, 900, 2500], (amount) => pay("shop", amount))
  yield* Effect.forEach([3200, 4800, 7000], (amount) => pay("buyer", amount))

  const past = yield* PastDecisions.fromReplays(1000)
  const candidate = yield* PolicyCandidate.builtin({ parameters: { transaction_limit: 3000, approval_threshold: 800 } })
  const report = yield* PolicyTrial.run(candidate, past)
  yield* Console.log(report.summary)
  for (const { agentId, from, rules, to, tool } of report.examples) {
    yield* Console.log(`${agentId} with ${tool}: ${from}, would be ${to} by ${rules.join(", ")}`)
  }

  for (const { found, limit, what } of yield* PolicyTrial.exceeding(report, { denied: "20%", pending: 1 })) {
    yield* Console.log(`too many newly ${what}: ${found}, and at most ${limit} may be`)
  }
}).pipe(Effect.provide(
  GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "vargate-local-key", policyTemplate: "financial" }] })
))

NodeRuntime.runMain(program)
