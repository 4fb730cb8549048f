/**
 * The two steps of a governed workflow that must not happen twice. Each claims a key of the journal at the last moment,
 * and writes what it reached beside it; a process that finds the key claimed takes the result from there, waits for it
 * while its owner lives, and otherwise asks what became of it.
 *
 * @internal
 */
import type * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as AuditLog from "../../audit/AuditLog.ts"
import { BeforeSending, isMinding } from "../../calls/internal/beforeSending.ts"
import { Claims, CurrentClaims } from "../../calls/internal/claims.ts"
import * as Reconcile from "../../calls/Reconcile.ts"
import * as ToolCalls from "../../calls/ToolCalls.ts"
import {
  Conflict,
  ConnectionLost,
  Denied,
  OpaUnavailable,
  OutcomeUnknown,
  PendingApproval,
  RateLimited,
  type StorageFailed,
  VargateError
} from "../../errors/VargateError.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"
import { isNestedDeeper } from "../../internal/jsonNesting.ts"
import { Allowed } from "../../model/Allowed.ts"
import { ToolCall } from "../../model/ToolCall.ts"
import * as RetryPolicy from "../../transport/RetryPolicy.ts"
import { type Claim, type Claimed, Journal } from "../Journal.ts"

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

/**
 * How a step ends before its time: where its process shuts down, it leaves what it has not begun to another process.
 *
 * @internal
 */
export interface Departure {
  /** Ends when the process shuts down. */
  readonly leaving: Effect.Effect<void>
  /** Suspends the execution, so that it continues elsewhere. */
  readonly leave: Effect.Effect<never>
  /** Notes that the step was interrupted from outside. */
  readonly interrupted: Effect.Effect<void>
}

// --- storage ---------------------------------------------------------------------------------------------------------

const growing = (first: Duration.Input, cap: Duration.Input) =>
  Schedule.min([Schedule.exponential(first), Schedule.spaced(cap)])

/**
 * A workflow has time; its storage may be away for a while, like everything else.
 *
 * @internal
 */
export const untilStored = <A>(effect: Effect.Effect<A, StorageFailed>): Effect.Effect<A> =>
  Effect.orDie(Effect.retry(effect, growing("100 millis", "5 seconds")))

/**
 * Writes something into the journal, however long that takes.
 *
 * @internal
 */
export const note = (write: (journal: Journal["Service"]) => Effect.Effect<void, StorageFailed>) =>
  Journal.use((journal) => untilStored(write(journal)))

// --- once in a process, and once in all ------------------------------------------------------------------------------

/** How what a step reached is written. */
interface Written<A, E> {
  readonly write: (exit: Exit.Exit<A, E>) => Effect.Effect<string>
  readonly read: (text: string) => Effect.Effect<A, E>
}

/**
 * The text that stands beside a claim. Where a result has none, `unwritable` is the error that stands for it.
 *
 * @internal
 */
export const writtenAs = <A, E>(
  success: Schema.Codec<A, unknown>,
  error: Schema.Codec<E, unknown>,
  unwritable?: (detail: string) => E
): Written<A, E> => {
  const codec = Schema.fromJsonString(Schema.toCodecJson(Schema.Exit(success, error, Schema.Defect())))
  const encode = Schema.encodeEffect(codec)
  const decode = Schema.decodeEffect(codec)
  const instead = (detail: string): Exit.Exit<never, E> =>
    unwritable === undefined ? Exit.die(detail) : Exit.fail(unwritable(detail))
  return {
    write: (exit) =>
      Effect.suspend(() => encode(plain(exit))).pipe(
        Effect.flatMap((text) =>
          isNestedDeeper(text, maxDepth) ? Effect.fail({ message: tooDeep }) : Effect.succeed(text)
        ),
        // What nests too deep for the stack is no typed failure.
        Effect.catchDefect((defect) =>
          Effect.fail({ message: defect instanceof RangeError ? tooDeep : String(defect) })
        ),
        Effect.catch(({ message }) => Effect.orDie(encode(instead(message))))
      ),
    read: (text) => Effect.flatten(Effect.catch(decode(text), ({ message }) => Effect.succeed(instead(message))))
  }
}

