/**
 * Budgets of agents and tools: how many calls, or how large a sum of a field, an hour, day or month may have.
 *
 * **Details**
 *
 * Where the service is in context, a governed call reserves its amount before anything is sent, in one atomic step for all
 * limits that concern it: what would overdraw one of them is refused here with the reason `OverBudget`, or waits
 * (`whenExceeded: "wait"`). A reservation is given back where the outcome is certain to be none: the policy denied the
 * call, a reviewer rejected it, it expired, or it was never sent. It stays where something may have happened. So a budget is
 * never overdrawn, also not by calls in flight together, and not by several processes on one store.
 *
 * A period is one of the calendar in UTC, and a call counts in the period in which it is asked for. Amounts are exact to
 * six decimals, and what is beyond is rounded up. An amount that is missing, negative, no number or no plain decimal text
 * cannot be counted, and its call is refused too. Where the store cannot be reached nothing is sent (`GuardUnavailable`).
 *
 * **Example** (At most 500 a day)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Budgets, Governed } from "effect-vargate"
 *
 * const daily = Budgets.limit({ agent: "refund-bot", tool: "stripe", sum: "amount", per: "day", max: 500 })
 *
 * const program = Governed.run(
 *   { tool: "stripe", method: "create_refund", params: { charge: "ch_1", amount: 50 }, agent: { id: "refund-bot" } },
 *   Effect.succeed("refunded")
 * ).pipe(Effect.provide(Budgets.layerMemory([daily])))
 * ```
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Approvals from "../approvals/Approvals.ts"
import { BeforeSending, isMinding } from "../calls/internal/beforeSending.ts"
import { ToolCalls } from "../calls/ToolCalls.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  type FieldIssue,
  GuardUnavailable,
  OverBudget,
  type StorageFailed,
  VargateError
} from "../errors/VargateError.ts"
import { endOf, microsOf, startOf } from "../internal/amounts.ts"
import { isRecord } from "../internal/isRecord.ts"
import type { ActionId } from "../model/ActionId.ts"
import { count, type Guard, type GuardedCall, guardKeys } from "./internal/guards.ts"

// --- limits ----------------------------------------------------------------------------------------------------------

/**
 * A limit: on the calls of an agent, of a tool, of both, or of all.
 *
 * @category models
 * @since 0.2.0
 */
export interface Limit {
  /** Default: all agents together. */
  readonly agent?: string | undefined
  /** Default: all tools together. */
  readonly tool?: string | undefined
  /** Default: all methods together. */
  readonly method?: string | undefined
  /** The field of the params that is summed, or the way to it (`"order.total"`). Default: calls are counted. */
  readonly sum?: string | undefined
  /** Of the calendar, in UTC. */
  readonly per: "minute" | "hour" | "day" | "month"
  readonly max: number
  /** Whether a call that would overdraw it is refused (the default), or waits. */
  readonly whenExceeded?: "deny" | "wait" | undefined
}

/**
 * A limit, as it is written in a program.
 *
 * @category constructors
 * @since 0.2.0
 */
export const limit = (limit: Limit): Limit => limit

/** What names a limit in the store: programs with the same limits share them. */
const nameOf = ({ agent, method, per, sum, tool }: Limit): string =>
  JSON.stringify([agent ?? null, tool ?? null, method ?? null, sum ?? null, per])

const wordsOf = ({ agent, max, method, per, sum, tool }: Limit): string =>
  [
    sum === undefined ? `${max} calls` : `${max} of ${sum}`,
    `per ${per}`,
    ...agent === undefined ? [] : [`for agent ${agent}`],
    ...tool === undefined ? [] : [`of tool ${tool}${method === undefined ? "" : `/${method}`}`]
  ].join(" ")

// --- where they are counted ------------------------------------------------------------------------------------------

/**
 * What a call reserves of one limit. Amounts are in millionths.
 *
 * @category models
 * @since 0.2.0
 */
export interface Draw {
  /** The limit and its period. */
  readonly budget: string
  readonly amount: number
  readonly max: number
  /** When the period ends, in epoch milliseconds: after that the count may be forgotten. */
  readonly endsAt: number
}

