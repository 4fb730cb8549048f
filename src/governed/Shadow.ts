/**
 * Shadow mode: for the weeks before governance is switched on. Calls are submitted as ever, what the policy would have done
 * is written down, and the agent acts although the answer was a denial, or is pending.
 *
 * **Details**
 *
 * `Governed.shadow` makes such a call, where {@link Shadow} is in context. Which calls are in shadow is chosen per agent, per
 * tool and by share ({@link choice}); all others are governed by `Governed.run` as ever.
 *
 * It never acts where the gateway has executed the call, and never where the submission failed in any way: then it is not
 * known what the policy says, or whether the call was executed. What a kill switch (`Suspension`) or a budget (`Budgets`)
 * stops is stopped in shadow too.
 *
 * A pending action that was acted on is claimed in the store first. `Governed.resume`, waits, toolkits and workflows of every
 * process that has this service over the same store never begin it again, whatever a reviewer decides. {@link close} rejects
 * what is left in the queue, with a note; {@link report} says what would have been denied or pending, by rule.
 *
 * **Gotchas**
 *
 * Where the gateway holds the credentials of a tool, it executes on approval. So the author of the call states that
 * the gateway does not execute the tool (`executes: "agent"`). The first answer that shows otherwise is remembered, and from
 * then on pending calls of this tool are not acted on: they fail with `ShadowRefused`.
 *
 * **Example** (A tool of one agent, in shadow)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Governed, Shadow } from "effect-vargate"
 *
 * const refund = Governed.shadow(
 *   { tool: "stripe", method: "create_refund", params: { charge: "ch_1", amount: 5000 }, executes: "agent" },
 *   Effect.succeed("refunded")
 * )
 *
 * const program = refund.pipe(
 *   Effect.tap((done) => done.isShadow ? Effect.logInfo(`the policy says: ${done.verdict}`) : Effect.void),
 *   Effect.provide(Shadow.layerMemory({ calls: [Shadow.choice({ agent: "refund-bot", tool: "stripe" })] }))
 * )
 * ```
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Approvals from "../approvals/Approvals.ts"
import { Reviews } from "../approvals/Reviews.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  Conflict,
  type FieldIssue,
  GuardUnavailable,
  type OperationError,
  type StorageFailed,
  VargateError
} from "../errors/VargateError.ts"
import { endOf, startOf } from "../internal/amounts.ts"
import { sha256 } from "../internal/sha256.ts"
import { visible } from "../internal/visibleText.ts"
import { ActionId } from "../model/ActionId.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import { type Guard, type GuardedCall, guardKeys } from "./internal/guards.ts"
import { ActedAction, layerStoreMemory, ShadowStore, Verdict } from "./internal/shadowStore.ts"

// --- which calls are in shadow ---------------------------------------------------------------------------------------

/**
 * Which calls are in shadow: of an agent, of a tool, of a method, or a share of these.
 *
 * @category models
 * @since 0.2.0
 */
export interface Choice {
  /** The agent's id. Default: every agent. */
  readonly agent?: string | undefined
  /** Default: every tool. */
  readonly tool?: string | undefined
  /** Default: every method. */
  readonly method?: string | undefined
  /**
   * From 0 to 1. Decided by the digest of agent, tool, method and params, so that a call that is repeated is always on the
   * same side, in every process, and stays in shadow when the share grows. Default: 1.
   */
  readonly share?: number | undefined
}

/**
 * Chooses calls.
 *
 * @category constructors
 * @since 0.2.0
 */
export const choice = (choice: Choice): Choice => choice

/**
 * How shadow mode works.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  /**
   * Which of the calls that are made with `Governed.shadow` are in shadow. Of several choices, the first that concerns a call
   * decides on it; a call that none concerns is governed. Default: all.
   */
  readonly calls?: ReadonlyArray<Choice> | undefined
  /**
   * How long observations are kept, and which actions were acted on. At least 2 days, since an action that is pending may be
   * approved for an hour, and be resumed later. Default: 90 days.
   */
  readonly keepFor?: Duration.Input | undefined
}

const leastDays = 2

