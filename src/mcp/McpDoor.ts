/**
 * The gateway's own MCP endpoint (POST /mcp/server): tools that the gateway offers and executes itself, by JSON-RPC.
 *
 * **When to use**
 *
 * Use it for the gateway's built-in tools. To govern your own tools, submit their calls with `ToolCalls`; to put an MCP
 * server behind Vargate, use `GovernedMcpProxy`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { snapshotParams } from "../calls/internal/paramsSnapshot.ts"
import * as McpDoorApi from "../calls/wire/McpDoorApi.ts"
import { readToolAnswer } from "../calls/wire/ToolCallsApi.ts"
import { fieldIssues } from "../errors/internal/fieldIssues.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  Denied,
  NeverQueued,
  OpaUnavailable,
  type OperationError,
  RateLimited,
  UnexpectedResponse,
  VargateError
} from "../errors/VargateError.ts"
import { version } from "../internal/version.ts"
import { Agent } from "../model/Agent.ts"
import { Allowed } from "../model/Allowed.ts"
import { NotExecuted } from "../model/Execution.ts"
import type { ManagedAgentId } from "../model/ManagedAgent.ts"
import type { ManagedSessionId } from "../model/ManagedSession.ts"
import * as Transport from "../transport/Transport.ts"
import { isRecord } from "./JsonRpc.ts"

// --- models ----------------------------------------------------------------------------------------------------------

/**
 * What the door says of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface DoorInfo {
  readonly protocolVersion: string
  readonly serverName: string
  readonly serverVersion: string
  readonly sessionId: string
  readonly tenantId: string
  readonly features: ReadonlyArray<string>
}

/**
 * A tool that the door offers. `inputSchema` is a JSON Schema.
 *
 * @category models
 * @since 0.1.0
 */
export type DoorTool = (typeof McpDoorApi.ToolsResult.Type)["tools"][number]

/**
 * What the door's health route says.
 *
 * @category models
 * @since 0.1.0
 */
export interface DoorHealth {
  readonly status: string
  readonly service: string
  readonly protocolVersion: string
}

/**
 * A call of one of the door's tools. The agent is the ambient one.
 *
 * @category models
 * @since 0.1.0
 */
export interface DoorCall {
  readonly name: string
  /** JSON, with the limits of a tool call's `params`. */
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  /** The managed session that the call belongs to. */
  readonly sessionId?: ManagedSessionId | undefined
}

/**
 * Everything that a call through the door can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export type DoorCallError = Denied | NeverQueued | RateLimited | OpaUnavailable | VargateError

/**
 * Speaks through the door.
 *
 * **Details**
 *
 * The endpoint hides its answers: denials and rate limits come under a 200, and become `Denied` and `RateLimited` here;
 * the policy engine's absence is a 502 and becomes `OpaUnavailable`. The key is sent as `X-API-Key`, as everywhere.
 *
 * **Gotchas**
 *
 * A call that needs an approval is **never queued** by this endpoint and cannot be approved: that is `NeverQueued`, not
 * `PendingApproval`. A call whose answer is lost fails with a `VargateError` whose `sideEffect` is `"possible"`: it is
 * never to be repeated blindly.
 *
 * @category services
 * @since 0.1.0
 */
export class McpDoor extends Context.Service<McpDoor, {
  /** `initialize`: each time a session of its own. */
  readonly info: Effect.Effect<DoorInfo, OperationError>
  readonly ping: Effect.Effect<void, OperationError>
  /** `tools/list`: all tools, or those that a managed agent may use. */
  readonly tools: (options?: {
    readonly agentId?: ManagedAgentId | undefined
  }) => Effect.Effect<ReadonlyArray<DoorTool>, OperationError>
  /** `tools/call`: sent **once**. Succeeds when allowed; look at `execution`, since the tool may have failed. */
  readonly call: (call: DoorCall) => Effect.Effect<Allowed, DoorCallError>
  /** GET /mcp/server/health: the version of the protocol, where the door is open. */
  readonly health: Effect.Effect<DoorHealth, OperationError>
}>()("effect-vargate/mcp/McpDoor") {}

