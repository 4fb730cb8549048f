/**
 * @title A wait that survives a deploy
 *
 * An execution is started, its process ends while its call is pending, and another process continues it.
 */
import { NodeRuntime } from "@effect/platform-node"
import { NodeFileSystem } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer, Schema } from "effect"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"

const Refund = GovernedWorkflow.make({
  name: "Refund",
  tool: "stripe",
  method: "create_refund",
  params: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
  success: Schema.String,
  isBusinessHours: true,
  run: ({ amount, charge }, { reference }) =>
    Effect.as(
      Console.log(`  refunding ${amount} of ${charge}, idempotency key ${reference.slice(0, 8)}...`),
      "refunded"
    )
})

const order = { key: "order-17", params: { charge: "ch_1", amount: 2000 } }

/** One life of the process. With Postgres for SQLite, the next line is all that changes. */
const processOn = (filename: string) => Refund.layer.pipe(Layer.provideMerge(EngineSqlite.layer({ filename })))

const program = Effect.gen(function*() {
  const folder = yield* FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped())
  const thisProcess = processOn(`${folder}/workflows.db`)

  yield* Effect.gen(function*() {
    const executionId = yield* Refund.executeDetached(order)
    yield* TestReviewer.untilPending()
    yield* Console.log(`execution ${executionId.slice(0, 8)}... waits for a reviewer`)
  }).pipe(Effect.provide(thisProcess))
  yield* Console.log("the process ends; meanwhile a reviewer approves")
  yield* TestReviewer.approveNext({ note: "known customer" })

  yield* Console.log("another process starts")
  const done = yield* Refund.execute(order).pipe(Effect.provide(thisProcess, { local: true }))
  yield* Console.log(`executed by the ${done.executedBy}: ${String(done.result)}`)
}).pipe(
  Effect.scoped,
  Effect.provide([
    NodeFileSystem.layer,
    GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "test-key", policyTemplate: "financial" }] })
  ])
)

NodeRuntime.runMain(program)
