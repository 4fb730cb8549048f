/**
 * The flow of a governed call: submit, wait for approval where one is needed, act once, and return who executed it.
 *
 * **Example** (A refund that may need an approval)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Governed } from "effect-vargate"
 *
 * const refund = Governed.tool({
 *   tool: "stripe",
 *   method: "create_refund",
 *   params: Schema.Struct({ charge: Schema.String, amount: Schema.Number }),
 *   onPending: Governed.wait({ timeout: "20 minutes" }),
 *   run: ({ amount, charge }) => Effect.logInfo(`refunding ${amount} of ${charge}`)
 * })
 *
 * const program = refund({ charge: "ch_1", amount: 50 })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Approved } from "../approvals/Approval.ts"
import * as Approvals from "../approvals/Approvals.ts"
import * as AuditLog from "../audit/AuditLog.ts"
import { capture } from "../calls/internal/capturedRequest.ts"
import { snapshotParams } from "../calls/internal/paramsSnapshot.ts"
import * as ToolCalls from "../calls/ToolCalls.ts"
import { invalidRequest } from "../errors/internal/invalidRequest.ts"
import {
  type ApprovalError,
  type Denied,
  type OperationError,
  PendingApproval,
  type Rejected,
  type ShadowRefused,
  type SubmitError,
  ToolFailed,
  type VargateError
} from "../errors/VargateError.ts"
import { sameParams } from "../internal/sameParams.ts"
import { annotate, inSpan, withSpan } from "../internal/spans.ts"
import type { ActionId } from "../model/ActionId.ts"
import { Agent, type AgentIdentity } from "../model/Agent.ts"
import type { Allowed } from "../model/Allowed.ts"
import type { ToolCallRequest } from "../model/ToolCall.ts"
import type { Proposal } from "../reviews/Proposal.ts"
import * as RetryPolicy from "../transport/RetryPolicy.ts"
import { begun } from "./internal/begun.ts"
import { decide as submit, type Submission } from "./internal/decide.ts"
import { guardedAct, guardedWait, guardKeys } from "./internal/guards.ts"
import { submitInShadow } from "./internal/inShadow.ts"
import { makeOnce } from "./internal/makeOnce.ts"
import { type Detach, type Fail, type OnPending, type Wait, wait } from "./internal/onPending.ts"
import { paramsCodec } from "./internal/paramsCodec.ts"
import { type Params, type Reader, type Reviser, reviserOf } from "./internal/proposed.ts"
import type { Shadow as ShadowMode } from "./Shadow.ts"

// --- results ---------------------------------------------------------------------------------------------------------

/**
 * The agent executed the call: `result` is what its own action returned.
 *
 * @category models
 * @since 0.1.0
 */
export interface DoneByAgent<A> {
  readonly executedBy: "agent"
  readonly actionId: ActionId
  readonly result: A
  /** Where a reviewer changed the params: what was executed is this, and not the call that was rejected for it. */
  readonly proposal?: Proposal | undefined
}

/**
 * The gateway executed the call: `result` is the tool's own JSON. The agent's action was not run.
 *
 * **Details**
 *
 * `isResultLost` is true where the answer was lost and only the audit log shows the execution: then `result` is
 * undefined, and whether the tool failed is unknown.
 *
 * @category models
 * @since 0.1.0
 */
export interface DoneByGateway {
  readonly executedBy: "gateway"
  readonly actionId: ActionId
  readonly result: unknown
  readonly isResultLost: boolean
  /** Where a reviewer changed the params: what was executed is this, and not the call that was rejected for it. */
  readonly proposal?: Proposal | undefined
}

/**
 * A governed action that was done, and by whom.
 *
 * @category models
 * @since 0.1.0
 */
export type Done<A> = DoneByAgent<A> | DoneByGateway

