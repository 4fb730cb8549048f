import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Fiber, Schedule } from "effect"
import {
  Approvals,
  Governed,
  Reconcile,
  RetryPolicy,
  Reviews,
  ToolCalls,
  Transport,
  Vargate,
  VargateError
} from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import type { HttpClient } from "effect/http"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { DuplicateFuse } from "../../src/calls/internal/duplicateFuse.ts"

/** Every call waits for a reviewer. */
const gateway = GatewayMemory.layer({
  tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "crm" }]
})
const request = { tool: "crm", method: "export", params: { list: "customers" } }
const call = ToolCalls.call(request)

const records = Effect.flatMap(GatewayMemory.GatewayMemory, (memory) => memory.records())

/** Runs an effect to its end while the test clock moves. */
const ended = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
    for (let minutes = 0; minutes < 180 && fiber.pollUnsafe() === undefined; minutes++) {
      yield* Effect.repeat(Effect.yieldNow, { times: 20 })
      yield* TestClock.adjust("1 minute")
    }
    return yield* yield* Fiber.join(fiber)
  })

const duplicateOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(ended(effect))
    assert(error instanceof VargateError.DuplicateSubmission, String(error))
    return error
  })

const duplicateOfNow = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert(error instanceof VargateError.DuplicateSubmission, String(error))
    return error
  })

