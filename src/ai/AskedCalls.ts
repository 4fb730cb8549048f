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
import * as Semaphore from "effect/Semaphore"
import { PendingApproval, StorageFailed } from "../errors/VargateError.ts"
import { ActionId } from "../model/ActionId.ts"

/**
 * Where asked calls are kept, by the id of the tool call: any `KeyValueStore` will do.
 *
 * **Gotchas**
 *
 * Such a store has no atomic claim, so a conversation continues in one process at a time.
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

/**
 * The actions asked for under one tool-call id, each with the digest of what was submitted. The newest first: a
 * conversation that says no, or ends, leaves its own behind.
 */
const AskedCall = Schema.fromJsonString(Schema.Array(Schema.Struct({ actionId: ActionId, digest: Schema.String })))
const maxForId = 100
const encode = Schema.encodeSync(AskedCall)
const decode = Schema.decodeUnknownOption(AskedCall)

const failed = (operation: string) =>
  Effect.mapError((cause: KeyValueStore.KeyValueStoreError) =>
    new StorageFailed({ operation, detail: `the store of asked calls failed (${cause.message})` })
  )

const recall = (store: Store, toolCallId: string) =>
  store.get(toolCallId).pipe(Effect.map((text) => Option.getOrElse(decode(text), () => [])), failed("AskedCalls.get"))

/** The actions that calls of this process have claimed, whatever the store: many may stand before one database. */
const claimed = new Set<ActionId>()

const turns = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()

/** What happens under one id in this process happens one after another. */
const inTurn = (toolCallId: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const turn = turns.get(toolCallId) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
    turns.set(toolCallId, turn)
    turn.users++
    const leave = Effect.sync(() => --turn.users === 0 && turns.delete(toolCallId))
    return Effect.ensuring(turn.semaphore.withPermit(effect), leave)
  })

/** What is written down for a call, read and written again as a whole. */
const change = Effect.fnUntraced(function*(
  store: Store,
  toolCallId: string,
  update: (asked: typeof AskedCall.Type) => typeof AskedCall.Type
) {
  const asked = update(yield* recall(store, toolCallId))
  yield* asked.length === 0
    ? failed("AskedCalls.remove")(store.remove(toolCallId))
    : failed("AskedCalls.set")(store.set(toolCallId, encode(asked)))
}, (effect, _store, toolCallId) => inTurn(toolCallId)(effect))

/**
 * The action that waits for a tool call of the conversation, for showing it beside Effect AI's approval request, or for
 * rejecting it with `Reviews` when the conversation says no.
 *
 * @category accessors
 * @since 0.1.0
 */
export const actionOf = (toolCallId: string): Effect.Effect<Option.Option<ActionId>, StorageFailed> =>
  Effect.flatMap(
    AskedCalls,
    (store) => Effect.map(recall(store, toolCallId), (asked) => Option.fromUndefinedOr(asked[0]?.actionId))
  )

/**
 * Remembers an action for a call. `digest` tells agent, tool, method and params of what was submitted.
 *
 * @category keeping
 * @since 0.1.0
 */
export const remember = (
  toolCallId: string,
  actionId: ActionId,
  digest: string
): Effect.Effect<void, StorageFailed> =>
  Effect.flatMap(
    AskedCalls,
    (store) => change(store, toolCallId, (asked) => [{ actionId, digest }, ...asked].slice(0, maxForId))
  )

/**
 * An action that one call has claimed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claimed {
  readonly actionId: ActionId
  /** Forgets the action. An approval is used after this alone, so that it is used once. */
  readonly forget: Effect.Effect<void, StorageFailed>
}

/**
 * Claims the action remembered for exactly this call, as long as `use` runs: providers promise that call ids are unique,
 * but nothing ensures it. Fails with `PendingApproval` where another call of this process has claimed it.
 *
 * @category keeping
 * @since 0.1.0
 */
export const claiming = <A, E, R>(
  toolCallId: string,
  digest: string,
  use: (claimed: Option.Option<Claimed>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StorageFailed | PendingApproval, R> =>
  Effect.flatMap(AskedCalls, (store) => {
    let ours: ActionId | undefined
    const claim = inTurn(toolCallId)(Effect.map(recall(store, toolCallId), (asked) => {
      const own = asked.filter((one) => one.digest === digest)
      ours = own.find(({ actionId }) => !claimed.has(actionId))?.actionId
      if (ours !== undefined) claimed.add(ours)
      return own[0]?.actionId
    }))
    return Effect.flatMap(claim, (first): Effect.Effect<A, E | StorageFailed | PendingApproval, R> => {
      if (first === undefined) return use(Option.none())
      if (ours === undefined) {
        return Effect.fail(
          new PendingApproval({ actionId: first, message: `Another call waits for the decision on ${first} already.` })
        )
      }
      const actionId = ours
      const forget = Effect.suspend(() => {
        let isThere = false
        const removing = change(store, toolCallId, (asked) => {
          isThere = asked.some((one) => one.actionId === actionId)
          return asked.filter((one) => one.actionId !== actionId)
        })
        const detail = `another process has used the approval of ${actionId}`
        return Effect.andThen(
          removing,
          Effect.suspend(() => isThere ? Effect.void : new StorageFailed({ operation: "AskedCalls.forget", detail }))
        )
      })
      return use(Option.some({ actionId, forget }))
    }).pipe(Effect.ensuring(Effect.sync(() => ours !== undefined && claimed.delete(ours))))
  })
