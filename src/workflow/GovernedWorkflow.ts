/**
 * A governed call that survives its process: submitted once, pending for as long as reviewers need, executed once, on
 * whatever machine the engine runs it.
 *
 * **Details**
 *
 * The steps are those of `Governed.run`, as a workflow of `effect/workflow`: submit, hold, act. Each result is stored
 * before the next step begins. What the engine may run again after a crash is fenced by the {@link Journal}: the call
 * carries a reference in its params (`vargate_reference`, derived from the execution), and a process that finds it
 * already sent looks it up in the audit log instead of sending it; one that finds the agent's action already begun does
 * not begin it again.
 *
 * **Example** (A refund that survives a deploy)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import * as GovernedWorkflow from "effect-vargate/workflow/GovernedWorkflow"
 *
 * const Refund = GovernedWorkflow.make({
 *   name: "Refund",
 *   tool: "stripe",
 *   method: "create_refund",
 *   params: Schema.Struct({ charge: Schema.String, amount: Schema.Finite }),
 *   success: Schema.String,
 *   run: ({ amount, charge }) => Effect.succeed(`refunded ${amount} of ${charge}`)
 * })
 *
 * const program = Refund.execute({ key: "order-17", params: { charge: "ch_1", amount: 50 } })
 * ```
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"
import type { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { Approved } from "../approvals/Approval.ts"
import type { AuditLog } from "../audit/AuditLog.ts"
import type { ToolCalls } from "../calls/ToolCalls.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  ApprovalTimeout,
  Denied,
  Expired,
  OpaUnavailable,
  OutcomeUnknown,
  PendingApproval,
  RateLimited,
  Rejected,
  type StorageFailed,
  ToolFailed,
  VargateError
} from "../errors/VargateError.ts"
import * as Governed from "../governed/Governed.ts"
import { paramsCodec } from "../governed/internal/paramsCodec.ts"
import { sha256 } from "../internal/sha256.ts"
import { ActionId } from "../model/ActionId.ts"
import { Agent, type AgentIdentity } from "../model/Agent.ts"
import { Allowed } from "../model/Allowed.ts"
import { registry } from "./internal/registry.ts"
import { actOnce, type DurableCall, note, submitOnce, type SubmitOptions, untilStored } from "./internal/steps.ts"
import { type GovernedExecution, Journal } from "./Journal.ts"
import * as WorkflowMetrics from "./WorkflowMetrics.ts"

// --- definitions -----------------------------------------------------------------------------------------------------

/**
 * What an action may want to know of the call that allowed it. `reference` stands in the params of the audit record too,
 * and never changes: a good idempotency key for the service that is called.
 *
 * @category models
 * @since 0.1.0
 */
export interface ActionContext {
  readonly actionId: ActionId
  readonly reference: string
}

/**
 * A governed call that is to be durable.
 *
 * @category options
 * @since 0.1.0
 */