/** As deep as the result of a gateway, and what stands around it. */
const maxDepth = 1010
const tooDeep = "it nests more than 1,000 levels deep"

/** What interrupted an action from within is no suspension of the workflow. */
const plain = <A, E>(exit: Exit.Exit<A, E>): Exit.Exit<A, E> =>
  Exit.isFailure(exit) && Exit.hasInterrupts(exit) ? Exit.die("the action was interrupted from within") : exit

/** The steps that run in this process, by the journal in which they are claimed. */
const stepsOf = new WeakMap<Journal["Service"], Map<string, Deferred.Deferred<unknown, unknown>>>()

/**
 * How many steps run in this process.
 *
 * @internal
 */
export const runningSteps = (journal: Journal["Service"]): number => stepsOf.get(journal)?.size ?? 0

/** A step that runs in this process already is joined, also by another activation of its execution. */
const joined = <A, E, R>(
  journal: Journal["Service"],
  key: string,
  step: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) => {
    const steps = stepsOf.get(journal) ?? new Map()
    stepsOf.set(journal, steps)
    const running: Deferred.Deferred<A, E> | undefined = steps.get(key)
    if (running !== undefined) return restore(Deferred.await(running))
    const result = Deferred.makeUnsafe<A, E>()
    steps.set(key, result)
    return Effect.onExit(restore(step), (exit) => {
      steps.delete(key)
      return Deferred.done(result, exit)
    })
  })

/** How often to look whether another process has reached a result. */
const lookEvery = 1_000

type Found =
  | { readonly _tag: "Free" }
  | { readonly _tag: "Reached"; readonly result: string }
  | { readonly _tag: "Abandoned"; readonly at: DateTime.Utc }

/**
 * How a key stands: free, with a result, or abandoned by an owner that showed no sign of life for a whole lease, while the
 * journal could be read. Waits until one of these is so.
 */
const find = Effect.fnUntraced(function*(
  journal: Journal["Service"],
  key: string
): Effect.fn.Return<Found> {
  const lease = Duration.toMillis(journal.lease)
  let seen: { readonly beat: number; readonly since: number } | undefined
  while (true) {
    // A journal that was away may hold older signs than there were.
    const claimed: Claimed | undefined = yield* untilStored(
      Effect.tapError(journal.look(key), () => Effect.sync(() => seen = undefined))
    )
    if (claimed === undefined) return { _tag: "Free" }
    if (claimed.result !== undefined) return { _tag: "Reached", result: claimed.result }
    const now = yield* monotonicMillis
    if (seen?.beat !== claimed.beat) seen = { beat: claimed.beat, since: now }
    const left: number = lease - (now - seen.since)
    if (left <= 0) return { _tag: "Abandoned", at: claimed.at }
    yield* Effect.sleep(Math.min(left, lookEvery))
  }
})

/** Shows that the owner of a claim lives, several times in a lease, for as long as `work` takes. */
const keepingAlive = <A, E, R>(
  journal: Journal["Service"],
  claim: () => Claim | undefined,
  work: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const lease = Duration.toMillis(journal.lease)
  if (lease === 0) return work
  const renew = Effect.suspend(() => {
    const present = claim()
    return present === undefined ? Effect.void : untilStored(present.renew)
  })
  const renewing = Effect.forever(Effect.delay(renew, lease / 6))
  return Effect.acquireUseRelease(Effect.forkChild(renewing), () => work, Fiber.interrupt)
}

/**
 * Claims a key. A claim whose answer took a whole lease is none: the process was frozen, and counts as dead meanwhile.
 */
