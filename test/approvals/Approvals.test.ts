import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Layer, Schedule } from "effect"
import { type ActionId, Approvals, Reviews, ToolCalls, Transport, Webhooks } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { bodyOf, secret, signatureOf } from "../support/webhooks.ts"
import { inProcess, TimeMachine, timeMachine, Wiretap, type World, worlds } from "../support/worlds.ts"
import { approve, awaiting, hold, options, polls, reject, test } from "./pending.ts"

for (const { name, world } of worlds) {
  describe(`Approvals.await, ${name}`, () => {
    const live = (title: string, test: Effect.Effect<void, unknown, World | TimeMachine>) =>
      it.live(title, () => test.pipe(Effect.provide(Layer.provideMerge(world(options), timeMachine)), Effect.scoped))

    live(
      "approved and executed",
      Effect.gen(function*() {
        const actionId = yield* hold("delete")
        const waiting = yield* Effect.forkChild(awaiting(actionId))
        yield* Effect.sleep("50 millis")
        yield* approve(actionId, "go on")
        const approved = yield* Fiber.join(waiting)
        assert.strictEqual(approved.note, "go on")
        assert.strictEqual(approved.reviewer, "unknown")
        assert.deepInclude(approved.execution, { _tag: "Executed", result: { deleted: 1 } })
      })
    )

    live(
      "approved, and the tool failed or said so",
      Effect.gen(function*() {
        const dropping = yield* hold("drop")
        const purging = yield* hold("purge")
        yield* approve(dropping)
        yield* approve(purging)
        const drop = yield* awaiting(dropping)
        const purge = yield* awaiting(purging)
        assert.deepInclude(drop.execution, { _tag: "ExecutionFailed", error: "execution_failed: disk on fire" })
        assert.deepInclude(purge.execution, { _tag: "ExecutionFailed", error: "no such table" })
      })
    )

    live(
      "approved and left to the agent",
      Effect.gen(function*() {
        const actionId = yield* hold("destroy")
        yield* approve(actionId)
        assert.strictEqual((yield* awaiting(actionId)).execution._tag, "NotExecuted")
      })
    )

    live(
      "rejected",
      Effect.gen(function*() {
        const actionId = yield* hold("delete")
        const waiting = yield* Effect.forkChild(Effect.flip(awaiting(actionId)))
        yield* reject(actionId, "not today")
        const error = yield* Fiber.join(waiting)
        assert.deepInclude(error, { _tag: "Rejected", actionId, note: "not today" })
      })
    )

    live(
      "expired",
      Effect.gen(function*() {
        const machine = yield* TimeMachine
        const actionId = yield* hold("delete")
        const waiting = yield* Effect.forkChild(Effect.flip(awaiting(actionId, { timeout: "3 hours" })))
        yield* Effect.sleep("50 millis")
        yield* machine.jump("61 minutes")
        const error = yield* Fiber.join(waiting)
        assert.strictEqual(error._tag, "Expired")
      })
    )

    live(
      "decided while the answer was lost: by the same reviewer, by another, the other way round",
      Effect.gen(function*() {
        const { lost } = yield* Wiretap
        const mine = yield* hold("delete")
        lost.push("/approve/")
        const receipt = yield* approve(mine)
        assert.strictEqual(receipt.actionId, mine)
        assert.deepInclude(receipt.execution, { _tag: "Executed", result: { deleted: 1 } })
        assert.strictEqual((yield* approve(mine)).execution._tag, "Executed")

        const theirs = yield* hold("delete")
        lost.push("/reject/")
        yield* reject(theirs)
        const conflict = yield* Effect.flip(approve(theirs))
        assert.strictEqual(conflict._tag === "VargateError" && conflict.reason._tag, "Conflict")
      })
    )

    live(
      "unknown actions are not waited for",
      Effect.gen(function*() {
        yield* hold("delete")
        const error = yield* Effect.flip(awaiting("no-such-action" as ActionId.ActionId))
        assert.strictEqual(error._tag === "VargateError" && error.reason._tag, "NotFound")
      })
    )
  })
}

