/**
 * A runner with durable calls on Postgres that wait for a reviewer. Tells its parent which actions wait and when each is
 * performed, one JSON value a line.
 *
 * Arguments: gateway URL, database URL, port of this runner, executions to start.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Option, References, Schema } from "effect"
import { Vargate } from "effect-vargate"
import * as EnginePostgres from "effect-vargate/node/EnginePostgres"
import * as NodeTransport from "effect-vargate/node/NodeTransport"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { RunnerAddress } from "effect/cluster"
import type { RunnerMessage } from "./approvalRate.ts"

const [url, database, port, count] = process.argv.slice(2)

const say = (message: RunnerMessage) => Effect.sync(() => console.log(JSON.stringify(message)))

const Pay = GovernedWorkflow.make({
  name: "Pay",
  tool: "bank",
  method: "pay",
  params: Schema.Struct({ n: Schema.Int }),
  success: Schema.String,
  timeout: "10 days",
  run: (_, { actionId }) => Effect.as(say({ ran: actionId, at: Date.now() }), "paid")
})

const program = Effect.gen(function*() {
  const journal = yield* Journal
  yield* Effect.forEach(
    Array.from({ length: Number(count) }, (_, n) => n),
    (n) => Pay.executeDetached({ key: String(n), params: { n } }),
    { concurrency: 20, discard: true }
  )
  const { changes } = yield* Effect.repeat(
    Effect.andThen(Effect.sleep("500 millis"), journal.news()),
    { until: ({ changes }) => changes.length >= Number(count) }
  )
  yield* say({ waiting: changes.map(({ actionId }) => actionId!) })
  while (true) {
    const { system, user } = process.cpuUsage()
    yield* say({ cpu: (system + user) / 1e6, rss: process.memoryUsage().rss / 1e6 })
    yield* Effect.sleep("1 second")
  }
})

const layer = Pay.layer.pipe(
  Layer.provideMerge(EnginePostgres.layer({
    url: database!,
    shardingConfig: { runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", Number(port))) }
  })),
  Layer.provideMerge(Vargate.layer({ apiKey: "test-key", url: url! })),
  Layer.provide(NodeTransport.layer)
)

process.on("disconnect", () => process.exit())
NodeRuntime.runMain(Effect.provide(program, layer).pipe(Effect.provideService(References.MinimumLogLevel, "Error")))