/**
 * A pending action that the program did not wait for.
 *
 * **Details**
 *
 * `await` waits for the decision and then acts like {@link run}; however often it is run, the agent's action runs at most
 * once, and later runs get the first one's result.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detached<A, E, R> {
  readonly executedBy: "none"
  readonly actionId: ActionId
  readonly await: Effect.Effect<Done<A>, ApprovalError | SubmitError | Denied | ToolFailed | E, R>
  readonly outcome: Effect.Effect<Approvals.Outcome, OperationError>
}

// --- what to do with a pending call ----------------------------------------------------------------------------------

export { type Detach, detach, type Fail, fail, type OnPending, type Wait, wait } from "./internal/onPending.ts"

type PendingResult<P extends OnPending, A, E, R> = P extends Detach ? Detached<A, E, R> : never
type PendingError<P extends OnPending> = P extends Wait ? ApprovalError : P extends Fail ? PendingApproval : never

// --- run -------------------------------------------------------------------------------------------------------------

export type { Submission } from "./internal/decide.ts"

/**
 * How a governed action is submitted, and what to do when it is pending.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<P extends OnPending = Wait> extends Submission {
  /** Default: {@link wait}. */
  readonly onPending?: P | undefined
}

/**
 * The first half of {@link run}, for programs that act in a way of their own: submits a call, repeats what certainly did
 * nothing, looks up what was lost, and returns the policy's decision.
 *
 * **Gotchas**
 *
 * `Allowed` does not mean done, nor that the agent is to act: only where its `execution` is `NotExecuted`.
 *
 * @category running
 * @since 0.1.0
 */
export const decide = (
  request: ToolCallRequest & Submission
): Effect.Effect<ToolCalls.Decision, SubmitError, ToolCalls.ToolCalls | AuditLog.AuditLog> => submit(request)

/**
 * Submits a call and, if it is allowed or approved, sees it done exactly once: by the gateway where it executed the call,
 * otherwise by `action`.
 *
 * **Details**
 *
 * `action` never runs after a denial, a rejection, an expiry, a failed execution or an unknown outcome, and at most once
 * otherwise.
 *
 * A reviewer may propose other params where the rules of a panel allow that. Where `action` is a function of the params, and
 * `Proposals` is provided, the proposal is submitted once, as an action of its own, and `action` gets the params that were
 * decided. Everywhere else that is a rejection like any other.
 *
 * @category running
 * @since 0.1.0
 */
export const run: <A, E, R, P extends OnPending = Wait>(
  request: ToolCallRequest & Options<P>,
  action: Effect.Effect<A, E, R> | ((params: Params) => Effect.Effect<A, E, R>)
) => Effect.Effect<
  Done<A> | PendingResult<P, A, E, R>,
  SubmitError | Denied | ToolFailed | PendingError<P> | E,
  ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog | R
> = (<A, E, R>(
  request: ToolCallRequest & Options<OnPending>,
  action: Effect.Effect<A, E, R> | ((params: Params) => Effect.Effect<A, E, R>)
) =>
  inSpan("Governed.run", (fiber) => {
    if (typeof action !== "function") return runWith(request, { act: action })
    // Read here, once: the action gets what is submitted.
    const captured = capture(request, fiber.getRef(Agent))
    return captured === undefined ? runWith(request, { act: Effect.die("never submitted") }) : runWith(
      { ...request, ...captured },
      {
        act: Effect.suspend(() => action(captured.params ?? {})),
        changed: (params) => Effect.succeed(Effect.suspend(() => action(params)))
      }
    )
  })) as never

/** What to do with a call once it may be done, and with what a reviewer has made of it. */
interface Acting<A, E, R, R2 = never> {
  readonly act: Effect.Effect<A, E, R>
  /** Where it is absent, a proposal is a rejection. */
  readonly changed?: Reader<Effect.Effect<A, E, R>, R2> | undefined
}

const runWith = <A, E, R, R2>(request: ToolCallRequest & Options<OnPending>, acting: Acting<A, E, R, R2>) =>
  Effect.flatMap(submit(request, joinOf(request)), (decision): Effect.Effect<unknown, unknown, unknown> => {
    const strategy = request.onPending ?? wait()
    return decision._tag === "PendingApproval" && strategy._tag !== "Fail"
      ? hold(decision, strategy, request, acting)
      : settle(decision, { act: (actionId) => act(actionId, acting.act), hold: Effect.fail })
  })

