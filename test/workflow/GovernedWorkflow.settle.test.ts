import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, Schema } from "effect"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { TestClock } from "effect/testing"
import { actionId, answering, cases, type Ending } from "../support/decisions.ts"

const seen = (ending: Ending) => {
  switch (ending) {
    case "performed":
      return { executedBy: "agent", actionId, result: "paid 5" }
    case "executed":
      return { executedBy: "gateway", actionId, result: { paid: 7 }, isResultLost: false }
    case "result lost":
      return { executedBy: "gateway", actionId, result: undefined, isResultLost: true }
    default:
      return ending
  }
}

const runs: Array<unknown> = []

const Pay = GovernedWorkflow.make({
  name: "settle/Pay",
  tool: "bank",
  method: "pay",
  params: Schema.Struct({ amount: Schema.Finite }),
  success: Schema.String,
  run: (params) => Effect.sync(() => (runs.push(params), "paid 5"))
})

describe("what each answer leads to", () => {
  for (const one of cases) {
    it.effect(`a workflow: ${one.name}`, () =>
      Effect.gen(function*() {
        runs.length = 0
        const fiber = yield* Effect.forkChild(Effect.result(Pay.execute({ key: "1", params: { amount: 5 } })))
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 minute")
        const ended = Result.match(yield* Fiber.join(fiber), {
          onSuccess: (done): unknown => done,
          onFailure: ({ _tag }) => _tag
        })
        assert.deepStrictEqual(ended, seen(one.ending))
        assert.deepStrictEqual(runs, one.ending === "performed" ? [{ amount: 5 }] : [])
      }).pipe(
        Effect.provide(Pay.layer.pipe(Layer.provideMerge(Engine.layerMemory()), Layer.provideMerge(answering(one))))
      ))
  }
})
