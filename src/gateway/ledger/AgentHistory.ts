/**
 * What policies ask about the past: how busy an agent was, how often it was denied, how odd it looks, and whom the tenant
 * has written to before.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { ActionId } from "../../model/ActionId.ts"
import { type PolicyInput, recipients } from "../policy/PolicyInput.ts"
import { isHighValue, largestAmount, nextAnomalyScore } from "../policy/PolicyTemplates.ts"
import type { Entry } from "./Ledger.ts"

/**
 * Tells what the ledger has recorded about an agent. It is the ledger that adds to the history, with every append.
 *
 * @category services
 * @since 0.1.0
 */
export class AgentHistory extends Context.Service<AgentHistory, {
  /**
   * What the policy's decision document says under `history`; the call at hand is not counted. Executions that have begun
   * count as actions already, and so do calls in flight: those of the same agent that came before and may not be on
   * record yet.
   */
  readonly of: (call: {
    readonly tenantId: string
    readonly agentId: string
    readonly params: Readonly<Record<string, unknown>>
    readonly at: DateTime.Utc
    readonly inFlight?: ReadonlyArray<ActionId> | undefined
  }) => Effect.Effect<PolicyInput["history"]>
  /** The anomaly score as it is now; 0 for an unknown agent. */
  readonly score: (tenantId: string, agentId: string) => Effect.Effect<number>
  /** Forgets an agent's actions and violations, and its score unless that is to be kept. */
  readonly clear: (
    tenantId: string,
    agentId: string,
    options: { readonly keepScore: boolean }
  ) => Effect.Effect<void>
}>()("effect-vargate/gateway/AgentHistory") {}

/**
 * A score as it is shown: without the noise of its arithmetic.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rounded = (score: number): number => Math.round(score * 1e6) / 1e6

/**
 * How long an action counts, in milliseconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const day = 24 * 60 * 60 * 1000

/**
 * How long an action counts as of the last ten minutes, in milliseconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const tenMinutes = 10 * 60 * 1000

/**
 * How far in the future an action may lie and count, in milliseconds. One further ahead was recorded by a clock that has
 * been set back since, and would count for as long as that was wrong.
 *
 * @category constants
 * @since 0.2.0
 */
export const fiveMinutes = 5 * 60 * 1000

/**
 * How many actions of an agent outside of its last 24 hours are kept: a clock that is wrong for a moment must not make them
 * be forgotten, and how many they may become must not depend on a clock.
 *
 * @category constants
 * @since 0.2.0
 */
export const keptOutside = 1000

/**
 * To how many recipients a mail may go and be remembered, and find them known. One to more always counts as the first to
 * some of them: none of them is remembered for it, and a single call cannot fill the memory.
 *
 * @category constants
 * @since 0.2.0
 */
export const maxRemembered = 100

/**
 * The `history` of a decision document, from what was counted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const historyOf = (counted: {
  readonly score: number
  readonly actions: number
  readonly violations: number
  /** Large amounts of the last 24 hours that were not denied. */
  readonly highValues: number
  readonly lastTenMinutes: { readonly actions: number; readonly denied: number }
  /** In epoch milliseconds. */
  readonly lastViolation: number | undefined
  readonly knowsRecipients: boolean
}): PolicyInput["history"] => ({
  anomaly_score: rounded(counted.score),
  last_10min: { action_count: counted.lastTenMinutes.actions, denied_count: counted.lastTenMinutes.denied },
  last_24h: {
    high_value_transactions: counted.highValues,
    action_count: counted.actions,
    policy_violations: counted.violations,
    last_violation_at: counted.lastViolation === undefined
      ? null
      : DateTime.formatIso(DateTime.makeUnsafe(counted.lastViolation))
  },
  known_recipient: counted.knowsRecipients
})

/**
 * A history in which calls that are not on record yet count as actions.
 *
 * @category constructors
 * @since 0.1.0
 */
