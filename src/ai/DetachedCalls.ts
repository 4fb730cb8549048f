/**
 * Calls of a governed toolkit that nothing waits for: the model hears that its action is pending, the program gets a
 * handle, and a later turn of the conversation gets the result.
 *
 * **Example** (What was decided since the last turn)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Chat, Tool, Toolkit } from "effect/ai"
 * import * as DetachedCalls from "effect-vargate/ai/DetachedCalls"
 * import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
 *
 * const Tools = Toolkit.make(
 *   Tool.make("stripe__create_refund", {
 *     parameters: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
 *     success: Schema.String
 *   })
 * )
 *
 * const program = Effect.gen(function*() {
 *   const detached = DetachedCalls.make()
 *   const chat = yield* Chat.empty
 *   const turn = (text: string) =>
 *     Effect.gen(function*() {
 *       const news = yield* detached.reports
 *       return yield* chat.generateText({
 *         prompt: [...news, text].join("\n\n"),
 *         toolkit: GovernedToolkit.govern(Tools, { onPending: detached })
 *       })
 *     })
 *   yield* turn("Refund 5000 of ch_1.")
 *   yield* turn("And what did they say?")
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import type * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Formatter from "effect/Formatter"
import type * as Approvals from "../approvals/Approvals.ts"
import type { OperationError } from "../errors/VargateError.ts"
import * as Refusal from "../governed/Refusal.ts"
import type { ActionId } from "../model/ActionId.ts"

/**
 * A call that waits for a reviewer, and that nothing waits for.
 *
 * @category models
 * @since 0.1.0
 */
export interface DetachedCall {
  readonly actionId: ActionId
  /** The name of the tool, and the id of the model's call. */
  readonly name: string
  readonly toolCallId: string | undefined
  /** As they were submitted. */
  readonly params: unknown
  /**
   * Waits for the decision, and then has the tool handle the call, or reads the gateway's result. However often it runs,
   * the call is handled once, and later runs get the first one's result. Fails like the call would have.
   */
  readonly await: Effect.Effect<Tool.HandlerResult<Tool.Any>, Refusal.Refused | AiError.AiError>
  /** One look at what became of the action. */
  readonly outcome: Effect.Effect<Approvals.Outcome, OperationError>
  /** Waits like `await`, and says what became of the call in words for the model. */
  readonly report: Effect.Effect<string>
}

/**
 * What to do with pending calls of a toolkit, and the calls of one conversation that are detached.
 *
 * **Details**
 *
 * A strategy, to be given as `onPending`. The calls are remembered in memory, the newest 1,000, until their results have
 * been reported.
 *
 * @category models
 * @since 0.1.0
 */
export interface DetachedCalls {
  readonly _tag: "Detach"
  /** The calls whose end has not been reported, the oldest first. */
  readonly pending: Effect.Effect<ReadonlyArray<DetachedCall>>
  /**
   * What became of the calls that were decided by now, in words for the model's next turn: what was approved is performed
   * here. Calls that still wait, or that could not be looked up, stay for the next time.
   */
  readonly reports: Effect.Effect<ReadonlyArray<string>>
  /** The call that waits with this digest of agent, tool, method and params. */
  readonly find: (digest: string) => DetachedCall | undefined
  /** Remembers a call, and hands it to the program. */
  readonly add: (digest: string, call: DetachedCall) => Effect.Effect<void>
  /** The result of a call has been reported. */
  readonly forget: (call: DetachedCall) => void
}

/**
 * How calls are detached.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Gets the handle of each call when it is detached, for instance to fork its `await` or to store its id. */
  readonly onDetached?: ((call: DetachedCall) => Effect.Effect<void>) | undefined
}

const capacity = 1000

/**
 * The strategy for one conversation, to be kept as long as that lasts.
 *
 * **Details**
 *
 * A model that makes the very same call in a later turn asks for the one that waits: it gets the result once that is
 * there, and until then hears again that the action waits. No second action is submitted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ onDetached = () => Effect.void }: Options = {}): DetachedCalls => {
  const calls = new Map<DetachedCall, string>()
  const pending = Effect.sync(() => Array.from(calls.keys()))
  const forget = (call: DetachedCall) => void calls.delete(call)
  const reports = Effect.gen(function*() {
    const texts: Array<string> = []
    for (const call of yield* pending) {
      if (!(yield* isDecided(call))) continue
      texts.push(yield* call.report)
      forget(call)
    }
    return texts
  })
  return {
    _tag: "Detach",
    pending,
    reports,
    find: (digest) => Array.from(calls).find(([, other]) => other === digest)?.[0],
    add: (digest, call) =>
      Effect.suspend(() => {
        calls.set(call, digest)
        if (calls.size > capacity) forget(calls.keys().next().value!)
        return onDetached(call)
      }),
    forget
  }
}

/**
 * Whether a reviewer has decided, or the action has expired. False where that could not be looked up.
 *
 * @category accessors
 * @since 0.1.0
 */
export const isDecided = (call: DetachedCall): Effect.Effect<boolean> =>
  Effect.match(call.outcome, { onFailure: () => false, onSuccess: ({ _tag }) => _tag !== "Waiting" })

/**
 * What became of a call, in words for the model. `tell` writes why it was not performed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reportOf = (
  { actionId, await: ended, name, params }: Pick<DetachedCall, "actionId" | "await" | "name" | "params">,
  tell: (error: Refusal.Refused) => string = Refusal.reasonOf
): Effect.Effect<string> =>
  Effect.map(Effect.exit(ended), (exit) => {
    const about = `About the action ${actionId}, ${name} with ${cut(Formatter.formatJson(params))}, which waited for a \
reviewer's approval:`
    if (Exit.isSuccess(exit)) {
      const said = cut(Formatter.formatJson(exit.value.encodedResult))
      return exit.value.isFailure
        ? `${about} it was approved and performed, and the tool failed: ${said}. Do not repeat it before its effect is known.`
        : `${about} PERFORMED. It was approved, and its result is ${said}. Do not call the tool again for it.`
    }
    const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
    return failure === undefined || AiError.isAiError(failure)
      ? `${about} FAILED: it was approved, and the tool failed while it performed it. It may have done part of its work. \
Do not repeat it before its effect is known.`
      : `${about} ${tell(failure)}`
  })

const cut = (text: string) => text.length <= 2000 ? text : `${text.slice(0, 2000)}...`
