/**
 * Executions that have begun: each is on the disk before it begins, and gone with its record.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { Entry } from "../ledger/Ledger.ts"
import { append } from "./appending.ts"
import type { Database } from "./Database.ts"
import { insertInto } from "./inserting.ts"
import { toColumn } from "./losslessText.ts"
import { personalText } from "./personalText.ts"
import { writeJson } from "./plainJson.ts"

const write = (entry: Entry): string => writeJson({ ...entry, requestedAt: entry.requestedAt.epochMilliseconds })

const read = (text: string): Entry => {
  const entry = JSON.parse(text)
  return { ...entry, requestedAt: DateTime.makeUnsafe(entry.requestedAt) }
}

const insertIntent = insertInto<{
  readonly tenant_id: string
  readonly agent_id: string
  readonly action_id: string
  readonly entry: string | Uint8Array
}>("intents", { tenant_id: true, agent_id: true, action_id: true, entry: true })

/**
 * The statement that keeps an intent: what is to be recorded should the end of the execution never be known.
 *
 * @category changes
 * @since 0.1.0
 */
export const intend = (database: Database["Service"], entry: Entry): void => {
  const { actionId, agentId, containsPii, tenantId } = entry
  insertIntent(database.direct, {
    tenant_id: tenantId,
    agent_id: toColumn(agentId),
    action_id: toColumn(actionId),
    entry: personalText(database, tenantId, actionId).write(write(entry), containsPii)
  })
}

/**
 * The statements that append an entry unless it has been appended already: after a failure the disk may hold it all the
 * same.
 *
 * @category changes
 * @since 0.1.0
 */
export const appendOnce = (database: Database["Service"], entry: Entry, createdAt: DateTime.Utc): void => {
  const found = database.direct.all(
    "SELECT 1 FROM records WHERE tenant_id = ? AND action_id = ?",
    entry.tenantId,
    toColumn(entry.actionId)
  )
  if (found.length === 0) append(database, entry, undefined, createdAt)
}

interface IntentRow {
  readonly tenant_id: string
  readonly action_id: string
  readonly entry: string | Uint8Array
}

/**
 * Records every execution that was cut off by the end of the process: it may have happened. To be run before anything
 * else is executed.
 *
 * @category recovery
 * @since 0.1.0
 */
export const recordInterrupted = Effect.fnUntraced(function*(database: Database["Service"]) {
  const rows = yield* database.read(database.sql<IntentRow>`SELECT tenant_id, action_id, entry FROM intents`)
  const entries = rows
    .map((row) => read(personalText(database, row.tenant_id, row.action_id).read(row.entry)))
    .sort((a, b) => a.requestedAt.epochMilliseconds - b.requestedAt.epochMilliseconds)
  const now = yield* DateTime.now
  for (const entry of entries) yield* database.commit(() => appendOnce(database, entry, now))
})