/**
 * Where budgets are counted. Every method is atomic.
 *
 * @category services
 * @since 0.2.0
 */
export class BudgetStore extends Context.Service<BudgetStore, {
  /**
   * Reserves all draws, or none: returns the budget that they would overdraw, and undefined where they are reserved. What this token has
   * reserved already is not reserved again.
   */
  readonly reserve: (
    token: string,
    draws: ReadonlyArray<Draw>,
    now: number
  ) => Effect.Effect<{ readonly budget: string; readonly used: number } | undefined, StorageFailed>
  /** The reservations of a token belong to this action. */
  readonly bind: (token: string, actionId: ActionId) => Effect.Effect<void, StorageFailed>
  /** Returns reservations: those of a token, or of an action. */
  readonly giveBack: (
    whose: { readonly token: string } | { readonly actionId: ActionId }
  ) => Effect.Effect<void, StorageFailed>
  /** What was reserved for an action is spent. */
  readonly spend: (actionId: ActionId) => Effect.Effect<void, StorageFailed>
  /** Actions that have reservations of a budget, the oldest first. */
  readonly reserved: (budget: string, limit: number) => Effect.Effect<ReadonlyArray<ActionId>, StorageFailed>
  /** How much of a budget is reserved or spent. */
  readonly used: (budget: string) => Effect.Effect<number, StorageFailed>
}>()("effect-vargate/BudgetStore") {}

interface Reservation {
  readonly token: string
  readonly draws: ReadonlyArray<Draw>
  actionId: ActionId | undefined
}

/**
 * In memory.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerStoreMemory: Layer.Layer<BudgetStore> = Layer.sync(BudgetStore, () => {
  const totals = new Map<string, { used: number; readonly endsAt: number }>()
  const byToken = new Map<string, Reservation>()
  const byAction = new Map<ActionId, Reservation>()
  const usedOf = (budget: string) => totals.get(budget)?.used ?? 0

  const drop = (reservation: Reservation) => {
    byToken.delete(reservation.token)
    if (reservation.actionId !== undefined) byAction.delete(reservation.actionId)
  }

  const forget = (now: number) => {
    let isOver = false
    for (const [budget, { endsAt }] of totals) {
      if (endsAt > now) continue
      totals.delete(budget)
      isOver = true
    }
    if (!isOver) return
    for (const reservation of byToken.values()) {
      if (reservation.draws.every(({ budget }) => !totals.has(budget))) drop(reservation)
    }
  }

  return BudgetStore.of({
    reserve: (token, draws, now) =>
      Effect.sync(() => {
        forget(now)
        if (byToken.has(token)) return undefined
        const full = draws.find(({ amount, budget, max }) => usedOf(budget) + amount > max)
        if (full !== undefined) return { budget: full.budget, used: usedOf(full.budget) }
        for (const { amount, budget, endsAt } of draws) totals.set(budget, { used: usedOf(budget) + amount, endsAt })
        byToken.set(token, { token, draws, actionId: undefined })
        return undefined
      }),
    bind: (token, actionId) =>
      Effect.sync(() => {
        const reservation = byToken.get(token)
        if (reservation === undefined) return
        reservation.actionId = actionId
        byAction.set(actionId, reservation)
      }),
    giveBack: (whose) =>
      Effect.sync(() => {
        const reservation = "token" in whose ? byToken.get(whose.token) : byAction.get(whose.actionId)
        if (reservation === undefined) return
        drop(reservation)
        for (const { amount, budget } of reservation.draws) {
          const total = totals.get(budget)
          if (total !== undefined) total.used -= amount
        }
      }),
    spend: (actionId) =>
      Effect.sync(() => {
        const reservation = byAction.get(actionId)
        if (reservation !== undefined) drop(reservation)
      }),
    reserved: (budget, limit) =>
      Effect.sync(() =>
        Array.from(byAction.values()).flatMap(({ actionId, draws }) =>
          actionId !== undefined && draws.some((draw) => draw.budget === budget) ? [actionId] : []
        ).slice(0, limit)
      ),
    used: (budget) => Effect.sync(() => usedOf(budget))
  })
})

// --- the service -----------------------------------------------------------------------------------------------------

/**
 * How a limit stands in the present period.
 *
 * @category models
 * @since 0.2.0
 */
