import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer } from "effect"
import { ActionId, Approvals, Clearance, Governed, Reviews, Vargate } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import { TestClock } from "effect/testing"
import { begun } from "../../src/governed/internal/begun.ts"

const gateway = GatewayMemory.layer({
  tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "financial", burst: 1000 }],
  businessHours: "always",
  tools: { "bank/pay": ({ amount }) => Effect.succeed({ paid: amount }) }
})

const call = { tool: "bank", method: "transfer", params: { amount: 2000, to: { iban: "x" } } }

/** Another process of the same tenant: nothing is shared but the gateway. */
const elsewhere = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, Layer.fresh(Vargate.layer({ apiKey: "test-key" })))

const test = (title: string, effect: Effect.Effect<void, unknown, Layer.Success<typeof gateway>>) =>
  it.effect(title, () => Effect.provide(effect, gateway))

const counted = () => {
  let runs = 0
  return { runs: () => runs, action: Effect.sync(() => ++runs) }
}

const detached = (request: typeof call, action: Effect.Effect<number>) =>
  Effect.gen(function*() {
    const done = yield* Governed.run({ ...request, onPending: Governed.detach }, action)
    assert(done.executedBy === "none")
    return done
  })

const review = (decision: "approve" | "reject", actionId: Governed.Detached<number, never, never>["actionId"]) =>
  Reviews.Reviews.use((reviews) =>
    Effect.asVoid(decision === "approve" ? reviews.approve(actionId) : reviews.reject(actionId))
  )