describe("the shared poller", () => {
  test(
    "looks once a tick for any number of waits, and not at all when nobody waits",
    Effect.gen(function*() {
      const ids = yield* Effect.forEach(Array.from({ length: 40 }, (_, n) => n), (n) => hold("delete", n))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* polls, 0)
      const waits = yield* Effect.forEach(ids, (id) => Effect.forkChild(Effect.exit(awaiting(id))))
      yield* TestClock.adjust("10 seconds")
      assert.isAtMost(yield* polls, 11)
      assert.isAtLeast(yield* polls, 10)
      yield* Effect.forEach(ids, (id, n) => n % 2 === 0 ? Effect.asVoid(approve(id)) : Effect.asVoid(reject(id)))
      yield* TestClock.adjust("1 second")
      const exits = yield* Effect.forEach(waits, Fiber.join)
      assert.deepStrictEqual(exits.map(Exit.isSuccess), ids.map((_, n) => n % 2 === 0))
      const done = yield* polls
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* polls, done)
    })
  )

  test(
    "reads history and log only when a watched action has left the list",
    Effect.gen(function*() {
      const { requests } = yield* Wiretap
      const actionId = yield* hold("delete")
      const waiting = yield* Effect.forkChild(awaiting(actionId))
      yield* TestClock.adjust("5 seconds")
      assert.notInclude(requests, "GET /api/approvals/history")
      assert.notInclude(requests, "GET /api/audit/log")
      yield* approve(actionId)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      assert.strictEqual(requests.filter((request) => request === "GET /api/approvals/history").length, 1)
      assert.strictEqual(requests.filter((request) => request === "GET /api/audit/log").length, 1)
    })
  )

  test(
    "130 waiting and 130 decided: every wait ends rightly, beyond both windows",
    Effect.gen(function*() {
      const numbers = Array.from({ length: 130 }, (_, n) => n)
      const decided = yield* Effect.forEach(numbers, (n) => hold("delete", n))
      yield* Effect.forEach(
        decided,
        (id, n) => n % 3 === 0 ? Effect.asVoid(reject(id, `${n}`)) : Effect.asVoid(approve(id, `${n}`))
      )
      const waiting = yield* Effect.forEach(numbers, (n) => hold("destroy", n))
      yield* Effect.forEach(numbers.slice(0, 60), (n) => hold("purge", n))

      const before = yield* polls
      const waits = yield* Effect.forEach([...decided, ...waiting], (id) => Effect.forkChild(Effect.exit(awaiting(id))))
      yield* TestClock.adjust("3 seconds")
      // The oldest are decided last.
      yield* Effect.forEach(
        [...waiting.entries()].toReversed(),
        ([n, id]) => n % 2 === 0 ? Effect.asVoid(reject(id, `${n}`)) : Effect.asVoid(approve(id, `${n}`))
      )
      yield* TestClock.adjust("2 seconds")
      const exits = yield* Effect.forEach(waits, Fiber.join)
      for (const [i, exit] of exits.entries()) {
        const n = i % 130
        const isApproved = i < 130 ? n % 3 !== 0 : n % 2 !== 0
        assert.strictEqual(Exit.isSuccess(exit), isApproved, `wait ${i}`)
        const outcome: unknown = Exit.match(exit, { onSuccess: (value) => value, onFailure: Cause.squash })
        assert.deepInclude(outcome, { actionId: [...decided, ...waiting][i], note: `${n}` })
      }
      assert.isAtMost((yield* polls) - before, 6)
    })
  )

  test(
    "a wait ends on time between ticks and says how long it was",
    Effect.gen(function*() {
      const actionId = yield* hold("delete")
      const waiting = yield* Effect.forkChild(Effect.flip(awaiting(actionId, { timeout: "1500 millis" })))
      yield* TestClock.adjust("1499 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(error._tag, "ApprovalTimeout")
      assert.isTrue(error._tag === "ApprovalTimeout" && Duration.equals(error.waited, Duration.millis(1500)))
      assert.strictEqual(error.sideEffect, "possible")
    })
  )

  test(
    "a nudge makes it look at once",
    Effect.gen(function*() {
      const approvals = yield* Approvals.Approvals
      const actionId = yield* hold("delete")
      const waiting = yield* Effect.forkChild(awaiting(actionId), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      yield* approve(actionId)
      yield* approvals.nudge
      yield* TestClock.adjust(0)
      yield* Fiber.join(waiting)
    })
  )

  test(
    "nudges while nobody waits are nothing",
    Effect.gen(function*() {
      const approvals = yield* Approvals.Approvals
      yield* approvals.nudge
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* polls, 0)
      const waiting = yield* Effect.forkChild(awaiting(yield* hold("delete")), { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* polls, 1)
      yield* Fiber.interrupt(waiting)
    })
  )

  it.effect("nudges do not wear out a rhythm that grows", () =>
    Effect.gen(function*() {
      const approvals = yield* Approvals.Approvals
      const actionId = yield* hold("delete")
      const waiting = yield* Effect.forkChild(awaiting(actionId), { startImmediately: true })
      for (let i = 0; i < 50; i++) {
        yield* TestClock.adjust("500 millis")
        yield* approvals.nudge
      }
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* polls, 51)
      yield* approve(actionId)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
    }).pipe(Effect.provide(inProcess({ ...options, approvals: { poll: Schedule.exponential("1 second") } }))))

  test(
    "waits with a rhythm of their own share their looks",
    Effect.gen(function*() {
      const ids = yield* Effect.forEach(Array.from({ length: 100 }, (_, n) => n), (n) => hold("delete", n))
      const rhythm = Schedule.spaced("500 millis")
      for (const id of ids) {
        yield* Effect.forkChild(awaiting(id, { poll: rhythm }), { startImmediately: true })
        yield* TestClock.adjust("7 millis")
      }
      const before = yield* polls
      for (let i = 0; i < 1000; i++) yield* TestClock.adjust("10 millis")
      assert.isAtLeast((yield* polls) - before, 18)
      assert.isAtMost((yield* polls) - before, 32)
    })
  )

  it.effect("a wait that comes after the others were answered is looked after at once", () =>
    Effect.gen(function*() {
      const first = yield* hold("delete")
      yield* reject(first)
      assert.strictEqual((yield* Effect.flip(awaiting(first)))._tag, "Rejected")
      const second = yield* hold("delete")
      yield* reject(second)
      assert.strictEqual((yield* Effect.flip(awaiting(second, { timeout: "4 minutes" })))._tag, "Rejected")
    }).pipe(Effect.provide(inProcess({ ...options, approvals: { poll: Schedule.spaced("5 minutes") } }))))

  it.effect("a look that breaks off half-way hides nothing from the next", () =>
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      const old = yield* hold("delete")
      yield* approve(old)
      // Decided long before the newest: the approval stands on a later page of the log than the first.
      yield* Effect.forEach(Array.from({ length: 250 }), (_, n) =>
        Effect.asVoid(Effect.flatMap(hold("purge", n), reject)))
      const waiting = yield* Effect.forkChild(awaiting(old))
      yield* TestClock.adjust(0)
      lost.push("/api/audit")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(waiting)).execution._tag, "Executed")
    }).pipe(Effect.provide(inProcess({ ...options, approvals: {} }))))

  test(
    "interrupting waits stops the looking",
    Effect.gen(function*() {
      const actionId = yield* hold("delete")
      const waits = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.forkChild(awaiting(actionId)))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interruptAll(waits)
      const before = yield* polls
      yield* TestClock.adjust("1 minute")
      assert.isAtMost((yield* polls) - before, 0)
    })
  )

  test(
    "failed looks fail nobody before the time is up",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      const actionId = yield* hold("delete")
      lost.push(...Array.from({ length: 20 }, () => "/api/approvals"))
      const waiting = yield* Effect.forkChild(awaiting(actionId, { timeout: "10 minutes" }))
      yield* TestClock.adjust("5 seconds")
      yield* approve(actionId)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* Fiber.join(waiting)).execution._tag, "Executed")
    })
  )

  test(
    "outcome takes one look",
    Effect.gen(function*() {
      const approvals = yield* Approvals.Approvals
      const actionId = yield* hold("delete")
      assert.strictEqual((yield* approvals.outcome(actionId))._tag, "Waiting")
      yield* reject(actionId)
      assert.strictEqual((yield* approvals.outcome(actionId))._tag, "Rejected")
    })
  )
})

