import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Ref, Schema } from "effect"
import { Governed, VargateError } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { type AiError, LanguageModel, Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { actionOf, layerGateway, layerRuns, ran, recorded, review, Runs } from "../support/payments.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const parameters = Schema.Struct({ amount: Schema.Finite })
const success = Schema.Struct({ paid: Schema.Finite })

const Tools = Toolkit.make(
  Tool.make("bank__note", { parameters, success, failureMode: "return" }),
  Tool.make("bank__wire", { parameters, success }),
  Tool.make("bank__gift", { parameters, success, failure: Schema.Union([VargateError.Denied, VargateError.Rejected]) }),
  Tool.make("broker__pay", { parameters, success })
)

const handlers = Effect.map(Runs, (runs) => {
  const own = (name: string) => ({ amount }: { readonly amount: number }) =>
    Effect.as(Ref.update(runs, (all) => [...all, `${name} ${amount}`]), { paid: amount })
  return Tools.of({
    bank__note: own("note"),
    bank__wire: own("wire"),
    bank__gift: own("gift"),
    broker__pay: own("pay")
  })
})

const world = (options?: Parameters<typeof GovernedToolkit.layer<typeof Tools["tools"], never>>[2]) =>
  Layer.provideMerge(GovernedToolkit.layer(Tools, handlers, options), Layer.merge(layerRuns, layerGateway))

const calling = (tool: string, amount: number) => ScriptedModel.layer([[["a", tool, { amount }]]])

/** The toolkit itself is what the program goes on using. */
const generate = Effect.map(
  LanguageModel.generateText({ prompt: "go", toolkit: Tools }),
  ({ toolResults }) => toolResults[0]!
)

describe("GovernedToolkit.layer", () => {
  it.effect("runs the handler once where the call is allowed", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* generate, { isFailure: false, result: { paid: 5 } })
      assert.deepStrictEqual(yield* ran, ["wire 5"])
      assert.deepStrictEqual(yield* recorded, ["bank/wire 5: allow"])
    }).pipe(Effect.provide([world(), calling("bank__wire", 5)])))

  it.effect("takes the gateway's execution for the handler's", () =>
    Effect.gen(function*() {
      assert.deepInclude(yield* generate, { isFailure: false, result: { paid: 5 } })
      assert.deepStrictEqual(yield* ran, [])
    }).pipe(Effect.provide([world(), calling("broker__pay", 5)])))

  it.effect("waits for a person, then runs the handler", () =>
    Effect.gen(function*() {
      const conversation = yield* Effect.forkChild(generate, { startImmediately: true })
      yield* review("approve", 2000)
      assert.deepStrictEqual(yield* ran, [])
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* Fiber.join(conversation), { isFailure: false, result: { paid: 2000 } })
      assert.deepStrictEqual(yield* ran, ["wire 2000"])
    }).pipe(Effect.provide([world(), calling("bank__wire", 2000)])))

  it.effect("tells the model of a denial where the tool returns its failures", () =>
    Effect.gen(function*() {
      const { isFailure, result } = yield* generate
      assert.isTrue(isFailure)
      assert.match(JSON.stringify(result), /"execution-denied".*NOT PERFORMED: the policy denied this action/)
      assert.deepStrictEqual(yield* ran, [])
    }).pipe(Effect.provide([world(), calling("bank__note", 9000)])))

  it.effect("ends the generation with an AiError that says the same words where the tool fails", () =>
    Effect.gen(function*() {
      const error = (yield* Effect.flip(generate)) as AiError.AiError
      assert.strictEqual(error._tag, "AiError")
      assert.match(error.message, /NOT PERFORMED: the policy denied this action/)
      assert.deepInclude(error.reason, {
        metadata: { vargate: { error: "Denied", actionId: yield* actionOf(9000) } }
      })
      assert.deepStrictEqual(yield* ran, [])
    }).pipe(Effect.provide([world(), calling("bank__wire", 9000)])))

  it.effect("fails with the error itself where the tool's failures admit it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(generate)
      assert.deepInclude(error, { _tag: "Denied", violations: ["transaction_exceeds_limit"] })
    }).pipe(Effect.provide([world(), calling("bank__gift", 9000)])))

  it.effect("takes options for one tool over those for all", () =>
    Effect.gen(function*() {
      const { result } = yield* generate
      assert.deepStrictEqual(result, { type: "execution-interrupted", reason: "PendingApproval" })
      assert.deepStrictEqual(yield* recorded, ["bank/scribble 2000: pending_approval"])
    }).pipe(Effect.provide([
      world({
        tell: ({ _tag }) => _tag,
        tools: { bank__note: { method: "scribble", onPending: Governed.fail } }
      }),
      calling("bank__note", 2000)
    ])))

  it.effect("is not built over tools that a provider executes itself", () => {
    const toolkit = Toolkit.make(
      Tool.providerDefined({ id: "acme.search", customName: "Search", providerName: "search" })(undefined)
    )
    return Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(GovernedToolkit.layer(toolkit, {})))
      assert.match(error.message, /Search.*provider executes this tool itself/)
    }).pipe(Effect.provide(layerGateway), Effect.scoped)
  })
})