/** A call that joins another one's wait waits as it would for its own decision. */
const joinOf = ({ onPending = wait() }: Options<OnPending>) => onPending._tag === "Wait" ? onPending : undefined

/** Waits for the decision on a pending call, or returns a handle that does. */
const hold = Effect.fnUntraced(function*<A, E, R, R2>(
  pending: PendingApproval,
  strategy: Wait | Detach,
  request: ToolCallRequest & Submission,
  acting: Acting<A, E, R, R2>
) {
  const { actionId } = pending
  const approvals = yield* Approvals.Approvals
  const revise = acting.changed === undefined ? undefined : yield* reviserOf(request, yield* submitting(request))
  const settled = yield* settling(pending, acting, { options: strategy._tag === "Wait" ? strategy : {}, revise })
  return strategy._tag === "Wait"
    ? yield* settled
    : { executedBy: "none" as const, actionId, await: settled, outcome: approvals.outcome(actionId) }
})

/** Submits a call with other params, with the services of now: a handle is awaited anywhere. */
const submitting = Effect.fnUntraced(function*(request: ToolCallRequest & Submission) {
  const toolCalls = yield* ToolCalls.ToolCalls
  const log = yield* AuditLog.AuditLog
  const { isBusinessHours, method, reconcile, reference, retry, same, tool } = request
  const call = { tool, method, isBusinessHours, reference, retry, same }
  return (changed: Pick<ToolCallRequest, "agent" | "allowDuplicate" | "params">) =>
    submit({ ...call, ...changed, reconcile: reconcile === false ? false : { ...reconcile, resend: false } }).pipe(
      Effect.provideService(ToolCalls.ToolCalls, toolCalls),
      Effect.provideService(AuditLog.AuditLog, log)
    )
})

/**
 * What a decision leads to, and where it is pending the reviewers'. However often the result is run, the agent acts once,
 * and what a reviewer proposes is submitted once.
 */
const settling = Effect.fnUntraced(function*<A, E, R, R2>(
  decision: ToolCalls.Decision,
  { act: action, changed }: Acting<A, E, R, R2>,
  given: { readonly options: Approvals.AwaitOptions; readonly revise: Reviser<never> | undefined },
  proposal?: Proposal
): Effect.fn.Return<
  Effect.Effect<Done<A>, ApprovalError | SubmitError | Denied | ToolFailed | E, Approvals.Approvals | R | R2>,
  never,
  Approvals.Approvals
> {
  const { options, revise } = given
  const { actionId } = decision
  const approvals = yield* Approvals.Approvals
  const acting = yield* makeOnce(() => begun(actionId, action))
  const steps = { act: () => act(actionId, acting()) }
  const done = <E2, R2>(settled: Effect.Effect<Done<A>, E2, R2>) =>
    proposal === undefined ? settled : Effect.map(settled, (done): Done<A> => ({ ...done, proposal }))
  if (decision._tag !== "PendingApproval") return done(settle(decision, { ...steps, hold: () => Effect.never }))
  const revising = yield* makeOnce((rejected: Rejected) =>
    changed === undefined || revise === undefined
      ? Effect.fail(rejected)
      : Effect.flatMap(
        revise(rejected, changed),
        ({ decision, proposal, read }) => settling(decision, { act: read, changed }, given, proposal)
      )
  )
  return Effect.flatMap(
    Effect.result(guardedWait(actionId, approvals.await(actionId, options))),
    Result.match({
      onSuccess: (approved) => done(settle(approved, steps)),
      onFailure: (error) =>
        error._tag === "Rejected" && error.proposal !== undefined ? Effect.flatten(revising(error)) : Effect.fail(error)
    })
  )
})

/**
 * What {@link settle} does with a decision.
 *
 * @category options
 * @since 0.1.0
 */
export interface Steps<A, E, R, E2, R2> {
  /** The agent's own action, where the gateway did not execute the call. */
  readonly act: (actionId: ActionId) => Effect.Effect<A, E, R>
  /** Waits for the decision on a pending call, or fails. */
  readonly hold: (pending: PendingApproval) => Effect.Effect<Approved, E2, R2>
}

