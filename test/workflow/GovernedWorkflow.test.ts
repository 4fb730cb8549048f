import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import { Approvals, Reviews } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Engine from "effect-vargate/workflow/Engine"
import * as EngineSqlite from "effect-vargate/workflow/EngineSqlite"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"

const ran: Array<unknown> = []

const Remove = GovernedWorkflow.make({
  name: "Remove",
  tool: "files",
  method: "delete",
  params: Schema.Struct({ path: Schema.String }),
  success: Schema.String,
  run: ({ path }, { actionId, reference }) =>
    Effect.sync(() => (ran.push([path, actionId, reference]), `removed ${path}`))
})

const layer = (engine: Layer.Layer<Engine.Engine, any, Approvals.Approvals>) =>
  Remove.layer.pipe(
    Layer.provideMerge(engine),
    Layer.provideMerge(GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "k", burst: 1000 }] }))
  )

describe("GovernedWorkflow", () => {
  for (
    const [name, engine] of Object.entries({
      memory: Engine.layerMemory(),
      sqlite: EngineSqlite.layer({ filename: ":memory:" })
    })
  ) {
    it.live(`waits for a person, then acts: ${name}`, () =>
      Effect.gen(function*() {
        ran.length = 0
        const fiber = yield* Effect.forkChild(Remove.execute({ key: "1", params: { path: "/a" } }), {
          startImmediately: true
        })
        const approvals = yield* Approvals.Approvals
        const { pending } = yield* Effect.repeat(Effect.andThen(Effect.sleep("20 millis"), approvals.pending), {
          until: ({ pending }) => pending.length > 0
        })
        const id = yield* Remove.executionId("1")
        console.log(yield* Remove.poll(id))
        yield* Reviews.Reviews.use((reviews) => reviews.approve(pending[0]!.actionId, "fine"))
        const done = yield* Fiber.join(fiber)
        console.log(done, ran, yield* Remove.poll(id))
        console.log(
          yield* (yield* GatewayMemory.GatewayMemory).records().pipe(
            Effect.map((r) => r.map((x) => [x.tool, x.decision, x.params]))
          )
        )
      }).pipe(Effect.provide(layer(engine))), 20_000)
  }
})
