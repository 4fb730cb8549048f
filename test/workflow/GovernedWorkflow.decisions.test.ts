import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { Approvals, Budgets, Decisions, Governed, Reviews, Suspension, Vargate, VargateError } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import * as Engine from "effect-vargate/workflow/Engine"
import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
import { TestClock } from "effect/testing"

const ran: Array<number> = []

const Delete = GovernedWorkflow.make({
  name: "DeleteOnce",
  tool: "bank",
  method: "delete",
  params: Schema.Struct({ n: Schema.Int }),
  success: Schema.String,
  run: ({ n }) => Effect.sync(() => `deleted ${n}, ${ran.push(n)}`)
})

const limits = [Budgets.limit({ tool: "bank", sum: "n", per: "day", max: 10 })]

const world = Layer.suspend(() => {
  ran.length = 0
  return Delete.layer.pipe(
    Layer.provideMerge(Engine.layerMemory({})),
    Layer.provideMerge(Decisions.layerMemory()),
    Layer.provideMerge(Suspension.layerMemory()),
    Layer.provideMerge(Budgets.layerMemory(limits)),
    Layer.provideMerge(Layer.provideMerge(Reviews.layer, Vargate.layer({ apiKey: "test-key" }))),
    Layer.provideMerge(Gateway.layerMemory({ tenants: [{ id: "t", apiKey: "test-key", burst: 1e6 }] })),
    Layer.orDie
  )
})

/** Digests answer from outside the test's time. */
const moment = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))

const until = <A, E, R>(look: Effect.Effect<A | undefined, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    for (let tries = 0; tries < 500; tries++) {
      const found = yield* look
      if (found !== undefined) return found
      yield* Effect.andThen(TestClock.adjust("1 second"), moment)
    }
    return assert.fail("waited in vain")
  })

const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })

const ended = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.andThen(until(Effect.sync(() => fiber.pollUnsafe())), Fiber.join(fiber))

const heldOne = until(Effect.map(Approvals.Approvals.use(({ pending }) => pending), ({ pending }) => pending[0]))

const asked = Effect.map(
  Ledger.use((ledger) => ledger.records("t")),
  (records) => records.filter(({ tool }) => tool === "bank").length
)

const reasonOf = (error: unknown) =>
  error instanceof VargateError.VargateError ? error.reason : assert.fail(String(error))

const execute = (key: string, n = 1) => Delete.execute({ key, params: { n } })

describe("durable calls that remember decisions", () => {
  it.effect("two executions of one call are one action; the second one hears what became of it", () =>
    Effect.gen(function*() {
      const first = yield* start(execute("1"))
      const { actionId } = yield* heldOne
      const second = yield* start(Effect.flip(execute("2")))
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), moment), { times: 10 })
      assert.isUndefined(second.pollUnsafe())
      assert.strictEqual(yield* asked, 1)
      yield* Reviews.Reviews.use(({ approve }) => approve(actionId))
      assert.deepInclude(yield* ended(first), { executedBy: "agent", result: "deleted 1, 1" })
      assert.deepInclude(reasonOf(yield* ended(second)), { _tag: "Joined", actionId, outcome: "approved" })
      assert.deepStrictEqual(ran, [1])
      // What was performed is not joined, and the same execution is not begun again.
      const third = yield* start(execute("3"))
      const next = yield* heldOne
      assert.notStrictEqual(next.actionId, actionId)
      assert.strictEqual(yield* asked, 2)
      yield* Reviews.Reviews.use(({ approve }) => approve(next.actionId))
      assert.deepInclude(yield* ended(third), { result: "deleted 1, 2" })
      assert.deepInclude(yield* execute("1"), { result: "deleted 1, 1" })
    }).pipe(Effect.provide(world)))

  it.effect("a rejection is heard by both, refuses a third one, and a call of a program that is no workflow", () =>
    Effect.gen(function*() {
      const first = yield* start(Effect.flip(execute("1")))
      const { actionId } = yield* heldOne
      const second = yield* start(Effect.flip(execute("2")))
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), moment), { times: 10 })
      yield* Reviews.Reviews.use(({ reject }) => reject(actionId, "never"))
      assert.strictEqual((yield* ended(first))._tag, "Rejected")
      assert.deepInclude(reasonOf(yield* ended(second)), { _tag: "Joined", outcome: "rejected", note: "never" })
      const third = yield* ended(yield* start(Effect.flip(execute("3"))))
      assert.deepInclude(reasonOf(third), { _tag: "RefusedAgain", actionId, note: "never" })
      const plain = Governed.run({ tool: "bank", method: "delete", params: { n: 1 } }, Effect.void)
      assert.deepInclude(reasonOf(yield* Effect.flip(plain)), { _tag: "RefusedAgain", actionId })
      assert.strictEqual(yield* asked, 1)
      assert.deepStrictEqual(ran, [])
    }).pipe(Effect.provide(world)))
})

describe("durable calls that an operator suspends", () => {
  const { KillSwitch } = Suspension

  it.effect("are not sent, and those that wait end; what others do goes on", () =>
    Effect.gen(function*() {
      const first = yield* start(Effect.flip(execute("1")))
      const { actionId } = yield* heldOne
      const { id } = yield* KillSwitch.use(({ suspend }) => suspend({ tool: "bank", by: "ann" }))
      const ending = reasonOf(yield* ended(first))
      assert.deepInclude(ending, { _tag: "Suspended", scope: "tool bank", actionId, sideEffect: "possible" })
      const second = yield* ended(yield* start(Effect.flip(execute("2", 2))))
      assert.deepInclude(reasonOf(second), { _tag: "Suspended", sideEffect: "none" })
      assert.strictEqual(yield* asked, 1)
      yield* KillSwitch.use(({ lift }) => lift(id, { by: "ann" }))
      const third = yield* start(execute("3", 3))
      const action = yield* until(
        Effect.map(Approvals.Approvals.use(({ pending }) => pending), ({ pending }) =>
          pending.find((action) => action.actionId !== actionId))
      )
      yield* Reviews.Reviews.use(({ approve }) =>
        approve(action.actionId)
      )
      assert.deepInclude(yield* ended(third), { result: "deleted 3, 1" })
      assert.deepStrictEqual(ran, [3])
    }).pipe(Effect.provide(world)))
})

describe("durable calls within a budget", () => {
  it.effect("reserve once for each execution, and give back what was rejected", () =>
    Effect.gen(function*() {
      const used = Effect.map(Budgets.Budgets.use(({ status }) => status), ([status]) => status!.used)
      const first = yield* start(Effect.flip(execute("1", 7)))
      const { actionId } = yield* heldOne
      assert.strictEqual(yield* used, 7)
      const over = yield* ended(yield* start(Effect.flip(execute("2", 4))))
      assert.deepInclude(reasonOf(over), { _tag: "OverBudget", problem: "exceeded" })
      assert.strictEqual(yield* asked, 1)
      yield* Reviews.Reviews.use(({ reject }) => reject(actionId))
      yield* ended(first)
      assert.strictEqual(yield* used, 0)
      const second = yield* start(execute("3", 4))
      const next = yield* heldOne
      yield* Reviews.Reviews.use(({ approve }) => approve(next.actionId))
      yield* ended(second)
      assert.strictEqual(yield* used, 4)
      assert.deepStrictEqual(ran, [4])
    }).pipe(Effect.provide(world)))
})