const issuesOf = (choices: ReadonlyArray<Choice>, keepFor: Duration.Duration): ReadonlyArray<FieldIssue> => [
  ...choices.flatMap(({ share = 1 }, index): ReadonlyArray<FieldIssue> =>
    share >= 0 && share <= 1 ? [] : [{ path: ["calls", index, "share"], message: "Expected a number from 0 to 1" }]
  ),
  ...(Duration.toDays(keepFor) >= leastDays && Duration.isFinite(keepFor)
    ? []
    : [{ path: ["keepFor"], message: `Expected at least ${leastDays} days` }])
]

/** What is compared of a call. */
type Chosen = Pick<GuardedCall, "agentId" | "digest" | "method" | "tool">

/** Where a call stands between 0 and 1, evenly spread: 48 bits of a digest. */
const positionOf = ({ agentId, digest, method, tool }: Chosen): number =>
  Number.parseInt(sha256(JSON.stringify([agentId, tool, method, digest])).slice(0, 12), 16) / 2 ** 48

const isChosen = (choices: ReadonlyArray<Choice>, call: Chosen): boolean => {
  const concerning = choices.find(({ agent, method, tool }) =>
    (agent === undefined || agent === call.agentId) && (tool === undefined || tool === call.tool) &&
    (method === undefined || method === call.method)
  )
  if (concerning === undefined) return false
  const { share = 1 } = concerning
  return share === 1 || positionOf(call) < share
}

// --- where it is kept ------------------------------------------------------------------------------------------------

export {
  ActedAction,
  type ClaimedBy,
  layerStoreMemory,
  type Observation,
  Observed,
  ShadowStore,
  Verdict
} from "./internal/shadowStore.ts"

// --- for agents ------------------------------------------------------------------------------------------------------

/**
 * Shadow mode for the calls of a process. It also keeps what was acted on in shadow from being begun again, so that every
 * process needs it that resumes, or waits for, actions of the same agents.
 *
 * @category services
 * @since 0.2.0
 */
export class Shadow extends Context.Service<
  Shadow,
  Guard & {
    /** Where it keeps what it sees. */
    readonly store: ShadowStore["Service"]
    /** Whether a call is in shadow. `digest` is that of its params. */
    readonly includes: (call: Chosen) => boolean
    /** Notes what the policy would have done with a call. */
    readonly note: (
      call: Pick<GuardedCall, "agentId" | "method" | "tool">,
      verdict: Verdict,
      answer: { readonly rules: ReadonlyArray<string>; readonly actionId: ActionId | null }
    ) => Effect.Effect<void, VargateError>
    /** Whether the gateway has executed a call of the tool, as far as any process knows. */
    readonly isExecutedByGateway: (tool: string) => Effect.Effect<boolean, VargateError>
    /** Claims a pending action before the agent acts on it. Fails with `Conflict` where it was claimed before. */
    readonly claim: (
      call: Pick<GuardedCall, "agentId" | "method" | "tool">,
      actionId: ActionId
    ) => Effect.Effect<void, VargateError>
    /** Whether this is the first call of the tool in this process. */
    readonly isFirst: (tool: string) => boolean
  }
>()(guardKeys.shadow) {}

const capacity = 10_000

/** Remembers the newest. */
const remember = <A, B>(map: Map<A, B>, key: A, value: B) => {
  map.set(key, value)
  if (map.size > capacity) map.delete(map.keys().next().value!)
}

const maxRules = 20
const maxLength = 256

/** What comes from a policy, or from a program, is kept as plain text of a bounded length. */
const plain = (text: string): string => visible(text.slice(0, maxLength)).slice(0, maxLength)

const unavailable = Effect.mapError((error: StorageFailed) =>
  new VargateError({ operation: "Shadow", reason: new GuardUnavailable({ guard: "shadow", detail: error.detail }) })
)

const actedBefore = (actionId: ActionId) =>
  new VargateError({
    operation: "Shadow",
    reason: new Conflict({ detail: `${actionId} was acted on in shadow, before the decision` })
  })

