/**
 * Governed tool calls: ask first, act only on a yes.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { openingAfter } from "../errors/internal/hoursRules.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  type CallError,
  Denied,
  type FieldIssue,
  OpaUnavailable,
  OutcomeUnknown,
  PendingApproval,
  type SubmitError
} from "../errors/VargateError.ts"
import { monotonicMillisOf } from "../internal/elapsed.ts"
import { annotate, inSpan } from "../internal/spans.ts"
import { withoutStack } from "../internal/withoutStack.ts"
import { Agent } from "../model/Agent.ts"
import type { Allowed } from "../model/Allowed.ts"
import { ToolCall, type ToolCallRequest } from "../model/ToolCall.ts"
import { decisions, unknownOutcomes } from "../transport/Metrics.ts"
import * as Transport from "../transport/Transport.ts"
import { CallLimiter, type Limiter, unlimited } from "./CallLimiter.ts"
import { BeforeSending, mindsBeforeSending } from "./internal/beforeSending.ts"
import { type CallHead, withParams, writeHead } from "./internal/callHead.ts"
import { capture, type CapturedRequest } from "./internal/capturedRequest.ts"
import { CurrentClaims } from "./internal/claims.ts"
import { AllowDuplicate, fuseOf } from "./internal/duplicateFuse.ts"
import { makeSend } from "./internal/fastPath.ts"
import type { ParamsSnapshot } from "./internal/paramsSnapshot.ts"
import type { Blocked403, Pending202, ToolCallBody } from "./wire/ToolCallsApi.ts"

/**
 * The models that these operations speak of.
 *
 * @since 0.1.0
 */
export * from "../model/ToolCall.ts"

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
 * Both methods read the request when they are called, and send it **once** when their effect runs. Input that the gateway would refuse fails with `InvalidRequest` before anything is sent.
 * `OutcomeUnknown` means that the answer was lost and the action may have been executed; retry with `RetryPolicy` only,
 * which never repeats that.
 *
 * A generic retry, or a loop, that submits the same call again after `PendingApproval` or `OutcomeUnknown` fails with
 * `DuplicateSubmission`, and nothing is sent. It is a fuse for mistakes: it knows the calls of one fiber and of one retry,
 * in this process. What the program means to submit twice has `allowDuplicate`.
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
  const exchange = makeSend(transport)
  const fuse = fuseOf(transport)
  const builtWith = yield* CallLimiter

  // This runs for every tool call of an agent. It is written in few steps, since each costs as much as a check.
  const submit = <A, E>(
    operation: string,
    request: ToolCallRequest,
    conclude: (decision: Decision) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | SubmitError> => {
    const captured = capture(request)
    return inSpan(operation, (fiber) => {
      const checked = check(captured, fiber)
      if (Result.isFailure(checked)) return Effect.fail(invalidRequest(operation, checked.failure))
      const { call } = checked.success
      annotate(fiber, () => ({
        "vargate.agent_id": call.agentId,
        "vargate.tool": call.tool,
        "vargate.method": call.method
      }))
      if (captured?.allowDuplicate !== true && !fiber.getRef(AllowDuplicate)) {
        const duplicate = fuse.check(call, checked.success.given, fiber)
        if (duplicate !== undefined) return Effect.fail(duplicate)
      }
      const ambient = fiber.getRef(CallLimiter)
      const limiter = ambient === unlimited ? builtWith : ambient
      const sent = () => send(operation, checked.success, limiter, fiber, conclude)
      return limiter === unlimited ? sent() : Effect.andThen(limiter.admit, Effect.suspend(sent))
    })
  }

  const send = <A, E>(
    operation: string,
    { call, given, snapshot, text }: Checked,
    limiter: Limiter,
    fiber: Fiber.Fiber<unknown, unknown>,
    conclude: (decision: Decision) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | SubmitError> => {
    const claims = fiber.getRef(CurrentClaims)
    const clock = fiber.getRef(Clock.Clock)
    const sentAt = clock.currentTimeMillisUnsafe()

    const decided = (decision: Decision) => {
      const { _tag, actionId } = decision
      // Before the call counts as arrived, so that no identical call whose answer is lost can take this record.
      claims.answered(actionId, clock.currentTimeMillisUnsafe())
      if (_tag === "PendingApproval") fuse.note(call, given, fiber, { state: "pending", sentAt, actionId })
      decisions.updateUnsafe(_tag, fiber.context)
      annotate(fiber, () => ({ "vargate.action_id": actionId, "vargate.decision": _tag }))
      return conclude(decision)
    }

    const sending = Effect.suspend(() => {
      // Inside what `onExit` guards: a departure without an arrival would make every later like call ambiguous.
      claims.depart(call, sentAt)
      return exchange(operation, { payload: () => toBody(call), text }, fiber.getRef(BeforeSending))
    })
    const answered = Effect.matchEffect(sending, {
      onSuccess: (answer) => {
        switch (answer._tag) {
          case "Allowed":
            return decided(answer)
          case "Pending202":
            return decided(heldBy(answer, transport.redact))
          case "Blocked403":
            return decided(deniedBy(answer, transport.redact, call, clock.currentTimeMillisUnsafe()))
        }
      },
      onFailure: (error): Effect.Effect<A, E | SubmitError> => {
        switch (error._tag) {
          case "OpaUnreachable502":
            return Effect.fail(new OpaUnavailable({ detail: transport.redact(error.detail) }))
          case "RateLimited":
            return Effect.andThen(limiter.report(error), Effect.fail(error))
          case "VargateError":
            if (error.sideEffect === "none") return Effect.fail(error)
            unknownOutcomes.updateUnsafe(1, fiber.context)
            fuse.note(call, given, fiber, { state: "unknown", sentAt })
            return Effect.fail(
              new OutcomeUnknown({
                request: new ToolCall(call),
                sentAt: DateTime.makeUnsafe(sentAt),
                cause: error.reason
              })
            )
        }
      }
    })
    return Effect.onExit(answered, (exit) => {
      if (Exit.hasInterrupts(exit)) {
        claims.abandon(call, monotonicMillisOf(clock))
        fuse.note(call, given, fiber, { state: "interrupted", sentAt })
        return logInterruption(call, snapshot, sentAt)
      }
      claims.arrive(call)
      return Effect.void
    })
  }

  return mindsBeforeSending(ToolCalls.of({
    decide: (request) => submit("ToolCalls.decide", request, Effect.succeed),
    call: (request) => submit("ToolCalls.call", request, allowedOnly)
  }))
})

