/**
 * One decision per call: a memory of what was asked and decided, so that an agent that repeats itself neither fills the
 * queue nor asks again what a reviewer has just rejected.
 *
 * **Details**
 *
 * Two calls are the same where agent, tool, method and the bytes of the params are; `same` of a call says otherwise about
 * the params. While a call is pending, the same call of the same agent is not submitted: it joins the wait of the first
 * one, whose handler alone runs, and fails with the reason `Joined`, which has the first one's action and what became of
 * it. After a rejection the same call is refused here for a while with the reason `RefusedAgain`, which has the
 * reviewer's note. What was executed is never joined: to ask for it once more is a second action. Nor is a call with
 * `allowDuplicate`.
 *
 * `Governed`, toolkits, MCP servers and workflows use the service where it is in context. Without it nothing changes.
 *
 * **Gotchas**
 *
 * The memory is no fence: where its store cannot be reached, calls are submitted as without it, and that is logged. One
 * store is for the agents of one tenant.
 *
 * **Example** (A model that asks twice)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Decisions, Governed } from "effect-vargate"
 *
 * const refund = Governed.run(
 *   { tool: "stripe", method: "create_refund", params: { charge: "ch_1", amount: 5000 } },
 *   Effect.succeed("refunded")
 * )
 *
 * const program = Effect.all([refund, Effect.exit(refund)], { concurrency: 2 }).pipe(
 *   Effect.provide(Decisions.layerMemory())
 * )
 * ```
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Approvals from "../approvals/Approvals.ts"
import type * as ToolCalls from "../calls/ToolCalls.ts"
import {
  Joined,
  PendingApproval,
  RefusedAgain,
  type StorageFailed,
  type SubmitError,
  VargateError
} from "../errors/VargateError.ts"
import { sha256 } from "../internal/sha256.ts"
import type { ActionId } from "../model/ActionId.ts"
import { Beginning, Client, Ended, endedBy } from "./internal/endings.ts"
import { count, type Decided, type Guard, type GuardedCall, guardKeys, guardsOf } from "./internal/guards.ts"

// --- where decisions are kept ----------------------------------------------------------------------------------------

/**
 * What is remembered of a call: that it is being submitted, that it is pending, or that it was rejected.
 *
 * @category models
 * @since 0.2.0
 */
export interface Standing {
  readonly state: "submitting" | "pending" | "rejected"
  /** Whose it is. */
  readonly token: string
  /** Unknown while it is being submitted. */
  readonly actionId: ActionId | null
  /** The reviewer's note, where it was rejected. */
  readonly note: string | null
  /** When this is forgotten, in epoch milliseconds. */
  readonly until: number
}

/**
 * Where decisions are kept, by the digest of a call. Every method is atomic.
 *
 * @category services
 * @since 0.2.0
 */
export class DecisionStore extends Context.Service<DecisionStore, {
  /** Claims a call that is about to be submitted. Returns undefined where the claim is ours, and otherwise what stands. */
  readonly claim: (
    key: string,
    claim: { readonly token: string; readonly now: number; readonly until: number }
  ) => Effect.Effect<Standing | undefined, StorageFailed>
  /** What stands; undefined where nothing does. */
  readonly look: (key: string, now: number) => Effect.Effect<Standing | undefined, StorageFailed>
  /** The claimed call is pending. */
  readonly pend: (
    key: string,
    token: string,
    pending: { readonly actionId: ActionId; readonly until: number }
  ) => Effect.Effect<void, StorageFailed>
  /** Forgets what stands, where it is this one's. */
  readonly release: (key: string, token: string) => Effect.Effect<void, StorageFailed>
  /** A pending call was decided: a rejection is kept until its time, everything else is forgotten. */
  readonly decide: (
    actionId: ActionId,
    rejection?: { readonly note: string | null; readonly until: number }
  ) => Effect.Effect<void, StorageFailed>
}>()("effect-vargate/DecisionStore") {}

const capacity = 10_000