/**
 * Builds the service over the store in context. Fails with `InvalidRequest` where an option is not acceptable.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Shadow["Service"], VargateError, ShadowStore> {
  const store = yield* ShadowStore
  const choices = options.calls ?? [{}]
  const keepFor = Duration.fromInputUnsafe(options.keepFor ?? "90 days")
  const issues = issuesOf(choices, keepFor)
  if (issues.length > 0) return yield* invalidRequest("Shadow.make", issues)
  const keepMillis = Duration.toMillis(keepFor)

  /** Allowed at once in this process: these were never pending. */
  const allowed = new Map<ActionId, true>()
  /** Whose they are, while they are pending. */
  const pending = new Map<ActionId, Pick<GuardedCall, "agentId" | "method" | "tool">>()
  const executed = new Map<string, true>()
  const seen = new Map<string, true>()

  const noteExecution = (tool: string) =>
    Effect.suspend(() => {
      if (executed.has(tool)) return Effect.void
      remember(executed, tool, true)
      return Effect.andThen(
        Effect.logWarning(`The gateway executes ${tool} itself: its pending calls are no longer acted on in shadow.`),
        Effect.catch(store.noteExecution(tool), (error) =>
          Effect.logError(`Other processes do not know that the gateway executes ${tool}: ${error.message}`))
      )
    })

  const claimOf = (actionId: ActionId, at: number) => {
    const { agentId = "", method = "", tool = "" } = pending.get(actionId) ?? {}
    return new ActedAction({ actionId, agentId, tool, method, at })
  }

  return Shadow.of({
    store,
    includes: (call) => isChosen(choices, call),
    note: Effect.fnUntraced(function*({ agentId, method, tool }, verdict, { actionId, rules }) {
      const at = yield* Clock.currentTimeMillis
      const names = { agentId: plain(agentId), tool: plain(tool), method: plain(method) }
      const named = [...new Set(rules.slice(0, maxRules).map(plain))].sort()
      yield* unavailable(
        store.note({ ...names, verdict, rules: named, actionId, at, until: endOf("day", at) + keepMillis })
      )
    }),
    isExecutedByGateway: (tool) =>
      Effect.suspend(() =>
        executed.has(tool)
          ? Effect.succeed(true)
          : Effect.map(unavailable(store.executed), (tools) => {
            for (const name of tools) remember(executed, name, true)
            return tools.includes(tool)
          })
      ),
    claim: Effect.fnUntraced(function*({ agentId, method, tool }, actionId) {
      const at = yield* Clock.currentTimeMillis
      const action = new ActedAction({
        actionId,
        agentId: plain(agentId),
        tool: plain(tool),
        method: plain(method),
        at
      })
      const before = yield* unavailable(store.claim(action, "shadow", at + keepMillis))
      if (before !== undefined) {
        const detail = before === "shadow" ? "acted on in shadow before" : "begun on its approval"
        return yield* new VargateError({
          operation: "Shadow",
          reason: new Conflict({ detail: `${actionId} was ${detail}` })
        })
      }
    }),
    isFirst: (tool) => {
      const isFirst = !seen.has(tool)
      if (isFirst) remember(seen, tool, true)
      return isFirst
    },
    submit: (call, submitting) =>
      Effect.tap(submitting, (decision) => {
        if (decision._tag === "PendingApproval") {
          const { agentId, method, tool } = call
          remember(pending, decision.actionId, { agentId: plain(agentId), method: plain(method), tool: plain(tool) })
        }
        if (decision._tag !== "Allowed") return Effect.void
        if (decision.execution._tag !== "NotExecuted") return noteExecution(call.tool)
        remember(allowed, decision.actionId, true)
        return Effect.void
      }),
    decided: (decision) => {
      if (decision._tag !== "Approved" || decision.execution._tag === "NotExecuted") return Effect.void
      const tool = pending.get(decision.actionId)?.tool
      return tool === undefined ? Effect.void : noteExecution(tool)
    },
    // Where it cannot be read the wait continues: the store is asked again before anything is begun.
    stopped: (actionId) =>
      Effect.flatMap(
        Effect.orElseSucceed(store.claimed(actionId), () => undefined),
        (by) => by === "shadow" ? Effect.fail(actedBefore(actionId)) : Effect.never
      ),
    act: <A, E, R>(actionId: ActionId, action: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | VargateError, R> => {
        if (allowed.delete(actionId)) return action
        // Claimed too, so that no agent in shadow acts on it in this moment.
        const claiming = Effect.flatMap(
          Clock.currentTimeMillis,
          (now) => unavailable(store.claim(claimOf(actionId, now), "approval", now + keepMillis))
        )
        return Effect.flatMap(
          claiming,
          (by): Effect.Effect<A, E | VargateError, R> => by === "shadow" ? Effect.fail(actedBefore(actionId)) : action
        )
      })
  })
})

