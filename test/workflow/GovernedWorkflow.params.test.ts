import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { Agent, Reviews } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { TestClock } from "effect/testing"

const runs: Array<unknown> = []

const Call = GovernedWorkflow.make({
  name: "params/Call",
  tool: "files",
  method: "delete",
  params: Schema.Record(Schema.String, Schema.Unknown),
  success: Schema.Void,
  run: (params) => Effect.sync(() => void runs.push(params))
})

const Pay = GovernedWorkflow.make({
  name: "params/Pay",
  tool: "stripe",
  method: "create_charge",
  params: Schema.Struct({ amount: Schema.Finite }),
  success: Schema.Void,
  run: () => Effect.void
})

const gateway = GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] })

const test = (title: string, body: () => Effect.Effect<void, unknown, Layer.Success<typeof gateway> | Engine.Engine>) =>
  it.effect(title, () =>
    Effect.suspend(body).pipe(
      Effect.provide(Call.layer.pipe(Layer.provideMerge(Engine.layerMemory()), Layer.provideMerge(gateway)))
    ))

const recorded = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) => records.filter(({ tool }) => tool === "files")
)

const ended = Effect.fnUntraced(function*<A, E>(fiber: Fiber.Fiber<A, E>) {
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
  return yield* Fiber.join(fiber)
})

const invalidAt = (error: unknown) => {
  const { _tag, reason } = error as {
    _tag: string
    reason?: { _tag: string; issues: ReadonlyArray<{ path: unknown }> }
  }
  assert.strictEqual(_tag, "VargateError")
  assert.strictEqual(reason?._tag, "InvalidRequest")
  return reason?.issues.map(({ path }) => path)
}

describe("params of a workflow", () => {
  test("are those of the start, whatever became of the object", () =>
    Effect.gen(function*() {
      runs.length = 0
      const params = { path: "/tmp/harmless", nested: { list: [1] } }
      const fiber = yield* Effect.forkChild(Call.execute({ key: "1", params }), { startImmediately: true })
      while ((yield* recorded).length === 0) yield* TestClock.adjust("1 second")
      params.path = "/etc"
      params.nested.list.push(2)
      const [record] = yield* recorded
      yield* Reviews.Reviews.use((reviews) => reviews.approve(record!.actionId))
      yield* ended(fiber)
      const { vargate_reference, ...submitted } = record!.params as Record<string, unknown>
      assert.isString(vargate_reference)
      assert.deepStrictEqual(submitted, { path: "/tmp/harmless", nested: { list: [1] } })
      assert.deepStrictEqual(runs, [submitted])
    }))

  test("are refused where they contain themselves, nest too deep, or have the execution's own key", () =>
    Effect.gen(function*() {
      const cyclic: Record<string, unknown> = {}
      cyclic["self"] = cyclic
      let deep: Record<string, unknown> = {}
      for (let i = 0; i < 20_000; i++) deep = { deep }
      assert.deepStrictEqual(invalidAt(yield* Effect.flip(Call.execute({ key: "1", params: cyclic }))), [["params"]])
      assert.deepStrictEqual(invalidAt(yield* Effect.flip(Call.execute({ key: "1", params: deep }))), [["params"]])
      const own = Call.execute({ key: "1", params: { vargate_reference: "mine" } })
      assert.deepStrictEqual(invalidAt(yield* Effect.flip(own)), [["params", "vargate_reference"]])
      assert.deepStrictEqual(yield* recorded, [])
    }))

  test("an execution belongs to the agent that started it", () =>
    Effect.gen(function*() {
      const start = { key: "1", params: { n: 1 } }
      yield* Call.executeDetached(start)
      const error = yield* Effect.flip(Effect.provideService(Call.execute(start), Agent.Agent, { id: "another" }))
      assert.deepStrictEqual(invalidAt(error), [["key"]])
      assert.include((error as Error).message, "another agent")
    }))

  test("an execution may have an agent and business hours of its own", () =>
    Effect.gen(function*() {
      const start = { key: "1", params: { n: 1 }, agent: { id: "night-shift", type: "batch" }, isBusinessHours: false }
      yield* Call.executeDetached(start)
      while ((yield* recorded).length === 0) yield* TestClock.adjust("1 second")
      const [record] = yield* recorded
      assert.strictEqual(record?.agentId, "night-shift")
      // The same start joins it, others do not.
      yield* Call.executeDetached(start)
      const { isBusinessHours: _, ...silent } = start
      for (const other of [{ ...start, isBusinessHours: true }, silent, { ...start, agent: { id: "other" } }]) {
        assert.deepStrictEqual(invalidAt(yield* Effect.flip(Call.execute(other))), [["key"]])
      }
      assert.lengthOf(yield* recorded, 1)
    }))

  for (const isBusinessHours of [true, false]) {
    it.effect(`business hours of an execution reach the policy: ${isBusinessHours}`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(
          Effect.exit(Pay.execute({ key: "1", params: { amount: 200 }, isBusinessHours })),
          { startImmediately: true }
        )
        const exit = yield* ended(fiber)
        assert.strictEqual(exit._tag, isBusinessHours ? "Success" : "Failure")
        if (exit._tag === "Failure") assert.include(String(exit.cause), "transaction_outside_business_hours")
      }).pipe(
        Effect.provide(
          Pay.layer.pipe(
            Layer.provideMerge(Engine.layerMemory()),
            Layer.provideMerge(GatewayMemory.layer({
              tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "financial" }]
            }))
          )
        )
      ))
  }
})
