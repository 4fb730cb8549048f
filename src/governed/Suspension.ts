/**
 * The kill switch: an operator stops an agent, a tool, or everything, at once for all processes that share the store.
 *
 * **Details**
 *
 * Where {@link Suspension} is in context, a governed call looks at the store before it is submitted, just before its first
 * byte, and before the agent's own action begins: what is suspended is not sent and not begun. Calls that wait for a
 * reviewer look every second (`every`), and end with the reason `Suspended`; their actions stay pending at the gateway,
 * where they may still be approved, or rejected. Where the store cannot be read nothing is sent or begun
 * (`GuardUnavailable`).
 *
 * To suspend and to lift is for operators: {@link KillSwitch}, a service of its own that no agent needs. Every act is
 * logged, and kept with its author.
 *
 * **Example** (Stop one agent)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Suspension } from "effect-vargate"
 *
 * const program = Effect.gen(function*() {
 *   const { lift, suspend } = yield* Suspension.KillSwitch
 *   const { id } = yield* suspend({ agentId: "refund-bot", by: "ann", note: "it refunds too much" })
 *   yield* lift(id, { by: "ann", note: "fixed" })
 * }).pipe(Effect.provide(Suspension.layerMemory()))
 * ```
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { AuditLog } from "../audit/AuditLog.ts"
import { BeforeSending } from "../calls/internal/beforeSending.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import { GuardUnavailable, type StorageFailed, Suspended, VargateError } from "../errors/VargateError.ts"
import type { ActionId } from "../model/ActionId.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import { count, type Guard, guardKeys } from "./internal/guards.ts"

// --- what is suspended -----------------------------------------------------------------------------------------------

/**
 * One suspension: of an agent, of a tool, of a tool for one agent, or of everything where neither is named. It holds until
 * it is lifted.
 *
 * @category models
 * @since 0.2.0
 */
export class SuspensionEntry extends Schema.Class<SuspensionEntry>("effect-vargate/SuspensionEntry")({
  id: Schema.String,
  agentId: Schema.NullOr(Schema.String),
  tool: Schema.NullOr(Schema.String),
  /** Who suspended it. */
  by: Schema.String,
  note: Schema.NullOr(Schema.String),
  at: Schema.DateTimeUtcFromString,
  liftedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  liftedBy: Schema.NullOr(Schema.String),
  liftNote: Schema.NullOr(Schema.String)
}) {
  /** What it stops, in words. */
  get scope(): string {
    const of = this.agentId === null ? "" : ` of agent ${this.agentId}`
    return this.tool === null
      ? this.agentId === null ? "everything" : `agent ${this.agentId}`
      : `tool ${this.tool}${of}`
  }
}

/**
 * How a suspension is lifted.
 *
 * @category models
 * @since 0.2.0
 */
export interface Lift {
  /** Who lifts it. */
  readonly by: string
  readonly note?: string | undefined
}

/**
 * Where suspensions are kept.
 *
 * @category services
 * @since 0.2.0
 */
export class SuspensionStore extends Context.Service<SuspensionStore, {
  /** Those that hold. */
  readonly active: Effect.Effect<ReadonlyArray<SuspensionEntry>, StorageFailed>
  /** The latest first, those that were lifted among them. */
  readonly history: (limit: number) => Effect.Effect<ReadonlyArray<SuspensionEntry>, StorageFailed>
  readonly add: (entry: SuspensionEntry) => Effect.Effect<void, StorageFailed>
  /** Returns the lifted entry; undefined where there is none with this id, or it was lifted before. */
  readonly lift: (
    id: string,
    lift: { readonly by: string; readonly note: string | null; readonly at: DateTime.Utc }
  ) => Effect.Effect<SuspensionEntry | undefined, StorageFailed>
}>()("effect-vargate/SuspensionStore") {}

/**
 * In memory.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerStoreMemory: Layer.Layer<SuspensionStore> = Layer.sync(SuspensionStore, () => {
  let entries: ReadonlyArray<SuspensionEntry> = []
  return SuspensionStore.of({
    active: Effect.sync(() => entries.filter(({ liftedAt }) => liftedAt === null)),
    history: (limit) => Effect.sync(() => entries.toReversed().slice(0, limit)),
    add: (entry) =>
      Effect.sync(() => {
        entries = [...entries, entry]
      }),
    lift: (id, { at, by, note }) =>
      Effect.sync(() => {
        const entry = entries.find((entry) => entry.id === id && entry.liftedAt === null)
        if (entry === undefined) return undefined
        const lifted = new SuspensionEntry({ ...entry, liftedAt: at, liftedBy: by, liftNote: note })
        entries = entries.map((other) => other === entry ? lifted : other)
        return lifted
      })
  })
})

// --- for operators ---------------------------------------------------------------------------------------------------

/**
 * What to suspend, by whom, and why. Without `agentId` and `tool` it is everything, which has to be said
 * (`everything: true`).
 *
 * @category models
 * @since 0.2.0
 */
