/**
 * The steps that a gateway's file has gone through, and those that it still has to take.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import { copies } from "./migrations/copies.ts"
import { heads } from "./migrations/heads.ts"
import { history } from "./migrations/history.ts"
import { intents } from "./migrations/intents.ts"
import { key } from "./migrations/key.ts"
import { ledger } from "./migrations/ledger.ts"
import { managed } from "./migrations/managed.ts"
import { scopedKeys } from "./migrations/scopedKeys.ts"
import { tenants } from "./migrations/tenants.ts"
import { windows } from "./migrations/windows.ts"

const table = "vargate_migrations"

/** A step that was published is never changed: what is new gets a number of its own. */
const steps: Readonly<Record<string, ReadonlyArray<string>>> = {
  "0001_key": key,
  "0002_ledger": ledger,
  "0003_history": history,
  "0004_tenants": tenants,
  "0005_managed": managed,
  "0006_windows": windows,
  "0007_intents": intents,
  "0008_scoped_keys": scopedKeys,
  "0009_copies": copies,
  "0010_heads": heads
}

/**
 * The number of the last step.
 *
 * @category constants
 * @since 0.1.0
 */
export const currentVersion = Object.keys(steps).length

/**
 * Takes the steps that are missing: all of them, or none.
 *
 * @category migrations
 * @since 0.1.0
 */
export const migrate = Migrator.make({})({
  table,
  loader: Migrator.fromRecord(Object.fromEntries(
    Object.entries(steps).map(([name, statements]) => [
      name,
      SqlClient.use((sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true }))
    ])
  ))
})

/**
 * The number of the last step that a file has taken; 0 for a new one.
 *
 * @category migrations
 * @since 0.1.0
 */
export const versionOf = Effect.fnUntraced(function*(sql: SqlClient) {
  const [known] = yield* sql`SELECT 1 FROM sqlite_schema WHERE name = ${table}`
  if (known === undefined) return 0
  const [latest] = yield* sql<{ version: number | null }>`SELECT max(migration_id) AS version FROM ${sql(table)}`
  return latest?.version ?? 0
})
