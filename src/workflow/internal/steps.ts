/**
 * The two steps of a governed workflow that must not happen twice. Each claims a key of the journal first; a process
 * that finds it claimed asks what became of it.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as AuditLog from "../../audit/AuditLog.ts"
import { Claims, CurrentClaims } from "../../calls/internal/claims.ts"
import * as Reconcile from "../../calls/Reconcile.ts"
import * as ToolCalls from "../../calls/ToolCalls.ts"
import {
  ConnectionLost,
  type DuplicateSubmission,
  OutcomeUnknown,
  type StorageFailed,
  type SubmitError,
  type VargateError
} from "../../errors/VargateError.ts"
import { ToolCall } from "../../model/ToolCall.ts"
import * as RetryPolicy from "../../transport/RetryPolicy.ts"
import { Journal } from "../Journal.ts"

/**
 * A call with everything that its record will hold.
 *
 * @category models
 * @since 0.1.0
 */
export interface DurableCall {
  readonly tool: string
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
  readonly agent: { readonly id: string; readonly type: string; readonly version: string }
  readonly isBusinessHours: boolean | undefined
}

/**
 * How to submit.
 *
 * @category options
 * @since 0.1.0
 */
export interface SubmitOptions {
  /**
   * When to submit again where certainly nothing happened. Default: indefinitely, with pauses that grow to 30 seconds.
   */
  readonly retry?: RetryPolicy.RetryPolicy | undefined
  /** How long to look for the record of a call whose answer was lost, while the log can be read. Default: 2 minutes. */
  readonly lookFor?: Duration.Input | undefined
  /**
   * Sends the call once more when there is no record after this time: your word that it may be repeated. Choose a time
   * longer than the gateway lets a tool run. Default: never.
   */
  readonly resendAfter?: Duration.Input | undefined
}

/** What submitting can fail with where duplicates are the journal's to prevent. */
type SubmitFailure = Exclude<SubmitError, DuplicateSubmission>

/**
 * A workflow has time; its storage may be away for a while, like everything else.
 *
 * @category steps
 * @since 0.1.0
 */
export const untilStored = <A>(effect: Effect.Effect<A, StorageFailed>): Effect.Effect<A> =>
  Effect.orDie(Effect.retry(effect, growing("100 millis", "10 seconds")))

const growing = (first: Duration.Input, cap: Duration.Input) =>
  Schedule.min([Schedule.exponential(first), Schedule.spaced(cap)])

const patient = RetryPolicy.make(growing("250 millis", "30 seconds"))

const asToolCall = ({ agent, isBusinessHours, method, params, tool }: DurableCall) =>
  new ToolCall({
    agentId: agent.id,
    agentType: agent.type,
    agentVersion: agent.version,
    tool,
    method,
    params,
    isBusinessHours
  })

const interrupted = (call: DurableCall, since: DateTime.Utc) =>
  new OutcomeUnknown({
    request: asToolCall(call),
    sentAt: since,
    cause: new ConnectionLost({
      detail: "the process that was at it ended before it could say how it went",
      sideEffect: "possible"
    })
  })

/**
 * Submits the call where `permit` succeeds, or finds out what became of it if it was submitted before.
 *
 * @category steps
 * @since 0.1.0
 */
export const submitOnce = Effect.fnUntraced(function*(
  executionId: string,
  call: DurableCall,
  options: SubmitOptions,
  permit: Effect.Effect<void, VargateError>
): Effect.fn.Return<ToolCalls.Decision, SubmitFailure, ToolCalls.ToolCalls | AuditLog.AuditLog | Journal> {
  const journal = yield* Journal
  const toolCalls = yield* ToolCalls.ToolCalls

  /** The `n`th time that this call may be sent. */
  const submit = (
    n: number
  ): Effect.Effect<ToolCalls.Decision, SubmitFailure, AuditLog.AuditLog> =>
    Effect.gen(function*() {
      const claim = yield* untilStored(journal.claim(`submit/${executionId}/${n}`))
      if (!claim.isOurs) return yield* interrupted(call, claim.at)
      return yield* Effect.tapError(
        // The journal says whether it may be sent; no fiber knows more than that.
        Effect.andThen(
          permit,
          Effect.catchTag(toolCalls.decide({ ...call, allowDuplicate: true }), "DuplicateSubmission", Effect.die)
        ),
        (error) => error.sideEffect === "none" ? untilStored(claim.release) : Effect.void
      )
    }).pipe(
      // An interruption between claim and answer would leave a riddle to the next process.
      Effect.uninterruptible,
      Effect.retry(options.retry === undefined ? patient : RetryPolicy.ensureSafe(options.retry)),
      Effect.catchTag("OutcomeUnknown", (lost) =>
        Effect.catchIf(
          lookUp(lost, options.resendAfter ?? options.lookFor ?? "2 minutes"),
          ({ evidence }) => options.resendAfter !== undefined && evidence === "not recorded",
          () => submit(n + 1)
        ))
    )

  return yield* submit(1)
})

/**
 * A log that cannot be read says nothing, so that time does not count. The reference makes the record this execution's
 * own, also where an earlier run of the step in this very process has already taken it for its own.
 */
const lookUp = (lost: OutcomeUnknown, wait: Duration.Input) =>
  Reconcile.lookUp(lost, { wait }).pipe(
    Effect.provideServiceEffect(CurrentClaims, Effect.sync(() => new Claims())),
    Effect.retry({
      schedule: Schedule.spaced("10 seconds"),
      while: ({ evidence }) => evidence === "log unreadable"
    })
  )

/**
 * Runs an action where `permit` succeeds, unless it was begun before: then asks `recover` what became of it. `None` from
 * there says that certainly nothing was done.
 *
 * @category steps
 * @since 0.1.0
 */
export const actOnce = Effect.fnUntraced(function*<A, E, R>(
  executionId: string,
  call: DurableCall,
  act: Effect.Effect<A, E, R>,
  recover: Effect.Effect<Option.Option<A>, E, R> | undefined,
  permit: Effect.Effect<void, VargateError>
): Effect.fn.Return<A, E | OutcomeUnknown | VargateError, Journal | R> {
  const journal = yield* Journal

  const attempt = (n: number): Effect.Effect<A, E | OutcomeUnknown | VargateError, R> =>
    Effect.gen(function*() {
      const claim = yield* untilStored(journal.claim(`act/${executionId}/${n}`))
      if (claim.isOurs) return yield* Effect.andThen(permit, act)
      const found = recover === undefined ? yield* interrupted(call, claim.at) : yield* recover
      return Option.isSome(found) ? found.value : yield* attempt(n + 1)
    })

  return yield* Effect.uninterruptible(attempt(1))
})

/**
 * Writes something into the journal, however long that takes.
 *
 * @category steps
 * @since 0.1.0
 */
export const note = (write: (journal: Journal["Service"]) => Effect.Effect<void, StorageFailed>) =>
  Journal.use((journal) => untilStored(write(journal)))