describe("a call that is pending is not submitted twice by mistake", () => {
  const test = (
    title: string,
    effect: Effect.Effect<
      void,
      unknown,
      GatewayMemory.GatewayMemory | Vargate.OperatorServices | HttpClient.HttpClient
    >
  ) => it.effect(title, () => Effect.provide(effect, gateway))

  const retries: ReadonlyArray<
    readonly [title: string, effect: Effect.Effect<unknown, { readonly _tag: string }, Vargate.Services>]
  > = [
    ["Effect.retry with a number", Effect.retry(call, { times: 3 })],
    ["Effect.retry with a schedule", Effect.retry(call, Schedule.upTo(Schedule.spaced("1 minute"), { times: 3 }))],
    [
      "a request made anew by each run",
      Effect.retry(Effect.suspend(() => ToolCalls.call({ ...request, params: { list: "customers" } })), { times: 3 })
    ],
    ["a random reference", Effect.retry(ToolCalls.call({ ...request, reference: "params" }), { times: 3 })],
    ["decisions as values", Effect.repeat(ToolCalls.decide(request), { times: 3 })],
    ["a loop by hand", Effect.catchTag(call, "PendingApproval", () => call)],
    ["a time-out inside", call.pipe(Effect.timeout("1 minute"), Effect.retry({ times: 3 }))],
    [
      "a time-out and an error of the program's own",
      call.pipe(
        Effect.timeout("1 minute"),
        Effect.mapError((cause) => cause._tag === "DuplicateSubmission" ? cause : new Wrapped("no", { cause })),
        Effect.retry({ times: 3, while: ({ _tag }) => _tag !== "DuplicateSubmission" })
      )
    ],
    [
      "a wait that is given up",
      Governed.run(request, Effect.void).pipe(
        Effect.timeout("1 minute"),
        Effect.retry({ times: 3, while: (error) => error._tag === "TimeoutError" })
      )
    ],
    [
      "Governed.run that does not wait",
      Effect.retry(Governed.run({ ...request, onPending: Governed.fail }, Effect.void), { times: 3 })
    ],
    [
      "Governed.run whose wait ends",
      Effect.retry(Governed.run({ ...request, onPending: Governed.wait({ timeout: "1 minute" }) }, Effect.void), {
        times: 3
      })
    ]
  ]
  for (const [title, effect] of retries) {
    test(
      `not by ${title}`,
      Effect.gen(function*() {
        const { actionId, first, message } = yield* duplicateOf(effect)
        const [record, ...others] = yield* records
        assert.deepStrictEqual(others, [])
        assert.strictEqual(actionId, record?.actionId)
        assert.strictEqual(first, "pending")
        assert.include(message, `as ${record?.actionId}`)
        assert.include(message, "allowDuplicate")
      })
    )
  }

  test(
    "what differs is another call, and so is what another fiber submits",
    Effect.gen(function*() {
      yield* Effect.flip(call)
      const others = [
        ToolCalls.call({ ...request, params: { list: "leads" } }),
        ToolCalls.call({ ...request, method: "export_all" }),
        ToolCalls.call({ ...request, agent: { id: "another" } }),
        Effect.flatten(Effect.map(Effect.forkChild(call), Fiber.join)),
        ToolCalls.call({ ...request, allowDuplicate: true })
      ]
      for (const other of others) yield* Effect.catchTag(other, "PendingApproval", () => Effect.void)
      assert.lengthOf(yield* records, 6)
      // Key order makes no other params.
      const params = { b: 1, a: [{ d: 1, c: 2 }] }
      yield* Effect.flip(ToolCalls.call({ ...request, params }))
      const again = yield* Effect.flip(ToolCalls.call({ ...request, params: { a: [{ c: 2, d: 1 }], b: 1 } }))
      assert.strictEqual(again._tag, "DuplicateSubmission")
    })
  )

  const decide = (verdict: "approve" | "reject") =>
    Effect.gen(function*() {
      const pending = yield* ToolCalls.decide(request)
      if (pending._tag !== "PendingApproval") return yield* Effect.die(pending)
      yield* Reviews.Reviews.use((reviews) => reviews[verdict](pending.actionId))
      return yield* Approvals.Approvals.use((approvals) => approvals.await(pending.actionId))
    })

  test(
    "after the reviewer's decision the same call is a new action",
    Effect.gen(function*() {
      yield* decide("approve")
      assert.strictEqual((yield* Effect.flip(decide("reject")))._tag, "Rejected")
      assert.strictEqual((yield* Effect.flip(call))._tag, "PendingApproval")
      assert.strictEqual((yield* Effect.flip(call))._tag, "DuplicateSubmission")
    })
  )

  const submit = Effect.flatMap(
    ToolCalls.decide(request),
    (decision) => decision._tag === "PendingApproval" ? Effect.succeed(decision.actionId) : Effect.die(decision)
  )

  test(
    "so it is after a decision of the program's own, by whatever key, although nobody waited for it",
    Effect.gen(function*() {
      const reviewers = Layer.provide(Reviews.layer, Transport.layer({ apiKey: "test-key" }))
      const reviewer = yield* Effect.provide(Reviews.Reviews, reviewers)
      yield* reviewer.reject(yield* submit)
      yield* reviewer.approve(yield* submit)
      const last = yield* submit
      const another = yield* Effect.forkChild(reviewer.reject(last))
      yield* Fiber.join(another)
      yield* submit
      assert.strictEqual((yield* Effect.flip(call))._tag, "DuplicateSubmission")
    })
  )

  test(
    "but not after an approval that this fiber cannot know of",
    Effect.gen(function*() {
      const actionId = yield* submit
      const reviewing = Reviews.Reviews.use((reviews) => reviews.approve(actionId))
      yield* Effect.flatMap(Effect.forkChild(reviewing), Fiber.join)
      const { actionId: first } = yield* duplicateOfNow(call)
      assert.strictEqual(first, actionId)
      yield* Approvals.Approvals.use((approvals) => approvals.await(actionId))
      yield* submit
    })
  )

  test(
    "not so in a retry of what failed after the approval",
    Effect.gen(function*() {
      const failing = Effect.andThen(decide("approve"), Effect.fail(new Cause.NoSuchElementError("later")))
      const { first } = yield* duplicateOf(Effect.retry(failing, { times: 3 }))
      assert.strictEqual(first, "approved")
    })
  )

  test(
    "an agent that runs in a retry and goes on is not disturbed",
    Effect.gen(function*() {
      let run = 0
      const start = Effect.suspend(() => ++run === 1 ? Effect.fail(new Cause.NoSuchElementError("start")) : Effect.void)
      const agent = start.pipe(Effect.andThen(decide("approve")), Effect.andThen(decide("approve")))
      yield* ended(Effect.retry(agent, { times: 3 }))
      assert.lengthOf((yield* records).filter(({ decision }) => decision === "pending_approval"), 2)
    })
  )

  test(
    "a failure that did nothing may be repeated beside a like call that is pending",
    Effect.gen(function*() {
      const memory = yield* GatewayMemory.GatewayMemory
      yield* memory.setOpaOutage(true)
      const retried = yield* Effect.forkChild(Effect.flip(Effect.retry(call, RetryPolicy.standard)), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 millis")
      yield* memory.setOpaOutage(false)
      yield* Effect.flatMap(Effect.forkChild(Effect.flip(call)), Fiber.join)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(retried))._tag, "PendingApproval")
    })
  )
})

