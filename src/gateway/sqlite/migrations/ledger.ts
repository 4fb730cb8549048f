/**
 * Audit records in their chains, what the policy was asked about them, pending actions, Merkle trees, keys of personal
 * data.
 *
 * Times are epoch milliseconds, and what others have named stands in the spelling of `losslessText`. `position` counts a tenant's records from 1, so that a page, a place in the chain and the
 * number of records are found without counting. What a trigger keeps is never touched otherwise.
 *
 * @since 0.1.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const ledger: ReadonlyArray<string> = [
  `CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    action_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    method TEXT NOT NULL,
    params TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    decision TEXT NOT NULL,
    violations TEXT NOT NULL,
    severity TEXT NOT NULL,
    alert_tier TEXT,
    bundle_revision TEXT,
    prev_hash TEXT NOT NULL,
    record_hash TEXT NOT NULL,
    created_at INTEGER,
    evaluation_pass REAL,
    anomaly_score REAL,
    contains_pii INTEGER,
    pii_subject_id TEXT,
    pii_fields TEXT,
    erasure_status TEXT,
    execution_mode TEXT,
    source TEXT,
    managed_session_id TEXT,
    UNIQUE (tenant_id, position),
    UNIQUE (tenant_id, action_id)
  ) STRICT`,
  `CREATE INDEX records_by_hash ON records (tenant_id, record_hash)`,
  `CREATE INDEX records_by_subject ON records (tenant_id, pii_subject_id, position) WHERE pii_subject_id IS NOT NULL`,

  // TEXT, or a BLOB under the gateway's key where it holds personal data.
  `CREATE TABLE policy_inputs (record_id INTEGER PRIMARY KEY, input ANY NOT NULL) STRICT`,

  `CREATE TABLE agent_activity (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    total INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    last_action INTEGER,
    anomaly_score REAL,
    PRIMARY KEY (tenant_id, agent_id)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE agent_tools (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, tool)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TRIGGER records_to_agents AFTER INSERT ON records BEGIN
    INSERT INTO agent_activity
      VALUES (NEW.tenant_id, NEW.agent_id, 1, NEW.decision = 'deny', NEW.created_at, NEW.anomaly_score)
      ON CONFLICT DO UPDATE SET
        total = total + 1,
        blocked = blocked + excluded.blocked,
        last_action = excluded.last_action,
        anomaly_score = excluded.anomaly_score;
    INSERT INTO agent_tools VALUES (NEW.tenant_id, NEW.agent_id, NEW.tool) ON CONFLICT DO NOTHING;
  END`,

  `CREATE TABLE subjects (
    tenant_id TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    records INTEGER NOT NULL,
    erasure_status TEXT,
    last_seen INTEGER,
    PRIMARY KEY (tenant_id, subject_id)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TRIGGER records_to_subjects AFTER INSERT ON records WHEN NEW.pii_subject_id IS NOT NULL BEGIN
    INSERT INTO subjects VALUES (NEW.tenant_id, NEW.pii_subject_id, 1, NEW.erasure_status, NEW.created_at)
      ON CONFLICT DO UPDATE SET
        records = records + 1,
        erasure_status = excluded.erasure_status,
        last_seen = excluded.last_seen;
  END`,
  `CREATE TABLE subject_keys (
    tenant_id TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    secret BLOB,
    erased_at INTEGER,
    PRIMARY KEY (tenant_id, subject_id, version)
  ) STRICT, WITHOUT ROWID`,

  // The order of queueing is that of id.
  `CREATE TABLE held_actions (
    id INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    action_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    method TEXT NOT NULL,
    params ANY NOT NULL,
    violations TEXT NOT NULL,
    severity TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    timeout_at INTEGER,
    policy_decision TEXT,
    status TEXT NOT NULL,
    reviewer TEXT,
    note TEXT,
    reviewed_at INTEGER,
    UNIQUE (tenant_id, action_id)
  ) STRICT`,
  `CREATE INDEX held_actions_waiting ON held_actions (tenant_id, id) WHERE status = 'pending'`,
  `CREATE INDEX held_actions_running_out ON held_actions (tenant_id, timeout_at) WHERE status = 'pending'`,
  `CREATE INDEX held_actions_decided ON held_actions (tenant_id, id) WHERE status <> 'pending'`,
  `CREATE TABLE held_action_counts (
    tenant_id TEXT NOT NULL,
    status TEXT NOT NULL,
    actions INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, status)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TRIGGER held_actions_counted AFTER INSERT ON held_actions BEGIN
    INSERT INTO held_action_counts VALUES (NEW.tenant_id, NEW.status, 1)
      ON CONFLICT DO UPDATE SET actions = actions + 1;
  END`,
  `CREATE TRIGGER held_actions_recounted AFTER UPDATE OF status ON held_actions BEGIN
    UPDATE held_action_counts SET actions = actions - 1 WHERE tenant_id = OLD.tenant_id AND status = OLD.status;
    INSERT INTO held_action_counts VALUES (NEW.tenant_id, NEW.status, 1)
      ON CONFLICT DO UPDATE SET actions = actions + 1;
  END`,
  // Approved for execution by the gateway; gone with the record of it.
  `CREATE TABLE running_approvals (
    tenant_id TEXT NOT NULL,
    action_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, action_id)
  ) STRICT, WITHOUT ROWID`,

  `CREATE TABLE merkle_trees (
    tenant_id TEXT NOT NULL,
    tree_index INTEGER NOT NULL,
    root TEXT NOT NULL,
    records INTEGER NOT NULL,
    height INTEGER,
    from_record_id INTEGER,
    to_record_id INTEGER,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    created_at INTEGER,
    prev_root TEXT,
    anchor_tx TEXT,
    anchor_chain TEXT,
    PRIMARY KEY (tenant_id, tree_index)
  ) STRICT, WITHOUT ROWID`
]
