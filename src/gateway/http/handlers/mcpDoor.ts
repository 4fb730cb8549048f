/**
 * POST /mcp/server, answered by the embedded gateway: MCP of the revision 2024-11-05, for the tools that the gateway
 * executes itself.
 *
 * **Details**
 *
 * A call is decided, executed and recorded like any other, in the name of `_vargate_agent_id` among its arguments. As on
 * the real gateway, a call that needs an approval is recorded as pending and never queued: it cannot be approved. What the
 * real one answers with a bare 500, a call without a name or arguments that are no object, is refused as invalid params.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { CallParams } from "../../../calls/wire/McpDoorApi.ts"
import { OpaUnreachable502, writeToolAnswer } from "../../../calls/wire/ToolCallsApi.ts"
import { fieldIssues } from "../../../errors/internal/fieldIssues.ts"
import { isRecord } from "../../../internal/isRecord.ts"
import { maxParamsLength } from "../../../internal/limits.ts"
import { pythonLength } from "../../../internal/pythonLength.ts"
import { ManagedAgentId } from "../../../model/ManagedAgent.ts"
import { ManagedSessionId } from "../../../model/ManagedSession.ts"
import { ToolCall } from "../../../model/ToolCall.ts"
import { LedgerUnavailable503 } from "../../../transport/wire/ErrorBodies.ts"
import { VargateApi } from "../../../VargateApi.ts"
import { CallWindow } from "../../calls/CallWindow.ts"
import type { LedgerUnavailable } from "../../calls/LedgerUnavailable.ts"
import { type Outcome, Submissions } from "../../calls/Submissions.ts"
import { ToolRunner } from "../../calls/ToolRunner.ts"
import { ManagedStore } from "../../managed/ManagedStore.ts"
import type { PolicyUnavailable } from "../../policy/PolicyEngine.ts"
import { type Tenant, Tenants } from "../../tenants/Tenants.ts"

const protocolVersion = "2024-11-05"
const source = "mcp_governed"

const features = [
  "opa_policy_evaluation",
  "behavioral_analysis",
  "pii_detection",
  "credential_brokering",
  "hash_chain_audit",
  "merkle_tree_anchoring"
]

interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

const rpcError = (code: number, message: string, data?: unknown): RpcError => ({
  code,
  message,
  ...(data === undefined ? {} : { data })
})

const isAgentId = Schema.is(ManagedAgentId)
const isSessionId = Schema.is(ManagedSessionId)

const isRpcError = (error: object): error is RpcError => "code" in error

/**
 * The handlers of this group.
 *
 * @category handlers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  VargateApi,
  "mcpDoor",
  Effect.fnUntraced(function*(handlers) {
    const tenants = yield* Tenants
    const window = yield* CallWindow
    const submissions = yield* Submissions
    const store = yield* ManagedStore
    const { offered } = yield* ToolRunner

    type Offered = (typeof offered)[number]

    /** What a managed agent may use: all, unless it has a list. */
    const allowedTo = Effect.fnUntraced(function*(tenant: Tenant, id: unknown) {
      const agent = isAgentId(id) ? yield* store.agent(tenant.id, id) : undefined
      const names = agent?.allowedTools ?? undefined
      return ({ method, name, tool }: Offered) =>
        names === undefined || names.includes(name) || names.includes(`${tool}/${method}`)
    })

    const list = Effect.fnUntraced(function*(tenant: Tenant, params: Readonly<Record<string, unknown>>) {
      const tools = offered.filter(yield* allowedTo(tenant, params["_vargate_agent_id"]))
      return { tools: tools.map(({ description, inputSchema, name }) => ({ name, description, inputSchema })) }
    })

    const call = Effect.fnUntraced(function*(tenant: Tenant, params: Readonly<Record<string, unknown>>) {
      if (!(yield* window.enter(tenant))) {
        return yield* Effect.fail(rpcError(-32000, "Rate limit exceeded", { vargate_action_id: randomUUID() }))
      }
      const { args, name } = yield* readCall(params)
      const { _vargate_agent_id: agentId, _vargate_session_id: sessionId, ...asked } = args
      const tool = offered.find((tool) => tool.name === name)
      const session = isSessionId(sessionId) ? yield* store.session(tenant.id, sessionId) : undefined
      // What an agent may not use is not there for it, and in its sessions for no other agent either.
      const isAllowed = tool !== undefined && (yield* allowedTo(tenant, agentId))(tool) &&
        (yield* allowedTo(tenant, session?.agentId))(tool)
      if (!isAllowed) return yield* Effect.fail(rpcError(-32602, `Unknown tool: ${name}`))
      if (pythonLength(asked) > maxParamsLength) {
        return yield* Effect.fail(rpcError(-32602, "Invalid params: arguments exceed the 64KB limit"))
      }
      const outcome = yield* submissions.submit(
        tenant,
        new ToolCall({
          agentId,
          agentType: "managed",
          agentVersion: "0.0.0",
          tool: tool.tool,
          method: tool.method,
          params: asked
        }),
        { source, managedSessionId: sessionId }
      )
      return resultOf(outcome)
    })

    const answer = (
      tenant: Tenant,
      message: Readonly<Record<string, unknown>>
    ): Effect.Effect<object, RpcError | PolicyUnavailable | LedgerUnavailable> => {
      const method = typeof message["method"] === "string" ? message["method"] : ""
      const params = isRecord(message["params"]) ? message["params"] : {}
      switch (method) {
        case "initialize":
          return Effect.sync(() => ({
            protocolVersion,
            capabilities: { tools: { listChanged: true } },
            serverInfo: { name: "vargate-governance", version: "1.0.0" },
            vargate: { session_id: randomUUID(), tenant_id: tenant.id, governance: "active", features }
          }))
        case "ping":
        case "notifications/initialized":
          return Effect.succeed({})
        case "tools/list":
          return list(tenant, params)
        case "tools/call":
          return call(tenant, params)
        default:
          return Effect.fail(rpcError(-32601, `Method not found: ${method}`))
      }
    }

    return handlers
      .handleRaw(
        "exchange",
        Effect.fnUntraced(function*({ request }) {
          const tenant = yield* tenants.current
          const message = readMessage(yield* Effect.orDie(request.text))
          if (Result.isFailure(message)) return { jsonrpc: "2.0", id: null, error: message.failure } as const
          const { id } = message.success
          const head = {
            jsonrpc: "2.0",
            id: typeof id === "string" || Number.isInteger(id) ? id as string : null
          } as const
          return yield* answer(tenant, message.success).pipe(
            Effect.map((result) => ({ ...head, result })),
            Effect.catchIf(isRpcError, (error) => Effect.succeed({ ...head, error })),
            Effect.mapError((error) =>
              error._tag === "LedgerUnavailable"
                ? LedgerUnavailable503.make({ detail: `Ledger unavailable: ${error.detail}` })
                : OpaUnreachable502.make({ detail: `OPA unreachable: ${error.detail}` })
            )
          )
        }),
        // A client that disconnects must not leave an executed action without its record.
        { uninterruptible: true }
      )
      .handle(
        "health",
        () => Effect.succeed({ status: "ok", service: "vargate-mcp-server", protocol_version: protocolVersion })
      )
  })
)