describe("nudgedBy", () => {
  /** A gateway whose answers take 300 milliseconds, with the largest number of looks that were under way at once. */
  const world = Effect.gen(function*() {
    const flow = { looks: 0, underWay: 0, most: 0 }
    const slow = Layer.effect(
      HttpClient.HttpClient,
      Effect.map(
        HttpClient.HttpClient,
        HttpClient.transform((answer, request) =>
          request.url.endsWith("/approvals")
            ? Effect.acquireUseRelease(
              Effect.sync(() => {
                flow.looks++
                flow.most = Math.max(flow.most, ++flow.underWay)
              }),
              () => Effect.delay(answer, "300 millis"),
              () => Effect.sync(() => flow.underWay--)
            )
            : answer
        )
      )
    )
    const services = Layer.mergeAll(
      Approvals.layerWith({ poll: Schedule.spaced("1 minute") }),
      Reviews.layer,
      ToolCalls.layer,
      Webhooks.layer({ secret })
    ).pipe(
      Layer.provide(Transport.layer({ apiKey: "test-key" })),
      Layer.provide(slow),
      Layer.provide(Gateway.layerMemory({ tenants: [{ id: "t", apiKey: "test-key" }] }))
    )
    const context = yield* Layer.build(Layer.provideMerge(Approvals.nudgedBy(Webhooks.events), services))
    const run = Effect.provideContext(context)
    const held = yield* run(ToolCalls.decide({ tool: "db", method: "delete" }))
    const waiting = yield* Effect.forkChild(
      run(Approvals.Approvals.use((approvals) => approvals.await(held.actionId))),
      { startImmediately: true }
    )
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual(flow.looks, 1)
    return {
      flow,
      waiting,
      approve: run(Reviews.Reviews.use((reviews) => reviews.approve(held.actionId))),
      deliver: (n: number) =>
        run(Webhooks.Webhooks.use((webhooks) => {
          const body = bodyOf("test.ping", { n })
          return webhooks.receive(body, signatureOf(body))
        }))
    }
  })

  it.effect("an event makes the poller look, long before its tick", () =>
    Effect.gen(function*() {
      const { approve, deliver, flow, waiting } = yield* world
      yield* approve
      yield* deliver(1)
      yield* TestClock.adjust("300 millis")
      yield* Fiber.join(waiting)
      assert.strictEqual(flow.looks, 2)
    }))

  it.effect("a flood makes it look once a second, one look at a time, and once more when it has passed", () =>
    Effect.gen(function*() {
      const { approve, deliver, flow, waiting } = yield* world
      for (let n = 0; n < 60; n++) {
        yield* deliver(n)
        yield* TestClock.adjust("50 millis")
      }
      assert.isAtLeast(flow.looks, 4)
      assert.isAtMost(flow.looks, 5)
      assert.strictEqual(flow.most, 1)
      yield* approve
      yield* deliver(60)
      yield* TestClock.adjust("1300 millis")
      yield* Fiber.join(waiting)
    }))

  it.effect("without events the rhythm goes on", () =>
    Effect.gen(function*() {
      const { approve, deliver, flow, waiting } = yield* world
      yield* deliver(1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(flow.looks, 2)
      yield* approve
      yield* TestClock.adjust("31 seconds")
      yield* Fiber.join(waiting)
      assert.strictEqual(flow.looks, 3)
    }))
})
