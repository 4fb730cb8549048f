/**
 * Managed agents and their sessions.
 *
 * @since 0.1.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const managed: ReadonlyArray<string> = [
  // The order of appearance is that of rank.
  `CREATE TABLE managed_agents (
    rank INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    agent TEXT NOT NULL,
    UNIQUE (tenant_id, id)
  ) STRICT`,
  `CREATE TABLE managed_sessions (
    rank INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL,
    session TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (tenant_id, id)
  ) STRICT`,
  `CREATE INDEX managed_sessions_by_status ON managed_sessions (tenant_id, status)`,
  `CREATE INDEX managed_sessions_by_time ON managed_sessions (tenant_id, created_at)`
]
