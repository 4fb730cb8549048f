/**
 * One of two machines, of which one is frozen for longer than its locks last.
 *
 * Arguments: gateway URL, database URL, port of this runner, the port under which the other one reaches it, the payments
 * that it starts (from, to).
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Option, References, Schema } from "effect"
import { Vargate } from "effect-vargate"
import * as EnginePostgres from "effect-vargate/node/EnginePostgres"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { RunnerAddress } from "effect/cluster"
import { FetchHttpClient } from "effect/http"

const [url, database, port, known, from, to] = process.argv.slice(2)

const Payment = GovernedWorkflow.make({
  name: "Payment",
  tool: "bank",
  method: "pay",
  params: Schema.Struct({ n: Schema.Int }),
  success: Schema.String,
  run: ({ n }) => Effect.succeed(`paid ${n}`)
})

const program = Effect.forEach(
  Array.from({ length: Number(to) - Number(from) }, (_, n) => Number(from) + n),
  (n) => Payment.execute({ key: String(n), params: { n } }),
  { concurrency: "unbounded", discard: true }
).pipe(Effect.ignore, Effect.andThen(Effect.never))

const layer = Payment.layer.pipe(
  Layer.provideMerge(EnginePostgres.layer({
    url: database!,
    grace: "3 seconds",
    shardingConfig: {
      runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(known))),
      runnerListenAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(port))),
      shardLockExpiration: "6 seconds",
      shardLockRefreshInterval: "1 second",
      runnerHealthCheckInterval: "2 seconds"
    }
  })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url: url! })),
  Layer.provide(FetchHttpClient.layer)
)

NodeRuntime.runMain(
  Effect.provide(program, layer).pipe(Effect.provideService(References.MinimumLogLevel, "Fatal"))
)