export const withUnderway = (past: PolicyInput["history"], calls: number): PolicyInput["history"] => {
  if (calls === 0) return past
  const { last_10min: { action_count, denied_count } = { action_count: 0, denied_count: 0 }, last_24h } = past
  return {
    ...past,
    last_10min: { action_count: action_count + calls, denied_count },
    last_24h: { ...last_24h, action_count: last_24h.action_count + calls }
  }
}

interface Agent {
  score: number
  /** Times in epoch milliseconds, earliest first, whatever the order in which they were recorded. */
  actions: Array<number>
  violations: Array<number>
  highValues: Array<number>
}

/** How many of these times, which are in order, are no later than a moment. */
const countUntil = (times: ReadonlyArray<number>, moment: number): number => {
  let [low, high] = [0, times.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (times[middle]! > moment) high = middle
    else low = middle + 1
  }
  return low
}

/** How many of them count at a moment, as of so long before. */
const countAt = (times: ReadonlyArray<number>, now: number, length: number): number =>
  countUntil(times, now + fiveMinutes) - countUntil(times, now - length)

const add = (times: Array<number>, time: number): void => {
  if (times.length === 0 || times[times.length - 1]! <= time) times.push(time)
  else times.splice(countUntil(times, time), 0, time)
  const [early, late] = [countUntil(times, time - day), times.length - countUntil(times, time + fiveMinutes)]
  // A part at a time, so that most calls move nothing.
  if (late > 2 * keptOutside) times.splice(times.length - late + keptOutside)
  if (early > 2 * keptOutside) times.splice(0, early - keptOutside)
}

/**
 * A history in memory, for a ledger in memory to add to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (): AgentHistory["Service"] & { readonly add: (entry: Entry) => void } => {
  const agents = new Map<string, Agent>()
  const contacts = new Set<string>()
  const keyOf = (tenantId: string, name: string) => JSON.stringify([tenantId, name])

  const agentOf = (tenantId: string, agentId: string): Agent => {
    const key = keyOf(tenantId, agentId)
    const agent = agents.get(key) ?? { score: 0, actions: [], violations: [], highValues: [] }
    agents.set(key, agent)
    return agent
  }

  return {
    of: ({ agentId, at, params, tenantId }) =>
      Effect.sync(() => {
        const { actions, highValues, score, violations } = agentOf(tenantId, agentId)
        const now = at.epochMilliseconds
        const to = recipients(params)
        const denied = countAt(violations, now, day)
        return historyOf({
          score,
          actions: countAt(actions, now, day),
          violations: denied,
          highValues: countAt(highValues, now, day),
          lastTenMinutes: {
            actions: countAt(actions, now, tenMinutes),
            denied: countAt(violations, now, tenMinutes)
          },
          lastViolation: denied === 0 ? undefined : violations[countUntil(violations, now + fiveMinutes) - 1],
          knowsRecipients: to.length > 0 && to.length <= maxRemembered &&
            to.every((address) => contacts.has(keyOf(tenantId, address)))
        })
      }),

    score: (tenantId, agentId) => Effect.sync(() => rounded(agents.get(keyOf(tenantId, agentId))?.score ?? 0)),

    clear: (tenantId, agentId, { keepScore }) =>
      Effect.sync(() => {
        const key = keyOf(tenantId, agentId)
        const score = agents.get(key)?.score
        agents.delete(key)
        if (keepScore && score !== undefined) agents.set(key, { score, actions: [], violations: [], highValues: [] })
      }),

    add: ({ agentId, contacts: written = [], decision, input, requestedAt, tenantId }) => {
      if (written.length <= maxRemembered) { for (const address of written) contacts.add(keyOf(tenantId, address)) }
      if (input === undefined) return
      const at = requestedAt.epochMilliseconds
      const agent = agentOf(tenantId, agentId)
      const denied = decision === "deny"
      agent.score = nextAnomalyScore(agent.score, { denied, amount: largestAmount(input.action.params) })
      add(agent.actions, at)
      if (denied) add(agent.violations, at)
      else if (isHighValue(input.action.params)) add(agent.highValues, at)
    }
  }
}
