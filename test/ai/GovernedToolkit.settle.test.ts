import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema, Stream } from "effect"
import * as AskedCalls from "effect-vargate/ai/AskedCalls"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import { LanguageModel, Prompt, Tool, Toolkit } from "effect/ai"
import { actionId, answering, cases, type Ending } from "../support/decisions.ts"
import * as ScriptedModel from "../support/scriptedModel.ts"

const Tools = Toolkit.make(
  Tool.make("bank__pay", {
    parameters: Schema.Struct({ amount: Schema.Finite }),
    success: Schema.Struct({ paid: Schema.Finite }),
    failureMode: "return"
  })
)

/** What the model is told of an ending. */
const told: Record<Ending, RegExp> = {
  performed: /^\{"paid":5\}$/,
  executed: /^\{"paid":7\}$/,
  "result lost": /"PERFORMED, RESULT UNKNOWN: /,
  ToolFailed: /"FAILED: .*no funds/,
  Denied: /"NOT PERFORMED: the policy denied/,
  Rejected: /"NOT PERFORMED: a reviewer rejected/,
  Expired: /"NOT PERFORMED: .*(no longer be approved|approved this action)/,
  ApprovalTimeout: /"NOT PERFORMED YET: /,
  VargateError: /"NOT PERFORMED: (?!.*denied)(?!.*rejected)/
}

const counted = () => {
  const runs: Array<unknown> = []
  return {
    runs,
    handlers: Tools.toLayer({ bank__pay: (params) => Effect.sync(() => (runs.push(params), { paid: 5 })) })
  }
}

const model = ScriptedModel.layer([[["a", "bank__pay", { amount: 5 }]], "well", "well"])

const last = (parts: ReadonlyArray<{ readonly encodedResult: unknown }>) => JSON.stringify(parts.at(-1)?.encodedResult)

const resultsIn = (parts: ReadonlyArray<{ readonly type: string }>) =>
  parts.filter((part): part is { readonly type: "tool-result"; readonly encodedResult: unknown } =>
    part.type === "tool-result"
  )

describe("what each answer leads to", () => {
  for (const one of cases) {
    const runsOnce = one.ending === "performed" ? [{ amount: 5 }] : []

    it.effect(`a generation: ${one.name}`, () => {
      const { handlers, runs } = counted()
      return Effect.gen(function*() {
        const { toolResults } = yield* LanguageModel.generateText({
          prompt: "go",
          toolkit: GovernedToolkit.govern(Tools)
        })
        assert.match(last(toolResults)!, told[one.ending])
        assert.deepStrictEqual(runs, runsOnce)
      }).pipe(Effect.provide([answering(one), handlers, model]))
    })

    it.effect(`a stream: ${one.name}`, () => {
      const { handlers, runs } = counted()
      return Effect.gen(function*() {
        const toolkit = yield* GovernedToolkit.govern(Tools)
        const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "go", toolkit }))
        assert.match(last(resultsIn(parts))!, told[one.ending])
        assert.deepStrictEqual(runs, runsOnce)
      }).pipe(Effect.provide([answering(one), handlers, model]))
    })

    it.effect(`a layer of handlers: ${one.name}`, () => {
      const runs: Array<unknown> = []
      const handlers = GovernedToolkit.layer(Tools, {
        bank__pay: (params) => Effect.sync(() => (runs.push(params), { paid: 5 }))
      })
      return Effect.gen(function*() {
        const { toolResults } = yield* LanguageModel.generateText({ prompt: "go", toolkit: Tools })
        assert.match(last(toolResults)!, told[one.ending])
        assert.deepStrictEqual(runs, runsOnce)
      }).pipe(Effect.provide([handlers, model]), Effect.provide(answering(one)))
    })

    it.effect(`a conversation that is asked: ${one.name}`, () => {
      const { handlers, runs } = counted()
      return Effect.gen(function*() {
        const toolkit = yield* GovernedToolkit.govern(Tools, { onPending: GovernedToolkit.ask() })
        const first = yield* LanguageModel.generateText({ prompt: "go", toolkit })
        const request = first.content.find((part) => part.type === "tool-approval-request")
        if (one.decision._tag !== "PendingApproval") {
          assert.isUndefined(request)
          assert.match(last(first.toolResults)!, told[one.ending])
          return assert.deepStrictEqual(runs, runsOnce)
        }
        assert(request !== undefined)
        assert.deepStrictEqual(yield* AskedCalls.actionOf("a"), Option.some(actionId))
        const conversation = [
          { role: "user", content: "go" },
          {
            role: "assistant",
            content: [
              { type: "tool-call", id: "a", name: "bank__pay", params: { amount: 5 }, providerExecuted: false },
              { type: "tool-approval-request", approvalId: request.approvalId, toolCallId: "a" }
            ]
          },
          {
            role: "tool",
            content: [{ type: "tool-approval-response", approvalId: request.approvalId, approved: true }]
          }
        ] as const
        yield* LanguageModel.generateText({ prompt: Prompt.make(conversation as never), toolkit })
        const { a } = yield* ScriptedModel.told
        assert.match(JSON.stringify(a!.result), told[one.ending])
        assert.deepStrictEqual(runs, runsOnce)
        // A wait that was given up may be taken up again.
        const isForgotten = Option.isNone(yield* AskedCalls.actionOf("a"))
        assert.strictEqual(isForgotten, one.ending !== "ApprovalTimeout")
      }).pipe(
        Effect.provide([answering(one), handlers, model]),
        Effect.provideServiceEffect(AskedCalls.AskedCalls, Effect.sync(memory))
      )
    })
  }
})

const memory = (): AskedCalls.Store => {
  const calls = new Map<string, string>()
  return {
    get: (id) => Effect.sync(() => calls.get(id)),
    set: (id, call) => Effect.sync(() => void calls.set(id, String(call))),
    remove: (id) => Effect.sync(() => void calls.delete(id))
  }
}
