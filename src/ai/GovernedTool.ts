/**
 * One tool of a toolkit under governance: under which names it is submitted, how its params are written as JSON, and how
 * it gets leave to act.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as Tool from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as Approvals from "../approvals/Approvals.ts"
import type * as ToolCalls from "../calls/ToolCalls.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { type FieldIssue, InvalidRequest, ResultUnusable, VargateError } from "../errors/VargateError.ts"
import * as Clearance from "../governed/Clearance.ts"
import * as Governed from "../governed/Governed.ts"
import type { Refused } from "../governed/Refusal.ts"
import { copyJson } from "../internal/copyJson.ts"
import type { ToolCallRequest } from "../model/ToolCall.ts"
import * as AskedCalls from "./AskedCalls.ts"

/**
 * The names under which a tool is submitted.
 *
 * @category models
 * @since 0.1.0
 */
export interface ActionName {
  readonly tool: string
  readonly method: string
}

/**
 * The annotation that names a tool.
 *
 * **Example** (A tool that is governed as `stripe` / `create_refund`)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Tool } from "effect/ai"
 * import * as GovernedTool from "effect-vargate/ai/GovernedTool"
 *
 * const Refund = Tool.make("Refund", { parameters: Schema.Struct({ amount: Schema.Finite }) })
 *   .annotate(GovernedTool.Action, { tool: "stripe", method: "create_refund" })
 * ```
 *
 * @category annotations
 * @since 0.1.0
 */
export class Action extends Context.Service<Action, ActionName>()("effect-vargate/ai/Action") {}

/**
 * Hands Effect AI's own approval request to the conversation, so that a chat can show it. When the conversation
 * approves and continues, the call waits for the decision of Vargate's reviewers, this long at most.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ask extends Approvals.AwaitOptions {
  readonly _tag: "Ask"
}

/**
 * How one tool is governed.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<P = Governed.Wait | Governed.Fail | Ask>
  extends Governed.Submission, Pick<ToolCallRequest, "isBusinessHours" | "reference">
{
  /**
   * What to do when the call is pending. `Governed.wait()` (the default) waits and then acts; `Governed.fail`
   * tells the model at once that the action waits.
   */
  readonly onPending?: P | undefined
  /** Writes what the model is told in place of a result. Default: `Refusal.reasonOf`. */
  readonly tell?: ((error: Refused) => string) | undefined
}

/**
 * The names of a tool: from its annotation, or its own name cut at the first `__`, `.` or `/` (`stripe__create_refund`
 * becomes `stripe` / `create_refund`). A name without any of these stands for the tool, and the method is `call`.
 *
 * @category accessors
 * @since 0.1.0
 */
export const actionName = (tool: Tool.Any): ActionName =>
  Option.getOrElse(Context.getOption(tool.annotations as Context.Context<Action>, Action), () => {
    const [separator] = /__|[./]/.exec(tool.name.slice(1)) ?? []
    const at = separator === undefined ? -1 : tool.name.indexOf(separator, 1)
    const method = separator === undefined ? "" : tool.name.slice(at + separator.length)
    return method === "" ? { tool: tool.name, method: "call" } : { tool: tool.name.slice(0, at), method }
  })

/**
 * Who acts on a call: the handler, with the params that were approved, or the gateway, which has acted.
 *
 * @category models
 * @since 0.1.0
 */
export type Cleared =
  | {
    readonly executedBy: "agent"
    /** Decoded. */
    readonly params: unknown
    /** As the tool's own schema reads them. */
    readonly encoded: unknown
  }
  | {
    readonly executedBy: "gateway"
    /** What the gateway's tool answered, decoded by the success schema. */
    readonly result: unknown
    /** As that schema writes it. */
    readonly encoded: unknown
  }

/**
 * A tool with its codecs and options.
 *
 * @category models
 * @since 0.1.0
 */
export interface GovernedTool {
  readonly tool: Tool.Any
  readonly options: Options
  /** Reads what a model sent, by the tool's own schema. */
  readonly decode: (params: unknown, options?: SchemaAST.ParseOptions) => Effect.Effect<unknown, Schema.SchemaError>
  /** Submits a call, waits as the options say, and says who acts. `params` are decoded. */
  readonly clear: (
    params: unknown,
    toolCallId: string | undefined
  ) => Effect.Effect<Cleared, Refused, Clearance.Services>
  /** Submits a call ahead of its handling; true where the conversation should be asked. */
  readonly askFirst: (params: unknown, toolCallId: string) => Effect.Effect<boolean, never, Clearance.Services>
}

