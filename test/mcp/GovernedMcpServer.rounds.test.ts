import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted, Schema, type Scope } from "effect"
import { Approvals, Decisions, Governed, Reviews, Transport } from "effect-vargate"
import * as GovernedMcpServer from "effect-vargate/mcp/GovernedMcpServer"
import * as HandOverClaims from "effect-vargate/mcp/HandOverClaims"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Journal from "effect-vargate/workflow/Journal"
import { McpProtocol, McpServer, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { gateway, waitingFor } from "../support/mcp.ts"
import { type Answer, connect, said } from "../support/rawMcp.ts"

const Tools = Toolkit.make(
  Tool.make("words__echo", {
    parameters: Schema.Struct({ message: Schema.String }),
    success: Schema.Struct({ echo: Schema.String })
  })
)

/** A governed server, and what its handler was given. */
const serving = (
  options: GovernedMcpServer.Options<typeof Tools["tools"]> = {},
  inside: Effect.Effect<void, never, Layer.Success<typeof world>> = Effect.void
) =>
  Effect.map(Effect.context<Layer.Success<typeof world>>(), (context) => {
    const ran: Array<string> = []
    const server = Layer.launch(McpServer.layerStdio({
      name: "words",
      version: "1.0.0",
      protocols: [McpProtocol.v2026_07_28, McpProtocol.v2025_11_25],
      registrations: GovernedMcpServer.toolkit(Tools, options)
    })).pipe(
      Effect.provide(Tools.toLayer({
        words__echo: ({ message }) =>
          Effect.as(
            Effect.andThen(Effect.sync(() => ran.push(message)), Effect.provideContext(inside, context)),
            { echo: message }
          )
      })),
      Effect.orDie
    )
    return { ran, server }
  })

const world = GatewayMemory.layer(gateway)

const inMemory = (name: string, test: Effect.Effect<void, unknown, Layer.Success<typeof world> | Scope.Scope>) =>
  it.effect(name, () => Effect.provide(Effect.scoped(test), world))

const records = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) => records.filter(({ tool }) => tool !== "approval_queue").map(({ decision, method }) => [method, decision])
)

const decide = (verb: "approve" | "reject", words: string) =>
  Effect.flatMap(
    waitingFor(words),
    (actionId) =>
      Reviews.Reviews.use((reviews) =>
        verb === "approve" ? Effect.asVoid(reviews.approve(actionId)) : Effect.asVoid(reviews.reject(actionId, "no"))
      )
  )

type Client = Effect.Success<ReturnType<typeof connect>>

const call = (client: Client, message: string, more: Readonly<Record<string, unknown>> = {}) =>
  client.request("tools/call", { name: "words__echo", arguments: { message }, ...more })

