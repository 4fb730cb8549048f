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
import * as Cause from "effect/Cause"
import { WebCrypto } from "effect/crypto/WebCrypto"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"
import { type WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import { Approved } from "../approvals/Approval.ts"
import type { AuditLog } from "../audit/AuditLog.ts"
import type { Decision, ToolCalls } from "../calls/ToolCalls.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  ApprovalTimeout,
  Denied,
  Expired,
  OpaUnavailable,
  OutcomeUnknown,
  RateLimited,
  Rejected,
  ResultUnusable,
  type StorageFailed,
  ToolFailed,
  VargateError
} from "../errors/VargateError.ts"
import * as Governed from "../governed/Governed.ts"
import { guardsOf, type Submitting } from "../governed/internal/guards.ts"
import { paramsCodec } from "../governed/internal/paramsCodec.ts"
import { ActionId } from "../model/ActionId.ts"
import { Agent, type AgentIdentity } from "../model/Agent.ts"
import { difference, digestOf, headIssues, taken } from "./internal/callFacts.ts"
import { atOnce } from "./internal/executionIds.ts"
import { becameOf, telling } from "./internal/learnedDecision.ts"
import { LostByRunner, unanswered, untilReachable, within } from "./internal/reachable.ts"
import { type Registered, registry } from "./internal/registry.ts"
import {
  actOnce,
  type Departure,
  type DurableCall,
  note,
  SubmitFailure,
  submitOnce,
  type SubmitOptions,
  SubmitSuccess,
  untilStored,
  writtenAs
} from "./internal/steps.ts"
import { type GovernedExecution, Journal, type Tombstone } from "./Journal.ts"
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
  /** What `run` returns: it is stored. What cannot be, as JSON of at most 1,000 levels, is `ResultUnusable`. */
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
  /** What makes two calls the same, where `Decisions` is in context. Default: the bytes of the params. */
  readonly same?: Governed.Submission["same"]
  /** Names this state of the definition. It stands in the journal of each execution that begins with it. */
  readonly version?: string | undefined
  /**
   * Rewrites the params of an execution that was begun with another version, or whose params this definition cannot
   * read: from the JSON that was submitted to the JSON of this definition's `params`. What the gateway decided on is
   * not changed by that.
   */
  readonly migrate?:
    | ((submitted: Readonly<Record<string, unknown>>, version: string | undefined) => unknown)
    | undefined
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
  /** How long to wait for a database that is away, before that is `StorageFailed`. Default: 5 minutes. */
  readonly patience?: Duration.Input | undefined
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
  ResultUnusable,
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
  /**
   * Starts the execution, or joins it, and waits for its end. Fails with `InvalidRequest` where the execution is
   * `blocked`, and with `StorageFailed` where the database stays away: the execution continues later, for the same key.
   */
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
  ) => Effect.Effect<Option.Option<Workflow.Result<Governed.Done<A>, Failure | E>>, StorageFailed, WorkflowEngine>
  /**
   * Ends an execution. What is pending at the gateway stays pending there and may still be approved, and executed by
   * the gateway; the agent's action is not begun any more.
   */
  readonly interrupt: (executionId: string) => Effect.Effect<void, StorageFailed, WorkflowEngine | Journal>
  /** Wakes an execution that waits although it need not. Does no harm to any other. */
  readonly resume: (executionId: string) => Effect.Effect<void, StorageFailed, WorkflowEngine>
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

