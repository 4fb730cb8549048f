/**
 * Prepared statements of a SQLite connection, each kept under its text.
 *
 * @internal
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"

/** @internal */
export interface Prepared {
  readonly statement: StatementSync
  /** Whether it answers with rows. */
  readonly isQuery: boolean
}

const capacity = 256

/** @internal */
export const statementCache = (db: DatabaseSync) => {
  /** The least recently used first. */
  const cache = new Map<string, Prepared>()

  const prepareFresh = (sql: string): Prepared => {
    const statement = db.prepare(sql)
    return { statement, isQuery: statement.columns().length > 0 }
  }

  const prepare = (sql: string): Prepared => {
    const known = cache.get(sql)
    const prepared = known ?? prepareFresh(sql)
    if (known !== undefined) cache.delete(sql)
    else if (cache.size === capacity) cache.delete(cache.keys().next().value!)
    cache.set(sql, prepared)
    return prepared
  }

  return { prepare, prepareFresh }
}