/** One request. What is none is answered under a 200, as measured. */
const readMessage = (text: string): Result.Result<Readonly<Record<string, unknown>>, RpcError> => {
  const parsed = Result.try({ try: () => JSON.parse(text) as unknown, catch: () => rpcError(-32700, "Parse error") })
  return Result.flatMap(parsed, (message) => {
    if (Array.isArray(message)) return Result.fail(rpcError(-32600, "Batch requests are not supported"))
    return isRecord(message) ? Result.succeed(message) : Result.fail(rpcError(-32600, "Invalid request"))
  })
}

const decodeCall = Schema.decodeUnknownEffect(CallParams, { errors: "all" })

const readCall = Effect.fnUntraced(function*({ arguments: given = {}, name }: Readonly<Record<string, unknown>>) {
  const named = isRecord(given) ? { _vargate_agent_id: "managed-agent", ...given } : given
  const call = yield* Effect.mapError(decodeCall({ name, arguments: named }), ({ issue }) => {
    const issues = fieldIssues(issue, []).map(({ message, path }) => `${path.join(".")}: ${message}`)
    return rpcError(-32602, `Invalid params: ${issues.join("; ")}`)
  })
  return { name: call.name, args: call.arguments }
})

const resultOf = ({ actionId, decision, execution, severity, violations }: Outcome) => {
  switch (decision) {
    case "allow": {
      const wasExecuted = execution._tag === "Executed" || execution._tag === "ExecutionFailed"
      const text = wasExecuted
        ? { result: writeToolAnswer(execution), execution_ms: execution.latency.executionMs }
        : {}
      const mode = wasExecuted ? "vargate_brokered" : "agent_direct"
      return content(text, false, { action_id: actionId, decision: "allowed", source, execution_mode: mode })
    }
    case "pending_approval": {
      const message = "This action requires human approval. Check back using the action_id."
      return content(
        { status: "pending_approval", action_id: actionId, message },
        false,
        { action_id: actionId, decision: "pending_approval", source }
      )
    }
    case "deny":
      return content(
        { status: "blocked", violations, severity },
        true,
        { action_id: actionId, decision: "denied", violations, severity, source }
      )
  }
}

const content = (text: object, isError: boolean, verdict: object) => ({
  content: [{ type: "text", text: JSON.stringify(text) }],
  isError,
  _vargate: verdict
})