/** Moves the clock until there is an answer; what the platform does meanwhile has its turn as well. */
const untilAnswered = Effect.fnUntraced(function*(answer: Effect.Effect<Answer>) {
  const fiber = yield* Effect.forkChild(answer, { startImmediately: true })
  while (fiber.pollUnsafe() === undefined) {
    yield* TestClock.adjust("5 seconds")
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
  return (yield* Fiber.join(fiber)).result!
})

const era = "2026-07-28"

describe("GovernedMcpServer, in rounds", () => {
  inMemory(
    "answers what needs no approval at once, in both eras",
    Effect.gen(function*() {
      const { ran, server } = yield* serving()
      for (const one of [era, "2025-11-25"] as const) {
        const client = yield* connect(server, { era: one })
        assert.deepStrictEqual((yield* call(client, `hello ${one}`)).result!.structuredContent, {
          echo: `hello ${one}`
        })
        const denied = yield* call(client, `forbidden ${one}`)
        assert.isTrue(denied.result!.isError)
        assert.match(said(denied), /NOT PERFORMED: the policy denied this action \(forbidden_word\)/)
      }
      assert.deepStrictEqual(ran, [`hello ${era}`, "hello 2025-11-25"])
      assert.lengthOf(yield* records, 4)
    })
  )

  inMemory(
    "has one action for all rounds, and performs it in the round after its approval, once",
    Effect.gen(function*() {
      const { ran, server } = yield* serving()
      const client = yield* connect(server, { era })
      const { requestState, resultType } = yield* untilAnswered(call(client, "delicate"))
      assert.strictEqual(resultType, "input_required")
      const again = yield* untilAnswered(call(client, "delicate", { requestState }))
      assert.strictEqual(again.resultType, "input_required")
      assert.notStrictEqual(again.requestState, requestState)
      yield* decide("approve", "delicate")
      // Between rounds nothing is performed.
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(ran, [])
      const retry = call(client, "delicate", { requestState: again.requestState })
      const [one, two] = yield* Effect.all([retry, retry], { concurrency: 2 })
      const answers = [one, two].map((answer) => answer.result!.isError === true ? said(answer) : "performed")
      assert.lengthOf(answers.filter((one) => one === "performed"), 1)
      assert.lengthOf(answers.filter((one) => one.includes("NOT PERFORMED AGAIN")), 1)
      // An older state of the same flow does nothing either, and hears what that was answered.
      assert.deepStrictEqual((yield* call(client, "delicate", { requestState })).result!.structuredContent, {
        echo: "delicate"
      })
      assert.deepStrictEqual(ran, ["delicate"])
      assert.deepStrictEqual(yield* records, [["echo", "pending_approval"]])
    })
  )

  inMemory(
    "performs at once what is approved within a round, and says what is rejected",
    Effect.gen(function*() {
      const { ran, server } = yield* serving()
      const client = yield* connect(server, { era })
      const approved = yield* Effect.forkChild(call(client, "delicate a"), { startImmediately: true })
      yield* decide("approve", "delicate a")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(approved)).result!.structuredContent, { echo: "delicate a" })
      const { requestState } = yield* untilAnswered(call(client, "delicate b"))
      yield* decide("reject", "delicate b")
      assert.match(said(yield* call(client, "delicate b", { requestState })), /NOT PERFORMED: a reviewer rejected/)
      assert.deepStrictEqual(ran, ["delicate a"])
      assert.lengthOf(yield* records, 2)
    })
  )

  it.effect("lets a call that joins another one's wait hear the result in its first round, and not wait longer", () =>
    Effect.gen(function*() {
      const { ran, server } = yield* serving()
      const client = yield* connect(server, { era })
      const first = yield* Effect.forkChild(call(client, "delicate a"), { startImmediately: true })
      yield* waitingFor("delicate a")
      const second = yield* Effect.forkChild(call(client, "delicate a"), { startImmediately: true })
      yield* TestClock.adjust("2 seconds")
      yield* decide("approve", "delicate a")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(first)).result!.structuredContent, { echo: "delicate a" })
      assert.match(said(yield* Fiber.join(second)), /PERFORMED BEFORE: .*Its result: .*delicate a/)
      const waits = yield* Effect.forkChild(call(client, "delicate b"), { startImmediately: true })
      yield* waitingFor("delicate b")
      const third = yield* Effect.forkChild(call(client, "delicate b"), { startImmediately: true })
      yield* TestClock.adjust("24 seconds")
      assert.isUndefined(third.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(waits)).result!.resultType, "input_required")
      assert.match(said(yield* Fiber.join(third)), /NOT PERFORMED YET: /)
      assert.deepStrictEqual(ran, ["delicate a"])
      assert.lengthOf(yield* records, 2)
    }).pipe(Effect.scoped, Effect.provide([world, Decisions.layerMemory()])))

  inMemory(
    "takes no state for anything but its own call",
    Effect.gen(function*() {
      const stateKeys = [Redacted.make("k".repeat(32))] as const
      const { ran, server } = yield* serving({ stateKeys })
      const client = yield* connect(server, { era })
      const { requestState = "" } = yield* untilAnswered(call(client, "delicate"))
      yield* decide("approve", "delicate")
      const other = yield* connect((yield* serving()).server, { era })
      const refused = [
        call(client, "delicate but other", { requestState }),
        call(client, "delicate", { requestState: `${requestState.slice(0, -2)}AA` }),
        call(client, "delicate", { requestState: "" }),
        call(client, "delicate", { inputResponses: {} }),
        // Of a process that has other keys.
        call(other, "delicate", { requestState })
      ]
      for (const answer of refused) assert.strictEqual((yield* answer).error?.code, -32602)
      yield* TestClock.adjust("65 minutes")
      assert.strictEqual((yield* call(client, "delicate", { requestState })).error?.code, -32602)
      assert.deepStrictEqual(ran, [])
      assert.deepStrictEqual(yield* records, [["echo", "pending_approval"]])
    })
  )

  inMemory(
    "goes on in another process that has the key",
    Effect.gen(function*() {
      const stateKeys = [Redacted.make("k".repeat(32))] as const
      const one = yield* serving({ stateKeys })
      const two = yield* serving({ stateKeys: [Redacted.make("n".repeat(32)), ...stateKeys] })
      const { requestState } = yield* untilAnswered(call(yield* connect(one.server, { era }), "delicate"))
      yield* decide("approve", "delicate")
      const answer = yield* call(yield* connect(two.server, { era }), "delicate", { requestState })
      assert.deepStrictEqual(answer.result!.structuredContent, { echo: "delicate" })
      assert.deepStrictEqual([one.ran, two.ran], [[], ["delicate"]])
      assert.lengthOf(yield* records, 1)
    })
  )

  inMemory(
    "is performed by one of two processes that get its round at the same moment, and the other one says so",
    Effect.gen(function*() {
      const stateKeys = [Redacted.make("k".repeat(32))] as const
      const claims = yield* Layer.build(HandOverClaims.layerJournal.pipe(Layer.provide(Journal.layerMemory)))
      /** In another process nothing is known of what this one has begun. */
      const process = Effect.fnUntraced(function*(shared: Context.Context<never>) {
        const approvals = Approvals.Approvals.of({ ...yield* Approvals.Approvals })
        const { ran, server } = yield* serving({ stateKeys })
        return {
          ran,
          server: Effect.updateContext(
            server,
            (context: Context.Context<Effect.Services<typeof server>>) =>
              Context.merge(
                Context.add(Context.omit(Transport.Transport)(context), Approvals.Approvals, approvals),
                shared
              ) as typeof context
          )
        }
      })
      const [one, two] = [yield* process(claims), yield* process(claims)]
      const [first, second] = [yield* connect(one.server, { era }), yield* connect(two.server, { era })]
      const { requestState } = yield* untilAnswered(call(first, "delicate"))
      yield* decide("approve", "delicate")
      const answers = yield* Effect.all([first, second].map((client) => call(client, "delicate", { requestState })), {
        concurrency: 2
      })
      assert.lengthOf(answers.filter(({ result }) => result!.isError !== true), 1)
      assert.lengthOf(
        answers.filter((answer) => answer.result!.isError === true && /NOT PERFORMED AGAIN/.test(said(answer))),
        1
      )
      assert.lengthOf([...one.ran, ...two.ran], 1)
      // Who asks later hears what was answered.
      for (const client of [first, second]) {
        assert.deepStrictEqual((yield* call(client, "delicate", { requestState })).result!.structuredContent, {
          echo: "delicate"
        })
      }
      assert.lengthOf([...one.ran, ...two.ran], 1)
      // Whose claims are others may not perform it: nobody knows there what became of it.
      const other = yield* process(yield* Layer.build(HandOverClaims.layerMemory))
      const refused = yield* call(yield* connect(other.server, { era }), "delicate", { requestState })
      assert.strictEqual(refused.error?.code, -32602)
      assert.include(said(refused), "another process")
      assert.deepStrictEqual(other.ran, [])
    })
  )

  inMemory(
    "says after the last round that the action is pending still",
    Effect.gen(function*() {
      const { ran, server } = yield* serving({ rounds: { max: 1 } })
      const client = yield* connect(server, { era })
      const { requestState } = yield* untilAnswered(call(client, "delicate"))
      const second = yield* untilAnswered(call(client, "delicate", { requestState }))
      assert.match(
        said({ result: second }),
        /NOT PERFORMED YET: this action waits for a reviewer's approval as/
      )
      assert.deepStrictEqual(ran, [])
      assert.lengthOf(yield* records, 1)
    })
  )

  inMemory(
    "shows once where the action is decided, takes no acceptance of that for an approval, and a refusal for the end",
    Effect.gen(function*() {
      const { ran, server } = yield* serving({ inbox: (actionId) => `https://inbox.example/${actionId}` })
      const client = yield* connect(server, { era, capabilities: { elicitation: { url: {} } } })
      const { inputRequests, requestState } = yield* untilAnswered(call(client, "delicate"))
      const actionId = yield* waitingFor("delicate")
      assert.include(
        JSON.stringify(inputRequests["vargate_approval"]!.params),
        `"url":"https://inbox.example/${actionId}"`
      )
      const answered = (action: string) => ({ requestState, inputResponses: { vargate_approval: { action } } })
      const again = yield* untilAnswered(call(client, "delicate", answered("accept")))
      assert.strictEqual(again.resultType, "input_required")
      assert.isUndefined(again.inputRequests)
      assert.match(said(yield* call(client, "delicate", answered("decline"))), /NOT PERFORMED YET/)
      assert.deepStrictEqual(ran, [])
      assert.strictEqual((yield* Approvals.Approvals.use((approvals) => approvals.outcome(actionId)))._tag, "Waiting")
      assert.lengthOf(yield* records, 1)
    })
  )

  inMemory(
    "asks anew for what a handler does in the course of a call",
    Effect.gen(function*() {
      const inner = Governed.run({ tool: "inner", method: "act", params: { word: "forbidden" } }, Effect.void).pipe(
        Effect.ignore
      )
      const { ran, server } = yield* serving({}, inner)
      const client = yield* connect(server, { era })
      const { requestState } = yield* untilAnswered(call(client, "delicate"))
      yield* decide("approve", "delicate")
      yield* call(client, "delicate", { requestState })
      assert.deepStrictEqual(ran, ["delicate"])
      assert.deepStrictEqual(yield* records, [["echo", "pending_approval"], ["act", "deny"]])
    })
  )
})
