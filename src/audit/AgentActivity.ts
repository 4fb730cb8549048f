/**
 * What an agent has been doing.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An agent as the audit log knows it (GET /audit/agents). Reviewers appear as `human-reviewer`.
 *
 * @category models
 * @since 0.1.0
 */
export class AgentActivity extends Schema.Class<AgentActivity>("effect-vargate/AgentActivity")({
  agentId: Schema.String,
  /** Records in the log. */
  total: Schema.Int,
  /** Denied ones among them. */
  blocked: Schema.Int,
  lastAction: Schema.optional(Schema.NullOr(Schema.DateTimeUtc)),
  /** From 0 to 1. */
  anomalyScore: Schema.optional(Schema.NullOr(Schema.Finite)),
  tools: Schema.Array(Schema.String)
}) {}
