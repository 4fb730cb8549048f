/**
 * Finding out what became of a call whose answer was lost. The gateway has no idempotency key, but its audit log knows
 * what happened, so we look instead of sending again.
 *
 * **Details**
 *
 * A call's record has the same agent, tool and method, params of equal value (numbers by value, key order free, fields
 * that the gateway encrypted match anything), was written after the call was sent, and belongs to no other call of this
 * process. Exactly one such record is the answer. Several, or none, leave the outcome unknown. So does one that may be
 * another call's, unless the call has a reference (`reference: "params"` on the request): one that was requested before
 * this process sent its first call, or that has encrypted fields. Looks that happen at the same time read the log once for
 * all, back to the time of sending, at most 10,000 records.
 *
 * Without a reference the record may also be that of an identical call of another process, which acts on it or waits for
 * its approval. So nothing that is still to be acted on is taken over from the log. Where the gateway left the action to
 * the agent, `reconcile` submits the call again, up to three times: the gateway executed nothing, and the agent acts only
 * on the record that the answer names; the record that was found stays without an action. A pending record leaves the
 * outcome unknown, since two approvals would allow two actions.
 *
 * **Gotchas**
 *
 * The record is written after the execution: that there is none proves nothing until the gateway's own time limits have
 * passed, so a call without one is never sent again unless the program says {@link resendAfter}. Identical calls of other
 * processes under the same agent id at the same time cannot be told apart; give calls that need approval, and such calls,
 * a reference.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as AuditLog from "../audit/AuditLog.ts"
import type { AuditRecord } from "../audit/AuditRecord.ts"
import { openingAfter } from "../errors/internal/hoursRules.ts"
import { Denied, OutcomeUnknown, PendingApproval } from "../errors/VargateError.ts"
import { monotonicMillis } from "../internal/elapsed.ts"
import { sameParams } from "../internal/sameParams.ts"
import { Allowed } from "../model/Allowed.ts"
import { ExecutedUnseen, NotExecuted } from "../model/Execution.ts"
import type { ToolCall } from "../model/ToolCall.ts"
import * as Transport from "../transport/Transport.ts"
import { type CallFacts, CurrentClaims } from "./internal/claims.ts"
import { AllowDuplicate, fuseOf } from "./internal/duplicateFuse.ts"
import { NewestRecords } from "./internal/newestRecords.ts"
import { snapshotParams } from "./internal/paramsSnapshot.ts"
import type * as ToolCalls from "./ToolCalls.ts"

/**
 * How to look.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How long to look for the record before giving up; a look that has begun is ended first. Default: 30 seconds. */
  readonly wait?: Duration.Input | undefined
  /** When to look again. Default: pauses that grow from a quarter of a second to 5 seconds. */
  readonly poll?: Schedule.Schedule<unknown> | undefined
  /** How far the gateway's clock may be behind ours. Default: 10 seconds. */
  readonly clockSkew?: Duration.Input | undefined
  /** See {@link resendAfter}. */
  readonly resend?: boolean | undefined
}

/**
 * For calls that may be repeated: looks for this long, and if there is still no record, sends the call once more.
 *
 * **Gotchas**
 *
 * A call that is still being executed has no record either. Choose a time longer than the gateway lets a tool run.
 *
 * @category options
 * @since 0.1.0
 */
export const resendAfter = (wait: Duration.Input): Options => ({ wait, resend: true })

/**
 * Looks for what became of a call. Fails with the same `OutcomeUnknown`, plus the evidence, when the log does not tell.
 *
 * @category reconciling
 * @since 0.1.0
 */
