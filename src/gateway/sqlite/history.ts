/**
 * What agents did in the last 24 hours, how odd they look, and whom their tenants have written to.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
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
import { insertInto } from "./inserting.ts"
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

const agentRow = ({ all }: Database["Service"]["direct"], tenantId: string, agent: string): AgentRow | undefined =>
  all<AgentRow>(
    `SELECT score, actions, violations, last_violation, high_values, ordinal, denials
    FROM agents WHERE tenant_id = ? AND agent_id = ?`,
    tenantId,
    agent
  )[0]

/** What most calls need to know, in one statement: of few agents is there more to be asked. */
const lookUp = `SELECT score, actions, violations, last_violation, high_values, agents.ordinal, agents.denials,
    earlier.ordinal AS earlier_ordinal, earlier.denials AS earlier_denials,
    EXISTS (SELECT 1 FROM agent_actions WHERE tenant_id = ?1 AND agent_id = ?2 AND at <= ?3) OR
      EXISTS (SELECT 1 FROM agent_actions WHERE tenant_id = ?1 AND agent_id = ?2 AND at > ?4) AS has_outside,
    EXISTS (SELECT 1 FROM intents WHERE tenant_id = ?1 AND agent_id = ?2) AS has_begun
  FROM (SELECT 1)
  LEFT JOIN agents ON tenant_id = ?1 AND agent_id = ?2
  LEFT JOIN (
    SELECT ordinal, denials FROM agent_actions WHERE tenant_id = ?1 AND agent_id = ?2 AND at <= ?5
    ORDER BY at DESC, record_id DESC LIMIT 1
  ) AS earlier`

type Look = { readonly [K in keyof AgentRow]: AgentRow[K] | null } & {
  readonly earlier_ordinal: number | null
  readonly earlier_denials: number | null
  readonly has_outside: number
  readonly has_begun: number
}

interface Forgotten {
  readonly denied: number
  readonly high_value: number
}

/** What lies outside of the last 24 hours, but for the newest: by the order of recording, which no clock changes. */
const outside = ["at <= ?", "at > ?"].map((when) => `tenant_id = ? AND agent_id = ? AND ${when} AND ordinal <= ?`)

/** Deletes it, and says what it was. */
const forget = (
  { all }: Database["Service"]["direct"],
  tenantId: string,
  agent: string,
  now: number,
  ordinal: number
): ReadonlyArray<Forgotten> => {
  const last = ordinal - keptOutside
  const [early, late] = [[tenantId, agent, now - day, last], [tenantId, agent, now + fiveMinutes, last]] as const
  // Most calls find nothing to delete, and each statement has its price.
  const [found] = all<{ readonly early: number; readonly late: number }>(
    `SELECT EXISTS (SELECT 1 FROM agent_actions WHERE ${outside[0]}) AS early,
      EXISTS (SELECT 1 FROM agent_actions WHERE ${outside[1]}) AS late`,
    ...early,
    ...late
  )
  const deleted = (where: string | undefined, params: ReadonlyArray<string | number>) =>
    all<Forgotten>(`DELETE FROM agent_actions WHERE ${where} RETURNING denied, high_value`, ...params)
  return [
    ...found?.early === 1 ? deleted(outside[0], early) : [],
    ...found?.late === 1 ? deleted(outside[1], late) : []
  ]
}

const insertContact = insertInto<{ readonly contact: Uint8Array }>(
  "contacts",
  { contact: true },
  "ON CONFLICT DO NOTHING"
)

const insertAction = insertInto<{
  readonly tenant_id: string
  readonly agent_id: string
  readonly at: number
  readonly record_id: number
  readonly denied: number
  readonly high_value: number
  readonly ordinal: number
  readonly denials: number
}>("agent_actions", {
  tenant_id: true,
  agent_id: true,
  at: true,
  record_id: true,
  denied: true,
  high_value: true,
  ordinal: true,
  denials: true
})

const putAgent = insertInto<AgentRow & { readonly tenant_id: string; readonly agent_id: string }>(
  "agents",
  {
    tenant_id: true,
    agent_id: true,
    score: true,
    actions: true,
    violations: true,
    last_violation: true,
    high_values: true,
    ordinal: true,
    denials: true
  },
  `ON CONFLICT DO UPDATE SET score = excluded.score, actions = excluded.actions, violations = excluded.violations,
    last_violation = excluded.last_violation, high_values = excluded.high_values, ordinal = excluded.ordinal,
    denials = excluded.denials`
)

/**
 * The part of a change that adds an entry to its agent's history. Only decisions of the policy count.
 *
 * @category changes
 * @since 0.1.0
 */
