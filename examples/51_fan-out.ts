/**
 * @title Many calls at once
 *
 * A limiter keeps all callers under the tenant's burst; one denial does not disturb the others.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Effect, Layer, Result } from "effect"
import { CallLimiter, Governed } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const charge = (amount: number) =>
  Governed.run(
    { tool: "stripe", method: "create_charge", params: { amount }, isBusinessHours: true, onPending: Governed.fail },
    Effect.succeed(amount)
  )

const program = Effect.gen(function*() {
  const started = yield* Clock.currentTimeMillis
  const amounts = Array.from({ length: 40 }, (_, i) => i % 10 === 9 ? 9000 : 10 + i)
  const results = yield* Governed.all(amounts.map(charge), { concurrency: "unbounded" })
  const seconds = ((yield* Clock.currentTimeMillis) - started) / 1000
  const denied = results.filter((result) => Result.isFailure(result) && result.failure._tag === "Denied").length
  yield* Console.log(`${results.filter(Result.isSuccess).length} done, ${denied} denied, in ${seconds.toFixed(1)} s`)
  yield* Console.log(`other failures: ${results.filter(Result.isFailure).length - denied}`)
}).pipe(
  Effect.provide(Layer.mergeAll(
    GatewayMemory.layer({
      tenants: [{
        id: "shop",
        apiKey: "test-key",
        policyTemplate: "financial",
        burst: 30,
        policyConfig: { dailyTransactionCap: 100 }
      }]
    }),
    CallLimiter.layerMemory({ burst: 30 })
  ))
)

NodeRuntime.runMain(program)
