/**
 * What policies ask about an agent's last ten minutes, and about large amounts.
 *
 * @since 0.1.0
 */

/**
 * The statements of this step.
 *
 * @category migrations
 * @since 0.1.0
 */
export const windows: ReadonlyArray<string> = [
  // Running totals of an agent: how much lies between two moments is a difference, however much that is.
  "ALTER TABLE agents ADD COLUMN ordinal INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE agents ADD COLUMN denials INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE agents ADD COLUMN high_values INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE agent_actions ADD COLUMN ordinal INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE agent_actions ADD COLUMN denials INTEGER NOT NULL DEFAULT 0",
  "ALTER TABLE agent_actions ADD COLUMN high_value INTEGER NOT NULL DEFAULT 0",
  "UPDATE agents SET ordinal = actions, denials = violations",
  `UPDATE agent_actions SET ordinal = counted.ordinal, denials = counted.denials
  FROM (
    SELECT tenant_id, agent_id, at, record_id, count(*) OVER before AS ordinal, sum(denied) OVER before AS denials
    FROM agent_actions WINDOW before AS (PARTITION BY tenant_id, agent_id ORDER BY at, record_id)
  ) AS counted
  WHERE counted.tenant_id = agent_actions.tenant_id AND counted.agent_id = agent_actions.agent_id
    AND counted.at = agent_actions.at AND counted.record_id = agent_actions.record_id`
]