/**
 * Puts a tool under governance. Fails where a provider executes the tool itself, so that its calls never pass through
 * here.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  tool: Tool.Any,
  options: Options & Partial<ActionName>
): Effect.fn.Return<GovernedTool, AiError.AiError> {
  if (Tool.isProviderDefined(tool) && !tool.requiresHandler) {
    return yield* AiError.make({
      module: "GovernedTool",
      method: "make",
      reason: new AiError.ToolConfigurationError({
        toolName: tool.name,
        description:
          "the provider executes this tool itself, so its calls cannot be governed: take it out of the toolkit"
      })
    })
  }
  const { isBusinessHours, onPending, reconcile, reference, retry } = options
  const named = actionName(tool)
  const name: ActionName = { tool: options.tool ?? named.tool, method: options.method ?? named.method }
  const operation = `${name.tool}/${name.method}`
  const codecs = codecsOf(tool)

  const invalid = (issues: ReadonlyArray<FieldIssue>) =>
    new VargateError({ operation, reason: new InvalidRequest({ issues }) })
  const valid = <A>(effect: Effect.Effect<A, Schema.SchemaError>) =>
    Effect.mapError(effect, ({ issue }) => invalid(fieldIssues(issue, inParams)))

  /** What is submitted, and what the handler gets: read from the very JSON, before the gateway is asked. */
  const prepare = Effect.fnUntraced(function*(params: unknown): Effect.fn.Return<Prepared, VargateError> {
    const json = codecs.form === "plain" ? params : yield* valid(codecs.toJson(params))
    if (!isRecord(json)) return yield* invalid([{ path: inParams, message: "Expected object" }])
    const call = { ...name, params: json, isBusinessHours, reference, retry, reconcile }
    const copy = copyJson(json)
    if (codecs.form === "plain") return { call, approved: copy, encoded: copy }
    const approved = yield* valid(codecs.fromJson(copy))
    return { call, approved, encoded: codecs.form === "json" ? copy : yield* valid(codecs.encode(approved)) }
  })

  /** What was decided before, from `askFirst` to `clear`, where no approval is needed. */
  const decided = new Map<string, Effect.Effect<ToolCalls.Decision, Refused>>()
  const decide = (toolCallId: string, decision: Effect.Effect<ToolCalls.Decision, Refused>) => {
    decided.set(toolCallId, decision)
    // A generation that ends between the two leaves its decision behind.
    if (decided.size > 1000) decided.delete(decided.keys().next().value!)
  }

  const resume = Effect.fnUntraced(function*(ask: Ask, { approved, call, encoded }: Prepared, toolCallId: string) {
    const act = () => Effect.succeed({ params: approved, encoded })
    const decision = decided.get(toolCallId)
    if (decision !== undefined) {
      decided.delete(toolCallId)
      return yield* Governed.settle(yield* decision, { act, hold: Effect.fail })
    }
    const asked = yield* AskedCalls.find(toolCallId, toRemember(call))
    if (Option.isNone(asked)) return yield* Clearance.run({ ...call, onPending: { ...ask, _tag: "Wait" } }, act)
    const yes = yield* Effect.tapError(
      Clearance.wait(asked.value, ask),
      ({ _tag }) => _tag === "ApprovalTimeout" ? Effect.void : forget(toolCallId)
    )
    yield* forget(toolCallId)
    return yield* Governed.settle(yes, { act, hold: Effect.fail })
  })

  return {
    tool,
    options,
    decode: codecs.decode,
    clear: Effect.fnUntraced(function*(params, toolCallId): Effect.fn.Return<Cleared, Refused, Clearance.Services> {
      const prepared = yield* prepare(params)
      const { approved, call, encoded } = prepared
      const act = () => Effect.succeed({ params: approved, encoded })
      const done = onPending?._tag !== "Ask"
        ? yield* Clearance.run({ ...call, onPending }, act)
        : toolCallId === undefined
        ? yield* Clearance.run({ ...call, onPending: { ...onPending, _tag: "Wait" } }, act)
        : yield* resume(onPending, prepared, toolCallId)
      if (done.executedBy === "agent") return { executedBy: "agent", ...done.result }
      const unusable = Effect.mapError(({ issue }: Schema.SchemaError) =>
        new ResultUnusable({
          actionId: done.actionId,
          detail: `it does not fit the tool's schema: ${describe(fieldIssues(issue, []))}`
        })
      )
      const result = yield* unusable(codecs.readResult(yield* Clearance.resultOf(done)))
      return { executedBy: "gateway", result, encoded: yield* unusable(codecs.writeResult(result)) }
    }),
    askFirst: Effect.fnUntraced(
      function*(params, toolCallId) {
        const { call } = yield* prepare(params)
        const decision = yield* Clearance.decide(call)
        if (decision._tag !== "PendingApproval") {
          decide(toolCallId, Effect.succeed(decision))
          return false
        }
        yield* AskedCalls.remember(toolCallId, decision.actionId, toRemember(call)).pipe(
          // What cannot be remembered cannot be asked for: the model is told that it waits.
          Effect.catchTag("StorageFailed", (error) => Effect.andThen(Effect.logWarning(error.message), decision))
        )
        return true
      },
      (effect, _, toolCallId) =>
        Effect.catch(effect, (error) => {
          decide(toolCallId, Effect.fail(error))
          return Effect.succeed(false)
        })
    )
  }
})

