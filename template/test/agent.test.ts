import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { Approvals, Reviews } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { TestClock } from "effect/testing"
import { answer } from "../src/agent.ts"
import { agent, rules } from "../src/layers.ts"
import * as Payments from "../src/Payments.ts"

const world = Layer.mergeAll(
  agent,
  Payments.layerMemory,
  GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "a-key-for-tests" }], policy: rules })
)

const refunds = Payments.Payments.use(({ refunds }) => refunds)

/** Starts an answer that waits for a reviewer, and returns the action's id. */
const ask = Effect.fnUntraced(function*(amount: number) {
  const answering = yield* Effect.forkChild(answer({ charge: "ch_1", amount, text: "refund" }), {
    startImmediately: true
  })
  const approvals = yield* Approvals.Approvals
  for (;;) {
    const [action] = (yield* approvals.pending).pending
    if (action !== undefined) return { answering, actionId: action.actionId }
    yield* Effect.yieldNow
  }
})

describe("the agent", () => {
  it.effect("refunds what the policy allows", () =>
    Effect.gen(function*() {
      const text = yield* answer({ charge: "ch_1", amount: 20, text: "I want my money back" })
      assert.strictEqual(text, "You get 20 back (refund-1).")
      assert.deepStrictEqual(yield* refunds, [{ charge: "ch_1", amount: 20 }])
    }).pipe(Effect.provide(world)))

  it.effect("refunds nothing that the policy denies", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* answer({ charge: "ch_1", amount: 5000, text: "refund" }),
        "This refund is not possible."
      )
      assert.deepStrictEqual(yield* refunds, [])
    }).pipe(Effect.provide(world)))

  it.effect("waits for a reviewer, and refunds once what is approved", () =>
    Effect.gen(function*() {
      const { actionId, answering } = yield* ask(400)
      assert.deepStrictEqual(yield* refunds, [])
      yield* Reviews.Reviews.use(({ approve }) => approve(actionId))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(answering), "You get 400 back (refund-1).")
      assert.lengthOf(yield* refunds, 1)
    }).pipe(Effect.provide(world)))

  it.effect("refunds nothing that is rejected", () =>
    Effect.gen(function*() {
      const { actionId, answering } = yield* ask(400)
      yield* Reviews.Reviews.use(({ reject }) => reject(actionId, "not this month"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(answering), "This refund was declined: not this month.")
      assert.deepStrictEqual(yield* refunds, [])
    }).pipe(Effect.provide(world)))
})
