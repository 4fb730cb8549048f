/**
 * Random stories of submissions, decisions, time jumps, lost answers and interrupted waits, held against the gateway's own
 * ledger.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Schema } from "effect"
import { type ActionId, Approvals, Governed, Reviews, type VargateError } from "effect-vargate"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import { TestClock } from "effect/testing"
import { isFull } from "../support/isFull.ts"
import { inProcess, Wiretap } from "../support/worlds.ts"

const index = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))

const Step = Schema.Union([
  Schema.Struct({ do: Schema.Literal("submit"), method: Schema.Literals(["read", "delete", "drop", "purge"]) }),
  Schema.Struct({ do: Schema.Literals(["approve", "reject", "interrupt", "rewait"]), index }),
  Schema.Struct({
    do: Schema.Literal("jump"),
    seconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1500 }))
  }),
  Schema.Struct({
    do: Schema.Literal("lose"),
    path: Schema.Literals(["/api/mcp", "/api/approvals", "/api/audit", "/api/approve"])
  }),
  Schema.Struct({ do: Schema.Literal("restart") })
])

const patience = 90 * 60

const world = inProcess({
  tenants: [{ id: "t", apiKey: "test-key", burst: 1000, policyConfig: { dailyActionLimit: 10_000 } }],
  tools: { "db/drop": () => Effect.succeed({ dropped: true }), "db/purge": () => Effect.fail("stuck") }
})

interface Story {
  readonly method: string
  readonly handle: Governed.Detached<string, never, never> | undefined
  readonly runs: { count: number }
  fiber: Fiber.Fiber<
    Exit.Exit<
      Governed.Done<string>,
      VargateError.ApprovalError | VargateError.SubmitError | VargateError.Denied | VargateError.ToolFailed
    >
  >
}

/** Runs to the end while time goes on: what is tried again after a lost answer pauses first. */
const inTime = Effect.fn(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(Effect.exit(effect))
  yield* TestClock.adjust("10 millis")
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
  return yield* Fiber.join(fiber)
})

const play = Effect.fn(function*(steps: ReadonlyArray<typeof Step.Type>) {
  const reviews = yield* Reviews.Reviews
  const { lost } = yield* Wiretap
  const stories: Array<Story> = []
  let submissions = 0
  const rewait = Effect.fn(function*(story: Story) {
    if (story.handle !== undefined) story.fiber = yield* Effect.forkChild(Effect.exit(story.handle.await))
  })
  for (const step of steps) {
    switch (step.do) {
      case "submit": {
        const runs = { count: 0 }
        const submitted = yield* inTime(Governed.run(
          { tool: "db", method: step.method, params: { n: submissions++ }, onPending: Governed.detach },
          Effect.sync(() => `run ${++runs.count}`)
        ))
        if (Exit.isFailure(submitted)) {
          // Every look at the log was lost too: nobody knows, so nobody acts.
          assert.strictEqual((yield* Effect.flip(submitted))._tag, "OutcomeUnknown")
          assert.strictEqual(runs.count, 0)
          break
        }
        const done = submitted.value
        const story: Story = {
          method: step.method,
          handle: done.executedBy === "none" ? done : undefined,
          runs,
          fiber: yield* Effect.forkChild(
            Effect.succeed(done.executedBy === "none" ? Exit.die("not awaited") : Exit.succeed(done))
          )
        }
        yield* rewait(story)
        stories.push(story)
        break
      }
      case "jump":
        yield* TestClock.adjust(`${step.seconds} seconds`)
        break
      case "restart":
        // With nobody left the poller rests; the first who comes back starts it anew.
        yield* Fiber.interruptAll(stories.map(({ fiber }) => fiber))
        yield* TestClock.adjust("10 seconds")
        for (const story of stories) yield* rewait(story)
        break
      case "lose":
        lost.push(step.path)
        break
      default: {
        const story = stories.at(step.index % Math.max(1, stories.length))
        if (story?.handle === undefined) break
        const { actionId } = story.handle
        if (step.do === "approve") yield* inTime(reviews.approve(actionId))
        else if (step.do === "reject") yield* inTime(reviews.reject(actionId))
        else {
          yield* Fiber.interrupt(story.fiber)
          if (step.do === "rewait") yield* rewait(story)
        }
      }
    }
    yield* TestClock.adjust("10 millis")
  }
  lost.length = 0
  return stories
})

/** What the ledger, which nobody can lose answers of, says became of the action. */
const truth = Effect.fn(function*(actionId: ActionId.ActionId) {
  const ledger = yield* Ledger
  const held = yield* ledger.held("t", actionId)
  return held!.status
})

const expected = (story: Story, status: string) => {
  if (status === "rejected") return "Rejected"
  if (status === "expired") return "Expired"
  return story.method === "purge" ? "ToolFailed" : "done"
}

describe("governed stories", () => {
  it.effect.prop(
    "no wait hangs, none gets another's outcome, and actions run once or never",
    [Schema.Array(Step).check(Schema.isMaxLength(40))],
    ([steps]) =>
      Effect.gen(function*() {
        const stories = yield* play(steps)
        yield* TestClock.adjust(`${patience} seconds`)
        for (const story of stories) {
          assert.isDefined(story.fiber.pollUnsafe(), "a wait hangs past its time-out")
          assert.isAtMost(story.runs.count, 1)
          if (story.handle === undefined) {
            assert.strictEqual(story.runs.count, story.method === "read" ? 1 : 0)
            continue
          }
          const approvals = yield* Approvals.Approvals
          yield* approvals.pending
          const status = yield* truth(story.handle.actionId)
          const isInterrupted = Exit.isFailure(story.fiber.pollUnsafe()!)
          if (isInterrupted) {
            assert.isTrue(status === "approved" || story.runs.count === 0)
            continue
          }
          const exit = yield* Fiber.join(story.fiber)
          const outcome = Exit.isSuccess(exit) ? "done" : (yield* Effect.flip(exit))._tag
          assert.strictEqual(outcome, expected(story, status))
          const runsItself = status === "approved" && story.method === "delete"
          assert.strictEqual(story.runs.count, runsItself ? 1 : 0)
          if (Exit.isSuccess(exit)) assert.strictEqual(exit.value.actionId, story.handle.actionId)
        }
      }).pipe(Effect.provide(world)),
    { arbitrary: { runs: isFull ? 150 : 40 } }
  )
})
