/**
 * @title Waiting for a reviewer
 *
 * One line says what to do with a pending call: wait this long, fail, or carry on with other work. `TestReviewer` stands
 * for a reviewer with a browser.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema } from "effect"
import { Governed } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"

const refund = Governed.tool({
  tool: "stripe",
  method: "create_refund",
  params: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
  isBusinessHours: true,
  onPending: Governed.wait({ timeout: "20 minutes" }),
  run: ({ amount, charge }) => Effect.as(Console.log(`  refunding ${amount} of ${charge}`), "refunded")
})

const program = Effect.gen(function*() {
  yield* Console.log("small: no approval needed")
  yield* refund({ charge: "ch_1", amount: 20 })

  yield* Console.log("large: the agent waits, a reviewer approves")
  yield* Effect.forkChild(TestReviewer.approveNext({ note: "known customer" }))
  const done = yield* refund({ charge: "ch_2", amount: 2000 })
  yield* Console.log(`  executed by the ${done.executedBy}`)

  yield* Console.log("large: a reviewer rejects")
  yield* Effect.forkChild(TestReviewer.rejectNext({ note: "not without a ticket" }))
  const error = yield* Effect.flip(refund({ charge: "ch_3", amount: 3000 }))
  yield* Console.log(`  ${error._tag}: ${error.message}`)

  yield* Console.log("large: the agent carries on and comes back later")
  const handle = yield* Governed.run(
    {
      tool: "stripe",
      method: "create_refund",
      params: { amount: 1500 },
      isBusinessHours: true,
      onPending: Governed.detach
    },
    Console.log("  refunding 1500")
  )
  if (handle.executedBy === "none") {
    yield* Console.log(`  meanwhile: ${(yield* handle.outcome)._tag}`)
    yield* Effect.forkChild(TestReviewer.approveNext({ note: "fine" }))
    yield* handle.await
  }
}).pipe(
  Effect.provide(GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "test-key", policyTemplate: "financial" }] }))
)

NodeRuntime.runMain(program)
