/**
 * Keys with scopes. A key is known by its SHA-256 alone.
 *
 * @since 0.1.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const scopedKeys: ReadonlyArray<string> = [
  `CREATE TABLE scoped_keys (
    key_hash TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
  ) STRICT, WITHOUT ROWID`
]