/**
 * In memory: the newest 10,000.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerStoreMemory: Layer.Layer<DecisionStore> = Layer.sync(DecisionStore, () => {
  const standings = new Map<string, Standing>()
  const keyOfAction = new Map<ActionId, string>()

  const put = (key: string, standing: Standing) => {
    drop(key)
    standings.set(key, standing)
    if (standing.state === "pending") keyOfAction.set(standing.actionId!, key)
    if (standings.size > capacity) drop(standings.keys().next().value!)
  }
  const drop = (key: string) => {
    const standing = standings.get(key)
    if (standing === undefined) return
    standings.delete(key)
    if (standing.actionId !== null) keyOfAction.delete(standing.actionId)
  }
  const find = (key: string, now: number) => {
    const standing = standings.get(key)
    return standing === undefined || standing.until <= now ? undefined : standing
  }

  return DecisionStore.of({
    claim: (key, { now, token, until }) =>
      Effect.sync(() => {
        const standing = find(key, now)
        if (standing !== undefined) return standing
        put(key, { state: "submitting", token, actionId: null, note: null, until })
        return undefined
      }),
    look: (key, now) => Effect.sync(() => find(key, now)),
    pend: (key, token, { actionId, until }) =>
      Effect.sync(() => {
        if (standings.get(key)?.token === token) put(key, { state: "pending", token, actionId, note: null, until })
      }),
    release: (key, token) =>
      Effect.sync(() => {
        if (standings.get(key)?.token === token) drop(key)
      }),
    decide: (actionId, rejection) =>
      Effect.sync(() => {
        const key = keyOfAction.get(actionId)
        const standing = key === undefined ? undefined : standings.get(key)
        if (key === undefined || standing === undefined) return
        drop(key)
        if (rejection !== undefined) put(key, { ...standing, state: "rejected", ...rejection })
      })
  })
})

// --- the service -----------------------------------------------------------------------------------------------------

/**
 * Remembers decisions: what it does is described at the top of this module.
 *
 * @category services
 * @since 0.2.0
 */
export class Decisions extends Context.Service<
  Decisions,
  Guard & {
    /** Where it keeps them. */
    readonly store: DecisionStore["Service"]
  }
>()(guardKeys.decisions) {}

/**
 * How long things are remembered.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /** How long the same call is refused after a rejection. Default: 15 minutes. */
  readonly refuseFor?: Duration.Input | undefined
  /** How long a pending call is remembered at most. Default: 65 minutes, a little more than the gateway's hour. */
  readonly rememberFor?: Duration.Input | undefined
  /**
   * How long a call that is being submitted keeps the same one of another process waiting, where its own process has
   * ended. Default: 1 minute.
   */
  readonly lease?: Duration.Input | undefined
}

/** What the calls of this process know of an action: what the first one is at, and how it ends. */
interface Local {
  state: "idle" | "waiting" | "acting"
  /** Of the first one. */
  readonly client: string | undefined
  readonly ended: Deferred.Deferred<Ended>
}

/** How often to look for the answer of another process's submission. */
const lookEvery = "250 millis"

/** A function of the program's that throws, or returns no JSON, says nothing about the call: then the bytes do. */
const textOf = ({ params, same }: GuardedCall): string | undefined => {
  try {
    return same && JSON.stringify(same(params))
  } catch {
    return undefined
  }
}

const keyOf = (call: GuardedCall): string => {
  const { agentId, digest, method, tool } = call
  const text = textOf(call)
  const sameness = text === undefined ? ["bytes", digest] : ["same", text]
  return sha256(JSON.stringify([agentId, tool, method, ...sameness]))
}