/**
 * The second half of {@link run}: what a decision leads to. Every way to a governed action (functions, toolkits, MCP
 * servers, workflows) uses it.
 *
 * **Details**
 *
 * A denial is a failure. A pending call is given to `hold`, which waits for the reviewer's approval or fails. Where the
 * call is allowed or approved, `act` runs only if the gateway did not execute it (`NotExecuted`). Where it did, the
 * gateway's result is the result, `isResultLost` says that it was lost on the way (`ExecutedUnseen`), and a tool that
 * failed is `ToolFailed`.
 *
 * @category running
 * @since 0.1.0
 */
export const settle: {
  /** What was approved is neither denied nor pending. */
  <A, E, R>(
    approved: Approved,
    steps: { readonly act: (actionId: ActionId) => Effect.Effect<A, E, R> }
  ): Effect.Effect<Done<A>, ToolFailed | VargateError | E, R>
  <A, E, R, E2 = never, R2 = never>(
    decision: ToolCalls.Decision | Approved,
    steps: Steps<A, E, R, E2, R2>
  ): Effect.Effect<Done<A>, Denied | ToolFailed | VargateError | E | E2, R | R2>
} = <A, E, R, E2, R2>(
  decision: ToolCalls.Decision | Approved,
  steps: Pick<Steps<A, E, R, E2, R2>, "act"> & Partial<Steps<A, E, R, E2, R2>>
): Effect.Effect<Done<A>, Denied | ToolFailed | VargateError | E | E2, R | R2> => {
  switch (decision._tag) {
    case "Denied":
      return Effect.fail(decision)
    case "PendingApproval":
      return Effect.flatMap(steps.hold!(decision), (approved) => settle(approved, steps))
    case "Allowed":
    case "Approved": {
      const { actionId, execution } = decision
      switch (execution._tag) {
        case "NotExecuted":
          return Effect.map(
            guardedAct(actionId, steps.act(actionId)),
            (result) => ({ executedBy: "agent", actionId, result })
          )
        case "Executed":
          return Effect.succeed({ executedBy: "gateway", actionId, result: execution.result, isResultLost: false })
        case "ExecutedUnseen":
          return Effect.succeed({ executedBy: "gateway", actionId, result: undefined, isResultLost: true })
        case "ExecutionFailed":
          return Effect.fail(new ToolFailed({ actionId, error: execution.error }))
      }
    }
  }
}

/** Whatever an agent logs while it acts says which action it belongs to. */
const act = <A, E, R>(
  actionId: ActionId,
  action: Effect.Effect<A, E, R>,
  more?: Readonly<Record<string, string>>
): Effect.Effect<A, E, R> => {
  const names = { "vargate.action_id": actionId, ...more }
  return withSpan("Governed.act", Effect.annotateLogs(action, names), names)
}

// --- shadow ----------------------------------------------------------------------------------------------------------

/**
 * The agent has acted in shadow. `verdict` and `answer` are what the policy said: governed, the call would have been denied,
 * or would have waited for a reviewer.
 *
 * @category models
 * @since 0.2.0
 */
export type ShadowedByAgent<A> =
  & DoneByAgent<A>
  & { readonly isShadow: true }
  & (
    | { readonly verdict: "allowed"; readonly answer: Allowed }
    | { readonly verdict: "denied"; readonly answer: Denied }
    | { readonly verdict: "pending"; readonly answer: PendingApproval }
  )

/**
 * The gateway has executed a call that is in shadow. The agent's action was not run.
 *
 * @category models
 * @since 0.2.0
 */
export interface ShadowedByGateway extends DoneByGateway {
  readonly isShadow: true
  readonly verdict: "allowed"
  readonly answer: Allowed
}

/**
 * A call that is in shadow, and by whom it was done.
 *
 * @category models
 * @since 0.2.0
 */
export type Shadowed<A> = ShadowedByAgent<A> | ShadowedByGateway

/**
 * How a call is made that may be in shadow.
 *
 * @category options
 * @since 0.2.0
 */
