/**
 * Puts a `Toolkit` of Effect AI behind Vargate: every call of a tool is submitted first, and handled only on a yes.
 *
 * **Example** (A chat whose refunds may need an approval)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { LanguageModel, Tool, Toolkit } from "effect/ai"
 * import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
 *
 * const Tools = Toolkit.make(
 *   Tool.make("stripe__create_refund", {
 *     parameters: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
 *     success: Schema.String
 *   })
 * )
 *
 * const program = LanguageModel.generateText({
 *   prompt: "Refund 50 of ch_1.",
 *   toolkit: GovernedToolkit.govern(Tools)
 * }).pipe(
 *   Effect.provide(Tools.toLayer({
 *     stripe__create_refund: ({ amount }) => Effect.succeed(`refunded ${amount}`)
 *   }))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import type * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Approvals from "../approvals/Approvals.ts"
import type * as AuditLog from "../audit/AuditLog.ts"
import type * as ToolCalls from "../calls/ToolCalls.ts"
import { PendingApproval } from "../errors/VargateError.ts"
import * as Clearance from "../governed/Clearance.ts"
import type * as Governed from "../governed/Governed.ts"
import { begun } from "../governed/internal/begun.ts"
import { Ended, endedBy } from "../governed/internal/endings.ts"
import { makeOnce } from "../governed/internal/makeOnce.ts"
import * as Refusal from "../governed/Refusal.ts"
import type { ActionId } from "../model/ActionId.ts"
import * as DetachedCalls from "./DetachedCalls.ts"
import * as GovernedTool from "./GovernedTool.ts"

// --- options ---------------------------------------------------------------------------------------------------------

/**
 * How the tools of a toolkit are governed: for all of them, and in `tools` for one by one.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<
  Tools extends Record<string, Tool.Any>,
  P = Governed.Wait | Governed.Fail | GovernedTool.Ask | DetachedCalls.DetachedCalls
> extends GovernedTool.Options<P> {
  /** The names under which a tool is submitted. Default: `GovernedTool.actionName`. */
  readonly action?: ((tool: Tool.Any) => GovernedTool.ActionName) | undefined
  /** What holds for one tool, over what holds for all. */
  readonly tools?:
    | { readonly [Name in keyof Tools]?: (GovernedTool.Options<P> & Partial<GovernedTool.ActionName>) | undefined }
    | undefined
}

/**
 * What a governed toolkit needs beside what the toolkit itself needs: the services of Vargate, and what its schemas need
 * to write params and to read results of the gateway.
 *
 * @category models
 * @since 0.1.0
 */
export type Requirements<Tools extends Record<string, Tool.Any>> = Clearance.Services | SchemaServices<Tools>

/**
 * What the schemas of tools need to write params and to read results.
 *
 * @category models
 * @since 0.1.0
 */
export type SchemaServices<Tools extends Record<string, Tool.Any>> =
  | Tool.ParametersEncodingServices<Tools[keyof Tools]>
  | Tool.ResultDecodingServices<Tools[keyof Tools]>

/**
 * `AiError` where a toolkit holds, or may hold, tools that a provider executes itself; otherwise never.
 *
 * @category models
 * @since 0.1.0
 */
export type Refusable<Tools extends Record<string, Tool.Any>> = Tools[keyof Tools] extends infer T
  ? T extends Tool.AnyProviderDefined ? T["requiresHandler"] extends true ? never : AiError.AiError
  : T extends Tool.Any ? 0 extends 1 & T["name"] ? AiError.AiError : never
  : never
  : never

/**
 * Hands Effect AI's own approval request to the conversation, so that a chat can show it, and waits for the decision when
 * the conversation continues with an approval.
 *
 * **Details**
 *
 * The approval of a chat is not Vargate's: the action is performed only when a reviewer approves it too.
 * `AskedCalls.actionOf` returns the action that belongs to a request, so that the program can show it, or decide on it
 * where it acts for a reviewer and has `Reviews`. A no of the chat leaves the action queued until it expires.
 *
 * Like `Governed.wait` it is a value (`onPending: GovernedToolkit.ask`) that can be called with options.
 *
 * @category strategies
 * @since 0.1.0
 */
