/**
 * POST /mcp/tools/call
 *
 * @since 0.1.0
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { isDeeperThan } from "../../internal/jsonNesting.ts"
import { ActionId } from "../../model/ActionId.ts"
import { Allowed } from "../../model/Allowed.ts"
import {
  Executed,
  ExecutedUnseen,
  type Execution,
  ExecutionFailed,
  type Latency,
  NotExecuted
} from "../../model/Execution.ts"
import { ApiKey } from "../../transport/wire/ApiKey.ts"
import {
  BadRequest400,
  Forbidden403,
  LedgerUnavailable503,
  Limited429,
  LimitedBare429,
  MethodNotAllowed405,
  NotFound404,
  TooLarge413,
  TooManyCalls429,
  Unprocessable422
} from "../../transport/wire/ErrorBodies.ts"

/**
 * The body of a tool call with the gateway's own limits. `params` has further ones: see `checkParams`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const ToolCallBody = Schema.Struct({
  agent_id: Schema.String.check(
    Schema.isMinLength(1, { expected: "at least 1 character" }),
    Schema.isMaxLength(256, { expected: "at most 256 characters" }),
    Schema.isPattern(/^[a-zA-Z0-9._-]+$/, { expected: "only letters, digits, `.`, `_` and `-`" })
  ),
  agent_type: Schema.optionalKey(
    Schema.String.check(Schema.isMaxCodePoints(64, { expected: "at most 64 characters" }))
  ),
  agent_version: Schema.optionalKey(
    Schema.String.check(
      Schema.isMaxCodePoints(32, { expected: "at most 32 characters" }),
      Schema.isPattern(/^\d+\.\d+\.\d+(?:[^\d\n\r\u2028\u2029].*)?$/, { expected: "a version that begins like 1.2.3" })
    )
  ),
  tool: Schema.String.check(
    Schema.isMinLength(1, { expected: "at least 1 character" }),
    Schema.isMaxLength(256, { expected: "at most 256 characters" }),
    Schema.isPattern(/^[a-zA-Z0-9_\-.:/]+$/, { expected: "only letters, digits, `_`, `-`, `.`, `:` and `/`" })
  ),
  method: Schema.String.check(
    Schema.isMinLength(1, { expected: "at least 1 character" }),
    Schema.isMaxLength(128, { expected: "at most 128 characters" }),
    Schema.isPattern(/^[a-zA-Z0-9_\-.]+$/, { expected: "only letters, digits, `_`, `-` and `.`" })
  ),
  params: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  context_override: Schema.optionalKey(
    Schema.Struct({ is_business_hours: Schema.optionalKey(Schema.Boolean) })
  )
}).annotate({ identifier: "ToolCallBody" })

// --- execution -------------------------------------------------------------------------------------------------------

const WireLatency = Schema.Struct({
  opa_eval_ms: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  hsm_fetch_ms: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  execution_ms: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  total_ms: Schema.optionalKey(Schema.NullOr(Schema.Finite))
})

const readLatency = (wire: typeof WireLatency.Type | null | undefined): Latency => ({
  policyMs: wire?.opa_eval_ms ?? undefined,
  credentialMs: wire?.hsm_fetch_ms ?? undefined,
  executionMs: wire?.execution_ms ?? undefined,
  totalMs: wire?.total_ms ?? undefined
})

const writeLatency = (latency: Latency): typeof WireLatency.Type => ({
  opa_eval_ms: latency.policyMs ?? null,
  hsm_fetch_ms: latency.credentialMs ?? null,
  execution_ms: latency.executionMs ?? null,
  total_ms: latency.totalMs ?? null
})

/** As deep as a message of MCP may be, and little enough for every reader's stack. */
const maxDepth = 1000

/**
 * What a tool answered. A failure is a success with `error` (or `detail`) inside.
 *
 * @category codecs
 * @since 0.2.0
 */
export const executionOf = (answer: unknown, latency: Latency): Execution => {
  if (typeof answer === "object" && answer !== null) {
    const { detail, error } = answer as { readonly error?: unknown; readonly detail?: unknown }
    const failure = error ?? detail ?? false
    if (failure !== false) return readToolError(failure, latency)
  }
  return new Executed({ result: answer, latency })
}

/**
 * Reads the error of a tool that failed.
 *
 * @category codecs
 * @since 0.2.0
 */
export const readToolError = (error: unknown, latency: Latency): ExecutionFailed =>
  new ExecutionFailed({ error: isDeeperThan(error, maxDepth) ? tooDeep : error, latency })

const tooDeep = `the tool's error nests more than ${maxDepth} levels deep`

/**
 * Reads what a tool of the gateway answered. What nests too deep was executed, and cannot be used: nothing that writes,
 * shows or compares it could end.
 *
 * @category codecs
 * @since 0.1.0
 */
