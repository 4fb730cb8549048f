/**
 * Tenants with their settings, and the vault of their credentials. Every secret is a BLOB under the gateway's key; an API
 * key is found by its SHA-256.
 *
 * @since 0.1.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const tenants: ReadonlyArray<string> = [
  // The order of appearance is that of rank.
  `CREATE TABLE tenants (
    rank INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    stamp TEXT NOT NULL,
    key_hash TEXT NOT NULL UNIQUE,
    api_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    email TEXT UNIQUE,
    slug TEXT UNIQUE,
    webhook_secret BLOB,
    settings TEXT NOT NULL
  ) STRICT`,
  `CREATE TABLE credentials (
    tenant_id TEXT NOT NULL,
    tool_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, tool_id, name)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE credential_uses (
    id INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    tool_id TEXT NOT NULL,
    name TEXT NOT NULL,
    action_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    accessed_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE INDEX credential_uses_by_tenant ON credential_uses (tenant_id, id)`
]