export const ask: GovernedTool.Ask & ((options?: Approvals.AwaitOptions) => GovernedTool.Ask) = Object.assign(
  (options: Approvals.AwaitOptions = {}): GovernedTool.Ask => ({ _tag: "Ask", ...options }),
  { _tag: "Ask" } as const
)

// --- govern ----------------------------------------------------------------------------------------------------------

/**
 * Puts a toolkit under governance, for `LanguageModel` and `Chat`. Types stay as they are.
 *
 * **Details**
 *
 * Params are decoded by the tool's schema, written back as JSON by it and submitted; the handler runs once they are
 * allowed or approved, with what that JSON decodes to. Where the gateway executes the call, the handler does not run, and
 * the gateway's answer is read by the tool's success schema. A call that is refused does not disturb its siblings: in
 * either failure mode the model gets a failed result that says in plain words that nothing was done and why, as it does
 * for Effect AI's own denied approvals. Failures of handlers keep to the tool's failure mode. Interrupting the generation
 * interrupts the waits.
 *
 * Each call is a span, `execute_tool NAME`, with the attributes of the OpenTelemetry conventions for generative AI and
 * the decision (see `Clearance`).
 *
 * A tool that the provider executes itself never passes through here, so a toolkit that holds one is refused with an
 * `AiError`.
 *
 * @category governing
 * @since 0.1.0
 */
export const govern = <Tools extends Record<string, Tool.Any>, E = never, R = never>(
  toolkit: Effect.Effect<Toolkit.WithHandler<Tools>, E, R> | Toolkit.WithHandler<Tools>,
  options: Options<NoInfer<Tools>> = {}
): Effect.Effect<
  Toolkit.WithHandler<Tools>,
  E | Refusable<Tools>,
  // By name: an alias would hide them behind the type of the whole toolkit.
  R | ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog | SchemaServices<Tools>
> =>
  Effect.gen(function*() {
    const inner = yield* (Effect.isEffect(toolkit) ? toolkit : Effect.succeed(toolkit)) as Effect.Effect<
      AnyHandlers,
      E,
      R
    >
    const governed = yield* governAll(inner.tools, options)
    const provide = yield* providing<Requirements<Tools>>()

    const handle: AnyHandlers["handle"] = (name, params, toolCallId, parseOptions) => {
      const tool = governed.get(name)
      if (tool === undefined) return notFound(name, [...governed.keys()])
      return Effect.flatMap(Effect.result(tool.decode(params, parseOptions)), (decoded) => {
        if (Result.isFailure(decoded)) return misread(tool.tool, decoded.failure.message)
        const perform = (cleared: GovernedTool.Cleared) =>
          cleared.executedBy === "gateway"
            ? Effect.succeed(Stream.succeed(executed(tool.tool, cleared)))
            // What the toolkit reads here is what was approved, and nothing that a caller holds.
            : telling(cleared, inner.handle(name, cleared.encoded, toolCallId, parseOptions))
        const { onPending } = tool.options
        return onPending?._tag === "Detach"
          ? detach(tool, onPending, { params: decoded.success, toolCallId }, { provide, perform })
          : Effect.matchEffect(provide(tool.clear(decoded.success, toolCallId)), {
            onFailure: (error) => refused(tool, error),
            onSuccess: perform
          })
      }).pipe(Clearance.withSpanStream(name, toolCallId))
    }

    const tools = Object.fromEntries(
      Array.from(governed, ([name, one]) => [
        name,
        one.options.onPending?._tag === "Ask" ? asking(one, provide) : one.tool
      ])
    )
    return { tools, handle }
  }) as never

/** A toolkit with handlers, whatever its tools. */
interface AnyHandlers {
  readonly tools: Readonly<Record<string, Tool.Any>>
  readonly handle: (
    name: string,
    params: unknown,
    toolCallId?: string,
    options?: SchemaAST.ParseOptions
  ) => Effect.Effect<Stream.Stream<Tool.HandlerResult<Tool.Any>, unknown, unknown>, AiError.AiError, unknown>
}

type Provide = <A, E>(effect: Effect.Effect<A, E, Clearance.Services>) => Effect.Effect<A, E>

/**
 * Calls come on other fibers, perhaps far from here: Vargate's services are those of now, and so is whatever else the
 * caller does not have.
 */
