/**
 * @title Three agents in a row, each under a name, a patience and rules of its own
 *
 * The analyst may read, and keeps trying; the payer waits for a reviewer above 1,000; the mailer tries once, and
 * leaves mails to strangers to a reviewer.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schedule, Schema } from "effect"
import { Agent, Approvals, Governed, RetryPolicy, Reviews } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const read = Governed.tool({
  tool: "ledger",
  method: "read",
  params: Schema.Struct({ customer: Schema.String }),
  retry: RetryPolicy.make(Schedule.spaced("200 millis").pipe(Schedule.upTo({ times: 20 }))),
  run: ({ customer }) => Effect.succeed({ customer, amount: customer === "acme" ? 2400 : 60 })
})

const pay = Governed.tool({
  tool: "bank",
  method: "transfer",
  params: Schema.Struct({ customer: Schema.String, amount: Schema.Finite }),
  onPending: Governed.wait({ timeout: "10 minutes" }),
  run: ({ amount, customer }) => Console.log(`  payer: ${amount} back to ${customer}`)
})

const mail = Governed.tool({
  tool: "gmail",
  method: "send",
  params: Schema.Struct({ to: Schema.String }),
  retry: RetryPolicy.none,
  onPending: Governed.fail,
  run: ({ to }) => Console.log(`  mailer: told ${to}`)
})

const as = (id: string) => Effect.provideService(Agent.Agent, { id })

const refund = Effect.fn(function*(customer: string) {
  yield* Console.log(customer)
  const found = yield* as("analyst")(read({ customer }))
  if (found.executedBy === "agent") yield* as("payer")(pay(found.result))
  yield* as("mailer")(mail({ to: customer })).pipe(
    Effect.catchTag("PendingApproval", () => Console.log("  mailer: left to a reviewer"))
  )
})

/** Stands for a reviewer with a browser. */
const reviewer = Effect.gen(function*() {
  const { pending } = yield* Approvals.Approvals.use((approvals) => approvals.pending)
  for (const { actionId } of pending.filter(({ agentId }) => agentId === "payer")) {
    yield* Console.log("  reviewer: the payer may")
    yield* Reviews.Reviews.use((reviews) => reviews.approve(actionId))
  }
}).pipe(Effect.repeat(Schedule.spaced("300 millis")))

/** A text or a list is no amount: a reviewer looks at such a call. */
const isUpTo = (amount: unknown, limit: number) => typeof amount === "number" && amount >= 0 && amount <= limit

const program = Effect.gen(function*() {
  const gateway = yield* GatewayMemory.GatewayMemory
  yield* gateway.setOpaOutage(true)
  yield* Effect.forkChild(Effect.delay(gateway.setOpaOutage(false), "500 millis"))
  yield* Effect.forkChild(reviewer)
  yield* Effect.forEach(["acme", "bolt"], refund)
  const stranger = yield* Effect.flip(as("analyst")(pay({ customer: "me", amount: 1 })))
  yield* Console.log(`an analyst who pays: ${stranger._tag}`)
}).pipe(Effect.provide(GatewayMemory.layer({
  policy: {
    rules: [{
      name: "only_the_payer",
      severity: "high",
      when: ({ action, agent }) => action.tool === "bank" && agent.id !== "payer"
    }],
    approvals: [
      ({ action }) => action.tool === "bank" && !isUpTo(action.params["amount"], 1000),
      ({ action }) => action.tool === "gmail" && action.params["to"] !== "acme"
    ]
  }
})))

NodeRuntime.runMain(program)
