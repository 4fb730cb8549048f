/**
 * What policies ask about an agent's past: its score, what it did in the last 24 hours, and whom its tenant wrote to.
 *
 * @since 0.1.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const history: ReadonlyArray<string> = [
  // `actions` and `violations` count the rows of agent_actions.
  `CREATE TABLE agents (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    score REAL NOT NULL,
    actions INTEGER NOT NULL,
    violations INTEGER NOT NULL,
    last_violation INTEGER,
    PRIMARY KEY (tenant_id, agent_id)
  ) STRICT, WITHOUT ROWID`,
  // A row is deleted once it is a day old and the agent acts again.
  `CREATE TABLE agent_actions (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    record_id INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, at, record_id)
  ) STRICT, WITHOUT ROWID`,
  // Fingerprints of tenant and address: the addresses themselves are personal data.
  `CREATE TABLE contacts (contact BLOB PRIMARY KEY) STRICT, WITHOUT ROWID`
]
