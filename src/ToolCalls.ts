/**
 * Governed tool calls: ask first, act only on a yes.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ToolCallBody } from "./api/ToolCallsApi.ts"
import { CallLimiter, unlimited } from "./CallLimiter.ts"
import { Agent } from "./domain/Agent.ts"
import type { Allowed } from "./domain/Allowed.ts"
import { ToolCall, type ToolCallRequest } from "./domain/ToolCall.ts"
import { checkParams } from "./internal/checkParams.ts"
import { CurrentClaims } from "./internal/claims.ts"
import { copyJson } from "./internal/copyJson.ts"
import { digestOf } from "./internal/digest.ts"
import { fieldIssues } from "./internal/fieldIssues.ts"
import * as Transport from "./Transport.ts"
import {
  type CallError,
  Denied,
  type FieldIssue,
  InvalidRequest,
  OpaUnavailable,
  OutcomeUnknown,
  PendingApproval,
  type SubmitError,
  VargateError
} from "./VargateError.ts"

/**
 * The three answers of the policy, as values. `Denied` and `PendingApproval` are the classes that `call` fails with.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision = Allowed | Denied | PendingApproval

/**
 * Submits tool calls (POST /mcp/tools/call).
 *
 * **Details**
 *
 * Both methods send **once**. Input that the gateway would refuse fails with `InvalidRequest` before anything is sent.
 * `OutcomeUnknown` means that the answer was lost and the action may have been executed; retry with `RetryPolicy` only,
 * which never repeats that.
 *
 * **Gotchas**
 *
 * `Allowed` does not mean done: look at its `execution`. Where it is `NotExecuted` the agent acts itself.
 *
 * @category services
 * @since 0.1.0
 */
export class ToolCalls extends Context.Service<ToolCalls, {
  /** Succeeds with the policy's decision, whatever it is. */
  readonly decide: (request: ToolCallRequest) => Effect.Effect<Decision, SubmitError>
  /** Succeeds only when allowed; a denial or a pending approval is a failure. */
  readonly call: (request: ToolCallRequest) => Effect.Effect<Allowed, CallError>
}>()("effect-vargate/ToolCalls") {}

