/**
 * Where shadow mode keeps what it saw, and which actions agents have acted on. Offered by `Shadow`.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { StorageFailed } from "../../errors/VargateError.ts"
import { startOf } from "../../internal/amounts.ts"
import { sha256 } from "../../internal/sha256.ts"
import { ActionId } from "../../model/ActionId.ts"

/**
 * What the policy would have done with a call, or that it could not be asked.
 *
 * @category models
 * @since 0.2.0
 */
export const Verdict = Schema.Literals(["allowed", "denied", "pending", "error"])

/**
 * The type of {@link Verdict}.
 *
 * @category models
 * @since 0.2.0
 */
export type Verdict = typeof Verdict.Type

/**
 * One call in shadow, as it is noted. Calls of one day that differ in nothing else are counted together.
 *
 * @category models
 * @since 0.2.0
 */
export interface Observation {
  readonly agentId: string
  readonly tool: string
  readonly method: string
  readonly verdict: Verdict
  /** Those that the policy named; where it could not be asked, the error. */
  readonly rules: ReadonlyArray<string>
  /** Unknown where the call was not submitted. */
  readonly actionId: ActionId | null
  /** When, in epoch milliseconds. */
  readonly at: number
  /** When this is forgotten. */
  readonly until: number
}

/**
 * What was noted of calls that differ in nothing but their params and their time.
 *
 * @category models
 * @since 0.2.0
 */
export class Observed extends Schema.Class<Observed>("effect-vargate/ShadowObserved")({
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  verdict: Verdict,
  rules: Schema.Array(Schema.String),
  calls: Schema.Int,
  /** When the last one was, in epoch milliseconds. */
  lastAt: Schema.Int,
  lastActionId: Schema.NullOr(ActionId)
}) {}

/**
 * Who has claimed a pending action: an agent in shadow, which acts before the decision, or one that acts on an approval.
 *
 * @category models
 * @since 0.2.0
 */
export type ClaimedBy = "shadow" | "approval"

/**
 * A pending action that an agent in shadow has acted on.
 *
 * @category models
 * @since 0.2.0
 */
export class ActedAction extends Schema.Class<ActedAction>("effect-vargate/ShadowActedAction")({
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  /** When, in epoch milliseconds. */
  at: Schema.Int
}) {}

/**
 * Where shadow mode keeps what it saw and did. Every method is atomic.
 *
 * @category services
 * @since 0.2.0
 */
export class ShadowStore extends Context.Service<ShadowStore, {
  readonly note: (observation: Observation) => Effect.Effect<void, StorageFailed>
  /** What was noted from a day on: the beginning of that day in UTC, in epoch milliseconds. */
  readonly observed: (since: number) => Effect.Effect<ReadonlyArray<Observed>, StorageFailed>
  /** Claims a pending action, once. Returns undefined where the claim is ours, and otherwise who had it before. */
  readonly claim: (
    action: ActedAction,
    by: ClaimedBy,
    until: number
  ) => Effect.Effect<ClaimedBy | undefined, StorageFailed>
  readonly claimed: (actionId: ActionId) => Effect.Effect<ClaimedBy | undefined, StorageFailed>
  /** Actions that an agent in shadow has acted on and that are not known to be closed, the oldest first. */
  readonly open: (
    query: { readonly after?: ActedAction | undefined; readonly limit: number }
  ) => Effect.Effect<ReadonlyArray<ActedAction>, StorageFailed>
  readonly close: (actionId: ActionId) => Effect.Effect<void, StorageFailed>
  /** The gateway has executed a call of this tool. */
  readonly noteExecution: (tool: string) => Effect.Effect<void, StorageFailed>
  /** The tools of which the gateway has executed a call. */
  readonly executed: Effect.Effect<ReadonlyArray<string>, StorageFailed>
}>()("effect-vargate/ShadowStore") {}

/** Of claims in memory. One that is forgotten could be acted on again, so that a further one fails. */
const maxClaims = 100_000

/** Of observations in memory. */
const maxObserved = 10_000

/**
 * What is counted together.
 *
 * @internal
 */
export const keyOf = ({ agentId, at, method, rules, tool, verdict }: Observation): string =>
  sha256(JSON.stringify([startOf("day", at), agentId, tool, method, verdict, rules]))

/**
 * In memory: observations of the newest 10,000 kinds, and 100,000 actions.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerStoreMemory: Layer.Layer<ShadowStore> = Layer.sync(ShadowStore, () => {
  const observed = new Map<string, { readonly observed: Observed; readonly until: number }>()
  const claims = new Map<
    ActionId,
    { readonly action: ActedAction; readonly by: ClaimedBy; readonly until: number; isOpen: boolean }
  >()
  const tools = new Set<string>()

  return ShadowStore.of({
    note: (observation) =>
      Effect.sync(() => {
        const { actionId, at, until, ...what } = observation
        const key = keyOf(observation)
        const calls = (observed.get(key)?.observed.calls ?? 0) + 1
        // The newest stand last.
        observed.delete(key)
        observed.set(key, { observed: new Observed({ ...what, calls, lastAt: at, lastActionId: actionId }), until })
        if (observed.size > maxObserved) observed.delete(observed.keys().next().value!)
      }),
    observed: (since) =>
      Effect.map(
        Clock.currentTimeMillis,
        (now) =>
          [...observed.values()].filter(({ observed, until }) => until > now && observed.lastAt >= since)
            .map(({ observed }) => observed)
      ),
    claim: (action, by, until) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const before = claims.get(action.actionId)
        if (before !== undefined && before.until > now) return Effect.succeed(before.by)
        for (const [actionId, oldest] of claims) {
          if (oldest.until > now) break
          claims.delete(actionId)
        }
        if (claims.size >= maxClaims) {
          const detail = `there is room for ${maxClaims} actions in memory: use a database`
          return Effect.fail(new StorageFailed({ operation: "ShadowStore.claim", detail }))
        }
        claims.set(action.actionId, { action, by, until, isOpen: by === "shadow" })
        return Effect.succeed(undefined)
      }),
    claimed: (actionId) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const claim = claims.get(actionId)
        return claim === undefined || claim.until <= now ? undefined : claim.by
      }),
    open: ({ after, limit }) =>
      Effect.sync(() => {
        const open = [...claims.values()].filter(({ isOpen }) => isOpen).map(({ action }) => action)
          .sort(inOrder)
        return open.filter((action) => after === undefined || inOrder(action, after) > 0).slice(0, limit)
      }),
    close: (actionId) =>
      Effect.sync(() => {
        const claim = claims.get(actionId)
        if (claim !== undefined) claim.isOpen = false
      }),
    noteExecution: (tool) => Effect.sync(() => void tools.add(tool)),
    executed: Effect.sync(() => [...tools].sort())
  })
})

const inOrder = (one: ActedAction, other: ActedAction) =>
  one.at - other.at || (one.actionId < other.actionId ? -1 : one.actionId > other.actionId ? 1 : 0)