// --- make ------------------------------------------------------------------------------------------------------------

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const { mcpDoor } = transport.client(McpDoorApi.McpDoorApi)
  let lastId = 0

  const unexpected = ({ name, sideEffect }: Transport.Operation, detail: string) =>
    new VargateError({
      operation: name,
      reason: new UnexpectedResponse({
        status: 200,
        contentType: "application/json",
        excerpt: "",
        detail: transport.redact(detail),
        sideEffect
      })
    })

  const rpcError = (
    operation: Transport.Operation,
    { code, message }: NonNullable<typeof McpDoorApi.RpcResponse.Type["error"]>
  ) => {
    // The code alone is any fault of a server's.
    if (code === -32000 && /rate limit/i.test(message)) return new RateLimited({ retryAfter: Duration.seconds(1) })
    return notAccepted.has(code)
      ? invalidRequest(operation.name, [{ path: [], message: transport.redact(message) }])
      : unexpected(operation, `it is the error ${code}: ${message}`)
  }

  const exchange = Effect.fnUntraced(
    function*<A>(
      operation: Transport.Operation,
      method: string,
      params: Readonly<Record<string, unknown>>,
      result: Schema.Codec<A, unknown>
    ) {
      const id = ++lastId
      const answer = yield* transport.request(
        operation,
        mcpDoor.exchange({ payload: { jsonrpc: "2.0", id, method, params } })
      )
      if (answer.id !== id && answer.id !== null) return yield* unexpected(operation, "it answers another request")
      if (answer.error !== undefined) return yield* rpcError(operation, answer.error)
      if (answer.id === null) return yield* unexpected(operation, "it answers no request")
      return yield* Effect.mapError(Schema.decodeUnknownEffect(result)(answer.result), ({ issue }) => {
        const issues = fieldIssues(issue, ["result"]).map(({ message, path }) => `${path.join(".")} ${message}`)
        return unexpected(operation, `it has not the measured shape (${issues.join("; ")})`)
      })
    }
  )

  const ask = <A>(
    name: string,
    method: string,
    params: Readonly<Record<string, unknown>>,
    result: Schema.Codec<A, unknown>
  ) => {
    const operation: Transport.Operation = { name, sideEffect: "none" }
    return exchange(operation, method, params, result).pipe(
      // Only a tool call reaches the policy engine.
      Effect.catchTag("OpaUnreachable502", ({ detail }) => Effect.fail(unexpected(operation, detail))),
      Effect.withSpan(name)
    )
  }

  const call = Effect.fn("McpDoor.call")(function*(call: DoorCall): Effect.fn.Return<Allowed, DoorCallError> {
    const operation: Transport.Operation = { name: "McpDoor.call", sideEffect: "possible" }
    const params = yield* checked(operation, call, (yield* Agent).id)
    const { _vargate: verdict, content } = yield* exchange(
      operation,
      "tools/call",
      params,
      McpDoorApi.CallResult
    ).pipe(
      Effect.catchTag(
        "OpaUnreachable502",
        ({ detail }) => Effect.fail(new OpaUnavailable({ detail: transport.redact(detail) }))
      )
    )
    const decision = readVerdict(verdict, content[0]?.text)
    if (decision === undefined) return yield* unexpected(operation, `its decision is ${verdict.decision}`)
    yield* Effect.annotateCurrentSpan({
      "vargate.action_id": decision.actionId,
      "vargate.decision": decision._tag
    })
    return decision._tag === "Allowed" ? decision : yield* decision
  })

  const readVerdict = (
    verdict: typeof McpDoorApi.CallResult.Type["_vargate"],
    text: string | undefined
  ): Allowed | Denied | NeverQueued | undefined => {
    const actionId = verdict.action_id
    switch (verdict.decision) {
      case "allowed":
        return new Allowed({ actionId, execution: readExecution(verdict.execution_mode, text) })
      case "denied":
        return new Denied({
          actionId,
          violations: (verdict.violations ?? []).map(transport.redact),
          severity: transport.redact(verdict.severity ?? "none"),
          alertTier: transport.redact(verdict.alert_tier ?? "none")
        })
      case "pending_approval":
        return new NeverQueued({ actionId })
      default:
        return undefined
    }
  }

  return McpDoor.of({
    info: Effect.map(
      ask("McpDoor.info", "initialize", {
        protocolVersion: "2024-11-05",
        capabilities: {},
        clientInfo: { name: "effect-vargate", version }
      }, McpDoorApi.InitializeResult),
      ({ protocolVersion, serverInfo, vargate }) => ({
        protocolVersion,
        serverName: serverInfo.name,
        serverVersion: serverInfo.version,
        sessionId: vargate.session_id,
        tenantId: vargate.tenant_id,
        features: vargate.features
      })
    ),
    ping: Effect.asVoid(ask("McpDoor.ping", "ping", {}, Schema.Unknown)),
    tools: ({ agentId } = {}) => {
      const params = agentId === undefined ? {} : { _vargate_agent_id: agentId }
      return Effect.map(ask("McpDoor.tools", "tools/list", params, McpDoorApi.ToolsResult), ({ tools }) => tools)
    },
    call,
    health: transport.request({ name: "McpDoor.health", sideEffect: "none" }, mcpDoor.health({})).pipe(
      Effect.map(({ protocol_version, service, status }) => ({ status, service, protocolVersion: protocol_version })),
      Effect.withSpan("McpDoor.health")
    )
  })
})

