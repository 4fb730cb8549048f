/** Every answer is lost, after the gateway has acted: `Faults` between a workflow and its gateway. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schema } from "effect"
import { Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as Faults from "effect-vargate/testing/Faults"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { TestClock } from "effect/testing"

const ran: Array<string> = []

const define = (method: string) =>
  GovernedWorkflow.make({
    name: `faults/${method}`,
    tool: "bank",
    method,
    params: Schema.Struct({ n: Schema.Int }),
    success: Schema.String,
    run: () => Effect.sync(() => (ran.push(method), "paid"))
  })

const ByAgent = define("pay")
const ByGateway = define("transfer")

const engines = {
  memory: () => Engine.layerMemory(),
  SQLite: () => EngineSqlite.layer({ filename: ":memory:" })
}

const ended = Effect.fnUntraced(function*<A, E>(fiber: Fiber.Fiber<A, E>) {
  while (fiber.pollUnsafe() === undefined) {
    yield* TestClock.adjust("1 second")
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
  }
  return yield* Fiber.await(fiber)
})

for (const [name, engine] of Object.entries(engines)) {
  describe(`a workflow whose answers are all lost, ${name}`, () => {
    const world = Layer.suspend(() => {
      ran.length = 0
      return Layer.merge(ByAgent.layer, ByGateway.layer).pipe(
        Layer.provideMerge(engine()),
        Layer.provideMerge(Vargate.layer({ apiKey: "test-key" })),
        Layer.provideMerge(Faults.layer({ seed: 1, answerLost: 1 })),
        Layer.provideMerge(Gateway.layerMemory({
          tenants: [{ id: "t", apiKey: "test-key" }],
          tools: { "bank/transfer": () => Effect.succeed({ transferred: 1 }) }
        }))
      )
    })

    for (const [who, workflow] of [["agent", ByAgent], ["gateway", ByGateway]] as const) {
      it.effect(`is performed once by the ${who}, and every later start has its result`, () =>
        Effect.gen(function*() {
          const execute = workflow.execute({ key: "1", params: { n: 1 } })
          const first = yield* ended(yield* Effect.forkChild(execute, { startImmediately: true }))
          assert(Exit.isSuccess(first), String(first))
          const expected = who === "agent" ? { result: "paid" } : { result: undefined, isResultLost: true }
          const { executedBy, actionId: _, ...rest } = first.value
          assert.deepStrictEqual([executedBy, rest], [who, expected])
          const second = yield* ended(yield* Effect.forkChild(execute, { startImmediately: true }))
          assert.deepStrictEqual(second, first)
          assert.deepStrictEqual(ran, who === "agent" ? ["pay"] : [])
          assert.strictEqual((yield* Ledger.use((ledger) => ledger.records("t"))).length, 1)
          assert.deepStrictEqual(yield* Faults.Faults.use(({ counts }) => counts), { answerLost: 1 })
        }).pipe(Effect.provide(world)))
    }
  })
}
