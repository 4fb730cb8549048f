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
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as Approvals from "../approvals/Approvals.ts"
import type * as ToolCalls from "../calls/ToolCalls.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { type FieldIssue, PendingApproval, ResultUnusable, type VargateError } from "../errors/VargateError.ts"
import * as Clearance from "../governed/Clearance.ts"
import * as Governed from "../governed/Governed.ts"
import { begun } from "../governed/internal/begun.ts"
import { Beginning, type Ended } from "../governed/internal/endings.ts"
import { paramsCodec } from "../governed/internal/paramsCodec.ts"
import type { Refused } from "../governed/Refusal.ts"
import { sha256 } from "../internal/sha256.ts"
import type { ActionId } from "../model/ActionId.ts"
import { Agent } from "../model/Agent.ts"
import type { ToolCallRequest } from "../model/ToolCall.ts"
import * as AskedCalls from "./AskedCalls.ts"
import type { DetachedCall, DetachedCalls } from "./DetachedCalls.ts"

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
export interface Options<P = Governed.Wait | Governed.Fail | Ask | DetachedCalls>
  extends Governed.Submission, Pick<ToolCallRequest, "isBusinessHours" | "reference" | "allowDuplicate">
{
  /**
   * What to do when the call is pending. `Governed.wait()` (the default) waits and then acts; `Governed.fail`
   * tells the model at once that the action waits; `DetachedCalls.make()` does so too, and keeps a handle for a later
   * turn.
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
    /** Where calls wait that have joined this one: says how the handler ended. */
    readonly ended?: ((ended: Ended) => void) | undefined
  }
  | {
    readonly executedBy: "gateway"
    /** What the gateway's tool answered, decoded by the success schema. */
    readonly result: unknown
    /** As that schema writes it. */
    readonly encoded: unknown
  }

/**
 * A call that is pending, and that may be cleared later.
 *
 * @category models
 * @since 0.1.0
 */
export interface Waiting {
  readonly executedBy: "none"
  readonly pending: PendingApproval
  /** Tells agent, tool, method and params. */
  readonly digest: string
  /** As they were submitted. */
  readonly params: unknown
  /** Waits for the decision, and says who acts. Each run says so. */
  readonly clear: Effect.Effect<Cleared, Refused, Clearance.Services>
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
  readonly decode: (
    params: unknown,
    options?: SchemaAST.ParseOptions
  ) => Effect.Effect<unknown, Schema.SchemaError | VargateError>
  /** Submits a call, waits as the options say, and says who acts. `params` are decoded. */
  readonly clear: (
    params: unknown,
    toolCallId: string | undefined
  ) => Effect.Effect<Cleared, Refused, Clearance.Services>
  /** Submits a call that is not waited for, unless it is one that waits already. */
  readonly detach: (
    params: unknown,
    detached: DetachedCalls
  ) => Effect.Effect<Cleared | Waiting | DetachedCall, Refused, Clearance.Services>
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
  const { allowDuplicate, isBusinessHours, onPending, reconcile, reference, retry, same } = options
  const named = actionName(tool)
  const name: ActionName = { tool: options.tool ?? named.tool, method: options.method ?? named.method }
  const operation = `${name.tool}/${name.method}`
  const codecs = codecsOf(tool)
  const params = paramsCodec(operation, inParams)

  /** What is submitted, and what the handler gets: read from the very JSON, before anything is sent. */
  const prepare = Effect.fnUntraced(function*(given: unknown): Effect.fn.Return<Prepared, VargateError> {
    const { id, type, version } = yield* Agent
    const snapshot = yield* codecs.form === "plain" ? params.snapshot(given) : params.encode(given, codecs.toJson)
    const { value } = snapshot
    const agent = { id, type, version }
    const call = { ...name, params: value, agent, isBusinessHours, reference, allowDuplicate, retry, reconcile, same }
    const digest = () => sha256(JSON.stringify([id, name.tool, name.method, snapshot.digest]))
    if (codecs.form === "plain") return { call, digest, approved: value, encoded: value }
    const approved = yield* params.checked(() => codecs.fromJson(value))
    const encoded = codecs.form === "json" ? value : yield* params.checked(() => codecs.encode(approved))
    return { call, digest, approved, encoded }
  })