const providing = <R>(): Effect.Effect<Provide, never, R | Clearance.Services> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<R>()
    const services = yield* Clearance.services
    const own = Array.from(services.mapUnsafe)
    const others = Array.from(context.mapUnsafe.keys())
    // Mostly the caller has it all, and merging contexts costs more than everything else here.
    const hasAll = ({ mapUnsafe }: Context.Context<never>) =>
      own.every(([key, service]) => mapUnsafe.get(key) === service) && others.every((key) => mapUnsafe.has(key))
    /** Contexts never change, and the calls of a program come with few of them. */
    const complete = new WeakSet<Context.Context<never>>()
    const isHere = (caller: Context.Context<never>) => {
      if (complete.has(caller)) return true
      const isComplete = hasAll(caller)
      if (isComplete) complete.add(caller)
      return isComplete
    }
    return <A, E>(effect: Effect.Effect<A, E, Clearance.Services>) =>
      Effect.contextWith((caller: Context.Context<never>) =>
        isHere(caller)
          ? effect
          : Effect.provideContext(effect, Context.merge(Context.merge(context, caller), services))
      ) as Effect.Effect<A, E>
  })

const governAll = Effect.fnUntraced(function*(
  tools: Readonly<Record<string, Tool.Any>>,
  { action = GovernedTool.actionName, tools: single = {}, ...all }: Options<Record<string, Tool.Any>>
) {
  const governed = new Map<string, GovernedTool.GovernedTool>()
  for (const [name, tool] of Object.entries(tools)) {
    const own = Object.hasOwn(single, name) ? single[name] : {}
    governed.set(name, yield* GovernedTool.make(tool, { ...action(tool), ...all, ...own }))
  }
  return governed
})

/** Submits a call that is not waited for, or says how one stands that waits already. */
const detach = (
  governed: GovernedTool.GovernedTool,
  detached: DetachedCalls.DetachedCalls,
  { params, toolCallId }: { readonly params: unknown; readonly toolCallId: string | undefined },
  { perform, provide }: {
    readonly provide: Provide
    readonly perform: (cleared: GovernedTool.Cleared) => ReturnType<AnyHandlers["handle"]>
  }
): ReturnType<AnyHandlers["handle"]> =>
  Effect.gen(function*() {
    const answer = yield* provide(governed.detach(params, detached))
    if ("report" in answer) {
      if (!(yield* DetachedCalls.isDecided(answer))) return yield* waitsAs(answer.actionId)
      detached.forget(answer)
      return Stream.succeed(yield* answer.await)
    }
    if (answer.executedBy !== "none") return yield* perform(answer)
    const { clear, digest, pending: { actionId }, params: submitted } = answer
    const caller = yield* Effect.context<unknown>()
    const approvals = yield* provide(Approvals.Approvals)
    const performed = yield* makeOnce((cleared: GovernedTool.Cleared) => {
      const performing = Effect.provideContext(lastResult(governed, perform(cleared)), caller)
      return cleared.executedBy === "gateway"
        ? performing
        : Effect.provideService(begun(actionId, performing), Approvals.Approvals, approvals)
    })
    const call = {
      actionId,
      name: governed.tool.name,
      toolCallId,
      params: submitted,
      await: Effect.flatMap(Effect.provideContext(provide(clear), caller), performed),
      outcome: approvals.outcome(actionId)
    }
    yield* detached.add(digest, { ...call, report: DetachedCalls.reportOf(call, governed.options.tell) })
    return yield* waitsAs(actionId)
  }).pipe(
    Effect.catch((error) => AiError.isAiError(error) ? Effect.fail(error) : refused(governed, error))
  ) as ReturnType<AnyHandlers["handle"]>

const waitsAs = (actionId: ActionId) =>
  Effect.fail(new PendingApproval({ actionId, message: `The action waits for a reviewer as ${actionId}.` }))