const claimInTime = (journal: Journal["Service"], key: string, token: string): Effect.Effect<Claim, StorageFailed> =>
  Effect.gen(function*() {
    const asked = yield* monotonicMillis
    const claim = yield* journal.claim(key, token)
    const lease = Duration.toMillis(journal.lease)
    const isLate = lease > 0 && (yield* monotonicMillis) - asked >= lease
    return isLate ? { ...claim, isOurs: false } : claim
  })

/**
 * Claims a key, but for a process that shuts down. Then the journal may have the claim and not have said so: the key is
 * released, so that the next process does not take for begun what was not.
 */
const claimToBegin = (
  journal: Journal["Service"],
  key: string,
  token: string,
  { leaving }: Departure
): Effect.Effect<Claim | undefined> =>
  Effect.raceFirst(untilStored(claimInTime(journal, key, token)), Effect.as(leaving, undefined)).pipe(
    Effect.tap((claim) =>
      claim === undefined
        // Asked again with its token, the journal returns the same claim, or one that is released next.
        ? Effect.ignore(
          Effect.timeout(Effect.flatMap(journal.claim(key, token), ({ release }) => release), "5 seconds")
        )
        : Effect.void
    )
  )

/** Takes part in nothing that has begun: waits that the end of the process cuts short. */
const leavable = <A, E, R>({ interrupted, leave, leaving }: Departure, effect: Effect.Effect<A, E, R>) =>
  Effect.interruptible(Effect.raceFirst(effect, Effect.andThen(leaving, leave))).pipe(
    Effect.onInterrupt(() => interrupted)
  )

/**
 * Writes what was reached beside its claim; what stands there then is the result. That an outcome is unknown was not
 * reached: the owner of the claim may yet write what it is.
 */
const settle = <A, E>(
  journal: Journal["Service"],
  key: string,
  exit: Exit.Exit<A, E>,
  { read, write }: Written<A, E>
): Effect.Effect<A, E> =>
  isUnknown(exit)
    ? exit
    : Effect.flatMap(write(exit), (text) => Effect.flatMap(untilStored(journal.settle(key, text)), read))

const isUnknown = (exit: Exit.Exit<unknown, unknown>) =>
  Option.exists(Exit.findErrorOption(exit), (error) => error instanceof OutcomeUnknown)

const interrupted = (call: DurableCall, since: DateTime.Utc) =>
  new OutcomeUnknown({
    request: asToolCall(call),
    sentAt: since,
    cause: new ConnectionLost({
      detail: "the process that was at it ended, or lost its database, before it could say how it went",
      sideEffect: "possible"
    })
  })

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

// --- submit ----------------------------------------------------------------------------------------------------------

/**
 * What submitting can fail with where duplicates are the journal's to prevent.
 *
 * @internal
 */
export const SubmitFailure = Schema.Union([RateLimited, OpaUnavailable, OutcomeUnknown, VargateError])

type SubmitFailure = typeof SubmitFailure.Type

/** @internal */
export const SubmitSuccess = Schema.Union([Allowed, Denied, PendingApproval])

const submission = writtenAs<ToolCalls.Decision, SubmitFailure>(SubmitSuccess, SubmitFailure)

const patient = RetryPolicy.make(growing("250 millis", "30 seconds"))

/**
 * Submits the call where `permit` succeeds, or finds out what became of it if it was submitted before.
 *
 * @internal
 */
