/**
 * @title Every answer is a branch
 *
 * After these seven nothing is left in the error channel; the compiler holds you to that.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect } from "effect"
import { ToolCalls } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const pay = (amount: number): Effect.Effect<void, never, ToolCalls.ToolCalls> =>
  ToolCalls.call({
    tool: "stripe",
    method: "create_charge",
    params: { amount, currency: "EUR" },
    isBusinessHours: true
  }).pipe(
    Effect.flatMap(() => Console.log(`${amount} EUR: allowed`)),
    Effect.catchTags({
      Denied: ({ violations }) => Console.log(`${amount} EUR: denied, ${violations.join(", ")}`),
      PendingApproval: ({ actionId }) => Console.log(`${amount} EUR: a reviewer must decide on ${actionId}`),
      RateLimited: ({ retryAfter }) => Console.log(`${amount} EUR: too fast, wait ${Duration.format(retryAfter)}`),
      OpaUnavailable: () => Console.log(`${amount} EUR: no policy engine, nothing was done`),
      OutcomeUnknown: (error) => Console.log(`${amount} EUR: ${error.message}`),
      DuplicateSubmission: ({ message }) => Console.log(`${amount} EUR: ${message}`),
      // One error with a reason: NotFound, Unauthenticated, InvalidRequest, Unreachable, ...
      VargateError: ({ reason }) => Console.log(`${amount} EUR: ${reason._tag}: ${reason.message}`)
    })
  )

const program = Effect.gen(function*() {
  const gateway = yield* GatewayMemory.GatewayMemory
  yield* pay(50)
  yield* pay(9000)
  yield* pay(1500)
  yield* gateway.setOpaOutage(true)
  yield* pay(60)
  yield* gateway.setOpaOutage(false)
  yield* pay(NaN)
  yield* pay(70)
  yield* pay(80)
}).pipe(
  Effect.provide(GatewayMemory.layer({
    tenants: [{ id: "shop", apiKey: "shop-key", policyTemplate: "financial", burst: 5 }]
  }))
)

NodeRuntime.runMain(program)