export interface ShadowOptions extends Submission {
  /**
   * The author's statement that the gateway executes no call of this tool, not on approval either. Without it an approval
   * that comes later could execute the action a second time.
   */
  readonly executes: "agent"
  /** For calls that are not in shadow. Default: {@link wait}. */
  readonly onPending?: Wait | Fail | undefined
}

/** By its key, so that only a program that uses it loads it. */
const Shadow = Context.Service<ShadowMode["Service"]>(guardKeys.shadow)

/**
 * Submits a call, writes down what the policy says, and acts although that is a denial, or waits for a reviewer: for the
 * weeks before governance is switched on. What it does and never does is described in the module `Shadow`.
 *
 * **Details**
 *
 * Which calls are in shadow is for `Shadow.layer` to say. All others are governed like those of {@link run}, and their result
 * has `isShadow: false`.
 *
 * Where the gateway has executed the call, its result is the result. Where the call was not submitted, or its outcome is
 * unknown, nothing acts, and it fails as with {@link run}. A lost answer is looked up only where the call has a
 * `reference`.
 *
 * **Gotchas**
 *
 * A call that would be denied is performed. Use it for tools that agents perform ungoverned today.
 *
 * @category running
 * @since 0.2.0
 */
export const shadow: <A, E, R>(
  request: ToolCallRequest & ShadowOptions,
  action: Effect.Effect<A, E, R> | ((params: Params) => Effect.Effect<A, E, R>)
) => Effect.Effect<
  Shadowed<A> | (Done<A> & { readonly isShadow: false }),
  SubmitError | Denied | PendingApproval | ApprovalError | ShadowRefused | ToolFailed | E,
  ShadowMode | ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog | R
> = (<A, E, R>(
  request: ToolCallRequest & ShadowOptions,
  action: Effect.Effect<A, E, R> | ((params: Params) => Effect.Effect<A, E, R>)
) =>
  inSpan("Governed.shadow", (fiber): Effect.Effect<unknown, unknown, unknown> => {
    const service = Context.get(fiber.context as Context.Context<ShadowMode["Service"]>, Shadow)
    const captured = capture(request, fiber.getRef(Agent))
    const call = captured && { ...request, ...captured }
    if (call?.executes !== "agent") {
      const message = "Expected \"agent\": only where the gateway does not execute the tool can a call be in shadow"
      return Effect.fail(invalidRequest("Governed.shadow", [{ path: ["executes"], message }]))
    }
    const { snapshot } = captured!
    const isIncluded = Result.isSuccess(snapshot) && captured!.agent !== undefined && service.includes({
      agentId: captured!.agent.id,
      tool: call.tool,
      method: call.method,
      digest: snapshot.success.digest
    })
    if (!isIncluded) return Effect.map(run(call, action), (done) => ({ ...done, isShadow: false }))
    const acting = typeof action === "function" ? Effect.suspend(() => action(call.params ?? {})) : action
    return Effect.flatMap(submitInShadow(service, captured as never, call), ({ answer, begin, decision, verdict }) =>
      Effect.map(
        settle(decision, {
          act: (actionId) =>
            begin(act(actionId, acting, { "vargate.shadow": verdict })),
          hold: () => Effect.never
        }),
        (done) => ({ ...done, isShadow: true, verdict, answer })
      ))
  })) as never

// --- resume ----------------------------------------------------------------------------------------------------------

/**
 * How to resume an action.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResumeOptions extends Approvals.AwaitOptions {
  /**
   * The call that the program means to perform. Where the action is another one by its audit record, nothing is waited for
   * or performed, and that is `InvalidRequest`. So is one with fields that the gateway encrypts or keys that it hides
   * (those that begin with `_sa`), since these cannot be compared.
   */
  readonly call?: Pick<ToolCallRequest, "tool" | "method" | "params"> | undefined
}

/**
 * How to resume an action whose params a reviewer may change.
 *
 * @category options
 * @since 0.2.0
 */
export interface ResumeCallOptions extends Approvals.AwaitOptions, Submission {
  /** The call, as in {@link ResumeOptions}. Proposed params are submitted with the rest of it. */
  readonly call: ToolCallRequest
}