/**
 * Builds the service over the transport in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const builtWith = yield* CallLimiter

  const submit = Effect.fnUntraced(function*(
    operation: string,
    request: ToolCallRequest
  ): Effect.fn.Return<Decision, SubmitError> {
    const { agentId, agentType, agentVersion, isBusinessHours, method, params, tool } = yield* check(operation, request)
    const call = new ToolCall({ agentId, agentType, agentVersion, isBusinessHours, method, params, tool })
    yield* Effect.annotateCurrentSpan({ "vargate.agent_id": agentId, "vargate.tool": tool, "vargate.method": method })
    const ambient = yield* CallLimiter
    const limiter = ambient === unlimited ? builtWith : ambient
    const claims = yield* CurrentClaims
    yield* limiter.admit
    const sentAt = yield* DateTime.now
    // Departs inside what `onExit` guards: a departure without an arrival would make every later like call ambiguous.
    const decision = yield* Effect.suspend(() => {
      claims.depart(call)
      return transport.request(
        { name: operation, sideEffect: "possible" },
        (client) => client.toolCalls.call({ payload: toBody(call) })
      )
    }).pipe(
      Effect.map((answer): Decision =>
        answer._tag === "Allowed" ? answer : new PendingApproval({
          actionId: answer.action_id,
          message: `${
            transport.redact(answer.message ?? "The action waits for a human.")
          } Wait for the decision on ${answer.action_id}; do not submit the call again.`
        })
      ),
      Effect.catchTags({
        Blocked403: ({ detail }) =>
          Effect.succeed<Decision>(
            new Denied({
              actionId: detail.action_id,
              violations: detail.violations.map(transport.redact),
              severity: transport.redact(detail.severity ?? "none"),
              alertTier: transport.redact(detail.alert_tier ?? "none")
            })
          ),
        OpaUnreachable502: ({ detail }) => Effect.fail(new OpaUnavailable({ detail: transport.redact(detail) })),
        VargateError: (error) =>
          Effect.fail(
            error.sideEffect === "none" ? error : new OutcomeUnknown({ request: call, sentAt, cause: error.reason })
          )
      }),
      Effect.tapErrorTag("RateLimited", limiter.report),
      Effect.onExit((exit) =>
        Effect.clockWith((clock) => {
          const now = clock.currentTimeMillisUnsafe()
          if (Exit.hasInterrupts(exit)) {
            claims.abandon(call, now)
            return logInterruption(call, sentAt)
          }
          // In one step, so that no identical call whose answer is lost can take this record in between.
          if (Exit.isSuccess(exit)) claims.claim(exit.value.actionId, now)
          claims.arrive(call)
          return Effect.void
        })
      )
    )
    yield* Effect.annotateCurrentSpan({ "vargate.action_id": decision.actionId, "vargate.decision": decision._tag })
    return decision
  })

  const decide = Effect.fn("ToolCalls.decide")((request: ToolCallRequest) => submit("ToolCalls.decide", request))

  const call = Effect.fn("ToolCalls.call")(function*(request: ToolCallRequest) {
    const decision = yield* submit("ToolCalls.call", request)
    return decision._tag === "Allowed" ? decision : yield* decision
  })

  return ToolCalls.of({ decide, call })
})

/**
 * The service over a transport.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<ToolCalls, never, Transport.Transport> = Layer.effect(ToolCalls, make)

/**
 * `ToolCalls.decide` of the service in context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const decide = (request: ToolCallRequest): Effect.Effect<Decision, SubmitError, ToolCalls> =>
  ToolCalls.use((toolCalls) => toolCalls.decide(request))

/**
 * `ToolCalls.call` of the service in context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const call = (request: ToolCallRequest): Effect.Effect<Allowed, CallError, ToolCalls> =>
  ToolCalls.use((toolCalls) => toolCalls.call(request))

/** Whoever interrupts a call may later want to know what it was. */
const logInterruption = Effect.fnUntraced(function*(call: ToolCall, sentAt: DateTime.Utc) {
  yield* Effect.logDebug("A tool call was interrupted after it was sent; the audit log knows what became of it").pipe(
    Effect.annotateLogs({
      agentId: call.agentId,
      tool: call.tool,
      method: call.method,
      paramsDigest: yield* digestOf(call.params),
      sentAt: DateTime.formatIso(sentAt)
    })
  )
})

// --- checking and writing a request ----------------------------------------------------------------------------------

const toBody = (call: typeof ToolCall.Encoded): typeof ToolCallBody.Type => ({
  agent_id: call.agentId,
  agent_type: call.agentType,
  agent_version: call.agentVersion,
  tool: call.tool,
  method: call.method,
  params: call.params,
  ...(call.isBusinessHours === undefined ? {} : { context_override: { is_business_hours: call.isBusinessHours } })
})

const decodeBody = Schema.decodeUnknownEffect(ToolCallBody, { errors: "all" })

/** Applies the gateway's limits and reports violations under the paths that its own 422 would name. */
const check = Effect.fnUntraced(function*(operation: string, request: ToolCallRequest) {
  if (typeof request !== "object" || request === null) {
    return yield* invalid(operation, [{ path: ["body"], message: "Expected a request: { tool, method, params }" }])
  }
  const agent = request.agent ?? (yield* Agent)
  const params = request.params ?? {}
  const call = {
    agentId: agent.id,
    agentType: agent.type ?? "unknown",
    agentVersion: agent.version ?? "0.0.0",
    tool: request.tool,
    method: request.method,
    params,
    isBusinessHours: request.isBusinessHours
  }
  yield* decodeBody(toBody(call)).pipe(
    Effect.mapError(({ issue }) => invalid(operation, fieldIssues(issue, ["body"])))
  )
  const issues = checkParams(params)
  if (issues.length > 0) return yield* invalid(operation, issues)
  if (request.reference !== "params") return { ...call, params: copyJson(params) }
  const withReference = { ...copyJson(params), vargate_reference: reference() }
  const tooLong = checkParams(withReference)
  return tooLong.length === 0 ? { ...call, params: withReference } : yield* invalid(operation, tooLong)
})

/** Without dashes, so that it is never taken for a sort code and encrypted. */
const reference = () => crypto.randomUUID().replaceAll("-", "")

const invalid = (operation: string, issues: ReadonlyArray<FieldIssue>) =>
  new VargateError({ operation, reason: new InvalidRequest({ issues }) })