export const submitOnce = Effect.fnUntraced(function*(
  executionId: string,
  call: DurableCall,
  options: SubmitOptions,
  permit: Effect.Effect<void, VargateError>,
  departure: Departure
): Effect.fn.Return<ToolCalls.Decision, SubmitFailure, ToolCalls.ToolCalls | AuditLog.AuditLog | Journal> {
  const journal = yield* Journal
  const toolCalls = yield* ToolCalls.ToolCalls
  const wait = options.resendAfter ?? options.lookFor ?? "2 minutes"

  type Submitting = Effect.Effect<ToolCalls.Decision, SubmitFailure, AuditLog.AuditLog>

  /** The answer of a call that was sent and says nothing more: from the log, or from sending it once more. */
  const found = (n: number, lost: OutcomeUnknown): Submitting =>
    Effect.catchIf(
      leavable(departure, lookUp(lost, wait)),
      ({ evidence }) => options.resendAfter !== undefined && evidence === "not recorded",
      () => submit(n + 1)
    )

  const concluded = (n: number, lost: OutcomeUnknown): Submitting =>
    Effect.flatMap(concluding(found(n, lost)), (exit) => settle(journal, keyOf(n), exit, submission))

  /** The `n`th time that this call may be sent. */
  const submit = (n: number): Submitting =>
    Effect.flatMap(leavable(departure, find(journal, keyOf(n))), (found): Submitting => {
      switch (found._tag) {
        case "Reached":
          return submission.read(found.result)
        case "Abandoned":
          return concluded(n, interrupted(call, found.at))
        case "Free":
          return Effect.flatMap(
            Effect.andThen(leavable(departure, permit), send(toolCalls, journal, keyOf(n), call, departure)),
            (exit): Submitting => {
              if (exit === undefined) return submit(n)
              if (Exit.isSuccess(exit)) return settle(journal, keyOf(n), exit, submission)
              const error = Exit.findErrorOption(exit)
              return Option.isSome(error) && error.value._tag === "OutcomeUnknown"
                ? concluded(n, error.value)
                : exit
            }
          )
      }
    })

  const keyOf = (n: number) => `submit/${executionId}/${n}`

  // Only what may be tried again gets here without a result beside its claim.
  const pauses = options.retry === undefined ? patient : RetryPolicy.ensureSafe(options.retry)
  return yield* joined(
    journal,
    keyOf(1),
    retrying(submit(1), pauses, departure)
  )
})

/** The pauses of a policy, which the end of the process cuts short. */
const retrying = Effect.fnUntraced(function*<R>(
  submit: Effect.Effect<ToolCalls.Decision, SubmitFailure, R>,
  policy: RetryPolicy.RetryPolicy,
  departure: Departure
): Effect.fn.Return<ToolCalls.Decision, SubmitFailure, R> {
  const pause = yield* Schedule.toStepWithSleep(policy)
  while (true) {
    const exit = yield* Effect.exit(submit)
    const error = Exit.findErrorOption(exit)
    if (Option.isNone(error)) return yield* exit
    const isOver = yield* leavable(
      departure,
      Effect.match(pause(error.value), {
        onFailure: () => true,
        onSuccess: () => false
      })
    )
    if (isOver) return yield* exit
  }
})

/** Whether a step ended, rather than its process. */
const concluding = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.flatMap(
    Effect.exit(effect),
    (exit) => Exit.isFailure(exit) && Exit.hasInterrupts(exit) ? exit as Exit.Exit<never> : Effect.succeed(exit)
  )

/**
 * Sends the call: first its turn, its key and its checks, then the claim, then the bytes. Until the claim it yields to
 * the end of the process; from then on nothing interrupts it. Undefined where another process has the claim.
 */