export interface Definition<Name extends string, P, A, E, R> extends SubmitOptions {
  /** The workflow's name. Unique in an organisation, and never changed while executions are under way. */
  readonly name: Name
  readonly tool: string
  readonly method: string
  /** Must encode to a JSON object. */
  readonly params: Schema.Codec<P, unknown>
  /** What `run` returns: it is stored. */
  readonly success: Schema.Codec<A, unknown>
  /** What `run` may fail with: it is stored. Default: nothing. */
  readonly error?: Schema.Codec<E, unknown> | undefined
  /**
   * The action, for calls that the gateway does not execute itself. It is begun at most once, and not interrupted: a
   * shutdown waits for it. A failure is its result.
   */
  readonly run: (params: P, context: ActionContext) => Effect.Effect<A, E, R>
  /**
   * Finds out what became of an action whose process ended in the middle: `Some` is its result, `None` says that certainly
   * nothing was done, and it is begun again. Default: the outcome is unknown, and the execution fails with
   * `OutcomeUnknown`.
   */
  readonly recover?: ((params: P, context: ActionContext) => Effect.Effect<Option.Option<A>, E, R>) | undefined
  /** Default: the {@link Agent.Agent} where the execution is started. */
  readonly agent?: AgentIdentity | undefined
  readonly isBusinessHours?: boolean | undefined
  /** How long to wait for a decision. Default: 65 minutes, a little more than the gateway's own hour. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * What starts an execution. The same `key` is the same execution: it is not started again, and every caller receives
 * its result.
 *
 * @category models
 * @since 0.1.0
 */
export interface Start<P> {
  readonly key: string
  readonly params: P
  /** Who acts. Default: the definition's agent, or the {@link Agent.Agent} where the execution is started. */
  readonly agent?: AgentIdentity | undefined
  /** Overrides the gateway's own clock, for policies that ask for business hours. Default: the definition's. */
  readonly isBusinessHours?: boolean | undefined
}

/**
 * Everything that a durable call itself can fail with.
 *
 * @category models
 * @since 0.1.0
 */
export const Failure = Schema.Union([
  Denied,
  Rejected,
  Expired,
  ApprovalTimeout,
  ToolFailed,
  OutcomeUnknown,
  RateLimited,
  OpaUnavailable,
  VargateError
])

/**
 * The type of {@link Failure}.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = typeof Failure.Type

/**
 * A durable governed call.
 *
 * @category models
 * @since 0.1.0
 */
export interface GovernedWorkflow<Name extends string, P, A, E, R> {
  readonly name: Name
  /** Starts the execution, or joins it, and waits for its end. */
  readonly execute: (
    start: Start<P>
  ) => Effect.Effect<Governed.Done<A>, Failure | E | StorageFailed, WorkflowEngine | Journal>
  /** Starts the execution and returns its id. */
  readonly executeDetached: (
    start: Start<P>
  ) => Effect.Effect<string, VargateError | StorageFailed, WorkflowEngine | Journal>
  /** The id under which the execution with this key is known. */
  readonly executionId: (key: string) => Effect.Effect<string>
  /** How an execution stands: `None` if there is none, `Suspended` while it waits. */
  readonly poll: (
    executionId: string
  ) => Effect.Effect<Option.Option<Workflow.Result<Governed.Done<A>, Failure | E>>, never, WorkflowEngine>
  /**
   * Ends an execution. What is pending at the gateway stays pending there and may still be approved, and executed by
   * the gateway; the agent's action is not begun any more.
   */
  readonly interrupt: (executionId: string) => Effect.Effect<void, StorageFailed, WorkflowEngine | Journal>
  /** Wakes an execution that waits although it need not. Does no harm to any other. */
  readonly resume: (executionId: string) => Effect.Effect<void, never, WorkflowEngine>
  /** Runs executions: every machine of the organisation has it. */
  readonly layer: Layer.Layer<never, never, WorkflowEngine | Journal | ToolCalls | AuditLog | R>
}

// --- the schemas of what is stored -----------------------------------------------------------------------------------

/**
 * Where a pending execution waits, and what it is told.
 *
 * @category schemas
 * @since 0.1.0
 */
export const decision = DurableDeferred.make("Vargate/decision", {
  success: Approved,
  error: Schema.Union([Rejected, Expired, VargateError])
})

const SubmitFailure = Schema.Union([RateLimited, OpaUnavailable, OutcomeUnknown, VargateError])

const doneSchema = <A>(success: Schema.Codec<A, unknown>) =>
  Schema.Union([
    Schema.Struct({ executedBy: Schema.Literal("agent"), actionId: ActionId, result: success }),
    Schema.Struct({
      executedBy: Schema.Literal("gateway"),
      actionId: ActionId,
      result: Schema.Unknown,
      isResultLost: Schema.Boolean
    })
  ])

const Payload = Schema.Struct({
  key: Schema.String,
  /** As they are submitted, but for the reference. */
  params: Schema.Record(Schema.String, Schema.Unknown),
  agent: Schema.Struct({ id: Schema.String, type: Schema.String, version: Schema.String }),
  isBusinessHours: Schema.optional(Schema.Boolean)
})

// --- make ------------------------------------------------------------------------------------------------------------

/**
 * Makes a durable governed call.
 *
 * **Details**
 *
 * `execute` fails with `InvalidRequest` where the params do not encode, and where the key is taken by an execution of
 * another call: with other params, by another agent, or of another tool or method. An execution that wakes in a workflow
 * of another tool or method than it was begun with fails with `InvalidRequest` instead of submitting or acting.
 *
 * **Gotchas**
 *
 * Executions go on with the code that is deployed when they wake: keep old params decodable.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string, P, A, E = never, R = never, Encoded = unknown>(
  definition: Definition<Name, P, A, E, R> & {
    readonly params: Schema.Codec<P, Encoded> & Governed.ObjectParams<Encoded>
  }
): GovernedWorkflow<Name, P, A, E, R> => {
  const { method, name, tool } = definition
  const error: Schema.Codec<E, unknown> = definition.error ?? (Schema.Never as never)
  const workflow = Workflow.make(name, {
    payload: Payload,
    idempotencyKey: ({ key }) => key,
    success: doneSchema(definition.success),
    error: Schema.Union([Failure, error])
  })
  registry.set(name, workflow)
  const codec = Schema.toCodecJson(definition.params)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)

  const timeout = Duration.fromInputUnsafe(definition.timeout ?? "65 minutes")

  const paramsOf = paramsCodec(name, ["params"])

  const begin = Effect.fnUntraced(function*({ agent, isBusinessHours, key, params }: Start<P>) {
    const snapshot = yield* paramsOf.encode(params, encode)
    if (Object.hasOwn(snapshot.value, "vargate_reference")) {
      return yield* invalidRequest(name, [{
        path: ["params", "vargate_reference"],
        message: "Expected no vargate_reference of the caller's own: the execution adds one"
      }])
    }
    // A handler that could not read its params must not be approved.
    yield* paramsOf.checked(decode(snapshot.value))
    const { id, type = "unknown", version = "0.0.0" } = agent ?? definition.agent ?? (yield* Agent)
    const payload = {
      key,
      params: snapshot.value,
      agent: { id, type, version },
      ...(isBusinessHours === undefined ? {} : { isBusinessHours })
    }
    const journal = yield* Journal
    const executionId = yield* workflow.executionId(payload)
    const facts = { agentId: id, tool, method, paramsDigest: digestOf(snapshot.digest, isBusinessHours) }
    const begun = yield* journal.begin({ ...facts, executionId, workflow: name })
    const other = difference(begun, facts)
    if (other === undefined) return payload
    return yield* invalidRequest(name, [{
      path: ["key"],
      message: `Expected a new key: an execution with ${taken[other]} has it`
    }])
  })

  /** Nothing is done in the name of an execution but what it was begun with, whatever code it wakes in. */
  const permit = (
    begun: GovernedExecution | undefined,
    agentId: string,
    params: typeof Payload.Type["params"],
    isBusinessHours: boolean | undefined
  ) =>
    Effect.flatMap(paramsOf.snapshot(params), ({ digest }) => {
      const call = { agentId, tool, method, paramsDigest: digestOf(digest, isBusinessHours) }
      const other = begun && difference(begun, call)
      return other === undefined ? Effect.void : invalidRequest(name, [{
        path: [other],
        message:
          `Expected the call that this execution was begun with, and the workflow that is deployed makes one with ${
            taken[other]
          }: deploy the one that it was begun with, or interrupt the execution and begin another`
      }])
    })

