/**
 * Pending actions: the lists, and how reviewers and time settle them.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Fragment } from "effect/sql/Statement"
import { DecidedAction, PendingAction } from "../../approvals/Approval.ts"
import { ActionId } from "../../model/ActionId.ts"
import type { HeldAction, Ledger } from "../ledger/Ledger.ts"
import { append, type NewlyHeld } from "./appending.ts"
import type { Database } from "./Database.ts"
import { intend } from "./intents.ts"
import { fromColumn, fromColumnOrNull, toColumn } from "./losslessText.ts"
import { personalText } from "./personalText.ts"
import { fromMillis } from "./recordRows.ts"

const listLimit = 50

interface HeldRow extends Omit<NewlyHeld, "status"> {
  readonly status: HeldAction["status"]
  readonly reviewer: string | null
  readonly note: string | null
  readonly reviewed_at: number | null
}

const fromMillisOrNull = (millis: number | null) => millis === null ? null : fromMillis(millis)

/**
 * The methods of a ledger that are about pending actions.
 *
 * @category constructors
 * @since 0.1.0
 */
export const heldActions = (database: Database["Service"]) => {
  const { commit, read, sql } = database

  const rowsWhere = (condition: Fragment) => read(sql<HeldRow>`SELECT * FROM held_actions WHERE ${condition}`)

  const heldOf = (row: HeldRow): HeldAction => ({
    action: new PendingAction({
      actionId: ActionId.make(row.action_id),
      agentId: fromColumn(row.agent_id),
      tool: fromColumn(row.tool),
      method: fromColumn(row.method),
      params: JSON.parse(personalText(database, row.tenant_id, row.action_id).read(row.params)),
      violations: JSON.parse(row.violations),
      severity: fromColumn(row.severity),
      createdAt: fromMillis(row.created_at),
      ...(row.timeout_at === null ? {} : { timeoutAt: fromMillis(row.timeout_at) }),
      ...(row.policy_decision === null ? {} : { policyDecision: JSON.parse(row.policy_decision) })
    }),
    status: row.status,
    reviewer: fromColumnOrNull(row.reviewer),
    note: fromColumnOrNull(row.note),
    reviewedAt: fromMillisOrNull(row.reviewed_at)
  })

  const newest = (tenantId: string, condition: Fragment) =>
    rowsWhere(sql`tenant_id = ${tenantId} AND ${condition} ORDER BY id DESC LIMIT ${listLimit}`)

  const overdue = (tenantId: string, now: DateTime.Utc) =>
    sql`tenant_id = ${tenantId} AND status = 'pending' AND timeout_at < ${now.epochMilliseconds}`

  return {
    pending: (tenantId) =>
      Effect.map(newest(tenantId, sql`status = 'pending'`), (rows) => rows.map((row) => heldOf(row).action)),

    decided: (tenantId) =>
      Effect.map(newest(tenantId, sql`status <> 'pending'`), (rows) =>
        rows.map((row) =>
          new DecidedAction({
            actionId: ActionId.make(row.action_id),
            agentId: fromColumn(row.agent_id),
            tool: fromColumn(row.tool),
            method: fromColumn(row.method),
            severity: fromColumn(row.severity),
            createdAt: fromMillis(row.created_at),
            status: row.status,
            reviewer: fromColumnOrNull(row.reviewer),
            note: fromColumnOrNull(row.note),
            reviewedAt: fromMillisOrNull(row.reviewed_at)
          })
        )),

    approvalStats: (tenantId) =>
      Effect.map(
        read(sql<{ readonly status: HeldAction["status"]; readonly actions: number }>`
          SELECT status, actions FROM held_action_counts WHERE tenant_id = ${tenantId}`),
        (rows) => {
          const stats = { pending: 0, approved: 0, rejected: 0, expired: 0 }
          for (const { actions, status } of rows) stats[status] = actions
          return stats
        }
      ),

    held: (tenantId, actionId) =>
      Effect.map(
        rowsWhere(sql`tenant_id = ${tenantId} AND action_id = ${toColumn(actionId)}`),
        ([row]) => row === undefined ? undefined : heldOf(row)
      ),

    settle: Effect.fnUntraced(function*(tenantId, actionId, { note, reviewedAt, reviewer, status }, entry, intent) {
      const now = yield* DateTime.now
      return yield* commit(Effect.gen(function*() {
        const settled = {
          status,
          reviewer: toColumn(reviewer),
          note: toColumn(note),
          reviewed_at: reviewedAt.epochMilliseconds
        }
        const won = yield* sql`
          UPDATE held_actions SET ${sql.update(settled)}
          WHERE tenant_id = ${tenantId} AND action_id = ${actionId} AND status = 'pending'
          RETURNING id`
        if (won.length === 0) return false
        yield* database.change(() => {
          if (entry !== undefined) append(database, entry, undefined, now)
          if (intent !== undefined) intend(database, intent)
        })
        return true
      }))
    }),

    expire: Effect.fnUntraced(function*(tenantId, now) {
      // Asked with every look at the list, and hardly ever is there anything to write.
      const found = yield* read(sql`SELECT 1 FROM held_actions WHERE ${overdue(tenantId, now)} LIMIT 1`)
      if (found.length === 0) return []
      const expired = yield* commit(sql<{ readonly action_id: string }>`
        UPDATE held_actions SET status = 'expired' WHERE ${overdue(tenantId, now)} RETURNING action_id`)
      return expired.map(({ action_id }) => ActionId.make(action_id))
    })
  } satisfies Partial<Ledger["Service"]>
}
