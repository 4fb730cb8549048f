/**
 * What the gateway remembers of managed agents and their sessions. The layer decides where.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ManagedAgent } from "../../model/ManagedAgent.ts"
import { ManagedSession } from "../../model/ManagedSession.ts"

/**
 * How many sessions there may be.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionLimits {
  /** At a time. */
  readonly active: number
  readonly daily: number
  /** The agent's own. */
  readonly dailyOfAgent: number | undefined
}

/**
 * Keeps managed agents and sessions, per tenant. Every method is atomic.
 *
 * @category services
 * @since 0.1.0
 */
export class ManagedStore extends Context.Service<ManagedStore, {
  /** Adds an agent, unless the tenant has so many already: then it says no. */
  readonly addAgent: (tenantId: string, agent: ManagedAgent, limit: number) => Effect.Effect<boolean>
  /** Newest first. */
  readonly agents: (tenantId: string) => Effect.Effect<ReadonlyArray<ManagedAgent>>
  readonly agent: (tenantId: string, id: string) => Effect.Effect<ManagedAgent | undefined>
  /** Adds a session, or says which limit forbids it. The day is that of the session's beginning, in UTC. */
  readonly addSession: (
    tenantId: string,
    session: ManagedSession,
    limits: SessionLimits
  ) => Effect.Effect<string | undefined>
  /** Newest first. */
  readonly sessions: (tenantId: string, wanted: {
    readonly status?: string | undefined
    readonly agentId?: string | undefined
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<ManagedSession>>
  readonly session: (tenantId: string, id: string) => Effect.Effect<ManagedSession | undefined>
  /** Ends a session that is active, and says whether it was: of two who end it only one does. */
  readonly endSession: (
    tenantId: string,
    id: string,
    status: "interrupted" | "completed" | "failed",
    endedAt: DateTime.Utc
  ) => Effect.Effect<boolean>
  /**
   * Ends as failed, of all tenants, what is active and not simulated: the agent that played it ended with the last
   * process.
   */
  readonly abandon: (endedAt: DateTime.Utc) => Effect.Effect<void>
}>()("effect-vargate/gateway/ManagedStore") {}

/**
 * Which limit forbids another session beside these, in the words of the measured gateway.
 *
 * @category limits
 * @since 0.1.0
 */
export const exceeded = (
  sessions: ReadonlyArray<ManagedSession>,
  { agentId, createdAt }: ManagedSession,
  limits: SessionLimits
): string | undefined => {
  const midnight = DateTime.startOf(createdAt, "day")
  const today = sessions.filter((session) => DateTime.isGreaterThanOrEqualTo(session.createdAt, midnight))
  const active = sessions.filter(({ isActive }) => isActive).length
  const ofAgent = today.filter((session) => session.agentId === agentId).length
  if (active >= limits.active) return `Max concurrent sessions exceeded (${active}/${limits.active})`
  if (today.length >= limits.daily) return `Max daily sessions exceeded (${today.length}/${limits.daily})`
  return limits.dailyOfAgent !== undefined && ofAgent >= limits.dailyOfAgent
    ? `Agent daily session limit exceeded (${ofAgent}/${limits.dailyOfAgent})`
    : undefined
}

/** Oldest first, as maps keep them. */
interface TenantStore {
  readonly agents: Map<string, ManagedAgent>
  readonly sessions: Map<string, ManagedSession>
}

/**
 * Agents and sessions in memory.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<ManagedStore> = Layer.sync(ManagedStore, () => {
  const tenants = new Map<string, TenantStore>()
  const storeOf = (tenantId: string): TenantStore => {
    const store = tenants.get(tenantId) ?? { agents: new Map(), sessions: new Map() }
    tenants.set(tenantId, store)
    return store
  }

  return ManagedStore.of({
    addAgent: (tenantId, agent, limit) =>
      Effect.sync(() => {
        const { agents } = storeOf(tenantId)
        if (agents.size >= limit) return false
        agents.set(agent.id, agent)
        return true
      }),
    agents: (tenantId) => Effect.sync(() => [...storeOf(tenantId).agents.values()].reverse()),
    agent: (tenantId, id) => Effect.sync(() => storeOf(tenantId).agents.get(id)),

    addSession: (tenantId, session, limits) =>
      Effect.sync(() => {
        const { sessions } = storeOf(tenantId)
        const reason = exceeded([...sessions.values()], session, limits)
        if (reason === undefined) sessions.set(session.id, session)
        return reason
      }),

    sessions: (tenantId, { agentId, limit, status }) =>
      Effect.sync(() =>
        [...storeOf(tenantId).sessions.values()]
          .filter((session) =>
            (status === undefined || session.status === status) &&
            (agentId === undefined || session.agentId === agentId)
          )
          .reverse()
          .slice(0, limit)
      ),

    session: (tenantId, id) => Effect.sync(() => storeOf(tenantId).sessions.get(id)),

    endSession: (tenantId, id, status, endedAt) =>
      Effect.sync(() => {
        const { sessions } = storeOf(tenantId)
        const session = sessions.get(id)
        if (session?.isActive !== true) return false
        sessions.set(id, new ManagedSession({ ...session, status, endedAt }))
        return true
      }),

    abandon: (endedAt) =>
      Effect.sync(() => {
        for (const { sessions } of tenants.values()) {
          for (const [id, session] of sessions) {
            if (!session.isActive || session.isSimulated) continue
            sessions.set(id, new ManagedSession({ ...session, status: "failed", endedAt }))
          }
        }
      })
  })
})
