/**
 * POST /mcp/server and GET /mcp/server/health: the gateway's own MCP door, which speaks JSON-RPC.
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { ActionId } from "../../model/ActionId.ts"
import { ManagedSessionId } from "../../model/ManagedSession.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import {
  LedgerUnavailable503,
  Refusals,
  TooManyCalls429,
  TooManyRequests429
} from "../../transport/wire/ErrorBodies.ts"
import { OpaUnreachable502, ToolCallBody } from "./ToolCallsApi.ts"

/**
 * A request. The door answers batches and anything else with an error.
 *
 * @category codecs
 * @since 0.1.0
 */
export const RpcRequest = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  id: Schema.Int,
  method: Schema.String,
  params: Schema.Record(Schema.String, Schema.Unknown)
})

/**
 * An answer: denials and rate limits come inside it, under a 200. Its id is null where the request's could not be read.
 *
 * @category codecs
 * @since 0.1.0
 */
export const RpcResponse = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  id: Schema.NullOr(Schema.Union([Schema.Int, Schema.String])),
  result: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.Struct({
    code: Schema.Int,
    message: Schema.String,
    data: Schema.optionalKey(Schema.Unknown)
  }))
})

/**
 * The params of `tools/call`. Who calls stands among the arguments. The door answers a call without a name, or with a list
 * of arguments, with a bare 500.
 *
 * @category codecs
 * @since 0.1.0
 */
export const CallParams = Schema.Struct({
  name: Schema.String.check(Schema.isMinLength(1, { expected: "the name of a tool" })),
  arguments: Schema.StructWithRest(
    Schema.Struct({
      _vargate_agent_id: ToolCallBody.fields.agent_id,
      _vargate_session_id: Schema.optionalKey(ManagedSessionId)
    }),
    [Schema.Record(Schema.String, Schema.Unknown)]
  )
})

/**
 * The result of `initialize`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const InitializeResult = Schema.Struct({
  protocolVersion: Schema.String,
  serverInfo: Schema.Struct({ name: Schema.String, version: Schema.String }),
  vargate: Schema.Struct({
    session_id: Schema.String,
    tenant_id: Schema.String,
    governance: Schema.String,
    features: Schema.Array(Schema.String)
  })
})

/**
 * The result of `tools/list`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ToolsResult = Schema.Struct({
  tools: Schema.Array(Schema.Struct({
    name: Schema.String,
    description: Schema.optionalKey(Schema.String),
    inputSchema: Schema.Record(Schema.String, Schema.Unknown)
  }))
})

/**
 * The result of `tools/call`: what the policy decided is under `_vargate`, what the tool answered is JSON in a text.
 *
 * @category codecs
 * @since 0.1.0
 */
export const CallResult = Schema.Struct({
  content: Schema.Array(Schema.Struct({ type: Schema.String, text: Schema.optionalKey(Schema.String) })),
  _vargate: Schema.Struct({
    action_id: ActionId,
    decision: Schema.String,
    violations: Schema.optionalKey(Schema.Array(Schema.String)),
    severity: Schema.optionalKey(Schema.String),
    alert_tier: Schema.optionalKey(Schema.String),
    execution_mode: Schema.optionalKey(Schema.NullOr(Schema.String))
  })
})

/**
 * What the tool answered, as the text of a result holds it.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ToolAnswer = Schema.Struct({
  result: Schema.Unknown,
  execution_ms: Schema.optionalKey(Schema.NullOr(Schema.Finite))
})

const HealthBody = Schema.Struct({
  status: Schema.String,
  service: Schema.String,
  protocol_version: Schema.String
})

/** The door takes tool calls, and for those another server's words prove nothing. */
const refusals = Refusals.filter((refusal) => refusal !== TooManyRequests429)

/**
 * The routes of the door. It refuses a request without a key, and takes one as `X-API-Key` or, here alone, as a bearer
 * token; its health needs none.
 *
 * @category groups
 * @since 0.1.0
 */
export class McpDoorApi extends HttpApiGroup.make("mcpDoor").add(
  HttpApiEndpoint.post("exchange", "/mcp/server", {
    payload: RpcRequest,
    success: RpcResponse,
    error: [OpaUnreachable502, LedgerUnavailable503, TooManyCalls429, ...refusals]
  })
).middleware(ApiKey).add(
  HttpApiEndpoint.get("health", "/mcp/server/health", { success: HealthBody, error: Refusals })
) {}