export interface BudgetStatus {
  readonly limit: Limit
  /** Reserved or spent. */
  readonly used: number
}

/**
 * Keeps calls within their limits.
 *
 * @category services
 * @since 0.2.0
 */
export class Budgets extends Context.Service<
  Budgets,
  Guard & {
    /** How the limits stand now. */
    readonly status: Effect.Effect<ReadonlyArray<BudgetStatus>, StorageFailed>
  }
>()(guardKeys.budgets) {}

const million = 1e6

/** Of reservations whose actions are looked up when a budget is full. */
const lookUpAtMost = 20

/** How often a call that waits asks again. */
const lookEvery = "1 second"

const concerns = ({ agent, method, tool }: Limit, call: GuardedCall) =>
  (agent === undefined || agent === call.agentId) && (tool === undefined || tool === call.tool) &&
  (method === undefined || method === call.method)

const fieldOf = (params: unknown, path: string): unknown => {
  let value = params
  for (const name of path.split(".")) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

const issuesOf = (limits: ReadonlyArray<Limit>): ReadonlyArray<FieldIssue> => {
  const names = new Set<string>()
  return limits.flatMap((limit, index) => {
    const issues: Array<FieldIssue> = []
    if (microsOf(limit.max) === undefined) {
      issues.push({ path: ["limits", index, "max"], message: "Expected a number from 0 to 4,000,000,000" })
    }
    if (limit.sum === "") issues.push({ path: ["limits", index, "sum"], message: "Expected the name of a field" })
    if (names.has(nameOf(limit))) {
      issues.push({ path: ["limits", index], message: "Expected one limit for the same calls, field and period" })
    }
    names.add(nameOf(limit))
    return issues
  })
}

/**
 * Builds the service over the store in context. Fails with `InvalidRequest` where a limit is none.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  limits: ReadonlyArray<Limit>
): Effect.fn.Return<Budgets["Service"], VargateError, BudgetStore> {
  const store = yield* BudgetStore
  const issues = issuesOf(limits)
  if (issues.length > 0) return yield* invalidRequest("Budgets.make", issues)

  const refuse = (limit: Limit, reason: Pick<OverBudget, "problem" | "detail">) =>
    Effect.andThen(
      count("over_budget"),
      new VargateError({
        operation: "Budgets",
        reason: new OverBudget({ budget: wordsOf(limit), max: limit.max, ...reason })
      })
    )

  const unavailable = Effect.mapError((error: StorageFailed) =>
    new VargateError({ operation: "Budgets", reason: new GuardUnavailable({ guard: "budgets", detail: error.detail }) })
  )

  /** What is not noted stays reserved, which is on the safe side. */
  const noted = (effect: Effect.Effect<void, StorageFailed>): Effect.Effect<void> =>
    Effect.catch(effect, (error) => Effect.logWarning(`A reservation was not settled: ${error.message}`))

  const drawOf = (limit: Limit, amount: number, now: number): Draw => ({
    budget: `${nameOf(limit)} ${startOf(limit.per, now)}`,
    amount,
    max: microsOf(limit.max)!,
    endsAt: endOf(limit.per, now)
  })

  /** Returns what belongs to actions that were rejected or have expired while no process waited for them. */
  const reclaim = Effect.fnUntraced(function*(budget: string) {
    const approvals = yield* Effect.serviceOption(Approvals.Approvals)
    if (Option.isNone(approvals)) return
    for (const actionId of yield* store.reserved(budget, lookUpAtMost)) {
      const outcome = yield* Effect.option(approvals.value.outcome(actionId))
      if (Option.isSome(outcome)) yield* decided(outcome.value)
    }
  })

  const decided = (outcome: Approvals.Outcome): Effect.Effect<void> => {
    const { actionId } = outcome
    switch (outcome._tag) {
      case "Waiting":
        return Effect.void
      case "Approved":
        return outcome.execution._tag === "NotExecuted" ? Effect.void : noted(store.spend(actionId))
      case "Rejected":
      case "Expired":
        return noted(store.giveBack({ actionId }))
    }
  }

  const reserve = Effect.fnUntraced(function*(
    token: string,
    counted: ReadonlyArray<{ readonly limit: Limit; readonly amount: number }>
  ): Effect.fn.Return<void, VargateError> {
    let isReclaimed = false
    for (;;) {
      const now = yield* Clock.currentTimeMillis
      const draws = counted.map(({ amount, limit }) => drawOf(limit, amount, now))
      const full = yield* unavailable(store.reserve(token, draws, now))
      if (full === undefined) return
      if (!isReclaimed) {
        isReclaimed = true
        yield* unavailable(reclaim(full.budget))
        continue
      }
      const { amount, limit } = counted[draws.findIndex(({ budget }) => budget === full.budget)]!
      const detail = `${full.used / million} is reserved or spent, and the call needs ${amount / million}`
      if (limit.whenExceeded !== "wait" || amount > microsOf(limit.max)!) {
        return yield* refuse(limit, { problem: "exceeded", detail })
      }
      yield* Effect.sleep(lookEvery)
    }
  })

  return Budgets.of({
    status: Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      return yield* Effect.forEach(
        limits,
        (limit) =>
          Effect.map(
            store.used(drawOf(limit, 0, now).budget),
            (used): BudgetStatus => ({ limit, used: used / million })
          )
      )
    }),
    submit: (call, submitting) => {
      const concerned = limits.filter((limit) => concerns(limit, call))
      if (concerned.length === 0) return submitting
      const counted: Array<{ readonly limit: Limit; readonly amount: number }> = []
      for (const limit of concerned) {
        const amount = limit.sum === undefined ? million : microsOf(fieldOf(call.params, limit.sum))
        if (amount === undefined) {
          return refuse(limit, {
            problem: "unreadable",
            detail: `${limit.sum} has to be a number from 0 to 4,000,000,000, or such a number as text`
          })
        }
        counted.push({ limit, amount })
      }
      const { token } = call
      return Effect.withFiber((fiber) => {
        let isSent = false
        const toolCalls = Context.getOrUndefined(fiber.context as Context.Context<ToolCalls>, ToolCalls)
        const minds = toolCalls !== undefined && isMinding(toolCalls)
        const before = fiber.getRef(BeforeSending) ?? Effect.void
        const sending = Effect.provideService(
          submitting,
          BeforeSending,
          Effect.andThen(before, Effect.sync(() => void (isSent = true)))
        )
        const settle = (exit: Exit.Exit<Effect.Success<typeof submitting>, Effect.Error<typeof submitting>>) => {
          if (Exit.isSuccess(exit)) {
            const { _tag, actionId } = exit.value
            if (_tag === "Denied") return noted(store.giveBack({ token }))
            const bound = noted(store.bind(token, actionId))
            return _tag === "Allowed" && exit.value.execution._tag !== "NotExecuted"
              ? Effect.andThen(bound, noted(store.spend(actionId)))
              : bound
          }
          const error = Exit.findErrorOption(exit)
          const isNone = Option.isNone(error)
            ? !isSent && minds
            : error.value.sideEffect === "none" || error.value._tag === "DuplicateSubmission"
          return isNone ? noted(store.giveBack({ token })) : Effect.void
        }
        return Effect.uninterruptibleMask((restore) =>
          Effect.andThen(
            restore(reserve(token, counted)),
            Effect.onExit(restore(sending), settle)
          )
        )
      })
    },
    decided,
    act: (actionId, action) => Effect.andThen(noted(store.spend(actionId)), action)
  })
})

/**
 * The service over a store, with these limits.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (limits: ReadonlyArray<Limit>): Layer.Layer<Budgets, VargateError, BudgetStore> =>
  Layer.effect(Budgets, make(limits))

/**
 * The service in memory, for one process. `effect-vargate/node/GovernedSql` has a store for several.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory = (limits: ReadonlyArray<Limit>): Layer.Layer<Budgets, VargateError> =>
  Layer.provide(layer(limits), layerStoreMemory)