export const readToolAnswer = (answer: unknown, latency: Latency): Execution | ExecutedUnseen => {
  const execution = executionOf(answer, latency)
  return execution._tag === "Executed" && isDeeperThan(execution.result, maxDepth)
    ? new ExecutedUnseen({ isTooDeep: true })
    : execution
}

/**
 * The tool's answer as the gateway would pass it on.
 *
 * @category codecs
 * @since 0.1.0
 */
export const writeToolAnswer = (execution: Executed | ExecutionFailed): unknown =>
  execution._tag === "Executed" ? execution.result : { error: execution.error }

// --- answers ---------------------------------------------------------------------------------------------------------

/** The guide's `agent_direct` says that nothing was executed, whatever stands beside it. */
const isExecuted = (mode: string | null | undefined, result: unknown) =>
  mode === "vargate_brokered" || (mode !== "agent_direct" && result !== undefined && result !== null)

/**
 * The body of a 200. The guide's `execution_mode: "agent_direct"` is an absent field in the measured dialect.
 *
 * @category codecs
 * @since 0.1.0
 */
export const AllowedBody = Schema.Struct({
  status: Schema.Literal("allowed"),
  action_id: ActionId,
  execution_mode: Schema.optionalKey(Schema.NullOr(Schema.String)),
  execution_result: Schema.optionalKey(Schema.Unknown),
  latency: Schema.optionalKey(Schema.NullOr(WireLatency))
}).annotate({ identifier: "Allowed200" })

/**
 * Reads a body of a 200.
 *
 * @category codecs
 * @since 0.1.0
 */
export const readAllowed = (body: typeof AllowedBody.Type): Allowed =>
  // The body has been checked: to check its parts again would cost more than all the rest.
  new Allowed({
    actionId: body.action_id,
    execution: isExecuted(body.execution_mode, body.execution_result)
      ? readToolAnswer(body.execution_result, readLatency(body.latency))
      : notExecuted,
    reconciled: false
  }, { disableChecks: true })

const notExecuted = new NotExecuted()

/**
 * Writes the body of a 200.
 *
 * @category codecs
 * @since 0.2.0
 */
export const writeAllowed = (
  { actionId, execution }: Pick<Allowed, "actionId" | "execution">
): typeof AllowedBody.Type => ({
  status: "allowed",
  action_id: actionId,
  ...(execution._tag === "NotExecuted" || execution._tag === "ExecutedUnseen" ? {} : {
    execution_mode: "vargate_brokered",
    execution_result: writeToolAnswer(execution),
    latency: writeLatency(execution.latency)
  })
})

/**
 * 200: allowed, with or without an execution by the gateway.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Allowed200 = AllowedBody.pipe(
  Schema.decodeTo(
    Schema.toType(Allowed),
    SchemaTransformation.transform({ decode: readAllowed, encode: writeAllowed })
  )
)

/**
 * 202: pending, a reviewer must decide.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Pending202 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("Pending202"),
  status: Schema.Literal("pending_approval"),
  action_id: ActionId,
  message: Schema.optionalKey(Schema.String)
}).annotate({ httpApiStatus: 202, identifier: "Pending202" })

/**
 * 403 with an object: denied by policy. The guide's body has no `status`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Blocked403 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("Blocked403"),
  detail: Schema.Struct({
    status: Schema.optionalKey(Schema.Literal("blocked")),
    action_id: ActionId,
    violations: Schema.Array(Schema.String),
    severity: Schema.optionalKey(Schema.String),
    alert_tier: Schema.optionalKey(Schema.String)
  })
}).annotate({ httpApiStatus: 403, identifier: "Blocked403" })

/**
 * 502 that says that the policy engine is away. Any other 502 comes from another server and proves nothing.
 *
 * @category codecs
 * @since 0.1.0
 */
export const OpaUnreachable502 = Schema.Struct({
  _tag: Schema.tagDefaultOmit("OpaUnreachable502"),
  detail: Schema.String.check(Schema.isStartingWith("OPA unreachable"))
}).annotate({ httpApiStatus: 502, identifier: "OpaUnreachable502" })

/**
 * The routes of this group.
 *
 * @category groups
 * @since 0.1.0
 */
export class ToolCallsApi extends HttpApiGroup.make("toolCalls").add(
  HttpApiEndpoint.post("call", "/mcp/tools/call", {
    payload: ToolCallBody,
    success: [Allowed200, Pending202],
    error: [
      Blocked403,
      Forbidden403,
      Limited429,
      LimitedBare429,
      TooManyCalls429,
      OpaUnreachable502,
      LedgerUnavailable503,
      BadRequest400,
      NotFound404,
      MethodNotAllowed405,
      TooLarge413,
      Unprocessable422
    ]
  })
).middleware(ApiKey) {}
