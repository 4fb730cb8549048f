import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer } from "effect"
import { type Approvals, Governed, ToolCalls, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as Faults from "effect-vargate/testing/Faults"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"

const gateway = GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", policyTemplate: "crm", burst: 1000 }] })
const exporting = (list: string) =>
  Governed.run({ tool: "crm", method: "export", params: { list } }, Effect.succeed(list))

const test = (title: string, effect: Effect.Effect<void, unknown, Layer.Success<typeof gateway>>) =>
  it.effect(title, () => Effect.provide(effect, gateway))

const listOf = ({ params }: Approvals.PendingAction) => (params as { readonly list: string }).list

describe("TestReviewer", () => {
  test(
    "approves and rejects the next action, the oldest first, or the one that is meant",
    Effect.gen(function*() {
      const agents = yield* Effect.forEach(
        ["a", "b", "c"],
        (list) =>
          Effect.tap(
            Effect.forkChild(exporting(list)),
            () => TestReviewer.untilPending({ where: (a) => listOf(a) === list })
          )
      )
      const third = yield* TestReviewer.rejectNext({ where: (action) => listOf(action) === "c", note: "not c" })
      assert.strictEqual(listOf(third), "c")
      assert.strictEqual(listOf(yield* TestReviewer.untilPending()), "a")
      assert.strictEqual(listOf(yield* TestReviewer.approveNext({ note: "fine" })), "a")
      assert.strictEqual(listOf(yield* TestReviewer.approveNext()), "b")
      const [a, b, c] = agents.map((fiber) => TestReviewer.untilEnded(fiber))
      assert.strictEqual((yield* a!).result, "a")
      assert.strictEqual((yield* b!).result, "b")
      const error = yield* Effect.flip(c!)
      assert.deepInclude(error, { _tag: "Rejected", note: "not c" })
    })
  )

  test(
    "waits for an action that is yet to come, and not longer than it is told",
    Effect.gen(function*() {
      const agent = yield* Effect.forkChild(Effect.delay(exporting("late"), "50 seconds"))
      yield* TestReviewer.approveNext()
      yield* TestReviewer.untilEnded(agent)
      const error = yield* Effect.flip(TestReviewer.untilPending({ within: "10 seconds" }))
      assert(error._tag === "NotReached")
      assert.match(error.message, /a pending action was not reached within 10s/)
    })
  )

  test(
    "moves the clock until a fiber has ended, through every sleep in its order",
    Effect.gen(function*() {
      const seen: Array<string> = []
      const step = (name: string, millis: number) => Effect.delay(Effect.sync(() => void seen.push(name)), millis)
      const fiber = yield* Effect.forkChild(
        Effect.all([step("c", 3_600_000), step("a", 10), Effect.andThen(step("b", 1000), step("b2", 500))], {
          concurrency: 3
        })
      )
      yield* TestReviewer.untilEnded(fiber)
      assert.deepStrictEqual(seen, ["a", "b", "b2", "c"])
      const now = yield* Clock.currentTimeMillis
      assert.isTrue(now >= 3_600_000 && now <= 3_601_000, String(now))
      assert.strictEqual(yield* TestReviewer.run(Effect.as(Effect.sleep("3 hours"), 1), { within: "4 hours" }), 1)
    })
  )

  test(
    "says so where a fiber does not end, and leaves it running",
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.never)
      const error = yield* Effect.flip(TestReviewer.untilEnded(fiber, { within: "10 seconds" }))
      assert.strictEqual(error._tag, "NotReached")
      assert.isUndefined(fiber.pollUnsafe())
      let isInterrupted = false
      const hanging = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (isInterrupted = true)))
      yield* Effect.flip(TestReviewer.run(hanging, { within: "10 seconds" }))
      assert.isTrue(isInterrupted)
    })
  )

  test(
    "reviews by a policy in the background, each action once",
    Effect.scoped(Effect.gen(function*() {
      const asked: Array<string> = []
      yield* TestReviewer.autoReview((action) => {
        const list = listOf(action)
        asked.push(list)
        return list === "a" ? "approve" : list === "b" ? Effect.succeed("reject" as const) : "leave"
      })
      const [a, b, c] = yield* Effect.forEach(["a", "b", "c"], (list) => Effect.forkChild(Effect.exit(exporting(list))))
      assert.strictEqual((yield* TestReviewer.untilEnded(a!))._tag, "Success")
      assert.include(String(yield* TestReviewer.untilEnded(b!)), "Rejected")
      assert.include(String(yield* TestReviewer.untilEnded(c!)), "Expired")
      assert.sameMembers(asked, ["a", "b", "c"])
    }))
  )
})

describe("Faults", () => {
  /** A clock that is none of a test, and that notes the sleeps instead of sleeping. */
  const live = Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const sleeps: Array<number> = []
    const { currentTimeMillis, currentTimeNanos, monotonicTimeNanos } = clock
    const noting: Clock.Clock = {
      currentTimeMillis,
      currentTimeNanos,
      monotonicTimeNanos,
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      // The call's own deadline does not pass.
      sleep: (duration) => {
        sleeps.push(Duration.toMillis(duration))
        return Duration.toMillis(duration) === 30_000 ? Effect.never : Effect.void
      }
    }
    return { noting, sleeps }
  })

  for (const fault of ["delayed", "doubled"] as const) {
    for (const [delay, expected] of [[undefined, 50], ["3 seconds", 3000]] as const) {
      it.effect(`${fault} answers on a live clock are late by ${expected} ms`, () =>
        Effect.gen(function*() {
          const { noting, sleeps } = yield* live
          const exit = yield* Effect.exit(ToolCalls.call({ tool: "http", method: "GET" })).pipe(
            Effect.provide(
              Vargate.layer({ apiKey: Gateway.localTenant.apiKey }).pipe(
                Layer.provide(Faults.layer({ seed: 1, [fault]: 1, delay })),
                Layer.provide(Gateway.layerMemory())
              )
            ),
            Effect.provideService(Clock.Clock, noting)
          )
          assert.strictEqual(exit._tag, fault === "delayed" ? "Success" : "Failure")
          assert.include(sleeps, expected)
          assert.notInclude(sleeps, 60_000)
        }))
    }
  }
})