export interface SuspendRequest {
  readonly agentId?: string | undefined
  readonly tool?: string | undefined
  readonly everything?: boolean | undefined
  readonly by: string
  readonly note?: string | undefined
}

/**
 * Suspends and lifts, for operators. Never give it to an agent.
 *
 * @category services
 * @since 0.2.0
 */
export class KillSwitch extends Context.Service<KillSwitch, {
  /** Holds from now on, for all processes that share the store. */
  readonly suspend: (request: SuspendRequest) => Effect.Effect<SuspensionEntry, StorageFailed | VargateError>
  /** Returns the lifted entry; undefined where none with this id holds. */
  readonly lift: (id: string, lift: Lift) => Effect.Effect<SuspensionEntry | undefined, StorageFailed>
  /** Those that hold. */
  readonly active: Effect.Effect<ReadonlyArray<SuspensionEntry>, StorageFailed>
  /** The latest first, those that were lifted among them. Default: 100. */
  readonly history: (limit?: number) => Effect.Effect<ReadonlyArray<SuspensionEntry>, StorageFailed>
}>()("effect-vargate/KillSwitch") {}

/**
 * The switch over a store.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerSwitch: Layer.Layer<KillSwitch, never, SuspensionStore> = Layer.effect(
  KillSwitch,
  Effect.gen(function*() {
    const store = yield* SuspensionStore
    return KillSwitch.of({
      suspend: Effect.fn("KillSwitch.suspend")(function*({ agentId, by, everything, note, tool }) {
        const isAll = agentId === undefined && tool === undefined
        if (isAll !== (everything === true)) {
          return yield* invalidRequest("KillSwitch.suspend", [{
            path: ["everything"],
            message: isAll
              ? "Expected an agentId, a tool, or everything: true"
              : "Expected no agentId and no tool beside everything: true"
          }])
        }
        const empty = Object.entries({ agentId, by, tool }).filter(([, name]) => name?.trim() === "")
        if (empty.length > 0) {
          // It would stop nothing, and look as if it did.
          return yield* invalidRequest(
            "KillSwitch.suspend",
            empty.map(([field]) => ({ path: [field], message: "Expected a name" }))
          )
        }
        const entry = new SuspensionEntry({
          id: crypto.randomUUID(),
          agentId: agentId ?? null,
          tool: tool ?? null,
          by,
          note: note ?? null,
          at: yield* DateTime.now,
          liftedAt: null,
          liftedBy: null,
          liftNote: null
        })
        yield* store.add(entry)
        yield* Effect.logWarning(`${by} has suspended ${entry.scope} (${entry.id})${note ? `: ${note}` : ""}`)
        return entry
      }),
      lift: Effect.fn("KillSwitch.lift")(function*(id, { by, note }) {
        const lifted = yield* store.lift(id, { by, note: note ?? null, at: yield* DateTime.now })
        if (lifted !== undefined) {
          yield* Effect.logWarning(
            `${by} has lifted the suspension of ${lifted.scope} (${id})${note ? `: ${note}` : ""}`
          )
        }
        return lifted
      }),
      active: store.active,
      history: (limit = 100) => store.history(limit)
    })
  })
)

// --- for agents ------------------------------------------------------------------------------------------------------

/**
 * Keeps what is suspended from being sent and begun.
 *
 * @category services
 * @since 0.2.0
 */
export class Suspension extends Context.Service<
  Suspension,
  Guard & {
    /** What is suspended now. */
    readonly active: Effect.Effect<ReadonlyArray<SuspensionEntry>, StorageFailed>
  }
>()(guardKeys.suspension) {}

/**
 * How calls that wait look.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** How often waiting calls look, all together. Default: every second. */
  readonly every?: Duration.Input | undefined
}

/** Whose call it is, and of which tool. */
interface Facts {
  readonly agentId: string
  readonly tool: string
}

const capacity = 10_000

/**
 * Whether a suspension is about this agent's calls of this tool.
 *
 * @internal
 */
export const stops = (entry: SuspensionEntry, facts: Facts): boolean =>
  (entry.agentId === null || entry.agentId === facts.agentId) && (entry.tool === null || entry.tool === facts.tool)

/**
 * What a call fails with.
 *
 * @internal
 */