/** A call as it is submitted, and what the handler gets. */
interface Prepared {
  readonly call: Call
  readonly approved: unknown
  readonly encoded: unknown
}

type Call = ActionName & Governed.Submission & Pick<ToolCallRequest, "params" | "isBusinessHours" | "reference">

const toRemember = ({ method, params, tool }: Call) => ({ tool, method, params })

/** The action is decided: a store that keeps the call nevertheless does no harm. */
const forget = (toolCallId: string) => Effect.ignore(AskedCalls.forget(toolCallId))

const inParams = ["body", "params"]

const describe = (issues: ReadonlyArray<FieldIssue>) =>
  issues.map(({ message, path }) => `${path.join(".")} ${message}`.trim()).join("; ")

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

// --- codecs ----------------------------------------------------------------------------------------------------------

interface Codecs {
  /** `"json"` where the schema itself reads and writes JSON; `"plain"` where that JSON is the very value. */
  readonly form: "plain" | "json" | "other"
  readonly decode: GovernedTool["decode"]
  readonly encode: (params: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  readonly toJson: (params: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  readonly fromJson: (json: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  readonly readResult: (json: unknown) => Effect.Effect<unknown, Schema.SchemaError>
  readonly writeResult: (result: unknown) => Effect.Effect<unknown, Schema.SchemaError>
}

/** Nothing in it changes on its way to the wire or back. */
const isPlain = (schema: Schema.Top) =>
  Schema.toType(schema).ast === schema.ast && Schema.toEncoded(schema).ast === schema.ast

/** A toolkit may be put under governance for every request anew. */
const cache = new WeakMap<Tool.Any, Codecs>()

const codecsOf = (tool: Tool.Any): Codecs => {
  const known = cache.get(tool)
  if (known !== undefined) return known
  // What the schemas need is provided around the whole call.
  const parameters = tool.parametersSchema as Schema.Codec<unknown, unknown>
  const success = tool.successSchema as Schema.Codec<unknown, unknown>
  const json = Schema.toCodecJson(parameters)
  const codecs: Codecs = {
    form: json.ast !== parameters.ast ? "other" : isPlain(parameters) ? "plain" : "json",
    decode: Schema.decodeUnknownEffect(parameters),
    encode: Schema.encodeUnknownEffect(parameters),
    toJson: Schema.encodeUnknownEffect(json),
    fromJson: Schema.decodeUnknownEffect(json),
    // A tool without a success schema accepts any result.
    readResult: success.ast._tag === "Void"
      ? () => Effect.void
      : Schema.decodeUnknownEffect(Schema.toCodecJson(success)),
    writeResult: Schema.encodeUnknownEffect(success)
  }
  cache.set(tool, codecs)
  return codecs
}