/**
 * The service over a store.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options = {}): Layer.Layer<Shadow, VargateError, ShadowStore> =>
  Layer.effect(Shadow, make(options))

/**
 * The service and its store in memory, for one process and for tests. `effect-vargate/node/GovernedSql` has a store for
 * several.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<Shadow | ShadowStore, VargateError> =>
  Layer.provideMerge(layer(options), layerStoreMemory)

// --- for operators ---------------------------------------------------------------------------------------------------

/**
 * How many calls in shadow a rule would have kept from an agent.
 *
 * @category models
 * @since 0.2.0
 */
export class ReportLine extends Schema.Class<ReportLine>("effect-vargate/ShadowReportLine")({
  verdict: Verdict,
  /** Null where the policy has named none. Of a call that is an error, the error. */
  rule: Schema.NullOr(Schema.String),
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  calls: Schema.Int,
  lastAt: Schema.DateTimeUtcFromString,
  lastActionId: Schema.NullOr(ActionId)
}) {}

/**
 * What would have been denied, or pending, since a day. A call that several rules stop has a line for each, and counts once
 * in the totals.
 *
 * @category models
 * @since 0.2.0
 */
export class ShadowReport extends Schema.Class<ShadowReport>("effect-vargate/ShadowReport")({
  since: Schema.DateTimeUtcFromString,
  calls: Schema.Int,
  allowed: Schema.Int,
  denied: Schema.Int,
  pending: Schema.Int,
  errors: Schema.Int,
  /** What is denied first, then what is pending, errors, and what is allowed; of each the most frequent first. */
  lines: Schema.Array(ReportLine),
  /** Tools of which the gateway has executed a call: their pending calls are not acted on. */
  executedByGateway: Schema.Array(Schema.String)
}) {}

const order: ReadonlyArray<Verdict> = ["denied", "pending", "error", "allowed"]

/**
 * What the policy would have done with the calls in shadow, of today and the days before.
 *
 * @category reporting
 * @since 0.2.0
 */
export const report: (
  options?: {
    /** How many days of UTC, today among them. Default: 90. */
    readonly days?: number | undefined
  }
) => Effect.Effect<ShadowReport, StorageFailed, ShadowStore> = Effect.fn("Shadow.report")(
  function*({ days = 90 } = {}) {
    const store = yield* ShadowStore
    const since = startOf("day", yield* Clock.currentTimeMillis) - (days - 1) * 24 * 3600 * 1000
    const observed = yield* store.observed(since)
    const totals = { allowed: 0, denied: 0, pending: 0, error: 0 }
    const lines = new Map<string, ReportLine>()
    for (const { agentId, calls, lastActionId, lastAt, method, rules, tool, verdict } of observed) {
      totals[verdict] += calls
      for (const rule of rules.length === 0 ? [null] : rules) {
        const key = JSON.stringify([verdict, rule, agentId, tool, method])
        const before = lines.get(key)
        const isLater = before === undefined || before.lastAt.epochMilliseconds <= lastAt
        lines.set(
          key,
          new ReportLine({
            verdict,
            rule,
            agentId,
            tool,
            method,
            calls: (before?.calls ?? 0) + calls,
            lastAt: isLater ? DateTime.makeUnsafe(lastAt) : before.lastAt,
            lastActionId: isLater ? lastActionId : before.lastActionId
          })
        )
      }
    }
    return new ShadowReport({
      since: DateTime.makeUnsafe(since),
      calls: totals.allowed + totals.denied + totals.pending + totals.error,
      allowed: totals.allowed,
      denied: totals.denied,
      pending: totals.pending,
      errors: totals.error,
      lines: [...lines.entries()].sort(([keyA, a], [keyB, b]) =>
        order.indexOf(a.verdict) - order.indexOf(b.verdict) || b.calls - a.calls || (keyA < keyB ? -1 : 1)
      ).map(([, line]) => line),
      executedByGateway: yield* store.executed
    })
  }
)