export const lookUp = Effect.fn("Reconcile.lookUp")(function*(
  lost: OutcomeUnknown,
  options: Options = {}
): Effect.fn.Return<ToolCalls.Decision, OutcomeUnknown, AuditLog.AuditLog> {
  const auditLog = yield* AuditLog.AuditLog
  const claims = yield* CurrentClaims
  const transport = yield* Effect.serviceOption(Transport.Transport)
  const redact = Option.match(transport, { onNone: () => identity<string>, onSome: ({ redact }) => redact })
  const newest = newestOf(auditLog)
  const wait = Duration.fromInputUnsafe(options.wait ?? "30 seconds")
  const skew = Duration.toMillis(Duration.fromInputUnsafe(options.clockSkew ?? "10 seconds"))
  const since = lost.sentAt.epochMilliseconds - skew
  const started = yield* monotonicMillis
  // Not the schedule's own measure, which is the clock on the wall: set forward, it would end the search early.
  const left = Effect.map(monotonicMillis, (now) => Duration.toMillis(wait) - (now - started))

  const unknown = Effect.fnUntraced(function*(
    evidence: NonNullable<OutcomeUnknown["evidence"]>,
    candidates: ReadonlyArray<AuditRecord> = []
  ) {
    const waited = Duration.millis(Math.round((yield* monotonicMillis) - started))
    return yield* new OutcomeUnknown({
      request: lost.request,
      sentAt: lost.sentAt,
      cause: lost.cause,
      evidence,
      waited,
      candidates: candidates.map(({ actionId }) => actionId)
    })
  })

  const reader = { since }
  const look = Effect.gen(function*() {
    const { isComplete, records } = yield* newest.read(reader)
    const found = records.filter((record) => isRecordOf(lost.request, record))
    const free = found.filter(({ actionId }) => !claims.has(actionId))
    const [record, ...others] = free
    if (record === undefined) return yield* unknown(isComplete ? "not recorded" : "log unreadable")
    const now = yield* Clock.currentTimeMillis
    // The record of another call may look just like this one: of one that has no answer yet, that is forgotten, or that
    // differs in what the gateway has encrypted.
    const isDoubtful = claims.isContended(lost.request, yield* monotonicMillis, (other) => isRecordOf(other, record)) ||
      (!hasReference(lost.request) && (
        claims.mayBeOfAnother(record.requestedAt.epochMilliseconds, lost.sentAt.epochMilliseconds) ||
        !sameParams(lost.request.params, record.params, false)
      ))
    const decision = readDecision(record, redact, lost.request.isBusinessHours)
    // Another process may be waiting to act on this record, or be acting.
    const isShared = !hasReference(lost.request)
    const isAmbiguous = others.length > 0 || isDoubtful || (isShared && decision?._tag === "PendingApproval")
    if (decision === undefined || isAmbiguous || !claims.claim(record.actionId, now)) {
      return yield* unknown("ambiguous", free)
    }
    if (isShared && decision._tag === "Allowed" && decision.execution._tag === "NotExecuted") {
      return yield* unknown("not executed", free)
    }
    yield* Effect.annotateCurrentSpan({ "vargate.action_id": record.actionId })
    const given = givenOf(lost.request)
    if (Option.isSome(transport) && Result.isSuccess(given)) {
      const fuse = fuseOf(transport.value)
      yield* Effect.withFiberSucceed((fiber) => fuse.found(lost.request, given.success, fiber, decision))
    }
    return decision
  })

  const looking = look.pipe(
    Effect.catchTags({
      RateLimited: () => unknown("log unreadable"),
      VargateError: () => unknown("log unreadable")
    }),
    Effect.retry(
      (options.poll ?? growing).pipe(
        Schedule.setInputType<OutcomeUnknown>(),
        Schedule.while(({ input: { evidence } }) =>
          Effect.map(left, (millis) => millis > 0 && evidence !== "not executed")
        ),
        // The last look comes when the time is over, not before.
        Schedule.modifyDelay(({ duration }) =>
          Effect.map(left, (millis) => Duration.min(duration, Duration.millis(Math.ceil(millis))))
        )
      )
    )
  )
  return yield* Effect.acquireUseRelease(
    Effect.sync(() => newest.enter(reader)),
    () => looking,
    () => Effect.sync(() => newest.leave(reader))
  )
})

const growing = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")])

/**
 * Turns the `OutcomeUnknown` of `ToolCalls.call` into the answer that was lost, where the audit log has it, or submits the
 * call anew where its record says that the gateway executed nothing, and may be another process's.
 *
 * **Example** (Never twice, and still an answer)
 *
 * ```ts
 * import { Reconcile, ToolCalls } from "effect-vargate"
 *
 * const charge = ToolCalls.call({ tool: "stripe", method: "create_charge", params: { amount: 50 } }).pipe(
 *   Reconcile.reconcile()
 * )
 * ```
 *
 * @category reconciling
 * @since 0.1.0
 */