  /** What the handler gets of params that a reviewer proposes: read before they are submitted. */
  const changed: Clearance.Changed<Acting, never, Clearance.Services> = Effect.fnUntraced(function*(value) {
    const approved = codecs.form === "plain"
      ? yield* codecs.decode(value)
      : yield* params.checked(() => codecs.fromJson(value))
    const encoded = codecs.form === "other" ? yield* params.checked(() => codecs.encode(approved)) : value
    return () => Effect.sync(() => new Acting(approved, encoded))
  })

  const decided = new DecidedCalls()

  const resume = (
    ask: Ask,
    { approved, call, digest: digestOf, encoded }: Prepared,
    toolCallId: string
  ): Effect.Effect<Clear, Refused, Clearance.Services> => {
    const digest = digestOf()
    const act = Effect.sync(() => new Acting(approved, encoded))
    const decision = decided.take(toolCallId, digest)
    if (decision !== undefined) {
      return Effect.flatMap(
        Effect.fromResult(decision),
        (decision) => Governed.settle(decision, { act: () => act, hold: Effect.fail })
      )
    }
    return AskedCalls.claiming(toolCallId, digest, (asked): Effect.Effect<Clear, Refused, Clearance.Services> => {
      const waiting = { ...call, onPending: { ...ask, _tag: "Wait" } } as const
      if (Option.isNone(asked)) return Clearance.run(waiting, () => act, changed)
      const { actionId, forget } = asked.value
      const acting = Effect.andThen(forget, begun(actionId, act))
      return Clearance.settle(pendingAs(actionId), waiting, { act: () => acting, changed }).pipe(
        // What the gateway executed is not executed again, remembered or not.
        Effect.tap(({ executedBy }) => executedBy === "gateway" ? Effect.ignore(forget) : Effect.void),
        Effect.tapError(({ _tag }) => isUndecided(_tag) ? Effect.void : Effect.ignore(forget))
      )
    })
  }

  const clearedBy = Effect.fnUntraced(function*(done: Clear): Effect.fn.Return<Cleared, Refused, Clearance.Services> {
    if (done.executedBy === "agent") return { executedBy: "agent", ...done.result }
    const unusable = Effect.mapError(({ issue }: Schema.SchemaError) =>
      new ResultUnusable({
        actionId: done.actionId,
        detail: `it does not fit the tool's schema: ${describe(fieldIssues(issue, []))}`
      })
    )
    const result = yield* unusable(codecs.readResult(yield* Clearance.resultOf(done)))
    return { executedBy: "gateway", result, encoded: yield* unusable(codecs.writeResult(result)) }
  })

  return {
    tool,
    options,
    decode: (given, options) => params.read(given, (given) => codecs.decode(given, options)),
    clear: Effect.fnUntraced(function*(params, toolCallId): Effect.fn.Return<Cleared, Refused, Clearance.Services> {
      const prepared = yield* prepare(params)
      const { approved, call, encoded } = prepared
      const act = () => Effect.sync(() => new Acting(approved, encoded))
      const done = onPending?._tag !== "Ask"
        ? yield* Clearance.run(
          { ...call, onPending: onPending?._tag === "Detach" ? Governed.fail : onPending },
          act,
          changed
        )
        : toolCallId === undefined
        ? yield* Clearance.run({ ...call, onPending: { ...onPending, _tag: "Wait" } }, act, changed)
        : yield* resume(onPending, prepared, toolCallId)
      return yield* clearedBy(done)
    }),
    detach: Effect.fnUntraced(function*(
      params,
      detached
    ): Effect.fn.Return<Cleared | Waiting | DetachedCall, Refused, Clearance.Services> {
      const { approved, call, digest: digestOf, encoded } = yield* prepare(params)
      const digest = digestOf()
      const known = detached.find(digest)
      if (known !== undefined) return known
      const act = () => Effect.sync(() => new Acting(approved, encoded))
      const decision = yield* Clearance.decide(call)
      if (decision._tag !== "PendingApproval") {
        return yield* Effect.flatMap(Governed.settle(decision, { act, hold: Effect.fail }), clearedBy)
      }
      return {
        executedBy: "none",
        pending: decision,
        digest,
        params: call.params,
        clear: Clearance.wait(decision.actionId).pipe(
          Effect.flatMap((approved) => Governed.settle(approved, { act })),
          Effect.flatMap(clearedBy)
        )
      }
    }),
    askFirst: Effect.fnUntraced(function*(params, toolCallId) {
      const prepared = yield* Effect.result(prepare(params))
      // The call itself says what is wrong with them.
      if (Result.isFailure(prepared)) return false
      const { call, digest: digestOf } = prepared.success
      const digest = digestOf()
      const asking = Effect.gen(function*() {
        const decision = yield* Clearance.decide(call)
        if (decision._tag !== "PendingApproval") return decision
        yield* AskedCalls.remember(toolCallId, decision.actionId, digest).pipe(
          // What cannot be remembered cannot be asked for: the model is told that it waits.
          Effect.catchTag("StorageFailed", (error) => Effect.andThen(Effect.logWarning(error.message), decision))
        )
        return undefined
      })
      const answer = yield* Effect.result(asking)
      if (Result.isSuccess(answer) && answer.success === undefined) return true
      yield* decided.file(toolCallId, digest, Result.map(answer, (decision) => decision!))
      return false
    })
  }
})