export const errorOf = (
  { at, note, scope }: SuspensionEntry,
  sideEffect: "none" | "possible",
  actionId?: ActionId
): VargateError =>
  new VargateError({
    operation: "Suspension",
    reason: new Suspended({ scope, note, since: at, sideEffect, ...actionId === undefined ? {} : { actionId } })
  })

const isTotal = ({ agentId, tool }: SuspensionEntry) => agentId === null && tool === null

/**
 * Builds the service over the store in context.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Suspension["Service"], never, SuspensionStore> {
  const store = yield* SuspensionStore
  const every = Duration.fromInputUnsafe(options.every ?? "1 second")
  /** However many calls wait, they share their looks. */
  const recent = yield* Effect.cachedWithTTL(store.active, Duration.times(every, 0.9))

  /** Of actions that were submitted here. Others are looked up. */
  const known = new Map<ActionId, Facts>()

  const remember = (actionId: ActionId, { agentId, tool }: Facts) => {
    known.set(actionId, { agentId, tool })
    if (known.size > capacity) known.delete(known.keys().next().value!)
  }

  const factsOf = Effect.fnUntraced(function*(actionId: ActionId): Effect.fn.Return<Facts | undefined> {
    const facts = known.get(actionId)
    if (facts !== undefined) return facts
    const log = yield* Effect.serviceOption(AuditLog)
    if (Option.isNone(log)) return undefined
    const record = yield* Effect.option(Effect.retry(log.value.record(actionId), RetryPolicy.reads))
    if (Option.isNone(record)) return undefined
    remember(actionId, record.value)
    return record.value
  })

  const find = (entries: ReadonlyArray<SuspensionEntry>, facts: Facts) => entries.find((entry) => stops(entry, facts))

  /** What is not known may be what is suspended. */
  const findFor = Effect.fnUntraced(function*(entries: ReadonlyArray<SuspensionEntry>, actionId: ActionId) {
    const total = entries.find(isTotal)
    if (total !== undefined || entries.length === 0) return total
    const facts = yield* factsOf(actionId)
    return facts === undefined ? entries[0] : find(entries, facts)
  })

  const refuse = (entry: SuspensionEntry, sideEffect: "none" | "possible", actionId?: ActionId) =>
    Effect.andThen(
      count("suspended"),
      errorOf(entry, sideEffect, actionId)
    )

  const unavailable = Effect.mapError((error: StorageFailed) =>
    new VargateError({
      operation: "Suspension",
      reason: new GuardUnavailable({ guard: "suspension", detail: error.detail })
    })
  )

  const active = unavailable(store.active)

  const check = (facts: Facts) =>
    Effect.flatMap(active, (entries): Effect.Effect<void, VargateError> => {
      const entry = find(entries, facts)
      return entry === undefined ? Effect.void : refuse(entry, "none")
    })

  const checkActing = Effect.fnUntraced(function*(actionId: ActionId): Effect.fn.Return<void, VargateError> {
    const entry = yield* findFor(yield* active, actionId)
    if (entry !== undefined) return yield* refuse(entry, "none", actionId)
  })

  return Suspension.of({
    active: store.active,
    submit: (call, submitting) =>
      Effect.withFiber((fiber) => {
        const checking = check(call)
        const before = fiber.getRef(BeforeSending)
        // A call may wait for its turn, and be tried again.
        const sending = Effect.provideService(
          submitting,
          BeforeSending,
          before === undefined ? checking : Effect.andThen(checking, before)
        )
        return Effect.andThen(
          checking,
          Effect.tap(sending, ({ actionId }) => Effect.sync(() => remember(actionId, call)))
        )
      }),
    stopped: (actionId, facts) =>
      Effect.gen(function*() {
        if (facts !== undefined) remember(actionId, facts)
        for (;;) {
          // Where it cannot be read nothing is begun; a wait may go on.
          const isFound = (yield* findFor(yield* Effect.orElseSucceed(recent, () => []), actionId)) !== undefined
          // What was looked at a moment ago may have been lifted.
          const entries = isFound ? yield* Effect.orElseSucceed(store.active, () => []) : []
          const entry = yield* findFor(entries, actionId)
          if (entry !== undefined) return yield* refuse(entry, "possible", actionId)
          yield* Effect.sleep(every)
        }
      }),
    act: (actionId, action) => Effect.andThen(checkActing(actionId), action)
  })
})

/**
 * The service over a store.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<Suspension, never, SuspensionStore> =>
  Layer.effect(Suspension, make(options))

/**
 * The service and its switch in memory, for one process and for tests.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<Suspension | KillSwitch> =>
  Layer.provide(Layer.merge(layer(options), layerSwitch), layerStoreMemory)