export const reconcile = (options: Options = {}) =>
<E, R>(
  call: Effect.Effect<Allowed, E, R>
): Effect.Effect<Allowed, E | Denied | PendingApproval | OutcomeUnknown, R | AuditLog.AuditLog> =>
  Effect.flatMap(
    reconcileDecision(options)(call),
    (decision): Effect.Effect<Allowed, Denied | PendingApproval> =>
      decision._tag === "Allowed" ? Effect.succeed(decision) : Effect.fail(decision)
  )

/**
 * The same for `ToolCalls.decide`: decisions are values.
 *
 * @category reconciling
 * @since 0.1.0
 */
export const reconcileDecision = (options: Options = {}) =>
<E, R>(
  call: Effect.Effect<ToolCalls.Decision, E, R>
): Effect.Effect<ToolCalls.Decision, E | OutcomeUnknown, R | AuditLog.AuditLog> => {
  /** `anew` is how often the call may still be submitted where the gateway executed nothing. */
  const once = (
    resend: boolean,
    anew: number
  ): Effect.Effect<ToolCalls.Decision, E | OutcomeUnknown, R | AuditLog.AuditLog> =>
    Effect.catch(
      call,
      (error): Effect.Effect<ToolCalls.Decision, E | OutcomeUnknown, R | AuditLog.AuditLog> =>
        error instanceof OutcomeUnknown
          ? Effect.catch(lookUp(error, options), (unknown) => {
            const isAnew = unknown.evidence === "not executed" && anew > 0
            if (!isAnew && !(resend && unknown.evidence === "not recorded")) return Effect.fail(unknown)
            const again = isAnew ? once(resend, anew - 1) : once(false, anew)
            return Effect.provideService(again, AllowDuplicate, true)
          })
          : Effect.fail(error)
    )
  return once(options.resend ?? false, 3)
}

// --- the log ---------------------------------------------------------------------------------------------------------

/** How far back a look reads at most, in pages of 100 records. */
const maxPages = 100

/** One for each audit log, so that all look-ups over it read it once. */
const newestByLog = new WeakMap<AuditLog.AuditLog["Service"], NewestRecords>()

const newestOf = (auditLog: AuditLog.AuditLog["Service"]) => {
  const newest = newestByLog.get(auditLog) ?? new NewestRecords(auditLog.page, maxPages)
  newestByLog.set(auditLog, newest)
  return newest
}

const hasReference = (call: ToolCall) => Object.hasOwn(call.params, "vargate_reference")

/** The params of a call without its reference. */
const givenOf = ({ params }: ToolCall) => {
  const { vargate_reference: reference, ...given } = params
  return snapshotParams(reference === undefined ? params : given)
}

const isRecordOf = (call: CallFacts, record: AuditRecord) =>
  record.agentId === call.agentId && record.tool === call.tool && record.method === call.method &&
  sameParams(call.params, record.params)

/** Where the log does not say who was to act, nothing may be concluded: the agent would act, or not, on a guess. */
const executions: Readonly<Record<string, Allowed["execution"]>> = {
  agent_direct: new NotExecuted(),
  vargate_brokered: new ExecutedUnseen({})
}

/** With this word among the violations the embedded gateway says that it stopped during the execution. */
const cutOff = "execution_outcome_unknown"

const readDecision = (
  record: AuditRecord,
  redact: (text: string) => string,
  isBusinessHours: boolean | undefined
): ToolCalls.Decision | undefined => {
  const { actionId } = record
  const execution = executions[record.executionMode ?? ""]
  switch (record.decision) {
    case "allow":
      return execution && new Allowed({
        actionId,
        reconciled: true,
        execution: execution._tag === "ExecutedUnseen" && record.violations.includes(cutOff)
          ? new ExecutedUnseen({ isCutOff: true })
          : execution
      })
    case "deny":
      return new Denied({
        actionId,
        violations: record.violations.map(redact),
        severity: redact(record.severity),
        alertTier: redact(record.alertTier ?? "none"),
        opensAt: openingAfter({
          violations: record.violations,
          isBusinessHours,
          now: record.requestedAt.epochMilliseconds
        })
      })
    case "pending_approval":
      return new PendingApproval({
        actionId,
        message:
          `Action ${actionId} is pending: a reviewer must decide. Wait for the decision; do not submit the call again.`
      })
  }
  return undefined
}
