/**
 * What agents did in the last 24 hours, how odd they look, and whom their tenants have written to.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { AgentHistory, day, historyOf, rounded, tenMinutes, withUnderway } from "../ledger/AgentHistory.ts"
import type { Entry } from "../ledger/Ledger.ts"
import { recipients } from "../policy/PolicyInput.ts"
import { isHighValue, largestAmount, nextAnomalyScore } from "../policy/PolicyTemplates.ts"
import type { Database } from "./Database.ts"
import { toColumn } from "./losslessText.ts"

interface AgentRow {
  readonly score: number
  readonly actions: number
  readonly violations: number
  readonly last_violation: number | null
  /** Of large amounts. */
  readonly high_values: number
  /** Running totals, which nothing is ever taken from. */
  readonly ordinal: number
  readonly denials: number
}

const newcomer: AgentRow = {
  score: 0,
  actions: 0,
  violations: 0,
  last_violation: null,
  high_values: 0,
  ordinal: 0,
  denials: 0
}

/** Nothing that an agent did after `since` is old. */
const agentRow = (sql: SqlClient, tenantId: string, agentId: string, since = -Infinity) =>
  Effect.map(
    sql<AgentRow & { readonly has_old: number }>`
      SELECT score, actions, violations, last_violation, high_values, ordinal, denials, EXISTS (
        SELECT 1 FROM agent_actions AS old
        WHERE old.tenant_id = agents.tenant_id AND old.agent_id = agents.agent_id AND at <= ${since}
      ) AS has_old
      FROM agents WHERE tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)}`,
    ([row]) => row ?? { ...newcomer, has_old: 0 }
  )

/**
 * The change that adds an entry to its agent's history. Only decisions of the policy count.
 *
 * @category changes
 * @since 0.1.0
 */
export const remember = Effect.fnUntraced(function*(
  { fingerprint, sql }: Database["Service"],
  entry: Entry,
  recordId: number
) {
  const { agentId, contacts = [], decision, input, requestedAt, tenantId } = entry
  for (const address of contacts) {
    const contact = fingerprint("contact", tenantId, address)
    yield* sql`INSERT INTO contacts ${sql.insert({ contact })} ON CONFLICT DO NOTHING`
  }
  if (input === undefined) return
  const at = requestedAt.epochMilliseconds
  const denied = decision === "deny"
  const before = yield* agentRow(sql, tenantId, agentId, at - day)
  const highValue = !denied && isHighValue(input.action.params)
  // Most calls find nothing old, and each statement has its price.
  const gone = before.has_old === 0 ? [] : yield* sql<{ readonly denied: number; readonly high_value: number }>`
    DELETE FROM agent_actions WHERE tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)} AND at <= ${at - day}
    RETURNING denied, high_value`
  const totals = { ordinal: before.ordinal + 1, denials: before.denials + Number(denied) }
  yield* sql`INSERT INTO agent_actions ${
    sql.insert({
      tenant_id: tenantId,
      agent_id: toColumn(agentId),
      at,
      record_id: recordId,
      denied: Number(denied),
      high_value: Number(highValue),
      ...totals
    })
  }`
  const after = {
    score: nextAnomalyScore(before.score, { denied, amount: largestAmount(input.action.params) }),
    actions: before.actions - gone.length + 1,
    violations: before.violations - gone.filter(({ denied }) => denied === 1).length + Number(denied),
    last_violation: denied ? at : before.last_violation,
    high_values: before.high_values - gone.filter(({ high_value }) => high_value === 1).length + Number(highValue),
    ...totals
  }
  yield* sql`
    INSERT INTO agents ${sql.insert({ tenant_id: tenantId, agent_id: toColumn(agentId), ...after })}
    ON CONFLICT DO UPDATE SET ${sql.update(after)}`
})

/**
 * The history as policies see it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const history = ({ commit, fingerprint, read, sql }: Database["Service"]): AgentHistory["Service"] => {
  const knows = Effect.fnUntraced(function*(tenantId: string, addresses: ReadonlyArray<string>) {
    for (const address of addresses) {
      const contact = fingerprint("contact", tenantId, address)
      if ((yield* sql`SELECT 1 FROM contacts WHERE contact = ${contact}`).length === 0) return false
    }
    return addresses.length > 0
  })

  return AgentHistory.of({
    of: ({ agentId, at, inFlight = [], params, tenantId }) =>
      read(Effect.gen(function*() {
        const since = at.epochMilliseconds - day
        // All in one statement: a call must not be recorded between two looks. Of the agent's actions, those that its next
        // one will take away do not count. Underway is what has begun, and what is neither begun nor recorded.
        const [found] = yield* sql<AgentRow & { readonly underway: number }>`
          WITH agent AS (
            SELECT score, actions - count(at) AS actions, violations - total(denied) AS violations, last_violation,
              high_values - total(high_value) AS high_values, agents.ordinal, agents.denials
            FROM agents LEFT JOIN agent_actions AS gone
              ON gone.tenant_id = agents.tenant_id AND gone.agent_id = agents.agent_id AND at <= ${since}
            WHERE agents.tenant_id = ${tenantId} AND agents.agent_id = ${toColumn(agentId)}
            GROUP BY agents.agent_id
          ), begun AS (
            SELECT action_id FROM intents WHERE tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)}
          )
          SELECT agent.*, (SELECT count(*) FROM begun) + (
            SELECT count(*) FROM json_each(${JSON.stringify(inFlight)}) AS call
            WHERE call.value NOT IN (SELECT action_id FROM begun)
              AND NOT EXISTS (SELECT 1 FROM records WHERE tenant_id = ${tenantId} AND action_id = call.value)
          ) AS underway
          FROM (SELECT 1) LEFT JOIN agent`
        const agent = found === undefined || found.score === null ? newcomer : found
        const [earlier] = yield* sql<{ readonly ordinal: number; readonly denials: number }>`
          SELECT ordinal, denials FROM agent_actions
          WHERE tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)} AND at <= ${
          at.epochMilliseconds - tenMinutes
        }
          ORDER BY at DESC, record_id DESC LIMIT 1`
        const past = historyOf({
          ...agent,
          highValues: agent.high_values,
          // Where nothing is earlier, all that is left is of the last ten minutes.
          lastTenMinutes: earlier === undefined
            ? { actions: agent.actions, denied: agent.violations }
            : { actions: agent.ordinal - earlier.ordinal, denied: agent.denials - earlier.denials },
          lastViolation: agent.last_violation === null || agent.last_violation <= since
            ? undefined
            : agent.last_violation,
          knowsRecipients: yield* knows(tenantId, recipients(params))
        })
        return withUnderway(past, found?.underway ?? 0)
      })),

    score: (tenantId, agentId) => Effect.map(read(agentRow(sql, tenantId, agentId)), ({ score }) => rounded(score)),

    clear: (tenantId, agentId, { keepScore }) =>
      commit(Effect.gen(function*() {
        const them = sql`tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)}`
        yield* sql`DELETE FROM agent_actions WHERE ${them}`
        yield* keepScore
          ? sql`UPDATE agents SET actions = 0, violations = 0, high_values = 0, last_violation = NULL WHERE ${them}`
          : sql`DELETE FROM agents WHERE ${them}`
      }))
  })
}
