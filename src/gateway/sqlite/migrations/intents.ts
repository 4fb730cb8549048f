/**
 * Executions that have begun and have no record yet, of calls and approvals alike. They take the place of the approvals
 * that were known to run.
 *
 * @since 0.1.0
 */

/** The text of a column in the spelling of `losslessText`, as JSON. */
const jsonOf = (column: string) =>
  `CASE WHEN substr(${column}, 1, 1) = char(1) THEN json(substr(${column}, 2)) ELSE json(json_quote(${column})) END`

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const intents: ReadonlyArray<string> = [
  // `entry` is what is to be recorded should the end never be known: TEXT, or a BLOB under the gateway's key where it
  // holds personal data. It is deleted with the record of the execution, which has the same action_id.
  `CREATE TABLE intents (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    action_id TEXT NOT NULL,
    entry ANY NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, action_id)
  ) STRICT, WITHOUT ROWID`,
  `INSERT INTO intents
    SELECT running.tenant_id, 'human-reviewer', 'approval-' || running.action_id, json_object(
      'tenantId', running.tenant_id,
      'actionId', 'approval-' || running.action_id,
      'agentId', 'human-reviewer',
      'tool', 'approval_queue',
      'method', 'approve',
      'params', json_object(
        'target_action', running.action_id,
        'note', ${jsonOf("coalesce(held.note, '')")},
        'executed', NULL,
        'execution_note', 'The gateway stopped during the execution.'
      ),
      'requestedAt', coalesce(held.reviewed_at, held.created_at),
      'decision', 'allow',
      'violations', json_array(),
      'severity', 'none',
      'alertTier', 'none',
      'bundleRevision', 'none',
      'executionMode', 'agent_direct',
      'anomalyScore', 0,
      'containsPii', json('false'),
      'piiFields', json_array(),
      'executed', running.action_id
    )
    FROM running_approvals AS running
    JOIN held_actions AS held USING (tenant_id, action_id)
    WHERE NOT EXISTS (
      SELECT 1 FROM records
      WHERE records.tenant_id = running.tenant_id AND records.action_id = 'approval-' || running.action_id
    )`,
  `DROP TABLE running_approvals`
]
