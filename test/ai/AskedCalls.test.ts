import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Stream } from "effect"
import { Governed, Reviews } from "effect-vargate"
import * as AskedCalls from "effect-vargate/ai/AskedCalls"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { Chat, Prompt, type Response, Toolkit } from "effect/ai"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { handlers, layerGateway, layerRuns, ran, recorded, review, Tools } from "../support/payments.ts"
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

const govern = GovernedToolkit.govern(Tools, { onPending: GovernedToolkit.ask({ timeout: "10 minutes" }) })

const requestsIn = (parts: ReadonlyArray<Response.AnyPart>) =>
  parts.filter((part): part is Response.ToolApprovalRequestPart => part.type === "tool-approval-request")

const answer = (requests: ReadonlyArray<Response.ToolApprovalRequestPart>, approved: boolean) =>
  Prompt.fromMessages([
    Prompt.makeMessage("tool", {
      content: requests.map(({ approvalId }) => Prompt.makePart("tool-approval-response", { approvalId, approved }))
    })
  ])

const turns: ReadonlyArray<ScriptedModel.Turn> = [
  [
    ["a", "bank__note", { amount: 5 }],
    ["b", "bank__wire", { amount: 9000 }],
    ["c", "bank__gift", { amount: 2000 }]
  ],
  "well"
]

const once = ["bank/gift 2000: pending_approval", "bank/note 5: allow", "bank/wire 9000: deny"]
const sorted = Effect.map(recorded, (records) => [...records].sort())

