import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { Approvals, Reviews, ToolCalls } from "effect-vargate"
import { TestClock } from "effect/testing"
import { inProcess, Wiretap, type World } from "../support/worlds.ts"

const hold = (n: number) => ToolCalls.decide({ tool: "db", method: "delete", params: { n } })

const test = (title: string, effect: Effect.Effect<void, unknown, World>) =>
  it.effect(title, () =>
    Effect.provide(
      effect,
      inProcess({
        tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }],
        tools: {
          "db/delete": () => Effect.succeed("gone"),
          "db/purge": () => Effect.delay(Effect.succeed("purged"), "10 seconds")
        }
      })
    ))

describe("Reviews", () => {
  test(
    "streams what waits and what comes, oldest first, each once",
    Effect.gen(function*() {
      yield* Effect.forEach([1, 2, 3], hold)
      const seen: Array<unknown> = []
      const reviews = yield* Reviews.Reviews
      yield* Effect.forkChild(Stream.runForEach(reviews.stream(), ({ params }) => Effect.sync(() => seen.push(params))))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, [{ n: 1 }, { n: 2 }, { n: 3 }])
      yield* hold(4)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(seen, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
    })
  )

  test(
    "streams an action once, even when the window hides it for a while",
    Effect.gen(function*() {
      const reviews = yield* Reviews.Reviews
      const seen: Array<unknown> = []
      const first = yield* hold(0)
      yield* Effect.forkChild(
        Stream.runForEach(reviews.stream(), ({ actionId }) => Effect.sync(() => seen.push(actionId)))
      )
      yield* TestClock.adjust("1 second")
      const others = yield* Effect.forEach(Array.from({ length: 50 }, (_, n) => n + 1), hold)
      yield* TestClock.adjust("1 second")
      yield* Effect.forEach(others, ({ actionId }) => reviews.reject(actionId))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(seen.length, 51)
      assert.strictEqual(seen.filter((actionId) => actionId === first.actionId).length, 1)
    })
  )

  test(
    "survives failed looks",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      const reviews = yield* Reviews.Reviews
      lost.push("/api/approvals", "/api/approvals")
      yield* hold(1)
      const first = yield* Effect.forkChild(Stream.runHead(reviews.stream()))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue((yield* Fiber.join(first))._tag === "Some")
    })
  )

  test(
    "an approval whose answer is lost is never sent again, and is found",
    Effect.gen(function*() {
      const { lost, requests } = yield* Wiretap
      const reviews = yield* Reviews.Reviews
      const { actionId } = yield* hold(1)
      lost.push("/api/approve")
      const receipt = yield* reviews.approve(actionId, "fine")
      assert.deepInclude(receipt.execution, { _tag: "Executed", result: "gone" })
      assert.strictEqual(requests.filter((request) => request.startsWith("POST /api/approve")).length, 1)
    })
  )

  test(
    "an approval that is still being executed is waited for",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      const reviews = yield* Reviews.Reviews
      const { actionId } = yield* ToolCalls.decide({ tool: "db", method: "purge" })
      lost.push("/api/approve")
      const first = yield* Effect.forkChild(reviews.approve(actionId))
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.forkChild(reviews.approve(actionId))
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude((yield* Fiber.join(second)).execution, { _tag: "Executed", result: "purged" })
      assert.strictEqual((yield* Fiber.join(first)).actionId, actionId)
    })
  )

  test(
    "deciding twice is one decision; deciding otherwise is a conflict",
    Effect.gen(function*() {
      const reviews = yield* Reviews.Reviews
      const { actionId } = yield* hold(1)
      yield* reviews.reject(actionId, "no")
      assert.strictEqual((yield* reviews.reject(actionId)).actionId, actionId)
      const error = yield* Effect.flip(reviews.approve(actionId))
      assert.strictEqual(error._tag === "VargateError" && error.reason._tag, "Conflict")
      const stats = (yield* Approvals.Approvals.use((approvals) => approvals.pending)).stats
      assert.deepStrictEqual(stats, { pending: 0, approved: 0, rejected: 1, expired: 0 })
    })
  )

  test(
    "a receipt says whether the decision was made before, and with which note",
    Effect.gen(function*() {
      const { lost } = yield* Wiretap
      const reviews = yield* Reviews.Reviews
      const approved = (yield* hold(1)).actionId
      assert.isUndefined((yield* reviews.approve(approved, "first")).earlier)
      assert.deepStrictEqual((yield* reviews.approve(approved, "second")).earlier, { note: "first" })
      const rejected = (yield* hold(2)).actionId
      assert.isUndefined((yield* reviews.reject(rejected, "first")).earlier)
      assert.deepStrictEqual((yield* reviews.reject(rejected)).earlier, { note: "first" })
      const found = (yield* hold(3)).actionId
      lost.push("/api/approve")
      assert.isUndefined((yield* reviews.approve(found, "ours")).earlier)
    })
  )

  test(
    "an expired action cannot be approved any more",
    Effect.gen(function*() {
      const reviews = yield* Reviews.Reviews
      const { actionId } = yield* hold(1)
      yield* TestClock.adjust("61 minutes")
      const error = yield* Effect.flip(reviews.approve(actionId))
      assert.deepInclude(error._tag === "VargateError" ? error.reason : {}, {
        _tag: "Conflict",
        detail: "Action already expired"
      })
    })
  )
})