/**
 * Continues a pending action by its id, in whatever process: waits for the decision, and then acts like {@link run}.
 *
 * **Details**
 *
 * For programs that detached the action ({@link detach}) or failed with `PendingApproval`, stored the id, and are now
 * another process. Give `call` where the params come from a store too: then nothing is performed but what was approved.
 *
 * **Gotchas**
 *
 * In one process an action is begun once, whichever handle begins it: another attempt is a `Conflict`, also where the
 * first one failed. Processes know nothing of each other: let one of them resume an action, or use
 * `effect-vargate/workflow/GovernedWorkflow`, which claims each step in a journal.
 *
 * **Example** (After a restart)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { type ActionId, Governed } from "effect-vargate"
 *
 * declare const stored: { readonly actionId: ActionId.ActionId; readonly params: { readonly amount: number } }
 *
 * const program = Governed.resume(stored.actionId, Effect.logInfo(`refunding ${stored.params.amount}`), {
 *   call: { tool: "stripe", method: "create_refund", params: stored.params }
 * })
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const resume: {
  <A, E, R>(
    actionId: ActionId,
    action: Effect.Effect<A, E, R>,
    options?: ResumeOptions
  ): Effect.Effect<
    Done<A>,
    ApprovalError | OperationError | ToolFailed | E,
    Approvals.Approvals | AuditLog.AuditLog | R
  >
  /** `action` gets the params that were decided: those of the call, or what a reviewer has proposed (`Proposals`). */
  <A, E, R>(
    actionId: ActionId,
    action: (params: Params) => Effect.Effect<A, E, R>,
    options: ResumeCallOptions
  ): Effect.Effect<
    Done<A>,
    ApprovalError | OperationError | SubmitError | Denied | ToolFailed | E,
    ToolCalls.ToolCalls | Approvals.Approvals | AuditLog.AuditLog | R
  >
} = Effect.fn("Governed.resume")(function*<A, E, R>(
  actionId: ActionId,
  action: Effect.Effect<A, E, R> | ((params: Params) => Effect.Effect<A, E, R>),
  options: ResumeOptions | ResumeCallOptions = {}
) {
  yield* Effect.annotateCurrentSpan({ "vargate.action_id": actionId })
  if (typeof action === "function") return yield* resumeCall(actionId, action, options as ResumeCallOptions)
  if (options.call !== undefined) yield* expectCall(actionId, options.call)
  const approvals = yield* Approvals.Approvals
  const approved = yield* guardedWait(actionId, approvals.await(actionId, options))
  return yield* settle(approved, {
    act: () => act(actionId, begun(actionId, action))
  })
}) as never

const resumeCall = Effect.fnUntraced(function*<A, E, R>(
  actionId: ActionId,
  action: (params: Params) => Effect.Effect<A, E, R>,
  { call, poll, reconcile, retry, timeout }: ResumeCallOptions
) {
  const request = capture(call, yield* Agent)
  if (request === undefined || Result.isFailure(request.snapshot)) {
    return yield* invalidRequest("Governed.resume", [{ path: ["call"], message: "Expected the call, with its params" }])
  }
  const params = request.snapshot.success.value
  yield* expectCall(actionId, request)
  const pending = new PendingApproval({ actionId, message: `The action waits for a reviewer as ${actionId}.` })
  const strategy: Wait = { _tag: "Wait", timeout, poll }
  return yield* hold(pending, strategy, { ...request, retry, reconcile }, {
    act: Effect.suspend(() => action(params)),
    changed: (params) => Effect.succeed(Effect.suspend(() => action(params)))
  })
})

const expectCall = Effect.fnUntraced(function*(actionId: ActionId, call: NonNullable<ResumeOptions["call"]>) {
  const log = yield* AuditLog.AuditLog
  const record = yield* Effect.retry(log.record(actionId), RetryPolicy.reads)
  const { vargate_reference: _, ...recorded } = Object(record.params)
  const expected = snapshotParams(call.params ?? {})
  const given = Result.isSuccess(expected) ? expected.success.value : undefined
  const isSame = record.tool === call.tool && record.method === call.method &&
    (sameParams(given, record.params, false) || sameParams(given, recorded, false))
  if (isSame) return
  // A field that the gateway shows encrypted, or leaves out (`_sa...`), may have had any value, or none at all.
  const detail =
    `Expected an action that is ${call.tool}/${call.method} with these params; ${actionId} is another call, ` +
    "or has encrypted fields, or keys that the record does not show (_sa...), which cannot be compared"
  return yield* invalidRequest("Governed.resume", [{ path: ["call"], message: detail }])
})

