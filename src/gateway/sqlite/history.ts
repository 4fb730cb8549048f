/**
 * What agents did in the last 24 hours, how odd they look, and whom their tenants have written to.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import {
  AgentHistory,
  day,
  fiveMinutes,
  historyOf,
  keptOutside,
  maxRemembered,
  rounded,
  tenMinutes,
  withUnderway
} from "../ledger/AgentHistory.ts"
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

const agentRow = (sql: SqlClient, tenantId: string, agentId: string) =>
  Effect.map(
    sql<AgentRow>`
      SELECT score, actions, violations, last_violation, high_values, ordinal, denials
      FROM agents WHERE tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)}`,
    ([row]) => row ?? newcomer
  )

interface Forgotten {
  readonly denied: number
  readonly high_value: number
}

/** Deletes what lies outside of the last 24 hours, but for the newest: by the order of recording, which no clock changes. */
const forget = Effect.fnUntraced(function*(
  sql: SqlClient,
  tenantId: string,
  agentId: string,
  now: number,
  ordinal: number
) {
  const them = sql`tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)}`
  const outside = [sql`at <= ${now - day}`, sql`at > ${now + fiveMinutes}`]
    .map((when) => sql`${them} AND ${when} AND ordinal <= ${ordinal - keptOutside}`)
  // Most calls find nothing to delete, and each statement has its price.
  const [found] = yield* sql<{ readonly early: number; readonly late: number }>`
    SELECT EXISTS (SELECT 1 FROM agent_actions WHERE ${outside[0]!}) AS early,
      EXISTS (SELECT 1 FROM agent_actions WHERE ${outside[1]!}) AS late`
  const gone: Array<Forgotten> = []
  for (const [isThere, those] of [[found?.early, outside[0]!], [found?.late, outside[1]!]] as const) {
    if (isThere === 1) {
      gone.push(...yield* sql<Forgotten>`DELETE FROM agent_actions WHERE ${those} RETURNING denied, high_value`)
    }
  }
  return gone
})

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
  if (Arr.isReadonlyArrayNonEmpty(contacts) && contacts.length <= maxRemembered) {
    const rows = Arr.map(contacts, (address) => ({ contact: fingerprint("contact", tenantId, address) }))
    yield* sql`INSERT INTO contacts ${sql.insert(rows)} ON CONFLICT DO NOTHING`
  }
  if (input === undefined) return
  const at = requestedAt.epochMilliseconds
  const denied = decision === "deny"
  const before = yield* agentRow(sql, tenantId, agentId)
  const highValue = !denied && isHighValue(input.action.params)
  const gone = before.actions < keptOutside ? [] : yield* forget(sql, tenantId, agentId, at, before.ordinal)
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

/** Running totals go by the order of recording, which a clock that was set back makes differ from that of the times. */
const within = (count: number, most: number): number => Math.max(0, Math.min(count, most))

/**
 * The history as policies see it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const history = ({ commit, fingerprint, read, sql }: Database["Service"]): AgentHistory["Service"] => {
  const knows = Effect.fnUntraced(function*(tenantId: string, addresses: ReadonlyArray<string>) {
    if (addresses.length === 0 || addresses.length > maxRemembered) return false
    const contacts = addresses.map((address) => fingerprint("contact", tenantId, address))
    const [known] = yield* sql<{ readonly count: number }>`
      SELECT count(*) AS count FROM contacts WHERE ${sql.in("contact", contacts)}`
    return known?.count === contacts.length
  })

  return AgentHistory.of({
    of: ({ agentId, at, inFlight = [], params, tenantId }) =>
      read(Effect.gen(function*() {
        const now = at.epochMilliseconds
        const since = now - day
        const until = now + fiveMinutes
        const them = sql`tenant_id = ${tenantId} AND agent_id = ${toColumn(agentId)}`
        // All in one statement: a call must not be recorded between two looks. Of the agent's actions, those that lie outside
        // of the day do not count. Underway is what has begun, and what is neither begun nor recorded.
        const [found] = yield* sql<AgentRow & { readonly underway: number; readonly future: number }>`
          WITH outside AS (
            SELECT denied, high_value, 0 AS future FROM agent_actions WHERE ${them} AND at <= ${since}
            UNION ALL
            SELECT denied, high_value, 1 AS future FROM agent_actions WHERE ${them} AND at > ${until}
          ), agent AS (
            SELECT score, actions - gone AS actions, violations - gone_denied AS violations, last_violation,
              high_values - gone_high AS high_values, ordinal, denials, future
            FROM agents, (
              SELECT count(*) AS gone, total(denied) AS gone_denied, total(high_value) AS gone_high, total(future) AS future
              FROM outside
            )
            WHERE ${them}
          ), begun AS (
            SELECT action_id FROM intents WHERE ${them}
          )
          SELECT agent.*, (SELECT count(*) FROM begun) + (
            SELECT count(*) FROM json_each(${JSON.stringify(inFlight)}) AS call
            WHERE call.value NOT IN (SELECT action_id FROM begun)
              AND NOT EXISTS (SELECT 1 FROM records WHERE tenant_id = ${tenantId} AND action_id = call.value)
          ) AS underway
          FROM (SELECT 1) LEFT JOIN agent`
        const agent = found === undefined || found.score === null ? { ...newcomer, future: 0 } : found
        const [earlier] = yield* sql<{ readonly ordinal: number; readonly denials: number }>`
          SELECT ordinal, denials FROM agent_actions WHERE ${them} AND at <= ${now - tenMinutes}
          ORDER BY at DESC, record_id DESC LIMIT 1`
        // Recorded since, and yet not of these ten minutes.
        const [future] = earlier === undefined || agent.future === 0 ? [] : yield* sql<{
          readonly actions: number
          readonly denied: number
        }>`
          SELECT count(*) AS actions, total(denied) AS denied FROM agent_actions
          WHERE ${them} AND at > ${until} AND ordinal > ${earlier.ordinal}`
        const isRecent = agent.last_violation !== null && agent.last_violation > since && agent.last_violation <= until
        // The newest denial on record may lie in the future, or have been recorded by a clock that was behind.
        const [violation] = agent.violations === 0 || isRecent ? [] : yield* sql<{ readonly at: number }>`
          SELECT at FROM agent_actions WHERE ${them} AND at > ${since} AND at <= ${until} AND denied = 1
          ORDER BY at DESC LIMIT 1`
        const past = historyOf({
          ...agent,
          highValues: agent.high_values,
          // Where nothing is earlier, all that is left is of the last ten minutes.
          lastTenMinutes: earlier === undefined
            ? { actions: agent.actions, denied: agent.violations }
            : {
              actions: within(agent.ordinal - earlier.ordinal - (future?.actions ?? 0), agent.actions),
              denied: within(agent.denials - earlier.denials - (future?.denied ?? 0), agent.violations)
            },
          lastViolation: isRecent ? agent.last_violation ?? undefined : violation?.at,
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