describe("GovernedToolkit.ask", () => {
  for (const decision of ["approve", "reject"] as const) {
    test(
      `asks the conversation for what is held, and goes on when a reviewer says ${decision}`,
      turns,
      Effect.gen(function*() {
        const chat = yield* Chat.empty
        const toolkit = yield* govern
        const first = yield* chat.generateText({ prompt: "go", toolkit })
        const requests = requestsIn(first.content)
        assert.deepStrictEqual(requests.map(({ toolCallId }) => toolCallId), ["c"])
        assert.deepStrictEqual(
          first.toolResults.map(({ id, isFailure }) => [id, isFailure]).sort(),
          [["a", false], ["b", true]]
        )
        assert.isTrue(Option.isSome(yield* AskedCalls.actionOf("c")))

        const second = yield* Effect.forkChild(chat.generateText({ prompt: answer(requests, true), toolkit }))
        yield* TestClock.adjust("5 seconds")
        // The chat's yes alone does nothing.
        assert.deepStrictEqual(yield* ran, ["note 5"])
        yield* review(decision, 2000)
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(second)

        const { c } = (yield* ScriptedModel.told) as Record<string, Prompt.ToolResultPart>
        if (decision === "approve") {
          assert.deepInclude(c, { isFailure: false, result: { paid: 2000 } })
          assert.deepStrictEqual(yield* ran, ["note 5", "gift 2000"])
        } else {
          assert.match(JSON.stringify(c!.result), /NOT PERFORMED: a reviewer rejected this action/)
          assert.deepStrictEqual(yield* ran, ["note 5"])
        }
        assert.deepStrictEqual(yield* sorted, once)
        assert.isTrue(Option.isNone(yield* AskedCalls.actionOf("c")))
      })
    )
  }

  test(
    "leaves the handler alone when the conversation says no; the program can reject the action",
    turns,
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* govern
      const requests = requestsIn((yield* chat.generateText({ prompt: "go", toolkit })).content)
      const actionId = Option.getOrThrow(yield* AskedCalls.actionOf("c"))
      yield* Reviews.Reviews.use((reviews) => reviews.reject(actionId))
      yield* chat.generateText({ prompt: answer(requests, false), toolkit })
      const { c } = (yield* ScriptedModel.told) as Record<string, Prompt.ToolResultPart>
      assert.isTrue(c!.isFailure)
      assert.deepInclude(c!.result, { type: "execution-denied" })
      assert.deepStrictEqual(yield* ran, ["note 5"])
      assert.deepStrictEqual(yield* sorted, once)
    })
  )

  test(
    "asks in a stream too",
    turns,
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* govern
      const parts = yield* Stream.runCollect(chat.streamText({ prompt: "go", toolkit }))
      const requests = requestsIn(parts)
      assert.strictEqual(requests.length, 1)
      yield* review("approve", 2000)
      const second = yield* Effect.forkChild(
        Stream.runDrain(chat.streamText({ prompt: answer(requests, true), toolkit }))
      )
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(second)
      assert.deepStrictEqual(yield* ran, ["note 5", "gift 2000"])
      assert.deepStrictEqual(yield* sorted, once)
    })
  )

  test(
    "goes on in another process where the store lasts",
    turns,
    Effect.gen(function*() {
      const before = yield* Chat.empty
      const requests = requestsIn((yield* before.generateText({ prompt: "go", toolkit: yield* govern })).content)
      const exported = yield* before.exportJson
      yield* review("approve", 2000)

      const after = yield* Chat.fromJson(exported)
      const second = yield* Effect.forkChild(
        after.generateText({ prompt: answer(requests, true), toolkit: yield* govern })
      )
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(second)
      assert.deepStrictEqual(yield* ran, ["note 5", "gift 2000"])
      assert.deepStrictEqual(yield* sorted, once)
    }).pipe(
      Effect.provideServiceEffect(AskedCalls.AskedCalls, KeyValueStore.KeyValueStore),
      Effect.provide(KeyValueStore.layerMemory)
    )
  )

  test(
    "says that the action waits where it cannot be remembered",
    turns,
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const { content, toolResults } = yield* chat.generateText({ prompt: "go", toolkit: yield* govern })
      assert.deepStrictEqual(requestsIn(content), [])
      assert.match(JSON.stringify(toolResults.find(({ id }) => id === "c")!.result), /NOT PERFORMED YET/)
    }).pipe(Effect.provideService(AskedCalls.AskedCalls, {
      get: () => Effect.undefined,
      set: (key) => Effect.fail(new KeyValueStore.KeyValueStoreError({ method: "set", key, message: "disk full" })),
      remove: () => Effect.void
    }))
  )

  test(
    "does not act where what was asked cannot be forgotten, and keeps the approval for another try",
    [...turns, "well again"],
    Effect.gen(function*() {
      const store = yield* AskedCalls.AskedCalls
      const chat = yield* Chat.empty
      const requests = requestsIn((yield* chat.generateText({ prompt: "go", toolkit: yield* govern })).content)
      const exported = yield* chat.exportJson
      yield* review("approve", 2000)
      const attempt = Effect.fnUntraced(function*(asked: AskedCalls.Store) {
        const again = yield* Chat.fromJson(exported)
        const running = yield* again.generateText({ prompt: answer(requests, true), toolkit: yield* govern }).pipe(
          Effect.provideService(AskedCalls.AskedCalls, asked),
          Effect.forkChild
        )
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(running)
      })
      const full = (key: string) =>
        Effect.fail(new KeyValueStore.KeyValueStoreError({ method: "remove", key, message: "disk full" }))
      yield* attempt({ get: (key) => store.get(key), set: full, remove: full })
      assert.deepStrictEqual(yield* ran, ["note 5"])
      yield* attempt(store)
      assert.deepStrictEqual(yield* ran, ["note 5", "gift 2000"])
      assert.deepStrictEqual(yield* sorted, once)
    }).pipe(
      Effect.provideServiceEffect(AskedCalls.AskedCalls, KeyValueStore.KeyValueStore),
      Effect.provide(KeyValueStore.layerMemory)
    )
  )

  for (const first of ["the program", "the conversation"] as const) {
    test(
      `acts once where ${first} was the first to wait for the same action`,
      turns,
      Effect.gen(function*() {
        const chat = yield* Chat.empty
        const toolkit = yield* govern
        const requests = requestsIn((yield* chat.generateText({ prompt: "go", toolkit })).content)
        const actionId = Option.getOrThrow(yield* AskedCalls.actionOf("c"))
        let resumed = 0
        const program = Effect.forkChild(Effect.result(Governed.resume(actionId, Effect.sync(() => resumed++))))
        const conversation = Effect.forkChild(chat.generateText({ prompt: answer(requests, true), toolkit }))
        const isProgram = first === "the program"
        const waiting = isProgram ? yield* program : yield* conversation
        yield* TestClock.adjust("1 second")
        const waitingToo = isProgram ? yield* conversation : yield* program
        yield* TestClock.adjust("1 second")
        yield* review("approve", 2000)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.awaitAll([waiting, waitingToo])
        const handled = (yield* ran).filter((run) => run === "gift 2000").length
        assert.strictEqual(handled + resumed, 1)
        const { c } = (yield* ScriptedModel.told) as Record<string, Prompt.ToolResultPart>
        if (handled === 0) assert.match(JSON.stringify(c!.result), /this process has begun/)
      })
    )
  }

  test(
    "does not act where it cannot be looked up what was asked",
    turns,
    Effect.gen(function*() {
      const chat = yield* Chat.empty
      const toolkit = yield* govern
      const requests = requestsIn((yield* chat.generateText({ prompt: "go", toolkit })).content)
      yield* chat.generateText({ prompt: answer(requests, true), toolkit }).pipe(
        Effect.provideService(AskedCalls.AskedCalls, {
          get: (key) => Effect.fail(new KeyValueStore.KeyValueStoreError({ method: "get", key, message: "disk gone" })),
          set: () => Effect.void,
          remove: () => Effect.void
        })
      )
      const { c } = (yield* ScriptedModel.told) as Record<string, Prompt.ToolResultPart>
      assert.match(JSON.stringify(c!.result), /NOT PERFORMED: it could not be looked up/)
      assert.deepStrictEqual(yield* ran, ["note 5"])
      assert.deepStrictEqual(yield* sorted, once)
    })
  )

  it.effect("lets the tool's own need for approval come first, and then asks Vargate", () =>
    Effect.gen(function*() {
      const toolkit = Toolkit.make(Tools.tools.bank__note.setNeedsApproval(({ amount }) => amount > 1))
      const governed = yield* GovernedToolkit.govern(toolkit, { onPending: GovernedToolkit.ask() }).pipe(
        Effect.provide(toolkit.toLayer({ bank__note: ({ amount }) => Effect.succeed({ paid: amount }) }))
      )
      const chat = yield* Chat.empty
      const requests = requestsIn((yield* chat.generateText({ prompt: "go", toolkit: governed })).content)
      assert.strictEqual(requests.length, 1)
      assert.deepStrictEqual(yield* recorded, [])
      yield* chat.generateText({ prompt: answer(requests, true), toolkit: governed })
      assert.deepStrictEqual(yield* recorded, ["bank/note 5: allow"])
    }).pipe(Effect.provide([layerGateway, ScriptedModel.layer([[["a", "bank__note", { amount: 5 }]], "well"])])))
})