// --- tools -----------------------------------------------------------------------------------------------------------

/**
 * What is encoded as a JSON object, or may be: the params of a call are one. A schema of texts, numbers or lists does not
 * type-check.
 *
 * @category models
 * @since 0.1.0
 */
export type ObjectParams<Encoded> = unknown extends Encoded ? unknown
  : [Exclude<Extract<Encoded, object>, ReadonlyArray<unknown>>] extends [never]
    ? { readonly "params must be encoded as an object": Encoded }
  : unknown

/**
 * A tool that is governed: its name, the schema of its params, and what to do once it may.
 *
 * @category options
 * @since 0.1.0
 */
export interface Definition<S extends Schema.Constraint, A, E, R, P extends OnPending = Wait> extends Options<P> {
  readonly tool: string
  readonly method: string
  readonly params: S & ObjectParams<S["Encoded"]>
  readonly agent?: AgentIdentity | undefined
  readonly isBusinessHours?: boolean | undefined
  readonly reference?: ToolCallRequest["reference"]
  readonly allowDuplicate?: boolean | undefined
  readonly run: (params: S["Type"]) => Effect.Effect<A, E, R>
}

/**
 * Makes a function of a tool's params that submits them and, once allowed or approved, runs the handler.
 *
 * **Details**
 *
 * The params that were approved are the params that run: they are read once, encoded to JSON and submitted, and the handler
 * receives what that very JSON decodes to. Its digest stands on the span as `vargate.params_digest`.
 *
 * Where a reviewer proposes other params, and `Proposals` is provided, these are submitted once, and the handler receives
 * what they decode to.
 *
 * @category tools
 * @since 0.1.0
 */
export const tool = <S extends Schema.Constraint, A, E, R, P extends OnPending = Wait>(
  definition: Definition<S, A, E, R, P>
): (
  params: S["Type"]
) => Effect.Effect<
  Done<A> | PendingResult<P, A, E, R>,
  SubmitError | Denied | ToolFailed | PendingError<P> | E,
  | ToolCalls.ToolCalls
  | Approvals.Approvals
  | AuditLog.AuditLog
  | S["EncodingServices"]
  | S["DecodingServices"]
  | R
> => {
  const { params: schema, run: handler, ...options } = definition
  const codec = Schema.toCodecJson(schema)
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  const name = `${options.tool}/${options.method}`
  const params = paramsCodec(name, ["body", "params"])

  return (given: S["Type"]) =>
    inSpan(`Governed.tool ${name}`, (fiber) =>
      Effect.flatMapEager(params.encode(given, encode), (submitted) =>
        // Decoded before anything is sent: a handler that could not read its params must not be approved.
        Effect.flatMapEager(params.checked(() => decode(submitted.value)), (decoded) => {
          annotate(fiber, () => ({ "vargate.params_digest": submitted.digest }))
          const acting = (decoded: unknown) => Effect.suspend(() => handler(decoded as S["Type"]))
          return runWith({ ...options, params: submitted.value }, {
            act: acting(decoded),
            changed: (params) => Effect.map(decode(params), acting)
          })
        }))) as never
}

// --- many ------------------------------------------------------------------------------------------------------------

/**
 * Runs many governed actions and collects what became of each, in order. One denial does not disturb the others.
 *
 * **When to use**
 *
 * Use plain `Effect.forEach` with a concurrency where the first failure should cancel the rest.
 *
 * @category running
 * @since 0.1.0
 */
export const all = <A, E, R>(
  actions: Iterable<Effect.Effect<A, E, R>>,
  options?: { readonly concurrency?: number | "unbounded" | undefined }
) => Effect.forEach(actions, Effect.result, { concurrency: options?.concurrency ?? 1 })
