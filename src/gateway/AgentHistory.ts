/**
 * What policies ask about the past: how busy an agent was, how often it was denied, how odd it looks, and whom the tenant
 * has written to before.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type PolicyInput, recipients } from "./PolicyInput.ts"
import { nextAnomalyScore } from "./PolicyTemplates.ts"

/**
 * A decision as the history remembers it.
 *
 * @category models
 * @since 0.1.0
 */
export interface PastDecision {
  readonly tenantId: string
  readonly agentId: string
  readonly params: Readonly<Record<string, unknown>>
  readonly denied: boolean
  readonly at: DateTime.Utc
}

/**
 * Remembers decisions per tenant and agent.
 *
 * @category services
 * @since 0.1.0
 */
export class AgentHistory extends Context.Service<AgentHistory, {
  /** What the policy's decision document says under `history`; the call at hand is not counted. */
  readonly of: (
    call: Omit<PastDecision, "denied">
  ) => Effect.Effect<PolicyInput["history"]>
  readonly add: (decision: PastDecision) => Effect.Effect<void>
  /** Remembers that the tenant wrote to the recipients of these params. */
  readonly addContact: (tenantId: string, params: Readonly<Record<string, unknown>>) => Effect.Effect<void>
  /** The anomaly score as it is now; 0 for an unknown agent. */
  readonly score: (tenantId: string, agentId: string) => Effect.Effect<number>
  /** Forgets an agent's actions and violations, and its score unless that is to be kept. */
  readonly clear: (
    tenantId: string,
    agentId: string,
    options: { readonly keepScore: boolean }
  ) => Effect.Effect<void>
}>()("effect-vargate/gateway/AgentHistory") {}

interface Agent {
  score: number
  /** Times of the last 24 hours in epoch milliseconds, oldest first. */
  actions: Array<number>
  violations: Array<number>
}

const rounded = (score: number) => Math.round(score * 1e6) / 1e6

const day = 24 * 60 * 60 * 1000

/**
 * The history in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<AgentHistory> = Layer.sync(AgentHistory, () => {
  const agents = new Map<string, Agent>()
  const contacts = new Set<string>()
  const keyOf = (tenantId: string, name: string) => JSON.stringify([tenantId, name])

  const agentAt = (tenantId: string, agentId: string, now: number): Agent => {
    const key = keyOf(tenantId, agentId)
    const agent = agents.get(key) ?? { score: 0, actions: [], violations: [] }
    agents.set(key, agent)
    const isRecent = (time: number) => time > now - day
    // Times arrive in order, so the list needs a new copy only when its head has grown too old.
    if (agent.actions.length > 0 && !isRecent(agent.actions[0]!)) agent.actions = agent.actions.filter(isRecent)
    if (agent.violations.length > 0 && !isRecent(agent.violations[0]!)) {
      agent.violations = agent.violations.filter(isRecent)
    }
    return agent
  }

  return AgentHistory.of({
    of: ({ agentId, at, params, tenantId }) =>
      Effect.sync(() => {
        const agent = agentAt(tenantId, agentId, at.epochMilliseconds)
        const to = recipients(params)
        const lastViolation = agent.violations.at(-1)
        return {
          anomaly_score: rounded(agent.score),
          last_24h: {
            action_count: agent.actions.length,
            policy_violations: agent.violations.length,
            last_violation_at: lastViolation === undefined
              ? null
              : DateTime.formatIso(DateTime.makeUnsafe(lastViolation))
          },
          known_recipient: to.length > 0 && to.every((address) => contacts.has(keyOf(tenantId, address)))
        }
      }),
    add: ({ agentId, at, denied, params, tenantId }) =>
      Effect.sync(() => {
        const agent = agentAt(tenantId, agentId, at.epochMilliseconds)
        agent.score = nextAnomalyScore(agent.score, { denied, amount: params.amount })
        agent.actions.push(at.epochMilliseconds)
        if (denied) agent.violations.push(at.epochMilliseconds)
      }),
    addContact: (tenantId, params) =>
      Effect.sync(() => {
        for (const address of recipients(params)) contacts.add(keyOf(tenantId, address))
      }),
    score: (tenantId, agentId) => Effect.sync(() => rounded(agents.get(keyOf(tenantId, agentId))?.score ?? 0)),
    clear: (tenantId, agentId, { keepScore }) =>
      Effect.sync(() => {
        const key = keyOf(tenantId, agentId)
        const score = agents.get(key)?.score
        agents.delete(key)
        if (keepScore && score !== undefined) agents.set(key, { score, actions: [], violations: [] })
      })
  })
})
