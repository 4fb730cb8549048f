/** What a step returns is stored, and may nest deeper than anything can write or read. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Schema } from "effect"
import * as EngineSqlite from "effect-vargate/node/EngineSqlite"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { Journal } from "effect-vargate/workflow/Journal"
import { TestClock } from "effect/testing"

const nested = (levels: number) => {
  let value: unknown = null
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

class Failed extends Schema.TaggedError<Failed>("test/Failed")("Failed", { why: Schema.Unknown }) {}

const define = (method: string) =>
  GovernedWorkflow.make({
    name: `deep/${method}`,
    tool: "bank",
    method,
    params: Schema.Struct({ levels: Schema.Int, fails: Schema.Boolean }),
    success: Schema.Unknown,
    error: Failed,
    run: ({ fails, levels }) =>
      fails ? Effect.fail(new Failed({ why: nested(levels) })) : Effect.succeed(nested(levels))
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
  describe(`a result that nests deep, ${name}`, () => {
    const world = Layer.suspend(() =>
      Layer.merge(ByAgent.layer, ByGateway.layer).pipe(
        Layer.provideMerge(engine()),
        Layer.provideMerge(GatewayMemory.layer({
          tenants: [{ id: "t", apiKey: "test-key" }],
          tools: { "bank/transfer": ({ levels }) => Effect.succeed(nested(Number(levels))) }
        }))
      )
    )

    const resultOf = Effect.fnUntraced(function*(workflow: typeof ByAgent, levels: number, fails = false) {
      const execution = workflow.execute({ key: "1", params: { levels, fails } })
      return yield* ended(yield* Effect.forkChild(execution, { startImmediately: true }))
    })

    const test = (title: string, effect: Effect.Effect<void, unknown, Effect.Services<ReturnType<typeof resultOf>>>) =>
      it.effect(title, () => Effect.provide(effect, world))

    for (const [who, workflow] of [["agent", ByAgent], ["gateway", ByGateway]] as const) {
      test(
        `is carried up to 1,000 levels: the ${who}'s`,
        Effect.gen(function*() {
          const exit = yield* resultOf(workflow, 1_000)
          assert(Exit.isSuccess(exit), String(exit))
          assert.deepInclude(exit.value, { executedBy: who, result: nested(1_000) })
        })
      )
    }

    // 20,000 levels are too many for the stack, 200,000 for a copy too.
    for (const levels of [1_100, 20_000, 200_000]) {
      test(
        `is an action that was executed, and its result is unusable: ${levels} levels`,
        Effect.gen(function*() {
          const error = Exit.findErrorOption(yield* resultOf(ByAgent, levels))
          assert(Option.isSome(error) && error.value._tag === "ResultUnusable")
          assert.match(error.value.message, /was executed, but its result cannot be used/)
          assert.strictEqual(error.value.sideEffect, "possible")
          const journal = yield* Journal
          const { outcome, state } = (yield* journal.list())[0]!
          assert.deepStrictEqual([state, outcome], ["done", "ResultUnusable"])
        })
      )
    }

    test(
      "of a failure is a failure that cannot be stored",
      Effect.gen(function*() {
        const error = Exit.findErrorOption(yield* resultOf(ByAgent, 20_000, true))
        assert(Option.isSome(error) && error.value._tag === "ResultUnusable")
      })
    )

    test(
      "of a tool of the gateway is a failure of that tool",
      Effect.gen(function*() {
        const error = Exit.findErrorOption(yield* resultOf(ByGateway, 20_000))
        assert(Option.isSome(error) && error.value._tag === "ToolFailed")
      })
    )
  })
}