  const act = Effect.fnUntraced(function*(
    executionId: string,
    call: DurableCall,
    actionId: ActionId,
    permit: Effect.Effect<void, VargateError>
  ) {
    const { vargate_reference, ...submitted } = call.params
    const context = { actionId, reference: String(vargate_reference) }
    const params = yield* Effect.orDie(decode(submitted))
    return yield* Activity.make({
      name: "act",
      success: definition.success,
      error: Schema.Union([OutcomeUnknown, VargateError, error]),
      execute: Effect.andThen(
        note((journal) => journal.advance(executionId, { state: "acting", actionId })),
        actOnce(executionId, call, definition.run(params, context), definition.recover?.(params, context), permit)
      )
    })
  })

  const hold = Effect.fnUntraced(function*(executionId: string, actionId: ActionId) {
    yield* Activity.make({
      name: "hold",
      execute: note((journal) => journal.advance(executionId, { state: "held", actionId }))
    })
    return yield* DurableDeferred.raceAll({
      name: "decision or deadline",
      success: Approved,
      error: Schema.Union([Rejected, Expired, VargateError, ApprovalTimeout]),
      effects: [
        DurableDeferred.await(decision),
        DurableClock.sleep({ name: "deadline", duration: timeout, inMemoryThreshold: 0 }).pipe(
          Effect.andThen(Effect.fail(new ApprovalTimeout({ actionId, waited: timeout })))
        )
      ]
    })
  })

