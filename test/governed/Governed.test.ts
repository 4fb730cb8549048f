import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Result, Schedule, Schema, Tracer } from "effect"
import type { VargateError } from "effect-vargate"
import { Approvals, Governed, RetryPolicy, Reviews, Vargate } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { TestClock } from "effect/testing"

const gateway = GatewayMemory.layer({
  tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "financial", burst: 1000 }],
  tools: {
    "bank/pay": ({ amount }) => Effect.succeed({ paid: amount }),
    "bank/bounce": () => Effect.succeed({ error: "no funds" })
  }
})

const request = (method: string, amount: number) => ({
  tool: "bank",
  method,
  params: { amount },
  isBusinessHours: true
})

/** An action that counts its runs. */
const counted = () => {
  let runs = 0
  return { runs: () => runs, action: Effect.sync(() => ++runs) }
}

const decide = (decision: "approve" | "reject") =>
  Effect.gen(function*() {
    const { pending } = yield* Approvals.Approvals.use((approvals) => approvals.pending)
    yield* Reviews.Reviews.use((reviews) =>
      reviews[decision](pending[0]!.actionId) as Effect.Effect<unknown, VargateError.OperationError>
    )
  })

const test = (title: string, effect: Effect.Effect<void, unknown, Layer.Success<typeof gateway>>) =>
  it.effect(title, () => Effect.provide(effect, gateway))

describe("Governed.run", () => {
  test(
    "takes the gateway's execution and leaves the action alone",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const done = yield* Governed.run(request("pay", 5), action)
      assert.deepInclude(done, { executedBy: "gateway", result: { paid: 5 } })
      assert.strictEqual(runs(), 0)
    })
  )

  test(
    "runs the action once where the gateway executed nothing",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const done = yield* Governed.run(request("note", 5), action)
      assert.deepInclude(done, { executedBy: "agent", result: 1 })
      assert.strictEqual(runs(), 1)
    })
  )

  test(
    "fails when the tool failed, or the policy says no",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const failed = yield* Effect.flip(Governed.run(request("bounce", 5), action))
      assert.deepInclude(failed, { _tag: "ToolFailed", error: "no funds" })
      const denied = yield* Effect.flip(Governed.run(request("note", 9000), action))
      assert.strictEqual(denied._tag, "Denied")
      assert.strictEqual(runs(), 0)
    })
  )

  test(
    "waits for approval, then acts or takes the gateway's execution",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const own = yield* Effect.forkChild(Governed.run(request("note", 2000), action))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(runs(), 0)
      yield* decide("approve")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Fiber.join(own), { executedBy: "agent", result: 1 })

      const theirs = yield* Effect.forkChild(Governed.run(request("pay", 2000), action))
      yield* TestClock.adjust("2 seconds")
      yield* decide("approve")
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* Fiber.join(theirs), { executedBy: "gateway", result: { paid: 2000 } })
      assert.strictEqual(runs(), 1)
    })
  )

  test(
    "never acts after a rejection, an expiry or a time-out",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const rejected = yield* Effect.forkChild(Effect.flip(Governed.run(request("note", 2000), action)))
      yield* TestClock.adjust("1 second")
      yield* decide("reject")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(rejected))._tag, "Rejected")

      const expired = yield* Effect.forkChild(Effect.flip(Governed.run(request("note", 2001), action)))
      yield* TestClock.adjust("62 minutes")
      assert.strictEqual((yield* Fiber.join(expired))._tag, "Expired")

      const late = yield* Effect.forkChild(
        Effect.flip(
          Governed.run({ ...request("note", 2002), onPending: Governed.wait({ timeout: "1 minute" }) }, action)
        )
      )
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual((yield* Fiber.join(late))._tag, "ApprovalTimeout")
      yield* decide("approve")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(runs(), 0)
    })
  )

  test(
    "fails at once where it is told not to wait",
    Effect.gen(function*() {
      const { action } = counted()
      const error = yield* Effect.flip(Governed.run({ ...request("note", 2000), onPending: Governed.fail }, action))
      assert.strictEqual(error._tag, "PendingApproval")
    })
  )

  test(
    "hands out a handle whose action runs once, however often it is awaited",
    Effect.gen(function*() {
      const { action, runs } = counted()
      const handle = yield* Governed.run({ ...request("note", 2000), onPending: Governed.detach }, action)
      if (handle.executedBy !== "none") return assert.fail("not detached")
      assert.strictEqual((yield* handle.outcome)._tag, "Waiting")
      const impatient = yield* Effect.forkChild(handle.await)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(impatient)
      yield* decide("approve")
      const both = yield* Effect.forkChild(Effect.all([handle.await, handle.await], { concurrency: 2 }))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(both)).map(({ result }) => result), [1, 1])
      assert.strictEqual(runs(), 1)
    })
  )

  it.effect("does not run the action when the answer was lost", () =>
    Effect.gen(function*() {
      const { action, runs } = counted()
      const running = yield* Effect.forkChild(Effect.flip(Governed.run({ tool: "a", method: "b" }, action)))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(running)
      assert.deepInclude(error, { _tag: "OutcomeUnknown", evidence: "not recorded" })
      assert.strictEqual(runs(), 0)
      const wire = yield* ScriptedTransport.ScriptedTransport
      const posts = (yield* wire.requests).filter(({ method }) => method === "POST")
      assert.strictEqual(posts.length, 1)
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer(({ method }) =>
        method === "POST"
          ? ScriptedTransport.disconnect
          : ScriptedTransport.json(200, { records: [], count: 0, offset: 0, total: 0, tenant_id: "t" })
      )))
    )))

  it.effect("makes any schedule safe before it uses it", () =>
    Effect.gen(function*() {
      const { action } = counted()
      const request = { tool: "a", method: "b", retry: Schedule.recurs(3), reconcile: false } as const
      assert.strictEqual((yield* Effect.flip(Governed.run(request, action)))._tag, "OutcomeUnknown")
      const wire = yield* ScriptedTransport.ScriptedTransport
      assert.strictEqual((yield* wire.requests).length, 1)
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(
        Layer.provideMerge(ScriptedTransport.layer(() => ScriptedTransport.disconnect))
      )
    )))

  it.effect("a handle outlives its layer without hanging", () =>
    Effect.gen(function*() {
      const { action, runs } = counted()
      const handle = yield* Governed.run({ ...request("note", 2000), onPending: Governed.detach }, action).pipe(
        Effect.provide(gateway)
      )
      if (handle.executedBy !== "none") return assert.fail("not detached")
      const waiting = yield* Effect.forkChild(
        Effect.exit(Effect.provide(handle.await, gateway)),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 hours")
      assert.isDefined(waiting.pollUnsafe())
      assert.strictEqual(runs(), 0)
    }))

  it.effect("submits again only what did nothing, under the policy given", () =>
    Effect.gen(function*() {
      const { action } = counted()
      const running = yield* Effect.forkChild(Governed.run({ tool: "a", method: "b" }, action))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(running)).executedBy, "agent")
      const error = yield* Effect.flip(Governed.run({ tool: "a", method: "b", retry: RetryPolicy.none }, action))
      assert.strictEqual(error._tag, "OpaUnavailable")
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer([
        ScriptedTransport.json(502, { detail: "OPA unreachable: away" }),
        ScriptedTransport.refuse,
        ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" }),
        ScriptedTransport.json(502, { detail: "OPA unreachable: away" })
      ])))
    )))
})

