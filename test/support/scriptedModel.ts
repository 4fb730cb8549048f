/** A language model that says what it was told to say, and remembers what it was told. */
import { Context, Effect, Layer, Stream } from "effect"
import { LanguageModel, type Prompt, type Response, type Tool } from "effect/ai"

/** One turn of the model: words, or calls by `[id, tool, params]`. */
export type Turn = string | ReadonlyArray<readonly [id: string, tool: string, params: unknown]>

export class ScriptedModel extends Context.Service<ScriptedModel, {
  /** The prompt of every request, in order. */
  readonly prompts: ReadonlyArray<Prompt.Prompt>
  /** The tools that the model was shown, in every request. */
  readonly tools: ReadonlyArray<ReadonlyArray<Tool.Any>>
}>()("test/ScriptedModel") {}

const finish = (reason: "stop" | "tool-calls") => ({
  type: "finish" as const,
  reason,
  usage: {
    inputTokens: { uncached: undefined, total: 0, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: 0, text: undefined, reasoning: undefined }
  },
  response: undefined
})

const callParts = (turn: Exclude<Turn, string>): Array<Response.ToolCallPartEncoded> =>
  turn.map(([id, name, params]) => ({ type: "tool-call", id, name, params, providerExecuted: false }))

/** Answers every request with the next turn. */
export const layer = (
  turns: ReadonlyArray<Turn>
): Layer.Layer<LanguageModel.LanguageModel | ScriptedModel> =>
  Layer.effectContext(Effect.gen(function*() {
    const prompts: Array<Prompt.Prompt> = []
    const tools: Array<ReadonlyArray<Tool.Any>> = []
    const next = (options: LanguageModel.ProviderOptions): Turn => {
      const turn = turns[prompts.length]
      prompts.push(options.prompt)
      tools.push(options.tools)
      if (turn === undefined) throw new Error("the script of the model is over")
      return turn
    }
    const model = yield* LanguageModel.make({
      generateText: (options) =>
        Effect.sync(() => {
          const turn = next(options)
          return typeof turn === "string"
            ? [{ type: "text", text: turn }, finish("stop")]
            : [...callParts(turn), finish("tool-calls")]
        }),
      streamText: (options) =>
        Stream.suspend(() => {
          const turn = next(options)
          return typeof turn === "string"
            ? Stream.make<Array<Response.StreamPartEncoded>>(
              { type: "text-start", id: "text" },
              { type: "text-delta", id: "text", delta: turn },
              { type: "text-end", id: "text" },
              finish("stop")
            )
            : Stream.fromIterable<Response.StreamPartEncoded>([...callParts(turn), finish("tool-calls")])
        })
    })
    return Context.make(LanguageModel.LanguageModel, model).pipe(Context.add(ScriptedModel, { prompts, tools }))
  }))

/** What the model was told of its calls in the last request, by the id of the call. */
export const told = Effect.map(ScriptedModel, ({ prompts }) =>
  Object.fromEntries(
    prompts.at(-1)!.content.flatMap((message) =>
      message.role === "tool"
        ? message.content.flatMap((part) => part.type === "tool-result" ? [[part.id, part] as const] : [])
        : []
    )
  ))
