import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Option } from "effect"
import { ActionId, Approvals, VargateError } from "effect-vargate"
import * as ApprovalReconciler from "effect-vargate/workflow/ApprovalReconciler"
import { Journal, layerMemory } from "effect-vargate/workflow/Journal"
import { TestClock } from "effect/testing"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { type Registered, registry } from "../../src/workflow/internal/registry.ts"

const count = 500

const actionOf = (n: number) => ActionId.ActionId.make(`action-${n}`)

/** What the reconciler asks for and does. */
const world = Effect.gen(function*() {
  const journal = yield* Journal
  const seen = {
    rows: 0,
    looks: 0,
    waits: new Set<string>(),
    told: [] as Array<string>,
    continued: [] as Array<string>
  }
  const decided = new Map<string, (exit: Exit.Exit<never, VargateError.ApprovalError>) => void>()
  for (let n = 0; n < count; n++) {
    yield* journal.begin({
      executionId: `e${n}`,
      workflow: "Pay",
      agentId: "bot",
      tool: "bank",
      method: "pay",
      paramsDigest: "d"
    })
    yield* journal.advance(`e${n}`, { state: "held", actionId: actionOf(n) })
  }
  const counting = Journal.of({
    ...journal,
    news: (since) =>
      Effect.tap(journal.news(since), ({ changes }) =>
        Effect.sync(() => {
          seen.looks++
          seen.rows += changes.length
        }))
  })
  const approvals = {
    await: (actionId: string) =>
      Effect.callback<never, VargateError.ApprovalError>((resume) => {
        seen.waits.add(actionId)
        decided.set(actionId, resume)
        return Effect.sync(() => seen.waits.delete(actionId))
      })
  } as unknown as Approvals.Approvals["Service"]
  const engine = {
    deferredDone: (_: unknown, { executionId }: { readonly executionId: string }) =>
      Effect.sync(() => void seen.told.push(executionId)),
    poll: () => Effect.succeed(Option.some(new Workflow.Suspended({}))),
    resume: (_: unknown, executionId: string) => Effect.sync(() => void seen.continued.push(executionId))
  } as unknown as WorkflowEngine["Service"]
  yield* Effect.forkChild(
    ApprovalReconciler.run().pipe(
      Effect.provideService(Journal, counting),
      Effect.provideService(Approvals.Approvals, approvals),
      Effect.provideService(WorkflowEngine, engine)
    )
  )
  yield* TestClock.adjust("1 millis")
  return { journal, seen, decided }
})

describe("ApprovalReconciler", () => {
  it.effect("begins to wait for all at its first look, and then reads only what has changed", () =>
    Effect.gen(function*() {
      const { journal, seen } = yield* world
      assert.deepStrictEqual([seen.looks, seen.rows, seen.waits.size], [1, count, count])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual([seen.looks, seen.rows, seen.waits.size], [121, count, count])
      yield* journal.advance("e7", { state: "done", outcome: "Interrupted" })
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(seen.waits.has(actionOf(7)))
      assert.isAtMost(seen.rows, count + 5)
    }).pipe(Effect.provide(Layer.fresh(layerMemory))))

  it.effect("continues an execution that has taken its decision, and was suspended all the same", () =>
    Effect.gen(function*() {
      registry.set("Pay", {} as Registered)
      const { decided, journal, seen } = yield* world
      decided.get(actionOf(3))!(Exit.fail(new VargateError.Expired({ actionId: actionOf(3), timeoutAt: null })))
      yield* TestClock.adjust("14 seconds")
      // It has its time.
      assert.deepStrictEqual([seen.told, seen.continued], [["e3"], []])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([seen.told, seen.continued], [["e3", "e3"], ["e3"]])
      yield* journal.advance("e3", { state: "done", outcome: "Expired" })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen.continued, ["e3"])
    }).pipe(
      Effect.ensuring(Effect.sync(() => registry.delete("Pay"))),
      Effect.provide(Layer.fresh(layerMemory))
    ))

  it.effect("finds what no look has shown, and tells each execution until it goes on", () =>
    Effect.gen(function*() {
      const { decided, journal, seen } = yield* world
      decided.get(actionOf(3))!(Exit.fail(new VargateError.Expired({ actionId: actionOf(3), timeoutAt: null })))
      yield* TestClock.adjust("31 seconds")
      assert.deepStrictEqual(seen.told, ["e3", "e3", "e3"])
      yield* journal.advance("e3", { state: "done", outcome: "Expired" })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(seen.told.length, 3)
      // A look at all, every five minutes.
      const { rows } = seen
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(seen.rows - rows, count - 1)
    }).pipe(Effect.provide(Layer.fresh(layerMemory))))
})