/** What a handler says in the end. */
const lastResult = (
  { tool }: GovernedTool.GovernedTool,
  handled: ReturnType<AnyHandlers["handle"]>
): Effect.Effect<Tool.HandlerResult<Tool.Any>, AiError.AiError, unknown> => {
  const failed = (description: string) =>
    AiError.make({ module: "GovernedToolkit", method: tool.name, reason: new AiError.UnknownError({ description }) })
  return Effect.flatMap(handled, Stream.runLast).pipe(
    Effect.mapError((error) => AiError.isAiError(error) ? error : failed("the handler failed")),
    Effect.flatMap((last) => Option.isSome(last) ? Effect.succeed(last.value) : Effect.fail(failed("no result")))
  )
}

/** The same tool, which asks Vargate whether the conversation must be asked. */
const asking = (governed: GovernedTool.GovernedTool, provide: Provide): Tool.Any => {
  const { needsApproval } = governed.tool
  return governed.tool.setNeedsApproval(Effect.fnUntraced(function*(params: unknown, context) {
    const own = typeof needsApproval === "function" ? needsApproval(params, context) : needsApproval ?? false
    const isOwn = Effect.isEffect(own) ? yield* own : own
    return isOwn || (yield* provide(governed.askFirst(params, context.toolCallId)))
  }))
}

/** Says how a handler ended, to calls that have joined this one: what it said in the end, as the model reads it. */
const telling = (
  { ended }: Pick<Performing, "ended">,
  handled: ReturnType<AnyHandlers["handle"]>
): ReturnType<AnyHandlers["handle"]> => {
  if (ended === undefined) return handled
  return handled.pipe(
    Effect.onError((cause) => Effect.sync(() => ended(endedBy(Exit.failCause(cause))))),
    Effect.map((stream) => {
      let last: Tool.HandlerResult<Tool.Any> | undefined
      return stream.pipe(
        Stream.tap((result) => Effect.sync(() => void (last = result))),
        Stream.onExit((exit) =>
          Effect.sync(() =>
            ended(
              last === undefined || last.preliminary
                ? Exit.isSuccess(exit) ? new Ended("left") : endedBy(exit)
                : last.isFailure
                ? new Ended("failed")
                : new Ended("performed", last.encodedResult)
            )
          )
        )
      )
    })
  )
}

type Performing = Extract<GovernedTool.Cleared, { readonly executedBy: "agent" }>

/** The toolkit says the same of a tool that it does not have. It is not asked, since none but governed tools may run. */
const notFound = (toolName: string, availableTools: Array<string>) =>
  Effect.fail(
    AiError.make({
      module: "Toolkit",
      method: `${toolName}.handle`,
      reason: new AiError.ToolNotFoundError({ toolName, availableTools })
    })
  )

/** The toolkit says the same of params that it cannot read. It is not asked, since it might read them another time. */
const misread = (
  tool: Tool.Any,
  description: string
): Effect.Effect<Stream.Stream<Tool.HandlerResult<Tool.Any>>, AiError.AiError> => {
  const error = AiError.make({
    module: "Toolkit",
    method: `${tool.name}.handle`,
    reason: new AiError.ToolParameterValidationError({ toolName: tool.name, description })
  })
  return tool.failureMode === "error"
    ? Effect.failCause(Cause.annotate(Cause.fail(error), Context.make(Toolkit.FailureOrigin, "parameters")))
    : Effect.map(Effect.orDie(encodeError(error)), (encodedResult) =>
      Stream.succeed({
        result: error as never,
        encodedResult,
        isFailure: true,
        failureOrigin: "parameters",
        preliminary: false
      }))
}

const encodeError = Schema.encodeEffect(AiError.AiError)

/** What the gateway's tool answered, as if the handler had. */
const executed = (
  tool: Tool.Any,
  { encoded, result }: { readonly result: unknown; readonly encoded: unknown }
): Tool.HandlerResult<Tool.Any> => ({
  result,
  encodedResult: encoded,
  modelOutput: tool.toModelOutput?.(result),
  isFailure: false,
  preliminary: false
})

/** A failed result of the kind that every tool may have, whatever its failure mode. */
const refused = ({ options, tool }: GovernedTool.GovernedTool, error: Refusal.Refused) => {
  const refusal = Refusal.make(error, options.tell)
  return Effect.as(
    Refusal.report(tool.name, error),
    Stream.succeed<Tool.HandlerResult<Tool.Any>>({
      result: refusal,
      encodedResult: refusal,
      isFailure: true,
      failureOrigin: "handler",
      preliminary: false
    })
  )
}

