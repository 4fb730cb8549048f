/**
 * GET /agents/{id}/anomaly_score, DELETE /agents/{id}/history, DELETE /agents/{id}/counters
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import { Refusals } from "../../transport/wire/ErrorBodies.ts"

/** What the gateway takes for an agent's id, except for what could not stand in a URL. */
const AgentId = Schema.String.check(
  Schema.isPattern(/^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,256}$/, { expected: "an agent id" })
)

const params = { id: AgentId }

const ClearedBody = Schema.Struct({
  status: Schema.String,
  agent_id: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "ClearedBody" })

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class AgentsApi extends HttpApiGroup.make("agents").add(
  HttpApiEndpoint.get("anomalyScore", "/agents/:id/anomaly_score", {
    params,
    success: Schema.Struct({
      agent_id: Schema.optionalKey(Schema.String),
      anomaly_score: Schema.Finite
    }).annotate({ identifier: "AnomalyScoreBody" }),
    error: Refusals
  }),
  HttpApiEndpoint.delete("clearHistory", "/agents/:id/history", { params, success: ClearedBody, error: Refusals }),
  HttpApiEndpoint.delete("clearCounters", "/agents/:id/counters", { params, success: ClearedBody, error: Refusals })
).middleware(ApiKey) {}
