/**
 * POST /managed/agents, GET /managed/agents, GET /managed/agents/{id}, GET /managed/consumers
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { ManagedAgent, ManagedAgentId } from "../../model/ManagedAgent.ts"
import { EventConsumer } from "../../model/ManagedSession.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"
import { Timestamp } from "../../transport/wire/Timestamp.ts"

const names = {
  model: "anthropic_model",
  tenantId: "tenant_id",
  systemPrompt: "system_prompt",
  allowedTools: "allowed_tools",
  requireHumanApproval: "require_human_approval",
  governanceProfile: "governance_profile",
  maxSessionHours: "max_session_hours",
  maxDailySessions: "max_daily_sessions",
  maxDelegationDepth: "max_delegation_depth",
  parentId: "parent_agent_id",
  createdAt: "created_at"
} as const

const AgentBody = Schema.Struct({
  ...ManagedAgent.fields,
  createdAt: Schema.optional(Timestamp)
}).annotate({ identifier: "ManagedAgentBody" }).pipe(Schema.encodeKeys(names), Schema.decodeTo(ManagedAgent))

/** The row as it is stored has its lists and its profile as JSON in a text; lists are read too. */
const stored = <A>(schema: Schema.Codec<A, A>) =>
  Schema.optional(Schema.NullOr(Schema.Union([Schema.fromJsonString(schema), schema])))

const StoredAgentBody = Schema.Struct({
  ...ManagedAgent.fields,
  allowedTools: stored(Schema.Array(Schema.String)),
  requireHumanApproval: stored(Schema.Array(Schema.String)),
  governanceProfile: stored(Schema.Record(Schema.String, Schema.Unknown)),
  createdAt: Schema.optional(Timestamp)
}).annotate({ identifier: "StoredManagedAgentBody" }).pipe(Schema.encodeKeys(names), Schema.decodeTo(ManagedAgent))

const AgentRequest = Schema.Struct({
  name: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(256)),
  anthropic_model: Schema.optionalKey(Schema.String),
  system_prompt: Schema.optionalKey(Schema.NullOr(Schema.String)),
  allowed_tools: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  require_human_approval: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))),
  governance_profile: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))),
  max_session_hours: Schema.optionalKey(
    Schema.NullOr(Schema.Finite.check(Schema.isBetween({ minimum: 0.1, maximum: 24 })))
  ),
  max_daily_sessions: Schema.optionalKey(
    Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })))
  ),
  max_delegation_depth: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))),
  parent_agent_id: Schema.optionalKey(Schema.NullOr(Schema.String))
}).annotate({ identifier: "ManagedAgentRequest" })

const ConsumerRow = Schema.Struct(EventConsumer.fields).pipe(
  Schema.encodeKeys({
    sessionId: "session_id",
    agentId: "agent_id",
    tenantId: "tenant_id",
    events: "total_events",
    observed: "total_tool_observations",
    anomalies: "total_anomalies"
  }),
  Schema.decodeTo(EventConsumer)
)

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class ManagedAgentsApi extends HttpApiGroup.make("managedAgents").add(
  HttpApiEndpoint.post("create", "/managed/agents", {
    payload: AgentRequest,
    success: AgentBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("list", "/managed/agents", {
    success: Schema.Struct({
      configs: Schema.Array(AgentBody),
      count: Schema.optionalKey(Schema.Int)
    }).annotate({ identifier: "ManagedAgentsBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.get("get", "/managed/agents/:id", {
    params: { id: ManagedAgentId },
    success: StoredAgentBody,
    error: Refusals
  }),
  HttpApiEndpoint.get("consumers", "/managed/consumers", {
    success: Schema.Struct({
      consumers: Schema.Array(ConsumerRow),
      count: Schema.optionalKey(Schema.Int)
    }).annotate({ identifier: "EventConsumersBody" }),
    error: Refusals
  })
).middleware(ApiKey) {}
