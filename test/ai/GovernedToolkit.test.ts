import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import { Agent, Governed, Vargate } from "effect-vargate"
import * as GovernedTool from "effect-vargate/ai/GovernedTool"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as Faults from "effect-vargate/testing/Faults"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { Chat, LanguageModel, Prompt, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import {
  actionOf,
  eventually,
  handlers,
  layerGateway,
  layerRuns,
  ran,
  recorded,
  review,
  tenant,
  Tools
} from "../support/payments.ts"
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

type Options = Parameters<typeof GovernedToolkit.govern<typeof Tools["tools"]>>[1]

/** One round of an agent: the model calls its tools, and hears of them in the next request. */
const generate = (options?: Options) =>
  Effect.gen(function*() {
    const chat = yield* Chat.empty
    const toolkit = yield* GovernedToolkit.govern(Tools, options)
    const { toolResults } = yield* chat.generateText({ prompt: "go", toolkit })
    yield* chat.generateText({ prompt: [], toolkit })
    return toolResults
  })

const stream = Effect.gen(function*() {
  const chat = yield* Chat.empty
  const toolkit = yield* GovernedToolkit.govern(Tools)
  yield* Stream.runDrain(chat.streamText({ prompt: "go", toolkit }))
  yield* Stream.runDrain(chat.streamText({ prompt: [], toolkit }))
})

/** Every answer to a tool call is lost, after the gateway has acted. */
const loseAnswers = Vargate.layer({ apiKey: tenant.apiKey }).pipe(
  Layer.provide(Faults.layer({ seed: 1, answerLost: 1 })),
  Layer.provideMerge(layerGateway)
)

/** The last thing that the model was told of its one call. */
const toldOnce = Effect.map(ScriptedModel.told, (told) => Object.values(told)[0]!)

const reason = Effect.map(toldOnce, ({ result }) => (result as { readonly reason: string }).reason)

describe("GovernedToolkit.govern", () => {
  for (const [name, round] of [["generated", generate()], ["streamed", stream]] as const) {
    test(
      `tells the model the truth about allowed, denied, approved and rejected calls (${name})`,
      [
        [
          ["a", "bank__note", { amount: 5 }],
          ["b", "bank__wire", { amount: 9000 }],
          ["c", "bank__gift", { amount: 2000 }],
          ["d", "bank__loan", { amount: 3000 }]
        ],
        "well"
      ],
      Effect.gen(function*() {
        const conversation = yield* Effect.forkChild(round, { startImmediately: true })
        yield* eventually(Effect.map(ran, ([first]) => first))
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* ran, ["note 5"])
        yield* review("approve", 2000)
        yield* review("reject", 3000, "not this month")
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(conversation)

        const { a, b, c, d } = (yield* ScriptedModel.told) as Record<string, Prompt.ToolResultPart>
        assert.deepInclude(a, { isFailure: false, result: { paid: 5 } })
        assert.deepInclude(b, {
          isFailure: true,
          result: {
            type: "execution-denied",
            reason:
              `NOT PERFORMED: the policy denied this action (transaction_exceeds_limit). Do not report it as done. Do not try the same again. Action id: ${yield* actionOf(
                9000
              )}.`
          }
        })
        assert.deepInclude(c, { isFailure: false, result: { paid: 2000 } })
        assert.deepInclude(d, {
          isFailure: true,
          result: {
            type: "execution-denied",
            reason:
              `NOT PERFORMED: a reviewer rejected this action (not this month). Do not report it as done. Do not try the same again. Action id: ${yield* actionOf(
                3000
              )}.`
          }
        })
        assert.deepStrictEqual(yield* ran, ["note 5", "gift 2000"])
        assert.deepStrictEqual([...yield* recorded].sort(), [
          "bank/gift 2000: pending_approval",
          "bank/loan 3000: pending_approval",
          "bank/note 5: allow",
          "bank/wire 9000: deny"
        ])
      })
    )
  }

  test(
    "tells the same in either failure mode, and every other result stays",
    [
      [["a", "bank__note", { amount: 9000 }], ["b", "bank__wire", { amount: 9000 }], ["c", "bank__gift", {
        amount: 1
      }]],
      "well"
    ],
    Effect.gen(function*() {
      const results = yield* generate()
      assert.deepStrictEqual(
        results.map(({ id, isFailure }) => [id, isFailure]).sort(),
        [["a", true], ["b", true], ["c", false]]
      )
      assert.deepStrictEqual(yield* ran, ["gift 1"])
    })
  )

  test(
    "says at once that an action waits, where it is told not to wait",
    [[["a", "bank__gift", { amount: 2000 }]], "well"],
    Effect.gen(function*() {
      yield* generate({ onPending: Governed.fail })
      assert.match(yield* reason, /^NOT PERFORMED YET: .* waits for a reviewer's approval as [0-9a-f-]{36}\. .*do not/i)
      assert.deepInclude(yield* toldOnce, { isFailure: true })
      yield* review("approve", 2000)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* ran, [])
    })
  )

  test(
    "takes options for one tool over those for all",
    [[["a", "bank__gift", { amount: 2000 }], ["b", "bank__loan", { amount: 3000 }]], "well"],
    Effect.gen(function*() {
      const conversation = yield* Effect.forkChild(
        generate({
          onPending: Governed.fail,
          tools: {
            bank__loan: {
              tool: "credit",
              method: "open",
              onPending: Governed.wait({ timeout: "1 minute" }),
              tell: ({ _tag }) => `no: ${_tag}`
            }
          }
        }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("61 seconds")
      yield* Fiber.join(conversation)
      const { a, b } = yield* ScriptedModel.told
      assert.match((a!.result as { readonly reason: string }).reason, /^NOT PERFORMED YET/)
      assert.deepStrictEqual(b!.result, { type: "execution-interrupted", reason: "no: ApprovalTimeout" })
      assert.deepStrictEqual([...yield* recorded].sort(), [
        "bank/gift 2000: pending_approval",
        "credit/open 3000: pending_approval"
      ])
    })
  )

  test(
    "says so when nobody decided in time",
    [[["a", "bank__gift", { amount: 2000 }]], "well"],
    Effect.gen(function*() {
      const conversation = yield* Effect.forkChild(generate(), { startImmediately: true })
      yield* TestClock.adjust("62 minutes")
      yield* Fiber.join(conversation)
      assert.match(yield* reason, /^NOT PERFORMED: no reviewer approved this action in time/)
      assert.deepStrictEqual(yield* ran, [])
    })
  )

  test(
    "says so when nobody can be asked",
    [[["a", "bank__note", { amount: 5 }]], "well"],
    Effect.gen(function*() {
      yield* GatewayMemory.GatewayMemory.use(({ setOpaOutage }) => setOpaOutage(true))
      const conversation = yield* Effect.forkChild(generate(), { startImmediately: true })
      yield* TestClock.adjust("3 minutes")
      yield* Fiber.join(conversation)
      assert.match(yield* reason, /^NOT PERFORMED: this action could not be decided/)
      assert.deepStrictEqual(yield* ran, [])
    })
  )

  it.effect("says that nobody knows when the answer was lost, and leaves the handler alone", () =>
    Effect.gen(function*() {
      const conversation = yield* Effect.forkChild(generate({ reconcile: false }), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(conversation)
      assert.match(yield* reason, /^OUTCOME UNKNOWN: .* may or may not have been performed.* do not repeat it/)
      assert.deepInclude((yield* toldOnce).result, { type: "execution-interrupted" })
      assert.deepStrictEqual(yield* ran, [])
      assert.deepStrictEqual(yield* recorded, ["bank/note 5: allow"])
    }).pipe(Effect.provide(Layer.merge(
      Layer.provideMerge(Tools.toLayer(handlers), Layer.merge(layerRuns, loseAnswers)),
      ScriptedModel.layer([[["a", "bank__note", { amount: 5 }]], "well"])
    ))))

  test(
    "interrupts the wait with the generation",
    [[["a", "bank__gift", { amount: 2000 }]], "well"],
    Effect.gen(function*() {
      const conversation = yield* Effect.forkChild(generate(), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(conversation)
      yield* review("approve", 2000)
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(yield* ran, [])
    })
  )

  test(
    "submits under the name of the ambient agent",
    [[["a", "bank__note", { amount: 5 }]], "well"],
    Effect.gen(function*() {
      yield* Effect.provideService(generate(), Agent.Agent, { id: "teller" })
      const [record] = yield* GatewayMemory.GatewayMemory.use(({ records }) => records())
      assert.strictEqual(record!.agentId, "teller")
    })
  )

  test(
    "submits nothing where the params do not fit, and lets the toolkit say so",
    [[["a", "bank__wire", { amount: "much" }]], "well"],
    Effect.gen(function*() {
      yield* generate()
      const { isFailure, result } = yield* toldOnce
      assert.isTrue(isFailure)
      assert.match(JSON.stringify(result), /ToolParameterValidationError/)
      assert.deepStrictEqual(yield* recorded, [])
    })
  )
})

// --- what passes through ---------------------------------------------------------------------------------------------

describe("GovernedToolkit.govern, params and results", () => {
  const Transfer = Tool.make("bank__transfer", {
    parameters: Schema.Struct({
      weight: Schema.FiniteFromString,
      on: Schema.DateTimeUtcFromString,
      times: Schema.Natural.pipe(Schema.withDecodingDefault(Effect.succeed(1)))
    }),
    success: Schema.Struct({ at: Schema.DateTimeUtcFromString })
  })

  test(
    "submits the params as JSON, and the handler gets what that decodes to",
    [[["a", "bank__transfer", { weight: "12.5", on: "2026-01-02T00:00:00+02:00" }]], "well"],
    Effect.gen(function*() {
      const toolkit = Toolkit.make(Transfer)
      const seen: Array<typeof Transfer.parametersSchema.Type> = []
      const governed = yield* GovernedToolkit.govern(toolkit).pipe(Effect.provide(toolkit.toLayer({
        bank__transfer: (params) =>
          Effect.sync(() => {
            seen.push(params)
            return { at: params.on }
          })
      })))
      const chat = yield* Chat.empty
      const { toolResults } = yield* chat.generateText({ prompt: "go", toolkit: governed })
      assert.deepStrictEqual(seen.map(({ times, weight }) => ({ times, weight })), [{ times: 1, weight: 12.5 }])
      assert.deepStrictEqual(toolResults[0]?.encodedResult, { at: "2026-01-01T22:00:00.000Z" })
      const [record] = yield* GatewayMemory.GatewayMemory.use(({ records }) => records())
      assert.deepStrictEqual(record!.params, { weight: "12.5", on: "2026-01-01T22:00:00.000Z", times: 1 })
    })
  )

  const Pay = Tool.make("Pay", {
    parameters: Schema.Struct({ amount: Schema.Finite }),
    success: Schema.Struct({ paid: Schema.Finite })
  })

  const brokered = (method: string) =>
    Effect.gen(function*() {
      const toolkit = Toolkit.make(Pay.annotate(GovernedTool.Action, { tool: "broker", method }))
      const governed = yield* GovernedToolkit.govern(toolkit).pipe(
        Effect.provide(toolkit.toLayer({ Pay: () => Effect.die("the handler ran") }))
      )
      const { toolResults } = yield* LanguageModel.generateText({ prompt: "go", toolkit: governed })
      return toolResults[0]!
    })
  const call: ReadonlyArray<ScriptedModel.Turn> = [[["a", "Pay", { amount: 5 }]]]

  test(
    "takes the gateway's execution for the handler's",
    call,
    Effect.gen(function*() {
      assert.deepInclude(yield* brokered("pay"), {
        isFailure: false,
        result: { paid: 5 },
        encodedResult: { paid: 5 }
      })
    })
  )

  test(
    "says that it was done when the gateway's result does not fit",
    call,
    Effect.gen(function*() {
      const { isFailure, result } = yield* brokered("odd")
      assert.isTrue(isFailure)
      assert.match(
        (result as { readonly reason: string }).reason,
        /^PERFORMED, RESULT UNKNOWN: .*does not fit the tool's schema: paid .*Do not repeat it/
      )
      assert.deepStrictEqual(yield* recorded, ["broker/odd 5: allow"])
    })
  )

  test(
    "says that the gateway's tool failed",
    call,
    Effect.gen(function*() {
      const { result } = yield* brokered("bounce")
      assert.match((result as { readonly reason: string }).reason, /^FAILED: .* the tool failed: no funds\./)
    })
  )

  test(
    "is content with any result of a tool that promises none, and keeps what is shown to the model",
    [[["a", "Ping", {}], ["b", "Show", { amount: 5 }]]],
    Effect.gen(function*() {
      const toolkit = Toolkit.make(
        Tool.make("Ping"),
        Tool.make("Show", {
          parameters: Schema.Struct({ amount: Schema.Finite }),
          success: Schema.Struct({ paid: Schema.Finite }),
          toModelOutput: ({ paid }) => [Prompt.makePart("text", { text: `paid ${paid}` })]
        })
      )
      const governed = yield* GovernedToolkit.govern(toolkit, { action: () => ({ tool: "broker", method: "pay" }) })
        .pipe(
          Effect.provide(toolkit.toLayer({ Ping: () => Effect.die("not mine"), Show: () => Effect.die("not mine") }))
        )
      const { toolResults } = yield* LanguageModel.generateText({ prompt: "go", toolkit: governed })
      const [ping, show] = toolResults
      assert.deepInclude(ping, { isFailure: false, result: undefined })
      assert.deepStrictEqual(show!.modelOutput, [Prompt.makePart("text", { text: "paid 5" })])
    })
  )

  test(
    "lets a handler fail in its own way",
    [[["a", "Fails", {}]], [["b", "Returns", {}]]],
    Effect.gen(function*() {
      const toolkit = Toolkit.make(
        Tool.make("Fails", { failure: Schema.String }),
        Tool.make("Returns", { failure: Schema.String, failureMode: "return" })
      )
      const governed = yield* GovernedToolkit.govern(toolkit).pipe(
        Effect.provide(toolkit.toLayer({ Fails: () => Effect.fail("oh"), Returns: () => Effect.fail("ah") }))
      )
      const ask = LanguageModel.generateText({ prompt: "go", toolkit: governed })
      assert.strictEqual(yield* Effect.flip(ask), "oh")
      assert.deepInclude((yield* ask).toolResults[0], { isFailure: true, result: "ah" })
    })
  )

  test(
    "passes preliminary results on",
    [[["a", "Slow", {}]]],
    Effect.gen(function*() {
      const toolkit = Toolkit.make(Tool.make("Slow", { success: Schema.Finite }))
      const governed = yield* GovernedToolkit.govern(toolkit).pipe(
        Effect.provide(toolkit.toLayer({
          Slow: (_, { preliminary }) => Effect.as(Effect.andThen(preliminary(1), preliminary(2)), 3)
        }))
      )
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "go", toolkit: governed }))
      assert.deepStrictEqual(
        parts.flatMap((part) => part.type === "tool-result" ? [[part.preliminary, part.result]] : []),
        [[true, 1], [true, 2], [false, 3]]
      )
    })
  )

  test(
    "governs tools that are known by a JSON Schema only, and refuses params that are no object",
    [[["a", "Any", { amount: 5 }]], [["b", "Any", "nothing"]]],
    Effect.gen(function*() {
      const toolkit = Toolkit.make(Tool.dynamic("Any", { parameters: { type: "object" } }))
      const governed = yield* GovernedToolkit.govern(toolkit).pipe(
        Effect.provide(toolkit.toLayer({ Any: (params) => Effect.succeed(params) }))
      )
      const ask = LanguageModel.generateText({ prompt: "go", toolkit: governed })
      assert.deepInclude((yield* ask).toolResults[0], { isFailure: false, result: { amount: 5 } })
      const { isFailure, result } = (yield* ask).toolResults[0]!
      assert.isTrue(isFailure)
      assert.match((result as { readonly reason: string }).reason, /^NOT PERFORMED: .*params: Expected object/)
      assert.deepStrictEqual(yield* recorded, ["Any/call 5: allow"])
    })
  )
})

// --- what is refused from the start ----------------------------------------------------------------------------------

describe("GovernedToolkit.govern, configuration", () => {
  const Search = Tool.providerDefined({ id: "acme.search", customName: "Search", providerName: "search" })

  it.effect("refuses tools that a provider executes itself", () =>
    Effect.gen(function*() {
      const { message, reason } = yield* Effect.flip(GovernedToolkit.govern(Toolkit.make(Search(undefined))))
      assert.strictEqual(reason._tag, "ToolConfigurationError")
      assert.match(message, /Search.*provider executes this tool itself.*take it out of the toolkit/)
    }).pipe(Effect.provide(layerGateway)))

  test(
    "governs provider-defined tools that the program handles",
    [[["a", "Shell", { command: "ls" }]]],
    Effect.gen(function*() {
      const toolkit = Toolkit.make(
        Tool.providerDefined({
          id: "acme.shell",
          customName: "Shell",
          providerName: "shell",
          requiresHandler: true,
          parameters: Schema.Struct({ command: Schema.String }),
          success: Schema.String
        })({})
      )
      const { toolResults } = yield* LanguageModel.generateText({
        prompt: "go",
        toolkit: GovernedToolkit.govern(toolkit)
      }).pipe(Effect.provide(toolkit.toLayer({ Shell: ({ command }) => Effect.succeed(`ran ${command}`) })))
      assert.strictEqual(toolResults[0]!.result, "ran ls")
      assert.strictEqual((yield* recorded).length, 1)
    })
  )

  test(
    "says so when a name is none that the gateway takes, and submits nothing",
    [[["a", "pay money", {}]]],
    Effect.gen(function*() {
      const toolkit = Toolkit.make(Tool.make("pay money"))
      const { toolResults } = yield* LanguageModel.generateText({
        prompt: "go",
        toolkit: GovernedToolkit.govern(toolkit)
      }).pipe(Effect.provide(toolkit.toLayer({ "pay money": () => Effect.die("the handler ran") })))
      assert.match(JSON.stringify(toolResults[0]!.result), /NOT PERFORMED: .*body.tool: .*only letters/)
      assert.deepStrictEqual(yield* recorded, [])
    })
  )

  for (
    const [name, expected] of [
      ["stripe__create_refund", { tool: "stripe", method: "create_refund" }],
      ["stripe.create_refund", { tool: "stripe", method: "create_refund" }],
      ["files/read/all", { tool: "files", method: "read/all" }],
      ["send_email", { tool: "send_email", method: "call" }],
      ["__init", { tool: "__init", method: "call" }]
    ] as const
  ) {
    it(`takes ${name} for ${expected.tool} / ${expected.method}`, () => {
      assert.deepStrictEqual(GovernedTool.actionName(Tool.make(name)), expected)
    })
  }
})