const allowedOnly = (decision: Decision): Effect.Effect<Allowed, Denied | PendingApproval> =>
  decision._tag === "Allowed" ? Effect.succeed(decision) : Effect.fail(decision)

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
export const decide = (request: ToolCallRequest): Effect.Effect<Decision, SubmitError, ToolCalls> => {
  const captured = capture(request) ?? request
  return ToolCalls.use((toolCalls) => toolCalls.decide(captured))
}

/**
 * `ToolCalls.call` of the service in context.
 *
 * @category accessors
 * @since 0.1.0
 */
export const call = (request: ToolCallRequest): Effect.Effect<Allowed, CallError, ToolCalls> => {
  const captured = capture(request) ?? request
  return ToolCalls.use((toolCalls) => toolCalls.call(captured))
}

// --- reading an answer -----------------------------------------------------------------------------------------------

const heldBy = ({ action_id: actionId, message }: typeof Pending202.Type, redact: (text: string) => string) =>
  withoutStack(() =>
    new PendingApproval({
      actionId,
      message: `${
        redact(message ?? "The action is pending: a reviewer must decide.")
      } Wait for the decision on ${actionId}; do not submit the call again.`
    })
  )

const deniedBy = (
  { detail }: typeof Blocked403.Type,
  redact: (text: string) => string,
  { isBusinessHours }: typeof ToolCall.Encoded,
  now: number
) => {
  const opensAt = openingAfter({ violations: detail.violations, isBusinessHours, now })
  return withoutStack(() =>
    new Denied({
      actionId: detail.action_id,
      violations: detail.violations.map(redact),
      severity: redact(detail.severity ?? "none"),
      alertTier: redact(detail.alert_tier ?? "none"),
      // A schema takes longest over what may be two things.
      ...(opensAt === undefined ? {} : { opensAt })
    })
  )
}

/** The log of an interrupted call says what was sent. */
const logInterruption = (call: typeof ToolCall.Encoded, { digest }: ParamsSnapshot, sentAt: number) =>
  Effect.logDebug("A tool call was interrupted after it was sent; the audit log knows what became of it").pipe(
    Effect.annotateLogs({
      agentId: call.agentId,
      tool: call.tool,
      method: call.method,
      paramsDigest: digest,
      sentAt: DateTime.formatIso(DateTime.makeUnsafe(sentAt))
    })
  )

// --- reading, checking and writing a request -------------------------------------------------------------------------

/** A call, and how it is written. */
interface Checked {
  readonly call: typeof ToolCall.Encoded
  /** Its params without the reference. */
  readonly given: ParamsSnapshot
  readonly snapshot: ParamsSnapshot
  readonly text: string
}

const headOf = (call: Omit<typeof ToolCall.Encoded, "params">): CallHead => ({
  agent_id: call.agentId,
  agent_type: call.agentType,
  agent_version: call.agentVersion,
  tool: call.tool,
  method: call.method,
  ...(call.isBusinessHours === undefined ? {} : { context_override: { is_business_hours: call.isBusinessHours } })
})

const toBody = (call: typeof ToolCall.Encoded): typeof ToolCallBody.Type => ({ ...headOf(call), params: call.params })

/** Applies the gateway's limits and reports violations under the paths that its own 422 would name. */
const check = (
  request: CapturedRequest | undefined,
  fiber: Fiber.Fiber<unknown, unknown>
): Result.Result<Checked, ReadonlyArray<FieldIssue>> => {
  if (request === undefined) {
    return Result.fail([{ path: ["body"], message: "Expected a request that can be read: { tool, method, params }" }])
  }
  const agent = request.agent ?? fiber.getRef(Agent)
  const named = {
    agentId: agent.id,
    agentType: agent.type ?? "unknown",
    agentVersion: agent.version ?? "0.0.0",
    tool: request.tool,
    method: request.method,
    isBusinessHours: request.isBusinessHours
  }
  const head = writeHead(headOf(named))
  if (Result.isFailure(head)) return Result.fail(head.failure)
  if (Result.isFailure(request.snapshot)) return Result.fail(request.snapshot.failure)
  const given = request.snapshot.success
  const params = request.reference === "params" ? given.with("vargate_reference", reference()) : request.snapshot
  return Result.map(params, (snapshot) => ({
    call: { ...named, params: snapshot.value },
    given,
    snapshot,
    text: withParams(head.success, snapshot.text)
  }))
}

/** Without dashes, so that it is never taken for a sort code and encrypted. */
const reference = () => crypto.randomUUID().replaceAll("-", "")