  const layer = workflow.toLayer(({ agent, isBusinessHours, params }, executionId) =>
    Effect.gen(function*() {
      const begun = yield* Journal.use((journal) => untilStored(journal.find(executionId)))
      const permitted = permit(begun, agent.id, params, isBusinessHours)
      const call: DurableCall = {
        // What was sent before is looked up under its own names.
        tool: begun?.tool ?? tool,
        method: begun?.method ?? method,
        // Without dashes, so that it is never taken for a sort code and encrypted.
        params: { ...params, vargate_reference: executionId },
        agent,
        isBusinessHours: isBusinessHours ?? definition.isBusinessHours
      }
      const answer = yield* Activity.make({
        name: "submit",
        success: Schema.Union([Allowed, Denied, PendingApproval]),
        error: SubmitFailure,
        execute: submitOnce(executionId, call, definition, permitted)
      })
      return yield* Governed.settle(answer, {
        act: (actionId) => act(executionId, call, actionId, permitted),
        hold: ({ actionId }) => hold(executionId, actionId)
      })
    }).pipe(
      Effect.tap(({ executedBy }) => finish(executionId, executedBy)),
      Effect.tapError((error) => finish(executionId, tagOf(error)))
    )
  )

  return {
    name,
    layer,
    execute: Effect.fn(`${name}.execute`)(function*(start) {
      return yield* workflow.execute(yield* begin(start))
    }),
    executeDetached: Effect.fn(`${name}.executeDetached`)(function*(start) {
      return yield* workflow.execute(yield* begin(start), { discard: true, detached: true })
    }),
    executionId: (key) => workflow.executionId({ key, params: {}, agent: { id: "", type: "", version: "" } }),
    poll: (executionId) => workflow.poll(executionId),
    interrupt: Effect.fn(`${name}.interrupt`)(function*(executionId) {
      yield* workflow.interrupt(executionId)
      yield* Journal.use((journal) => journal.advance(executionId, { state: "done", outcome: "Interrupted" }))
    }),
    resume: (executionId) => workflow.resume(executionId)
  }
}

/** Business hours that an execution states are as much of the call as its params. */
const digestOf = (params: string, isBusinessHours: boolean | undefined) =>
  isBusinessHours === undefined ? params : sha256(JSON.stringify([params, isBusinessHours]))

/** What tells calls apart. */
const taken = {
  paramsDigest: "other params or business hours",
  agentId: "another agent",
  tool: "another tool",
  method: "another method"
}
const names = Object.keys(taken) as ReadonlyArray<keyof typeof taken>

type CallFacts = Pick<GovernedExecution, keyof typeof taken>

const difference = (begun: CallFacts, call: CallFacts) => names.find((name) => begun[name] !== call[name])

const finish = (executionId: string, outcome: string) =>
  Activity.make({
    name: "finish",
    execute: Effect.andThen(
      note((journal) => journal.advance(executionId, { state: "done", outcome })),
      Metric.update(WorkflowMetrics.outcomes, outcome)
    )
  })

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "Failed"