describe("Governed.tool", () => {
  const Payment = Schema.Struct({ amount: Schema.Number, on: Schema.DateTimeUtcFromString })

  test(
    "gives the handler what the submitted JSON decodes to",
    Effect.gen(function*() {
      const seen = yield* Deferred.make<typeof Payment.Type>()
      const pay = Governed.tool({
        tool: "ledger",
        method: "book",
        params: Payment,
        isBusinessHours: true,
        run: (payment) => Deferred.succeed(seen, payment)
      })
      const params = Schema.decodeSync(Payment)({ amount: 12.5, on: "2026-01-02T03:04:05.000Z" })
      yield* pay(params)
      assert.deepStrictEqual(yield* Deferred.await(seen), params)
      const records = yield* GatewayMemory.GatewayMemory.use((handles) => handles.records())
      assert.deepStrictEqual(records.at(-1)!.params, { amount: 12.5, on: "2026-01-02T03:04:05.000Z" })
    })
  )

  test(
    "puts a digest of the params on the span",
    Effect.gen(function*() {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const book = Governed.tool({
        tool: "ledger",
        method: "book",
        params: Schema.Struct({ b: Schema.Number, a: Schema.String }),
        run: () => Effect.void
      })
      yield* Effect.withTracer(book({ b: 1, a: "é" }), tracer)
      const span = spans.find(({ name }) => name === "Governed.tool ledger/book")
      // SHA-256 of {"b":1,"a":"\u00e9"}
      assert.strictEqual(
        span?.attributes.get("vargate.params_digest"),
        "57096be5ae4c593f8a3450e26edef1bbddd1a0ada20ffd1ef788efb0edd120f4"
      )
    })
  )

  test(
    "refuses params that are no object, before anything is sent",
    Effect.gen(function*() {
      // @ts-expect-error a text is no object
      const bad = Governed.tool({ tool: "x", method: "y", params: Schema.String, run: () => Effect.void })
      const error = yield* Effect.flip(bad("text"))
      assert.strictEqual(error._tag === "VargateError" && error.reason._tag, "InvalidRequest")
      assert.strictEqual((yield* GatewayMemory.GatewayMemory.use((handles) => handles.records())).length, 0)
    })
  )
})

describe("Governed.all", () => {
  test(
    "collects each outcome; one denial does not disturb the others",
    Effect.gen(function*() {
      const { action } = counted()
      const results = yield* Governed.all(
        [request("note", 5), request("note", 9000), request("note", 6)].map((call) => Governed.run(call, action)),
        { concurrency: 3 }
      )
      assert.deepStrictEqual(results.map(Result.isSuccess), [true, false, true])
    })
  )
})
