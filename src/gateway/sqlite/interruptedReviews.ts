/**
 * Approvals whose execution was cut off by the end of the process: settled, but without a record. They get one now.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { ActionId } from "../../model/ActionId.ts"
import { interruptedApprovalOf } from "../ledger/internal/reviewEntry.ts"
import { append } from "./appending.ts"
import type { Database } from "./Database.ts"
import { fromColumnOrNull } from "./losslessText.ts"

interface InterruptedRow {
  readonly tenant_id: string
  readonly action_id: string
  readonly note: string | null
}

/**
 * Records every approval that was left without a record. To be run before anything else is approved.
 *
 * @category recovery
 * @since 0.1.0
 */
export const recordInterrupted = Effect.fnUntraced(function*(database: Database["Service"]) {
  const { commit, read, sql } = database
  const interrupted = yield* read(sql<InterruptedRow>`
    SELECT running.tenant_id, running.action_id, held.note
    FROM running_approvals AS running
    JOIN held_actions AS held USING (tenant_id, action_id)
    LEFT JOIN records AS review
      ON review.tenant_id = running.tenant_id AND review.action_id = 'approval-' || running.action_id
    WHERE review.id IS NULL`)
  const now = yield* DateTime.now
  for (const row of interrupted) {
    const entry = interruptedApprovalOf({
      tenantId: row.tenant_id,
      actionId: ActionId.make(row.action_id),
      note: fromColumnOrNull(row.note),
      at: now
    })
    yield* commit(append(database, entry, undefined, now))
  }
})
