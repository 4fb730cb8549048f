/**
 * @title Agents that run elsewhere
 *
 * Watches one, stops it at its second denial, and believes only a stop that is confirmed. The gateway here plays its
 * agents itself, where a hosted one has a model elsewhere play them.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schedule, Stream } from "effect"
import { ManagedAgents } from "effect-vargate"
import type * as Gateway from "effect-vargate/gateway/Gateway"
import type * as ManagedSessions from "effect-vargate/gateway/managed/ManagedSessions"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

/** Charges more and more, whatever it is told. */
const greedy: ManagedSessions.Play = Effect.fnUntraced(function*({ call }) {
  for (let amount = 100;; amount *= 2) {
    const { decision } = yield* call({ tool: "stripe", method: "create_charge", params: { amount } })
    yield* Console.log(`agent: ${amount} EUR, ${decision}`)
    yield* Effect.sleep("100 millis")
  }
})

const program = Effect.gen(function*() {
  const managed = yield* ManagedAgents.ManagedAgents
  const agent = yield* managed.register({ name: "Cashier", allowedTools: ["stripe"], maxDailySessions: 3 })
  const session = yield* managed.start(agent.id, { userMessage: "Charge the customer." })
  yield* Console.log(`simulated: ${session.isSimulated}`)

  yield* managed.watch(session.id, { schedule: Schedule.spaced("20 millis") }).pipe(
    Stream.takeUntil(({ calls }) => calls!.denied >= 2),
    Stream.runForEach(({ calls }) => Console.log(`operator: ${calls!.governed} calls, ${calls!.denied} denied`)),
    // No calls are made in a session that is only simulated.
    Effect.timeoutOption("2 seconds")
  )
  yield* managed.interrupt(session.id, { reason: "too many denials" }).pipe(
    Effect.flatMap(({ reason }) => Console.log(`operator: the agent has stopped (${reason})`)),
    Effect.catchTag("InterruptNotConfirmed", ({ message }) => Console.log(`operator: ${message}`))
  )

  const { status } = yield* managed.status(session.id)
  const records = yield* managed.audit(session.id)
  const replay = yield* managed.replay(session.id)
  yield* Console.log(`${status}: ${records.length} records, ${replay.matched.length} decisions stand today`)
})

/** A text or a list is no amount: such a call is denied, and not compared. */
const isUpTo = (amount: unknown, limit: number) => typeof amount === "number" && amount >= 0 && amount <= limit

const policy: Gateway.Options["policy"] = {
  rules: [{ name: "too_much", severity: "high", when: ({ action }) => !isUpTo(action.params["amount"], 500) }]
}

NodeRuntime.runMain(Effect.gen(function*() {
  yield* Effect.provide(program, GatewayMemory.layer({ policy, managedAgent: greedy }))
  yield* Effect.provide(program, GatewayMemory.layer({ policy }))
}))
