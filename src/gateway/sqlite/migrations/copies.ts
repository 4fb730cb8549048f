/**
 * Where the file was opened last, so that a copy of it is known for one; and what was archived.
 *
 * @since 0.2.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.2.0
 */
export const copies: ReadonlyArray<string> = [
  // One row. `identity` tells the file from any other that stood at the path before or comes after.
  `CREATE TABLE place (path TEXT NOT NULL, identity TEXT NOT NULL) STRICT`,
  // The newest record that is in archives alone: what stays begins after it.
  `CREATE TABLE archived (
    tenant_id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    record_hash TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`
]
