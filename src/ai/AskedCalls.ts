/**
 * Which action waits for which tool call of a conversation: what a governed toolkit remembers between the moment when the
 * conversation is asked for an approval and the moment when it continues.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Schema from "effect/Schema"
import { StorageFailed } from "../errors/VargateError.ts"
import { digestOf } from "../internal/digest.ts"
import { ActionId } from "../model/ActionId.ts"

/**
 * Where asked calls are kept, by the id of the tool call: any `KeyValueStore` will do.
 *
 * @category models
 * @since 0.1.0
 */
export type Store = Pick<KeyValueStore.KeyValueStore, "get" | "set" | "remove">

const capacity = 10_000

/** The newest 10,000. */
const makeMemory = (): Store => {
  const calls = new Map<string, string>()
  return {
    get: (id) => Effect.sync(() => calls.get(id)),
    set: (id, call) =>
      Effect.sync(() => {
        calls.delete(id)
        calls.set(id, String(call))
        if (calls.size > capacity) calls.delete(calls.keys().next().value!)
      }),
    remove: (id) => Effect.sync(() => void calls.delete(id))
  }
}

/**
 * The store in use. Default: the memory of this process.
 *
 * **When to use**
 *
 * Provide a lasting `KeyValueStore` where conversations are kept and go on in another process: a call whose action is
 * forgotten would be submitted anew.
 *
 * @category references
 * @since 0.1.0
 */
export const AskedCalls = Context.Reference<Store>("effect-vargate/ai/AskedCalls", { defaultValue: makeMemory })

const AskedCall = Schema.fromJsonString(Schema.Struct({ actionId: ActionId, digest: Schema.String }))
const encode = Schema.encodeSync(AskedCall)
const decode = Schema.decodeUnknownOption(AskedCall)

const failed = (operation: string) =>
  Effect.mapError((cause: KeyValueStore.KeyValueStoreError) =>
    new StorageFailed({ operation, detail: `the store of asked calls failed (${cause.message})` })
  )

const recall = (toolCallId: string) =>
  Effect.flatMap(AskedCalls, (store) =>
    store.get(toolCallId).pipe(
      Effect.map(decode),
      failed("AskedCalls.get")
    ))

/**
 * The action that waits for a tool call of the conversation, for showing it beside Effect AI's approval request, or for
 * rejecting it with `Reviews` when the conversation says no.
 *
 * @category accessors
 * @since 0.1.0
 */
export const actionOf = (toolCallId: string): Effect.Effect<Option.Option<ActionId>, StorageFailed> =>
  Effect.map(recall(toolCallId), Option.map(({ actionId }) => actionId))

/**
 * Remembers an action for a call. `call` is what was submitted.
 *
 * @category keeping
 * @since 0.1.0
 */
export const remember = (toolCallId: string, actionId: ActionId, call: unknown): Effect.Effect<void, StorageFailed> =>
  Effect.gen(function*() {
    const store = yield* AskedCalls
    yield* failed("AskedCalls.set")(store.set(toolCallId, encode({ actionId, digest: yield* digestOf(call) })))
  })

/**
 * The action remembered for exactly this call: providers promise that call ids are unique, but that is not checked.
 *
 * @category keeping
 * @since 0.1.0
 */
export const find = (
  toolCallId: string,
  call: unknown
): Effect.Effect<Option.Option<ActionId>, StorageFailed> =>
  Effect.gen(function*() {
    const asked = yield* recall(toolCallId)
    return Option.isSome(asked) && asked.value.digest === (yield* digestOf(call))
      ? Option.some(asked.value.actionId)
      : Option.none()
  })

/**
 * Forgets a call whose action was decided.
 *
 * @category keeping
 * @since 0.1.0
 */
export const forget = (toolCallId: string): Effect.Effect<void, StorageFailed> =>
  Effect.flatMap(AskedCalls, (store) => failed("AskedCalls.remove")(store.remove(toolCallId)))