/**
 * Builds the service over the store in context.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Decisions["Service"], never, DecisionStore> {
  const store = yield* DecisionStore
  const refuseFor = Duration.toMillis(Duration.fromInputUnsafe(options.refuseFor ?? "15 minutes"))
  const rememberFor = Duration.toMillis(Duration.fromInputUnsafe(options.rememberFor ?? "65 minutes"))
  const lease = Duration.toMillis(Duration.fromInputUnsafe(options.lease ?? "1 minute"))

  /** The answers that calls of this process wait for, by their keys: whether there is one, or the submission has failed. */
  const answers = new Map<string, Deferred.Deferred<boolean>>()
  const locals = new Map<ActionId, Local>()

  const localOf = (actionId: ActionId, client: string | undefined): Local => {
    const known = locals.get(actionId)
    if (known !== undefined) return known
    const local: Local = { state: "idle", client, ended: Deferred.makeUnsafe() }
    locals.set(actionId, local)
    if (locals.size > capacity) forget(locals.keys().next().value!, new Ended("left"))
    return local
  }

  const forget = (actionId: ActionId, ended: Ended) => {
    const local = locals.get(actionId)
    if (local === undefined) return
    locals.delete(actionId)
    Deferred.doneUnsafe(local.ended, Exit.succeed(ended))
  }

  const leave = (actionId: ActionId) => Effect.sync(() => forget(actionId, new Ended("left")))

  /** What is only remembered never changes what became of a call. */
  const noted = (effect: Effect.Effect<unknown, StorageFailed>): Effect.Effect<void> =>
    Effect.catch(
      Effect.asVoid(effect),
      (error) => Effect.logWarning(`A decision was not remembered: ${error.message}`)
    )

  const reject = (actionId: ActionId, note: string | null, since: number) =>
    noted(store.decide(actionId, { note, until: since + refuseFor }))

  const decided = Effect.fnUntraced(function*(decided: Decided) {
    const { _tag, actionId } = decided
    if (_tag !== "Rejected") return yield* noted(store.decide(actionId))
    const now = yield* Clock.currentTimeMillis
    yield* reject(actionId, decided.note, decided.reviewedAt?.epochMilliseconds ?? now)
  })

  // --- joining

  const joinedAs = (reason: Joined) =>
    Effect.andThen(count("joined"), new VargateError({ operation: "Decisions.join", reason }))

  /** Waits as the first one does, for so long, and says what became of its action. */
  const join = (actionId: ActionId, call: GuardedCall): Effect.Effect<never, VargateError> =>
    Effect.flatMap(Effect.serviceOption(Approvals.Approvals), (approvals) => {
      const { join: options } = call
      if (options === undefined || Option.isNone(approvals)) {
        return joinedAs(new Joined({ actionId, outcome: "pending" }))
      }
      const joining = joined(actionId, call, approvals.value, options)
      const { whileWaiting } = options
      if (whileWaiting === undefined) return joining
      const message = `The action waits for a reviewer as ${actionId}.`
      return Effect.raceFirst(
        joining,
        Effect.andThen(whileWaiting(new PendingApproval({ actionId, message })), Effect.never)
      )
    })

  const joined = Effect.fnUntraced(function*(
    actionId: ActionId,
    { agentId, tool }: GuardedCall,
    approvals: Approvals.Approvals["Service"],
    options: Approvals.AwaitOptions
  ): Effect.fn.Return<never, VargateError> {
    // Before the wait: the first one may have ended when this one continues.
    const local = locals.get(actionId)
    const client = yield* Client
    const isSameClient = local === undefined ? client === undefined : local.client === client
    const performed = (result?: unknown) =>
      joinedAs(new Joined({ actionId, outcome: "performed", ...isSameClient ? { result } : {} }))
    const waiting = approvals.await(actionId, options)
    const verdict = yield* Effect.withFiber((fiber) =>
      guardsOf(fiber)?.untilStopped(actionId, waiting, { agentId, tool }) ?? waiting
    ).pipe(Effect.catch((error) => Effect.succeed(error)))
    switch (verdict._tag) {
      case "ApprovalTimeout":
        return yield* joinedAs(new Joined({ actionId, outcome: "pending" }))
      case "VargateError":
        return yield* verdict
      case "Rejected":
        yield* decided(verdict)
        return yield* joinedAs(new Joined({ actionId, outcome: "rejected", note: verdict.note }))
      case "Expired":
        yield* decided(verdict)
        return yield* joinedAs(new Joined({ actionId, outcome: "expired" }))
    }
    const { execution } = verdict
    switch (execution._tag) {
      case "Executed":
        return yield* performed(execution.result)
      case "ExecutedUnseen":
        return yield* performed()
      case "ExecutionFailed":
        return yield* joinedAs(new Joined({ actionId, outcome: "failed" }))
    }
    if (local === undefined || local.state === "idle" && !Deferred.isDoneUnsafe(local.ended)) {
      return yield* joinedAs(new Joined({ actionId, outcome: "approved" }))
    }
    const found = yield* Effect.timeoutOption(Deferred.await(local.ended), options.timeout ?? "65 minutes")
    const { outcome, result } = Option.getOrElse(found, () => new Ended("left"))
    return yield* outcome === "performed"
      ? performed(result)
      : joinedAs(new Joined({ actionId, outcome: outcome === "failed" ? "failed" : "approved" }))
  })

  // --- submitting

  /** What the gateway says of an action that no call of this process waits for. */
  const outcomeOf = (actionId: ActionId): Effect.Effect<Approvals.Outcome["_tag"] | undefined> =>
    Effect.flatMap(Effect.serviceOption(Approvals.Approvals), (approvals) =>
      Option.isNone(approvals)
        ? Effect.undefined
        : approvals.value.outcome(actionId).pipe(
          Effect.tap((outcome) => outcome._tag === "Waiting" ? Effect.void : decided(outcome)),
          Effect.map(({ _tag }) => _tag),
          // What cannot be looked up is as it was.
          Effect.orElseSucceed(() => undefined)
        ))

  type Way =
    | { readonly _tag: "Claimed" }
    | { readonly _tag: "Unclaimed" }
    | { readonly _tag: "Join"; readonly actionId: ActionId }
    | { readonly _tag: "Refuse"; readonly standing: Standing }

  /** Whether the call is the first one, or what stands in its way. */
  const way = Effect.fnUntraced(function*(key: string, token: string): Effect.fn.Return<Way, StorageFailed> {
    for (;;) {
      // However long it takes: a lease is for processes that have ended.
      const answer = answers.get(key)
      const isAnswered = answer !== undefined && (yield* Deferred.await(answer))
      const now = yield* Clock.currentTimeMillis
      if (isAnswered && (yield* store.look(key, now)) === undefined) return { _tag: "Unclaimed" }
      const standing = yield* store.claim(key, { token, now, until: now + lease })
      // The same submission, which another process had begun.
      if (standing === undefined || standing.token === token && standing.state !== "rejected") {
        return { _tag: "Claimed" }
      }
      if (standing.state === "rejected") return { _tag: "Refuse", standing }
      if (standing.state === "pending") {
        const actionId = standing.actionId!
        const local = locals.get(actionId)
        if (local !== undefined && local.state !== "idle") return { _tag: "Join", actionId }
        const outcome = yield* outcomeOf(actionId)
        if (outcome === undefined || outcome === "Waiting") return { _tag: "Join", actionId }
        continue
      }
      if (answers.has(key)) continue
      yield* Effect.sleep(lookEvery)
      const next = yield* store.look(key, yield* Clock.currentTimeMillis)
      // The very same call was allowed or denied just now: there is no wait to join.
      if (next === undefined || next.token !== standing.token && next.state === "submitting") {
        return { _tag: "Unclaimed" }
      }
    }
  })

  const noteAnswer = Effect.fnUntraced(function*(
    key: string,
    token: string,
    exit: Exit.Exit<ToolCalls.Decision, SubmitError>
  ) {
    if (Exit.isFailure(exit) || exit.value._tag !== "PendingApproval") return yield* noted(store.release(key, token))
    const { actionId } = exit.value
    localOf(actionId, yield* Client)
    const now = yield* Clock.currentTimeMillis
    yield* noted(store.pend(key, token, { actionId, until: now + rememberFor }))
  })

  const submit: Guard["submit"] = (call, submitting) => {
    if (call.allowDuplicate) return submitting
    const { token } = call
    const first = (key: string) =>
      Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<boolean>()
        answers.set(key, answer)
        return Effect.onExit(submitting, (exit) =>
          Effect.andThen(
            noteAnswer(key, token, exit),
            Effect.sync(() => {
              if (answers.get(key) === answer) answers.delete(key)
              Deferred.doneUnsafe(answer, Exit.succeed(Exit.isSuccess(exit)))
            })
          ))
      })
    /** Where it is pending nevertheless, and no other is, later ones join it. */
    const unclaimed = (key: string) =>
      Effect.onExit(submitting, (exit) =>
        Exit.isSuccess(exit) && exit.value._tag === "PendingApproval"
          ? noted(Effect.gen(function*() {
            const now = yield* Clock.currentTimeMillis
            const standing = yield* store.claim(key, { token, now, until: now + lease })
            if (standing === undefined) yield* noteAnswer(key, token, exit)
          }))
          : Effect.void)
    return Effect.suspend(() => {
      const key = keyOf(call)
      return Effect.flatMap(
        Effect.catch(way(key, token), (error): Effect.Effect<Way> =>
          Effect.as(
            Effect.logWarning(`The call is submitted without a look at earlier ones: ${error.message}`),
            { _tag: "Unclaimed" }
          )),
        (way) => {
          switch (way._tag) {
            case "Claimed":
              return first(key)
            case "Unclaimed":
              return unclaimed(key)
            case "Join":
              return join(way.actionId, call)
            case "Refuse": {
              const { actionId, note, until } = way.standing
              const reason = new RefusedAgain({ actionId: actionId!, note, until: DateTime.makeUnsafe(until) })
              return Effect.andThen(
                count("refused_again"),
                new VargateError({ operation: "Decisions.submit", reason })
              )
            }
          }
        }
      )
    })
  }

  return Decisions.of({
    store,
    submit,
    decided: (decision) =>
      Effect.andThen(
        decided(decision),
        decision._tag === "Approved" && decision.execution._tag === "NotExecuted"
          ? Effect.void
          : leave(decision.actionId)
      ),
    waiting: (actionId) =>
      Effect.map(Client, (client) => {
        localOf(actionId, client).state = "waiting"
      }),
    left: leave,
    act: (actionId, action) =>
      Effect.withFiber((fiber) => {
        const local = locals.get(actionId)
        if (local === undefined) return action
        local.state = "acting"
        return Effect.onExit(action, (exit) =>
          Effect.sync(() => {
            if (Exit.isFailure(exit) || !(exit.value instanceof Beginning)) return forget(actionId, endedBy(exit))
            // A caller that is gone before it has said how it ended has left it.
            const unobserved = fiber.addObserver(() => forget(actionId, new Ended("left")))
            exit.value.ended = (ended) => {
              unobserved()
              forget(actionId, ended)
            }
          }))
      })
  })
})

/**
 * The service over a store.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<Decisions, never, DecisionStore> =>
  Layer.effect(Decisions, make(options))

/**
 * The service in memory, for one process. `effect-vargate/node/GovernedSql` has a store for several.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<Decisions> =>
  Layer.provide(layer(options), layerStoreMemory)