class Wrapped extends Error {
  readonly _tag = "Wrapped"
}

describe("a call that may have been executed is not submitted twice by mistake", () => {
  const { disconnect, hang, json, refuse } = ScriptedTransport
  const scripted = (steps: ReadonlyArray<ScriptedTransport.Step>) =>
    Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer(steps)))
  const sent = Effect.map(
    ScriptedTransport.ScriptedTransport.use(({ requests }) => requests),
    (requests) => requests.filter(({ method }) => method === "POST").length
  )
  const allowed = json(200, { status: "allowed", action_id: "a-1" })

  const lost: ReadonlyArray<
    readonly [
      title: string,
      steps: ReadonlyArray<ScriptedTransport.Step>,
      first: string,
      effect: Effect.Effect<unknown, { readonly _tag: string }, Vargate.Services>
    ]
  > = [
    ["a lost answer", [disconnect, allowed], "unknown", Effect.retry(call, { times: 3 })],
    ["a 500", [json(500, {}), allowed], "unknown", Effect.retry(call, { times: 3 })],
    [
      "a lost answer under a time-out",
      [disconnect, allowed],
      "unknown",
      call.pipe(Effect.timeout("1 minute"), Effect.retry({ times: 3 }))
    ],
    [
      "a call that is interrupted after it was sent",
      [hang, allowed],
      "interrupted",
      call.pipe(Effect.timeout("1 second"), Effect.retry({ times: 3 }))
    ],
    [
      "a call that is interrupted in the second round",
      [refuse, hang, allowed],
      "interrupted",
      call.pipe(Effect.timeout("1 second"), Effect.retry(Schedule.upTo(Schedule.spaced("1 minute"), { times: 3 })))
    ]
  ]
  for (const [title, steps, first, effect] of lost) {
    it.effect(`not after ${title}`, () =>
      Effect.gen(function*() {
        const error = yield* duplicateOf(effect)
        assert.strictEqual(yield* sent, 1)
        assert.strictEqual(error.first, first)
        assert.isUndefined(error.actionId)
        assert.match(error.message, /^crm\/export was submitted .* at 1970-.*may have been executed/)
      }).pipe(Effect.provide(scripted(steps))))
  }

  it.effect("resendAfter is leave to submit it again", () =>
    Effect.gen(function*() {
      const result = yield* ended(call.pipe(Reconcile.reconcile(Reconcile.resendAfter("0 seconds"))))
      assert.strictEqual(result.actionId, "a-1")
    }).pipe(Effect.provide(scripted([
      disconnect,
      json(200, { records: [], total: 0, tenant_id: "t", limit: 100, offset: 0 }),
      allowed
    ]))))
})

describe("DuplicateFuse", () => {
  it.effect("remembers a bounded number, and nothing of a fiber that has ended", () =>
    Effect.gen(function*() {
      const fuse = new DuplicateFuse()
      const names = { agentId: "a", tool: "t", method: "m" }
      const note = (n: number) =>
        Effect.withFiberSucceed((fiber) =>
          fuse.note(names, { identity: `${n}` }, fiber, { state: "unknown", sentAt: 0 })
        )
      const isKnown = (n: number) =>
        Effect.withFiberSucceed((fiber) => fuse.check(names, { identity: `${n}` }, fiber) !== undefined)
      yield* note(-1)
      assert.isTrue(yield* isKnown(-1))
      yield* Effect.forEach(Array.from({ length: 10_000 }, (_, n) => n), note, { discard: true })
      assert.isFalse(yield* isKnown(-1))
      assert.isTrue(yield* isKnown(0))
      const fiber = yield* Effect.forkChild(note(-2))
      yield* Fiber.join(fiber)
      yield* Effect.yieldNow
      assert.isUndefined(fuse.check(names, { identity: "-2" }, fiber))
    }))
})
