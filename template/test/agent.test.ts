import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import { answer } from "../src/agent.ts"
import { agent, rules } from "../src/layers.ts"
import * as Payments from "../src/Payments.ts"

const world = Layer.mergeAll(
  agent,
  Payments.layerMemory,
  GatewayMemory.layer({ tenants: [{ id: "shop", apiKey: "a-key-for-tests" }], policy: rules })
)

const refunds = Payments.Payments.use(({ refunds }) => refunds)

const answering = (amount: number) =>
  Effect.forkChild(answer({ charge: "ch_1", amount, text: "refund" }), { startImmediately: true })

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
      const fiber = yield* answering(400)
      yield* TestReviewer.untilPending()
      assert.deepStrictEqual(yield* refunds, [])
      yield* TestReviewer.approveNext()
      assert.strictEqual(yield* TestReviewer.untilEnded(fiber), "You get 400 back (refund-1).")
      assert.lengthOf(yield* refunds, 1)
    }).pipe(Effect.provide(world)))

  it.effect("refunds nothing that is rejected", () =>
    Effect.gen(function*() {
      const fiber = yield* answering(400)
      yield* TestReviewer.rejectNext({ note: "not this month" })
      assert.strictEqual(yield* TestReviewer.untilEnded(fiber), "This refund was declined: not this month.")
      assert.deepStrictEqual(yield* refunds, [])
    }).pipe(Effect.provide(world)))
})