/**
 * What became of an action that was left pending: closed by us, decided before by a reviewer or by its time, approved and
 * executed by the gateway, which is a second time, or unknown to the gateway.
 *
 * @category models
 * @since 0.2.0
 */
export class ClosedAction extends Schema.Class<ClosedAction>("effect-vargate/ShadowClosedAction")({
  actionId: ActionId,
  agentId: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  outcome: Schema.Literals(["closed", "rejected", "expired", "approved", "executed twice", "not found"])
}) {}

const closingNote = "shadow mode: the agent has acted on this before a decision. Closed; no reviewer has rejected it."

/** Of actions that are read from the store at once. */
const pageSize = 100

/**
 * Rejects the pending actions that were acted on in shadow, with a note, so that no reviewer has to look at them. For the
 * process of a panel, or an operator: it needs `Reviews`, which no agent has.
 *
 * **Details**
 *
 * It does not count as a rejection for `Decisions`: the same call is not refused for it. An action that a reviewer has
 * approved meanwhile is never acted on again; where the gateway has executed it, that was a second time, which is logged as
 * an error, and pending calls of the tool are not acted on from then on. Actions that the gateway does not know, perhaps
 * since they are another tenant's, stay open.
 *
 * @category closing
 * @since 0.2.0
 */
export const close: (
  options?: { readonly note?: string | undefined }
) => Effect.Effect<
  ReadonlyArray<ClosedAction>,
  OperationError | StorageFailed,
  ShadowStore | Reviews | Approvals.Approvals
> = Effect.fn("Shadow.close")(function*({ note = closingNote } = {}) {
  const store = yield* ShadowStore
  const closed: Array<ClosedAction> = []
  for (let after: ActedAction | undefined;;) {
    const page: ReadonlyArray<ActedAction> = yield* store.open({ after, limit: pageSize })
    for (const action of page) {
      const outcome = yield* closeOne(action, note)
      if (outcome === "executed twice") {
        yield* store.noteExecution(action.tool)
        yield* Effect.logError(
          `${action.actionId} was approved after the agent had acted on it in shadow, and the gateway has executed ` +
            `${action.tool}/${action.method} a second time. Take ${action.tool} out of shadow.`
        )
      }
      if (outcome !== "not found") yield* store.close(action.actionId)
      const { actionId, agentId, method, tool } = action
      closed.push(new ClosedAction({ actionId, agentId, tool, method, outcome }))
    }
    after = page.at(-1)
    if (page.length < pageSize) return closed
  }
})

const closeOne = (
  { actionId }: ActedAction,
  note: string
): Effect.Effect<ClosedAction["outcome"], OperationError, Reviews | Approvals.Approvals> =>
  Effect.flatMap(Reviews, (reviews) => Effect.retry(reviews.reject(actionId, note), RetryPolicy.reads)).pipe(
    // By an earlier attempt of ours, perhaps.
    Effect.map(({ earlier }) => earlier === undefined || earlier.note === note ? "closed" : "rejected"),
    Effect.catchReasons("VargateError", {
      NotFound: () => Effect.succeed("not found" as const),
      Conflict: () =>
        Effect.flatMap(
          Approvals.Approvals,
          (approvals) => Effect.map(Effect.retry(approvals.outcome(actionId), RetryPolicy.reads), outcomeOf)
        )
    })
  )

const outcomeOf = (outcome: Approvals.Outcome): ClosedAction["outcome"] => {
  switch (outcome._tag) {
    case "Approved":
      return outcome.execution._tag === "NotExecuted" ? "approved" : "executed twice"
    case "Rejected":
      return "rejected"
    // A conflict says that it is decided: it waits no more.
    case "Waiting":
    case "Expired":
      return "expired"
  }
}