const isUndecided = (tag: Refused["_tag"]) => tag === "ApprovalTimeout" || tag === "StorageFailed"

/**
 * What was decided ahead, from `askFirst` to `clear`, where the conversation need not be asked: by what was decided, since
 * ids of tool calls repeat. Each decision is taken once.
 */
class DecidedCalls {
  private calls: Array<DecidedCall> = []

  file(toolCallId: string, digest: string, answer: DecidedCall["answer"]): Effect.Effect<void> {
    return Effect.withFiberSucceed((askedBy) => {
      this.calls = [...this.calls.filter(isWanted), { toolCallId, digest, answer, askedBy }].slice(-1000)
    })
  }

  take(toolCallId: string, digest: string): DecidedCall["answer"] | undefined {
    const found = this.calls.find((call) => call.toolCallId === toolCallId && call.digest === digest && isWanted(call))
    this.calls = this.calls.filter((call) => call !== found)
    return found?.answer
  }
}

/** A generation that was interrupted, or has failed, leaves nothing to others. */
const isWanted = ({ askedBy }: DecidedCall) => {
  const exit = askedBy.pollUnsafe()
  return exit === undefined || Exit.isSuccess(exit)
}

interface DecidedCall {
  readonly toolCallId: string
  readonly digest: string
  readonly answer: Result.Result<ToolCalls.Decision, Refused>
  readonly askedBy: Fiber.Fiber<unknown, unknown>
}

/** What the handler gets. */
class Acting extends Beginning {
  readonly params: unknown
  readonly encoded: unknown

  constructor(params: unknown, encoded: unknown) {
    super()
    this.params = params
    this.encoded = encoded
  }
}

type Clear = Governed.Done<Acting>

const pendingAs = (actionId: ActionId) =>
  new PendingApproval({ actionId, message: `The action waits for a reviewer as ${actionId}.` })

/** A call as it is submitted, and what the handler gets. */
interface Prepared {
  readonly call: Call
  /** Tells agent, tool, method and params, to those who must know them again: most calls are not asked for it. */
  readonly digest: () => string
  readonly approved: unknown
  readonly encoded: unknown
}

type Call =
  & ActionName
  & Governed.Submission
  & Pick<ToolCallRequest, "params" | "agent" | "isBusinessHours" | "reference" | "allowDuplicate">

const inParams = ["body", "params"]

const describe = (issues: ReadonlyArray<FieldIssue>) =>
  issues.map(({ message, path }) => `${path.join(".")} ${message}`.trim()).join("; ")

// --- codecs ----------------------------------------------------------------------------------------------------------

interface Codecs {
  /** `"json"` where the schema itself reads and writes JSON; `"plain"` where that JSON is the very value. */
  readonly form: "plain" | "json" | "other"
  readonly decode: (params: unknown, options?: SchemaAST.ParseOptions) => Effect.Effect<unknown, Schema.SchemaError>
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
