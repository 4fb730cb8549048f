import { assert, describe, it } from "@effect/vitest"
import { Effect, type Fiber, Layer } from "effect"
import { Governed, Reviews } from "effect-vargate"
import * as DetachedCalls from "effect-vargate/ai/DetachedCalls"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as TestReviewer from "effect-vargate/testing/TestReviewer"
import { Chat } from "effect/ai"
import { actionOf, handlers, layerGateway, layerRuns, ran, recorded, Tools } from "../support/payments.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const world = Layer.provideMerge(Tools.toLayer(handlers), Layer.merge(layerRuns, layerGateway))

const test = (
  title: string,
  turns: ReadonlyArray<ScriptedModel.Turn>,
  effect: Effect.Effect<
    void,
    unknown,
    Layer.Success<typeof world> | Layer.Success<ReturnType<typeof ScriptedModel.layer>>
  >
) => it.effect(title, () => Effect.provide(effect, Layer.merge(world, ScriptedModel.layer(turns))))

type Options = NonNullable<Parameters<typeof GovernedToolkit.govern<typeof Tools["tools"]>>[1]>

/** One round of an agent, with a governed toolkit of its own. */
const turn = (chat: Effect.Success<typeof Chat.empty>, options: Options) =>
  Effect.map(
    chat.generateText({ prompt: "go", toolkit: GovernedToolkit.govern(Tools, options) }),
    ({ toolResults }) => toolResults.map(({ encodedResult }) => JSON.stringify(encodedResult)).join()
  )

const loan: ScriptedModel.Turn = [["a", "bank__loan", { amount: 3000 }]]

describe("DetachedCalls", () => {
  test(
    "the model hears that it waits, the program gets a handle, and a later turn gets the result",
    [loan],
    Effect.gen(function*() {
      const detached = DetachedCalls.make()
      const chat = yield* Chat.empty
      const told = yield* turn(chat, { onPending: detached })
      const actionId = yield* actionOf(3000)
      assert.include(told, `NOT PERFORMED YET: this action waits for a reviewer's approval as ${actionId}`)
      assert.deepStrictEqual(yield* ran, [])
      assert.deepStrictEqual(yield* detached.reports, [])
      const [call, ...others] = yield* detached.pending
      assert.deepStrictEqual(others, [])
      assert.deepInclude(call, { name: "bank__loan", toolCallId: "a", actionId })
      assert.deepStrictEqual(call?.params, { amount: 3000 })
      yield* TestReviewer.approveNext()
      const [report, ...more] = yield* TestReviewer.run(detached.reports)
      assert.deepStrictEqual(more, [])
      assert.match(report!, /bank__loan with \{"amount":3000\}.*PERFORMED.*\{"paid":3000\}/)
      assert.deepStrictEqual(yield* ran, ["loan 3000"])
      // It has been reported, and whoever holds the handle gets the same result.
      assert.deepStrictEqual(yield* detached.reports, [])
      assert.deepStrictEqual((yield* TestReviewer.run(call!.await)).encodedResult, { paid: 3000 })
      assert.deepStrictEqual(yield* ran, ["loan 3000"])
    })
  )

  test(
    "the same call of a later turn asks for the one that waits",
    [loan, loan, loan, loan],
    Effect.gen(function*() {
      const detached = DetachedCalls.make()
      const chat = yield* Chat.empty
      yield* turn(chat, { onPending: detached })
      assert.include(yield* turn(chat, { onPending: detached }), "NOT PERFORMED YET")
      assert.lengthOf(yield* recorded, 1)
      yield* TestReviewer.approveNext()
      assert.strictEqual(yield* TestReviewer.run(turn(chat, { onPending: detached })), "{\"paid\":3000}")
      assert.deepStrictEqual(yield* ran, ["loan 3000"])
      // What was reported is over: the next one is an action of its own.
      assert.include(yield* turn(chat, { onPending: detached }), "NOT PERFORMED YET")
      assert.deepStrictEqual(yield* ran, ["loan 3000"])
    })
  )

  for (const first of ["resume", "await"] as const) {
    test(
      `the action is performed once where it is resumed by its id as well, by ${first} first`,
      [loan],
      Effect.gen(function*() {
        const detached = DetachedCalls.make()
        yield* turn(yield* Chat.empty, { onPending: detached })
        const [call] = yield* detached.pending
        let resumed = 0
        yield* TestReviewer.approveNext()
        const resuming = TestReviewer.run(Effect.result(
          Governed.resume(call!.actionId, Effect.sync(() => resumed++))
        ))
        if (first === "resume") yield* resuming
        const awaited = yield* TestReviewer.run(Effect.result(call!.await))
        if (first === "await") yield* resuming
        assert.deepStrictEqual([(yield* ran).length, resumed], first === "resume" ? [0, 1] : [1, 0])
        assert.strictEqual(awaited._tag, first === "resume" ? "Failure" : "Success")
      })
    )
  }

  test(
    "the program may wait in the background, and the action is performed once",
    [loan],
    Effect.gen(function*() {
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      const detached = DetachedCalls.make({
        onDetached: (call) => Effect.asVoid(Effect.map(Effect.forkDetach(call.await), (fiber) => fibers.push(fiber)))
      })
      const chat = yield* Chat.empty
      yield* turn(chat, { onPending: detached })
      yield* TestReviewer.approveNext()
      yield* TestReviewer.untilEnded(fibers[0]!)
      assert.deepStrictEqual(yield* ran, ["loan 3000"])
      assert.lengthOf(yield* TestReviewer.run(detached.reports), 1)
      assert.deepStrictEqual(yield* ran, ["loan 3000"])
    })
  )

  test(
    "a rejection, and a result that the gateway executed, are reported as such",
    [[["a", "bank__loan", { amount: 3000 }], ["b", "bank__gift", { amount: 2000 }]]],
    Effect.gen(function*() {
      const detached = DetachedCalls.make()
      const chat = yield* Chat.empty
      yield* turn(chat, {
        onPending: detached,
        tools: { bank__gift: { tool: "broker", method: "pay" } }
      })
      const [first, second] = yield* detached.pending
      yield* Reviews.Reviews.use((reviews) => reviews.reject(first!.actionId, "too much"))
      yield* Reviews.Reviews.use((reviews) => reviews.approve(second!.actionId))
      const [rejected, executed] = yield* TestReviewer.run(detached.reports)
      assert.match(rejected!, /NOT PERFORMED: a reviewer rejected this action \(too much\)/)
      assert.match(executed!, /PERFORMED.*\{"paid":2000\}/)
      assert.deepStrictEqual(yield* ran, [])
    })
  )

  test(
    "what is allowed or denied is no different",
    [[["a", "bank__note", { amount: 5 }], ["b", "bank__wire", { amount: 9000 }]]],
    Effect.gen(function*() {
      const detached = DetachedCalls.make()
      const told = yield* turn(yield* Chat.empty, { onPending: detached })
      assert.include(told, "{\"paid\":5}")
      assert.include(told, "NOT PERFORMED: the policy denied this action")
      assert.deepStrictEqual(yield* detached.pending, [])
    })
  )
})