export const remember = ({ direct, fingerprint }: Database["Service"], entry: Entry, recordId: number): void => {
  const { agentId, contacts = [], decision, input, requestedAt, tenantId } = entry
  if (contacts.length <= maxRemembered) {
    for (const address of contacts) insertContact(direct, { contact: fingerprint("contact", tenantId, address) })
  }
  if (input === undefined) return
  const agent = toColumn(agentId)
  const at = requestedAt.epochMilliseconds
  const denied = decision === "deny"
  const before = agentRow(direct, tenantId, agent) ?? newcomer
  const highValue = !denied && isHighValue(input.action.params)
  const gone = before.actions < keptOutside ? [] : forget(direct, tenantId, agent, at, before.ordinal)
  const totals = { ordinal: before.ordinal + 1, denials: before.denials + Number(denied) }
  insertAction(direct, {
    tenant_id: tenantId,
    agent_id: agent,
    at,
    record_id: recordId,
    denied: Number(denied),
    high_value: Number(highValue),
    ...totals
  })
  putAgent(direct, {
    tenant_id: tenantId,
    agent_id: agent,
    score: nextAnomalyScore(before.score, { denied, amount: largestAmount(input.action.params) }),
    actions: before.actions - gone.length + 1,
    violations: before.violations - gone.filter(({ denied }) => denied === 1).length + Number(denied),
    last_violation: denied ? at : before.last_violation,
    high_values: before.high_values - gone.filter(({ high_value }) => high_value === 1).length + Number(highValue),
    ...totals
  })
}

/** Running totals go by the order of recording, which a clock that was set back makes differ from that of the times. */
const within = (count: number, most: number): number => Math.max(0, Math.min(count, most))

/**
 * The history as policies see it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const history = ({ commit, direct, fingerprint, look, sql }: Database["Service"]): AgentHistory["Service"] => {
  const knows = (tenantId: string, addresses: ReadonlyArray<string>): boolean =>
    addresses.length > 0 && addresses.length <= maxRemembered &&
    addresses.every((address) =>
      direct.all("SELECT 1 FROM contacts WHERE contact = ?", fingerprint("contact", tenantId, address)).length > 0
    )

  /** Of the agent's actions, those that lie outside of the day do not count. */
  const ofTheDay = (agent: AgentRow, tenantId: string, agentId: string, since: number, until: number) => {
    const [outside] = direct.all<
      { readonly actions: number; readonly violations: number; readonly high_values: number; readonly future: number }
    >(
      `SELECT count(*) AS actions, total(denied) AS violations, total(high_value) AS high_values, total(future) AS future
      FROM (
        SELECT denied, high_value, 0 AS future FROM agent_actions WHERE tenant_id = ? AND agent_id = ? AND at <= ?
        UNION ALL
        SELECT denied, high_value, 1 AS future FROM agent_actions WHERE tenant_id = ? AND agent_id = ? AND at > ?
      )`,
      tenantId,
      agentId,
      since,
      tenantId,
      agentId,
      until
    )
    return outside === undefined ? { ...agent, future: 0 } : {
      ...agent,
      actions: agent.actions - outside.actions,
      violations: agent.violations - outside.violations,
      high_values: agent.high_values - outside.high_values,
      future: outside.future
    }
  }

  /** What has begun, and what is neither begun nor recorded. */
  const underway = (tenantId: string, agentId: string, hasBegun: boolean, inFlight: ReadonlyArray<string>): number => {
    const begun = hasBegun
      ? direct.all<{ readonly action_id: string }>(
        "SELECT action_id FROM intents WHERE tenant_id = ? AND agent_id = ?",
        tenantId,
        agentId
      )
      : []
    const known = new Set(begun.map(({ action_id }) => action_id))
    return begun.length + inFlight.filter((actionId) =>
      !known.has(actionId) &&
      direct.all("SELECT 1 FROM records WHERE tenant_id = ? AND action_id = ?", tenantId, actionId).length === 0
    ).length
  }

  return AgentHistory.of({
    of: ({ agentId, at, inFlight = [], params, tenantId }) =>
      // All in one step: a call must not be recorded between two looks.
      look(() => {
        const now = at.epochMilliseconds
        const since = now - day
        const until = now + fiveMinutes
        const them = [tenantId, toColumn(agentId)] as const
        const [row] = direct.all<Look>(lookUp, ...them, since, until, now - tenMinutes)
        const agent = row === undefined || row.score === null
          ? { ...newcomer, future: 0 }
          : row.has_outside === 1
          ? ofTheDay(row as AgentRow, ...them, since, until)
          : { ...row as AgentRow, future: 0 }
        const earlier = row === undefined || row.earlier_ordinal === null
          ? undefined
          : { ordinal: row.earlier_ordinal, denials: row.earlier_denials ?? 0 }
        // Recorded since, and yet not of these ten minutes.
        const [future] = earlier === undefined || agent.future === 0 ? [] : direct.all<{
          readonly actions: number
          readonly denied: number
        }>(
          `SELECT count(*) AS actions, total(denied) AS denied FROM agent_actions
          WHERE tenant_id = ? AND agent_id = ? AND at > ? AND ordinal > ?`,
          ...them,
          until,
          earlier.ordinal
        )
        const isRecent = agent.last_violation !== null && agent.last_violation > since && agent.last_violation <= until
        // The newest denial on record may lie in the future, or have been recorded by a clock that was behind.
        const [violation] = agent.violations === 0 || isRecent ? [] : direct.all<{ readonly at: number }>(
          `SELECT at FROM agent_actions WHERE tenant_id = ? AND agent_id = ? AND at > ? AND at <= ? AND denied = 1
          ORDER BY at DESC LIMIT 1`,
          ...them,
          since,
          until
        )
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
          knowsRecipients: knows(tenantId, recipients(params))
        })
        return withUnderway(past, underway(...them, row?.has_begun === 1, inFlight))
      }),

    score: (tenantId, agentId) =>
      look(() => rounded((agentRow(direct, tenantId, toColumn(agentId)) ?? newcomer).score)),

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