/** Parse error, invalid request, method not found, invalid params: nothing was done. */
const notAccepted = new Set([-32700, -32600, -32601, -32602])

const decodeParams = Schema.decodeUnknownEffect(McpDoorApi.CallParams, { errors: "all" })

/** The params of a call that the door can read: what it cannot, it answers as if something might have been done. */
const checked = Effect.fnUntraced(function*(operation: Transport.Operation, call: DoorCall, agentId: string) {
  const { arguments: args = {}, name, sessionId } = Object(call) as Partial<DoorCall>
  const path = ["body", "params"]
  if (!isRecord(args)) {
    return yield* invalidRequest(operation.name, [{ path: [...path, "arguments"], message: "Expected an object" }])
  }
  const snapshot = snapshotParams({ arguments: args })
  if (Result.isFailure(snapshot)) return yield* invalidRequest(operation.name, snapshot.failure)
  const params = {
    name,
    arguments: {
      ...snapshot.success.value["arguments"] as Readonly<Record<string, unknown>>,
      _vargate_agent_id: agentId,
      ...(sessionId === undefined ? {} : { _vargate_session_id: sessionId })
    }
  }
  yield* Effect.mapError(decodeParams(params), ({ issue }) => invalidRequest(operation.name, fieldIssues(issue, path)))
  return params
})

const decodeText = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))
const decodeAnswer = Schema.decodeUnknownOption(McpDoorApi.ToolAnswer)

/** What is not wrapped is the tool's answer itself, where the gateway says that it executed. */
const readExecution = (mode: string | null | undefined, text = ""): Allowed["execution"] => {
  if (mode === "agent_direct") return new NotExecuted()
  const answer = Option.getOrElse(decodeText(text), () => text)
  return Option.match(decodeAnswer(answer), {
    onNone: () => mode === "vargate_brokered" ? readToolAnswer(answer, {}) : new NotExecuted(),
    onSome: ({ execution_ms, result }) => readToolAnswer(result, { executionMs: execution_ms ?? undefined })
  })
}

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<McpDoor, never, Transport.Transport> = Layer.effect(McpDoor, make)
