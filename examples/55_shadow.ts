/**
 * @title Before governance is switched on
 *
 * Two tools of an agent are in shadow, and one is governed already. What the policy would have stopped is performed and
 * written down; the panel's process closes what is left in the queue.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Governed, Shadow } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const pay = (tool: string, amount: number) =>
  Governed.shadow(
    { tool, method: "transfer", params: { amount }, isBusinessHours: true, executes: "agent" },
    Effect.succeed(`${tool} has paid ${amount}`)
  ).pipe(
    Effect.flatMap((done) =>
      Console.log(`${String(done.result)}${done.isShadow ? `, and the policy says: ${done.verdict}` : ""}`)
    ),
    Effect.catchTag("Denied", ({ violations }) => Console.log(`${tool} was denied ${amount}: ${violations.join(", ")}`))
  )

const agent = Effect.gen(function*() {
  yield* pay("bank", 50)
  yield* pay("bank", 9000)
  yield* pay("bank", 2000)
  yield* pay("cards", 9000)
  yield* pay("payroll", 9000)
})

const report = Effect.gen(function*() {
  const { allowed, calls, denied, lines, pending } = yield* Shadow.report()
  yield* Console.log(`of ${calls} calls ${allowed} would be allowed, ${denied} denied, ${pending} pending`)
  for (const { calls, rule, tool, verdict } of lines) {
    if (verdict !== "allowed") yield* Console.log(`  ${verdict} ${calls} ${tool} ${rule ?? "(no rule named)"}`)
  }
})

const program = Effect.gen(function*() {
  yield* agent
  yield* report
  const closed = yield* Shadow.close()
  for (const { outcome, tool } of closed) yield* Console.log(`a pending call of ${tool}: ${outcome}`)
})

NodeRuntime.runMain(program.pipe(
  Effect.provide(Shadow.layerMemory({ calls: [Shadow.choice({ tool: "bank" }), Shadow.choice({ tool: "cards" })] })),
  Effect.provide(
    GatewayMemory.layer({ tenants: [{ id: "bank", apiKey: "for-everything", policyTemplate: "financial" }] })
  )
))