const doneSchema = <A>(success: Schema.Codec<A, unknown>): Schema.Codec<Governed.Done<A>, unknown> =>
  Schema.Union([
    Schema.Struct({ executedBy: Schema.Literal("agent"), actionId: ActionId, result: success }),
    // JSON has no `undefined`, and engines store JSON.
    Schema.Struct({
      executedBy: Schema.Literal("gateway"),
      actionId: ActionId,
      result: Schema.Undefined,
      isResultLost: Schema.Literal(true)
    }),
    Schema.Struct({
      executedBy: Schema.Literal("gateway"),
      actionId: ActionId,
      result: Schema.Unknown,
      isResultLost: Schema.Literal(false)
    })
    // The last two are one in `Done`.
  ]) as unknown as Schema.Codec<Governed.Done<A>, unknown>

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
 * Throws a `VargateError` (`InvalidRequest`) where the gateway would refuse every call of the definition: an agent version
 * that is none, a tool without a name.
 *
 * `execute` fails with `InvalidRequest` where the params do not encode, where the gateway would refuse the call, and where
 * the key is taken by an execution of another call: with other params, by another agent, or of another tool or method. An
 * execution that wakes in a workflow of another tool or method than it was begun with fails with `InvalidRequest` instead
 * of submitting or acting.
 *
 * An execution that wakes in code that cannot read its params is `blocked`: what was approved stays approved, and it
 * continues in code that can, the earlier code or one with `migrate`. `effect-vargate workflows show` has the params.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string, P, A, E = never, R = never, Encoded = unknown>(
  definition: Definition<Name, P, A, E, R> & {
    readonly params: Schema.Codec<P, Encoded> & Governed.ObjectParams<Encoded>
  }
): GovernedWorkflow<Name, P, A, E, R> => {
  const { method, name, tool, version } = definition
  const actionError: Schema.Codec<E, unknown> = definition.error ?? (Schema.Never as never)
  const workflow = Workflow.make(name, {
    payload: Payload,
    idempotencyKey: ({ key }) => key,
    success: doneSchema(definition.success),
    error: Schema.Union([Failure, actionError])
  })
  const codec = Schema.toCodecJson(definition.params)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)

  const timeout = Duration.fromInputUnsafe(definition.timeout ?? "65 minutes")

  const paramsOf = paramsCodec(name, ["params"])

  const refusal = headIssues(definition, definition.agent ?? { id: "agent" })
  if (refusal.length > 0) throw invalidRequest(name, refusal)
  registry.set(name, workflow as unknown as Registered)

  const begin = Effect.fnUntraced(function*({ agent, isBusinessHours, key, params }: Start<P>) {
    const snapshot = yield* paramsOf.encode(params, encode)
    if (Object.hasOwn(snapshot.value, "vargate_reference")) {
      return yield* invalidRequest(name, [{
        path: ["params", "vargate_reference"],
        message: "Expected no vargate_reference of the caller's own: the execution adds one"
      }])
    }
    // A handler that could not read its params must not be approved.
    yield* paramsOf.checked(() => decode(snapshot.value))
    const identity = agent ?? definition.agent ?? (yield* Agent)
    const { id, type = "unknown", version: agentVersion = "0.0.0" } = identity
    const payload = {
      key,
      params: snapshot.value,
      agent: { id, type, version: agentVersion },
      ...(isBusinessHours === undefined ? {} : { isBusinessHours })
    }
    const executionId = yield* atOnce(workflow.executionId(payload))
    // What the gateway would refuse must not use up the key.
    const refusal = headIssues(definition, identity)
    if (refusal.length > 0) return yield* invalidRequest(name, refusal)
    yield* paramsOf.snapshot({ ...snapshot.value, vargate_reference: executionId })
    const journal = yield* Journal
    const facts = { agentId: id, tool, method, paramsDigest: digestOf(snapshot.digest, isBusinessHours) }
    const begun = yield* journal.begin({ ...facts, executionId, workflow: name, version })
    // Asked after it began, so that no deletion falls between.
    const tombstone = begun.state === "submitting" ? yield* journal.tombstone(executionId) : undefined
    if (tombstone !== undefined) {
      yield* journal.advance(executionId, { state: "done", outcome: tombstone.outcome })
      return yield* spent(tombstone)
    }
    const other = difference(begun, facts)
    if (other === undefined) return { payload, begun }
    return yield* invalidRequest(name, [{
      path: ["key"],
      message: `Expected a new key: an execution with ${taken[other]} has it`
    }])
  })

  const spent = ({ endedAt, outcome }: Tombstone) =>
    invalidRequest(name, [{
      path: ["key"],
      message: `Expected a new key: the execution that had it ended at ${
        DateTime.formatIso(endedAt)
      } (${outcome}), and its result is kept no longer`
    }])

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

  const { migrate } = definition

  /** The params of an execution as this code reads them. */
  const read = (submitted: typeof Payload.Type["params"], begunWith: string | undefined) => {
    if (migrate === undefined) return paramsOf.checked(() => decode(submitted))
    const migrating = Effect.flatMap(
      Effect.try({
        try: () => migrate(submitted, begunWith),
        catch: () => invalidRequest(name, [{ path: ["params"], message: "Expected params, and migrate throws" }])
      }),
      decode
    )
    const migrated = paramsOf.checked(() => migrating)
    return begunWith === version
      ? Effect.catch(paramsOf.checked(() => decode(submitted)), () => migrated)
      : migrated
  }

  /** Waits for code that can read the params. Replays read them again. */
  const readable = (
    executionId: string,
    submitted: typeof Payload.Type["params"],
    begun: GovernedExecution | undefined,
    actionId?: ActionId
  ) =>
    Effect.catch(read(submitted, begun?.version ?? undefined), (error) =>
      Effect.andThen(
        note((journal) =>
          journal.advance(executionId, {
            state: "blocked",
            ...(actionId === undefined ? {} : { actionId }),
            problem: problemOf(error),
            params: JSON.stringify(submitted)
          })
        ),
        Effect.flatMap(WorkflowInstance, Workflow.suspend)
      ))

  // The program's own `WebCrypto`, for its action: an execution in memory has the context of the fiber that started it.
  const layer: GovernedWorkflow<Name, P, A, E, R>["layer"] = Layer.unwrap(Effect.map(WebCrypto, (crypto) => {
    const leaving = Latch.makeUnsafe()

    /** A step that its process leaves is suspended, and run again by another one. */
    const departure: Effect.Effect<Departure, never, WorkflowInstance> = Effect.map(WorkflowInstance, (instance) => ({
      leaving: leaving.await,
      leave: Workflow.suspend(instance),
      interrupted: Effect.sync(() => void (instance.suspended = true))
    }))

    const act = Effect.fnUntraced(function*(
      executionId: string,
      call: DurableCall,
      begun: GovernedExecution | undefined,
      actionId: ActionId,
      permit: Effect.Effect<void, VargateError>
    ) {
      const { vargate_reference, ...submitted } = call.params
      const context = { actionId, reference: String(vargate_reference) }
      const params = yield* readable(executionId, submitted, begun, actionId)
      const error = Schema.Union([ResultUnusable, OutcomeUnknown, VargateError, actionError])
      return yield* untilReachable(Activity.make({
        name: "act",
        success: definition.success,
        error,
        execute: Effect.flatMap(departure, (departure) =>
          Effect.andThen(
            note((journal) => journal.advance(executionId, { state: "acting", actionId })),
            actOnce(
              executionId,
              call,
              Effect.suspend(() => definition.run(params, context)),
              definition.recover && Effect.suspend(() => definition.recover!(params, context)),
              permit,
              writtenAs(definition.success, error, (detail) => new ResultUnusable({ actionId, detail })),
              departure
            )
          ))
      }))
    })

    const hold = Effect.fnUntraced(function*(executionId: string, actionId: ActionId) {
      yield* untilReachable(Activity.make({
        name: "hold",
        execute: note((journal) => journal.advance(executionId, { state: "held", actionId }))
      }))
      // What either branch ends with is stored: a database that is away must not be that.
      return yield* untilReachable(DurableDeferred.raceAll({
        name: "decision or deadline",
        success: Approved,
        error: Schema.Union([Rejected, Expired, VargateError, ApprovalTimeout]),
        effects: [
          untilReachable(DurableDeferred.await(decision)),
          untilReachable(DurableClock.sleep({ name: "deadline", duration: timeout, inMemoryThreshold: 0 })).pipe(
            Effect.andThen(Effect.fail(new ApprovalTimeout({ actionId, waited: timeout })))
          )
        ]
      }))
    })

    /** Under what stands before calls. The same execution is the same call, however often it is submitted. */
    const guarded = <R>(
      executionId: string,
      { agent, method, tool }: DurableCall,
      params: typeof Payload.Type["params"],
      submitting: Effect.Effect<Decision, typeof SubmitFailure.Type, R>
    ): Effect.Effect<Decision, typeof SubmitFailure.Type, R> =>
      Effect.withFiber((fiber) => {
        const guards = guardsOf(fiber)
        if (guards === undefined) return submitting
        return Effect.flatMap(paramsOf.snapshot(params), ({ digest }) => {
          const call = { agentId: agent.id, tool, method, params, digest, same: definition.same }
          const submission = { ...call, allowDuplicate: false, token: executionId, join: undefined }
          // The journal prevents duplicates, so that there is no such failure.
          return guards.submit(submission, submitting as Submitting) as typeof submitting
        })
      })

    const running: Layer.Layer<never, never, WorkflowEngine | Journal | ToolCalls | AuditLog | R> = workflow.toLayer((
      { agent, isBusinessHours, params },
      executionId
    ) =>
      Effect.gen(function*() {
        const begun = yield* Journal.use((journal) => untilStored(journal.find(executionId)))
        // Deleted after its caller had seen it.
        const tombstone = begun ?? (yield* Journal.use((journal) => untilStored(journal.tombstone(executionId))))
        if (tombstone !== undefined && "endedAt" in tombstone) return yield* spent(tombstone)
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
        const answer = yield* untilReachable(Activity.make({
          name: "submit",
          success: SubmitSuccess,
          error: SubmitFailure,
          execute: Effect.flatMap(
            departure,
            (departure) =>
              guarded(executionId, call, params, submitOnce(executionId, call, definition, permitted, departure))
          )
        })).pipe(
          Effect.catchReason("VargateError", "Joined", (joined, error) =>
            joined.outcome === "pending"
              ? becameOf(joined.actionId, hold(executionId, joined.actionId))
              : Effect.fail(error))
        )
        return yield* Governed.settle(answer, {
          act: (actionId) => act(executionId, call, begun, actionId, permitted),
          hold: ({ actionId }) => telling(hold(executionId, actionId))
        })
      }).pipe(
        Effect.tap(({ executedBy }) => finish(executionId, executedBy)),
        Effect.tapError((error) => finish(executionId, tagOf(error))),
        untilReachable,
        Effect.provideService(WebCrypto, crypto)
      )
    )
    // The last that is built is the first that is closed.
    return Layer.provideMerge(Layer.effectDiscard(Effect.addFinalizer(() => leaving.open)), running)
  }))

  const patiently = (operation: string, patience: Duration.Input | undefined) =>
    within(`${name}.${operation}`, patience ?? defaultPatience)

  /** Ends where the execution is blocked, for callers that wait for its end. */
  const blocked = ({ changedAt, executionId, state }: GovernedExecution) =>
    Effect.flatMap(Journal, (journal) =>
      Effect.gen(function*() {
        const execution = yield* Effect.orElseSucceed(journal.find(executionId), () => undefined)
        const isBlocked = execution?.state === "blocked" &&
          (state !== "blocked" || DateTime.isGreaterThan(execution.changedAt, changedAt))
        if (!isBlocked) return yield* Effect.fail(undefined)
        return invalidRequest(name, [{
          path: ["key"],
          message: `Expected code that can read the params of this execution (${
            execution.problem ?? ""
          }). It is blocked, \
and continues in the code that it was begun with, or with migrate`
        }])
      }).pipe(
        Effect.retry(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")])),
        Effect.orDie,
        Effect.flip
      ))

  /**
   * A machine that loses an execution interrupts those who wait for it there. That is the end only where the execution
   * was interrupted.
   */
  const ended = <A, E, R>(executionId: string, waiting: Effect.Effect<A, E, R>) =>
    Effect.catchCauseIf(waiting, Cause.hasInterruptsOnly, (cause) =>
      Effect.flatMap(
        Journal.use((journal) => journal.find(executionId)),
        (execution) => execution?.outcome === "Interrupted" ? Effect.failCause(cause) : Effect.die(new LostByRunner())
      ))

  return {
    name,
    layer,
    execute: Effect.fn(`${name}.execute`)(function*(start) {
      // It waits for reviewers too, so what takes long is no sign: whether the journal answers is.
      return yield* within(`${name}.execute`, start.patience ?? defaultPatience, unanswered)(
        Effect.flatMap(begin(start), ({ begun, payload }) =>
          Effect.andThen(
            // The code here may be able to read it.
            begun.state === "blocked" ? workflow.resume(begun.executionId) : Effect.void,
            Effect.raceFirst(ended(begun.executionId, atOnce(workflow.execute(payload))), blocked(begun))
          ))
      )
    }),
    executeDetached: Effect.fn(`${name}.executeDetached`)(function*(start) {
      return yield* patiently("executeDetached", start.patience)(
        Effect.flatMap(
          begin(start),
          ({ payload }) => atOnce(workflow.execute(payload, { discard: true, detached: true }))
        )
      )
    }),
    executionId: (key) => atOnce(workflow.executionId({ key, params: {}, agent: { id: "", type: "", version: "" } })),
    poll: (executionId) => patiently("poll", undefined)(workflow.poll(executionId)),
    interrupt: Effect.fn(`${name}.interrupt`)(function*(executionId) {
      yield* patiently("interrupt", undefined)(Effect.andThen(
        workflow.interrupt(executionId),
        Journal.use((journal) => journal.advance(executionId, { state: "done", outcome: "Interrupted" }))
      ))
    }),
    resume: (executionId) => patiently("resume", undefined)(workflow.resume(executionId))
  }
}

/** How long to wait for a database. */
const defaultPatience = "5 minutes"

const problemOf = ({ reason }: VargateError) =>
  reason._tag === "InvalidRequest"
    ? reason.issues.map(({ message, path }) => `${path.join(".")}: ${message}`).join("; ")
    : reason.message

const finish = (executionId: string, outcome: string) =>
  untilReachable(Activity.make({
    name: "finish",
    execute: Effect.andThen(
      note((journal) => journal.advance(executionId, { state: "done", outcome })),
      Metric.update(WorkflowMetrics.outcomes, outcome)
    )
  }))

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "Failed"