// --- layer -----------------------------------------------------------------------------------------------------------

/**
 * The handlers of a toolkit behind Vargate, for programs that go on using the toolkit itself.
 *
 * **Details**
 *
 * As {@link govern}, with what a handler can do: the failure mode of the tool says how a refusal reaches the model. With
 * `"return"` the model gets the same failed result; with `"error"` the generation fails, with the error itself where the
 * tool's failure schema admits it (`failure: VargateError.Denied`), and otherwise with an `AiError` that says the same
 * words.
 *
 * **When to use**
 *
 * Prefer {@link govern} where the tools have failure mode `"error"`, since there a refusal ends the generation, siblings
 * and all; and where a conversation is to be asked ({@link ask}).
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <
  Tools extends Record<string, Tool.Any>,
  Handlers extends Toolkit.HandlersFrom<Tools>,
  EX = never,
  RX = never
>(
  toolkit: Toolkit.Toolkit<Tools>,
  handlers: Handlers | Effect.Effect<Handlers, EX, RX>,
  options: Options<NoInfer<Tools>, Governed.Wait | Governed.Fail> = {}
): Layer.Layer<
  Tool.HandlersFor<Tools>,
  EX | Refusable<Tools>,
  Exclude<RX, Scope.Scope> | ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog | SchemaServices<Tools>
> =>
  toolkit.toLayer(Effect.gen(function*() {
    const governed = yield* governAll(toolkit.tools, options)
    const provide = yield* providing<Requirements<Tools>>()
    const own = (Effect.isEffect(handlers) ? yield* handlers : handlers) as Readonly<Record<string, AnyHandler>>
    return Object.fromEntries(
      Object.entries(own).flatMap(([name, handler]) => {
        const tool = governed.get(name)
        return tool === undefined ? [] : [[name, governedHandler(tool, handler, provide)]]
      })
    ) as never
  })) as never

type AnyHandler = (
  params: unknown,
  context: Toolkit.HandlerContext<Tool.Any>
) => Effect.Effect<unknown, unknown, unknown>

const governedHandler =
  (tool: GovernedTool.GovernedTool, handler: AnyHandler, provide: Provide): AnyHandler => (params, context) =>
    Effect.matchEffect(provide(tool.clear(params, context.toolCallId)), {
      onSuccess: (cleared) =>
        cleared.executedBy === "gateway"
          ? Effect.succeed(cleared.result)
          : tellingResult(tool, cleared, handler(cleared.params, context)),
      onFailure: (error) => Effect.andThen(Refusal.report(tool.tool.name, error), Effect.fail(failureOf(tool, error)))
    }).pipe(Clearance.withSpan(tool.tool.name, context.toolCallId))

/** Says how a handler ended, and its result as the model reads it. */
const tellingResult = <A, E, R>(
  { tool }: GovernedTool.GovernedTool,
  { ended }: Pick<Performing, "ended">,
  handled: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  if (ended === undefined) return handled
  const encode = Schema.encodeUnknownEffect(tool.successSchema as Schema.Codec<unknown, unknown>)
  return Effect.onExit(handled, (exit) =>
    Exit.isFailure(exit)
      ? Effect.sync(() => ended(endedBy(exit)))
      : Effect.matchCause(encode(exit.value), {
        onFailure: () => ended(new Ended("performed")),
        onSuccess: (result) => ended(new Ended("performed", result))
      }))
}

/** What a handler fails with, so that the model is told or the generation ends, as the tool's failure mode says. */
const failureOf = (governed: GovernedTool.GovernedTool, error: Refusal.Refused) => {
  const { failureMode, failureSchema } = governed.tool
  if (failureMode === "return") return Refusal.make(error, governed.options.tell)
  return Schema.is(failureSchema)(error) ? error : aiError(governed, error)
}

const aiError = ({ options, tool }: GovernedTool.GovernedTool, error: Refusal.Refused) =>
  AiError.make({
    module: "GovernedToolkit",
    method: tool.name,
    reason: new AiError.UnknownError({
      description: Refusal.make(error, options.tell).reason,
      metadata: { vargate: { error: error._tag, actionId: Refusal.actionIdOf(error) ?? null } }
    })
  })