const send = (
  toolCalls: ToolCalls.ToolCalls["Service"],
  journal: Journal["Service"],
  key: string,
  call: DurableCall,
  departure: Departure
): Effect.Effect<Exit.Exit<ToolCalls.Decision, SubmitFailure> | undefined> =>
  Effect.uninterruptible(Effect.gen(function*() {
    // Asked for again, where the first answer of the journal is lost, the claim is still this one.
    const token = crypto.randomUUID()
    const begun = Deferred.makeUnsafe<void>()
    let claim: Claim | undefined

    const claiming = Effect.uninterruptible(Effect.gen(function*() {
      Deferred.doneUnsafe(begun, Exit.void)
      claim = yield* claimToBegin(journal, key, token, departure)
      if (claim?.isOurs !== true) {
        return yield* new VargateError({
          operation: "GovernedWorkflow.submit",
          reason: new Conflict({ detail: "another process has submitted the call" })
        })
      }
    }))

    // The journal says whether it may be sent; no fiber knows more than that.
    const decide = Effect.catchTag(
      toolCalls.decide({ ...call, allowDuplicate: true }),
      "DuplicateSubmission",
      Effect.die
    )
    // What stands before calls speaks first: a call that it stops is not claimed.
    const before = yield* BeforeSending
    const deciding = isMinding(toolCalls)
      ? Effect.provideService(
        decide,
        BeforeSending,
        before === undefined ? claiming : Effect.andThen(before, claiming)
      )
      : Effect.andThen(claiming, decide)
    const fiber = yield* Effect.forkDetach(deciding)
    const waited = yield* Effect.exit(
      leavable(departure, Effect.raceFirst(Deferred.await(begun), Effect.asVoid(Fiber.await(fiber))))
    )
    if (!Deferred.isDoneUnsafe(begun)) {
      yield* Fiber.interrupt(fiber)
      if (!Deferred.isDoneUnsafe(begun) && Exit.isFailure(waited)) return yield* Effect.failCause(waited.cause)
    }
    const exit = yield* keepingAlive(journal, () => claim, Fiber.await(fiber))
    if (!Deferred.isDoneUnsafe(begun)) return exit
    if (claim === undefined) return yield* leavable(departure, Effect.never)
    if (!claim.isOurs) return undefined
    const error = Exit.findErrorOption(exit)
    if (Option.isSome(error) && error.value.sideEffect === "none") yield* untilStored(claim.release)
    return exit
  }))

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

// --- act -------------------------------------------------------------------------------------------------------------

/**
 * Runs an action where `permit` succeeds, unless it was begun before: then takes its result, or asks `recover` what became
 * of it. `None` from there says that certainly nothing was done.
 *
 * @internal
 */
export const actOnce = Effect.fnUntraced(function*<A, E, R>(
  executionId: string,
  call: DurableCall,
  act: Effect.Effect<A, E, R>,
  recover: Effect.Effect<Option.Option<A>, E, R> | undefined,
  permit: Effect.Effect<void, VargateError>,
  written: Written<A, E | OutcomeUnknown | VargateError>,
  departure: Departure
): Effect.fn.Return<A, E | OutcomeUnknown | VargateError, Journal | R> {
  const journal = yield* Journal

  type Acting = Effect.Effect<A, E | OutcomeUnknown | VargateError, R>

  const keyOf = (n: number) => `act/${executionId}/${n}`

  const reached = (n: number, acting: Acting): Acting =>
    Effect.flatMap(concluding(acting), (exit) => settle(journal, keyOf(n), exit, written))

  const attempt = (n: number): Acting =>
    Effect.flatMap(leavable(departure, find(journal, keyOf(n))), (found): Acting => {
      switch (found._tag) {
        case "Reached":
          return written.read(found.result)
        case "Abandoned":
          return reached(
            n,
            recover === undefined
              ? Effect.fail(interrupted(call, found.at))
              : Effect.flatMap(
                Effect.uninterruptible(recover),
                (found): Acting => Option.isSome(found) ? Effect.succeed(found.value) : attempt(n + 1)
              )
          )
        case "Free":
          return Effect.andThen(leavable(departure, permit), begin(n))
      }
    })

  const begin = (n: number): Acting =>
    Effect.uninterruptible(Effect.gen(function*() {
      const token = crypto.randomUUID()
      const claim = yield* claimToBegin(journal, keyOf(n), token, departure)
      if (claim === undefined) return yield* leavable(departure, Effect.never)
      if (!claim.isOurs) return yield* attempt(n)
      const exit = yield* keepingAlive(journal, () => claim, Effect.exit(act))
      return yield* settle(journal, keyOf(n), exit, written)
    }))

  return yield* joined(journal, keyOf(1), attempt(1))
})