describe("Governed.resume", () => {
  test(
    "waits for the decision in another process, and acts once",
    Effect.gen(function*() {
      const first = counted()
      const second = counted()
      const { actionId } = yield* detached(call, first.action)
      const done = yield* TestReviewer.run(elsewhere(
        Effect.gen(function*() {
          yield* Effect.forkChild(Effect.delay(review("approve", actionId), "10 minutes"))
          const done = yield* Governed.resume(actionId, second.action, { call })
          const again = yield* Effect.flip(Governed.resume(actionId, second.action, { call }))
          assert(again._tag === "VargateError" && again.reason._tag === "Conflict")
          assert.strictEqual(again.sideEffect, "none")
          return done
        })
      ))
      assert.deepStrictEqual(done, { executedBy: "agent", actionId, result: 1 })
      assert.strictEqual(first.runs(), 0)
      assert.strictEqual(second.runs(), 1)
    })
  )

  test(
    "acts once in a process, also where each attempt brings its own layers",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const { actionId } = yield* detached(call, action)
      yield* review("approve", actionId)
      const resume = Effect.exit(elsewhere(Governed.resume(actionId, action, { call })))
      const exits = yield* TestReviewer.run(Effect.gen(function*() {
        const first = yield* resume
        return [first, yield* resume, ...(yield* Effect.all([resume, resume], { concurrency: 2 }))]
      }))
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, false, false])
      for (const exit of exits.slice(1)) assert.include(JSON.stringify(exit), "Conflict")
      assert.strictEqual(runs(), 1)
    })
  )

  it.effect("tells apart the actions of scripted wires, whose ids are made up", () =>
    Effect.gen(function*() {
      const { action, runs } = counted()
      for (let i = 0; i < 2; i++) {
        const approvals = yield* Effect.provide(
          Approvals.Approvals,
          Layer.fresh(Vargate.layer({ apiKey: "test-key" })).pipe(Layer.provide(ScriptedTransport.layer([])))
        )
        yield* Effect.provideService(begun(ActionId.ActionId.make("a-1"), action), Approvals.Approvals, approvals)
      }
      assert.strictEqual(runs(), 2)
    }))

  for (const way of ["a function", "a toolkit"] as const) {
    test(
      `acts once where ${way} waits for the same action`,
      Effect.gen(function*() {
        const { action, runs } = counted()
        const waits = way === "a function"
          ? Governed.run(call, action)
          : Clearance.run(call, () => action)
        const first = yield* Effect.forkChild(Effect.exit(waits), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        const { pending: [held] } = yield* Approvals.Approvals.use(({ pending }) => pending)
        const second = yield* Effect.forkChild(Effect.exit(Governed.resume(held!.actionId, action, { call })), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 second")
        yield* review("approve", held!.actionId)
        yield* TestClock.adjust("1 minute")
        const exits = yield* Effect.all([Fiber.join(first), Fiber.join(second)])
        assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
        assert.strictEqual(runs(), 1)
      })
    )
  }

  test(
    "leaves alone what the gateway executed",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const pay = { ...call, method: "pay" }
      const { actionId } = yield* detached(pay, action)
      yield* review("approve", actionId)
      const done = yield* TestReviewer.run(elsewhere(Governed.resume(actionId, action, { call: pay })))
      assert.deepInclude(done, { executedBy: "gateway", result: { paid: 2000 } })
      assert.strictEqual(runs(), 0)
    })
  )

  for (
    const [difference, other] of [
      ["params", { ...call, params: { amount: 2000, to: { iban: "y" } } }],
      ["a part of the params", { ...call, params: { amount: 2000 } }],
      ["tool", { ...call, tool: "other" }],
      ["method", { ...call, method: "other" }],
      ["unreadable params", { ...call, params: { amount: 2000n } }]
    ] as const
  ) {
    test(
      `does nothing where the action is another call: ${difference}`,
      Effect.gen(function*() {
        const { action, runs } = counted()
        const { actionId } = yield* detached(call, action)
        yield* review("approve", actionId)
        const error = yield* Effect.flip(elsewhere(Governed.resume(actionId, action, { call: other })))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        assert.notInclude(error.message, "iban")
        assert.strictEqual(runs(), 0)
      })
    )
  }

  test(
    "does nothing where the gateway encrypts a field, which cannot be compared",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const personal = { ...call, params: { amount: 2000, email: "ann@example.com", customer_id: "c-1" } }
      const done = yield* Governed.run({ ...personal, onPending: Governed.detach }, action)
      yield* review("approve", done.actionId)
      for (const email of ["ann@example.com", "eve@example.com"]) {
        const given = { ...personal, params: { ...personal.params, email } }
        const error = yield* Effect.flip(elsewhere(Governed.resume(done.actionId, action, { call: given })))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        assert.include(error.message, "encrypted")
      }
      assert.strictEqual(runs(), 0)
    })
  )

  for (const key of ["_sa", "_sandbox"]) {
    test(
      `does nothing with a key that the record does not show: ${key}`,
      Effect.gen(function*() {
        const { action, runs } = counted()
        const hidden = { ...call, params: { ...call.params, [key]: false } }
        const { actionId } = yield* detached(call, action)
        yield* review("approve", actionId)
        const error = yield* Effect.flip(elsewhere(Governed.resume(actionId, action, { call: hidden })))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        assert.include(error.message, "_sa")
        assert.strictEqual(runs(), 0)
      })
    )
  }

  test(
    "a reference in the record is not the caller's",
    Effect.gen(function*() {
      const { action } = counted()
      const done = yield* Governed.run({ ...call, reference: "params", onPending: Governed.detach() }, action)
      yield* review("approve", done.actionId)
      const resumed = yield* TestReviewer.run(Governed.resume(done.actionId, action, { call }))
      assert.strictEqual(resumed.executedBy, "agent")
    })
  )

  test(
    "fails where a reviewer rejected it, and where the wait ends",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const { actionId } = yield* detached(call, action)
      const waited = yield* Effect.flip(TestReviewer.run(Governed.resume(actionId, action, { timeout: "1 minute" })))
      assert.strictEqual(waited._tag, "ApprovalTimeout")
      yield* review("reject", actionId)
      const rejected = yield* Effect.flip(TestReviewer.run(Governed.resume(actionId, action)))
      assert.strictEqual(rejected._tag, "Rejected")
      assert.strictEqual(runs(), 0)
    })
  )

  test(
    "of a handle and a resumed action in one process, one acts",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const handle = yield* detached(call, action)
      yield* review("approve", handle.actionId)
      yield* TestReviewer.run(handle.await)
      const error = yield* Effect.flip(TestReviewer.run(Governed.resume(handle.actionId, action)))
      assert.strictEqual(error._tag, "VargateError")
      yield* TestReviewer.run(handle.await)
      assert.strictEqual(runs(), 1)
    })
  )
})

describe("strategies", () => {
  test(
    "each is a value, and can be called",
    Effect.gen(function*() {
      const fails = [Governed.fail, Governed.fail()]
      for (const [n, onPending] of fails.entries()) {
        const request = { ...call, params: { amount: 2000, n } }
        const error = yield* Effect.flip(Governed.run({ ...request, onPending }, Effect.void))
        assert.strictEqual(error._tag, "PendingApproval")
      }
      for (
        const [n, onPending] of [Governed.wait, Governed.wait(), Governed.wait({ timeout: "5 minutes" })].entries()
      ) {
        const request = { ...call, params: { amount: 2001, n } }
        const error = yield* Effect.flip(
          TestReviewer.run(Governed.run({ ...request, onPending }, Effect.void))
        )
        assert.strictEqual(error._tag, n === 2 ? "ApprovalTimeout" : "Expired")
      }
    })
  )
})
