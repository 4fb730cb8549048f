/**
 * Managed agents and their sessions in a SQLite file.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ManagedAgent } from "../../model/ManagedAgent.ts"
import { ManagedSession } from "../../model/ManagedSession.ts"
import { exceeded, ManagedStore } from "../managed/ManagedStore.ts"
import { Database } from "./Database.ts"

interface SessionRow {
  /** As it began. */
  readonly session: string
  readonly status: string
  readonly ended_at: number | null
}

// What stands in the columns was written here.
const agentText = Schema.fromJsonString(Schema.toCodecJson(ManagedAgent))
const sessionText = Schema.fromJsonString(Schema.toCodecJson(ManagedSession))
const writeAgent = Schema.encodeSync(agentText)
const readAgent = Schema.decodeSync(agentText)
const writeSession = Schema.encodeSync(sessionText)
const beginning = Schema.decodeSync(sessionText)

const readSession = ({ ended_at, session, status }: SessionRow) =>
  new ManagedSession({
    ...beginning(session),
    status,
    endedAt: ended_at === null ? null : DateTime.makeUnsafe(ended_at)
  })

const make = Effect.gen(function*() {
  const { commit, read, sql } = yield* Database

  return ManagedStore.of({
    addAgent: (tenantId, agent, limit) =>
      commit(Effect.gen(function*() {
        const counted = yield* sql<{ readonly agents: number }>`
          SELECT count(*) AS agents FROM managed_agents WHERE tenant_id = ${tenantId}`
        if (counted[0]!.agents >= limit) return false
        yield* sql`
          INSERT INTO managed_agents ${sql.insert({ tenant_id: tenantId, id: agent.id, agent: writeAgent(agent) })}`
        return true
      })),

    agents: (tenantId) =>
      Effect.map(
        read(sql<{ readonly agent: string }>`
          SELECT agent FROM managed_agents WHERE tenant_id = ${tenantId} ORDER BY rank DESC`),
        (rows) => rows.map(({ agent }) => readAgent(agent))
      ),

    agent: (tenantId, id) =>
      Effect.map(
        read(sql<{ readonly agent: string }>`
          SELECT agent FROM managed_agents WHERE tenant_id = ${tenantId} AND id = ${id}`),
        ([row]) => row && readAgent(row.agent)
      ),

    addSession: (tenantId, session, limits) => {
      const midnight = DateTime.startOf(session.createdAt, "day").epochMilliseconds
      return commit(Effect.gen(function*() {
        const counted = yield* sql<SessionRow>`
          SELECT session, status, ended_at FROM managed_sessions
          WHERE tenant_id = ${tenantId} AND (status = 'active' OR created_at >= ${midnight})`
        const reason = exceeded(counted.map(readSession), session, limits)
        if (reason === undefined) {
          yield* sql`INSERT INTO managed_sessions ${
            sql.insert({
              tenant_id: tenantId,
              id: session.id,
              agent_id: session.agentId,
              status: session.status,
              session: writeSession(session),
              created_at: session.createdAt.epochMilliseconds
            })
          }`
        }
        return reason
      }))
    },

    sessions: (tenantId, { agentId = null, limit, status = null }) =>
      Effect.map(
        read(sql<SessionRow>`
          SELECT session, status, ended_at FROM managed_sessions
          WHERE tenant_id = ${tenantId}
            AND (${status} IS NULL OR status = ${status}) AND (${agentId} IS NULL OR agent_id = ${agentId})
          ORDER BY rank DESC LIMIT ${Number.isFinite(limit) ? limit : -1}`),
        (rows) => rows.map(readSession)
      ),

    session: (tenantId, id) =>
      Effect.map(
        read(sql<SessionRow>`
          SELECT session, status, ended_at FROM managed_sessions WHERE tenant_id = ${tenantId} AND id = ${id}`),
        ([row]) => row && readSession(row)
      ),

    endSession: (tenantId, id, status, endedAt) =>
      Effect.map(
        commit(sql`
          UPDATE managed_sessions SET status = ${status}, ended_at = ${endedAt.epochMilliseconds}
          WHERE tenant_id = ${tenantId} AND id = ${id} AND status = 'active' RETURNING id`),
        (ended) => ended.length > 0
      ),

    abandon: (endedAt) =>
      Effect.map(
        read(sql<SessionRow & { readonly rank: number }>`
          SELECT rank, session, status, ended_at FROM managed_sessions WHERE status = 'active'`),
        (rows) => rows.filter((row) => !readSession(row).isSimulated).map(({ rank }) => rank)
      ).pipe(
        Effect.flatMap((ranks) =>
          ranks.length === 0 ? Effect.void : commit(sql`
            UPDATE managed_sessions SET status = 'failed', ended_at = ${endedAt.epochMilliseconds}
            WHERE status = 'active' AND ${sql.in("rank", ranks)}`)
        ),
        Effect.asVoid
      )
  })
})

/**
 * The store in the database in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ManagedStore, never, Database> = Layer.effect(ManagedStore, make)
