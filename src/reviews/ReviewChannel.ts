/**
 * Where reviewers hear of pending actions: a channel announces each action, tells how its ballot stands, and how it ended.
 *
 * @since 0.2.0
 */
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { PendingAction } from "../approvals/Approval.ts"
import { Approvals } from "../approvals/Approvals.ts"
import type { OperationError, StorageFailed } from "../errors/VargateError.ts"
import { redactText } from "../export/internal/redactParams.ts"
import * as Redaction from "../export/Redaction.ts"
import { sha256 } from "../internal/sha256.ts"
import { type Ballot, type BallotOutcome, Ballots } from "./Ballots.ts"
import { Deliveries } from "./Deliveries.ts"
import { digestOf } from "./internal/ballotText.ts"
import { seatFor } from "./internal/seat.ts"
import { shownParams } from "./internal/shownParams.ts"
import { compile } from "./internal/tally.ts"
import { wordsOfBallot } from "./internal/words.ts"
import type { Reviewer } from "./Reviewer.ts"

/**
 * What a channel has to tell.
 *
 * **Details**
 *
 * `pending` comes first, once for each action; `voted` after votes, where some are joined into one; `reminder` where the
 * rule has one; `ended` last. The others of an action come only after its `pending` has arrived. A `pending` that has an
 * outcome was tried before the ballot ended, and may have arrived: a channel that can tell needs to announce nothing now.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReviewNotice {
  /** The same for every attempt at this delivery: a receiver that has seen it ignores it. */
  readonly id: string
  readonly kind: "pending" | "voted" | "reminder" | "ended"
  readonly actionId: string
  readonly digest: string
  readonly agentId: string
  readonly tool: string
  readonly method: string
  /** What the redaction leaves: `null` where they are withheld. Undefined where the action has left the queue. */
  readonly params: unknown
  /** What made it pending. */
  readonly violations: ReadonlyArray<string>
  readonly createdAt: DateTime.Utc
  readonly timeoutAt: DateTime.Utc | null
  readonly votes: ReadonlyArray<{ readonly reviewerId: string; readonly choice: "approve" | "reject" }>
  /** What is still needed, a sentence each. */
  readonly needs: ReadonlyArray<string>
  readonly outcome: BallotOutcome["result"] | null
}

/**
 * A delivery did not arrive, and is tried again.
 *
 * @category errors
 * @since 0.2.0
 */
export class ChannelFailed extends Schema.TaggedError<ChannelFailed>("effect-vargate/ChannelFailed")("ChannelFailed", {
  channel: Schema.String,
  detail: Schema.String,
  /** How long the channel wants to be left alone, in milliseconds. Absent where it does not say. */
  retryAfterMillis: Schema.optionalKey(Schema.Finite)
}) {
  override get message() {
    return `${this.channel} did not take the notice (${this.detail}). It is tried again; votes are not affected.`
  }
}

/**
 * What is known of a delivery beside its notice.
 *
 * @category models
 * @since 0.2.0
 */
export interface Delivery {
  /** How often it was tried before, here or by another process: where that is more than 0, it may have arrived. */
  readonly attempts: number
  /** What the channel returned for the `pending` notice of this action: where its message is, for instance. */
  readonly receipt: string | undefined
  /** On a channel of one reviewer, whom a vote of theirs would represent: `null` where they vote for themselves. */
  readonly onBehalfOf: string | null
}

/**
 * A channel. Its name is part of the ids of its deliveries, so it stays the same over restarts.
 *
 * **Details**
 *
 * `deliver` may return a text, the receipt: it is kept, and the later notices of the action come with it. Of one action's
 * notices a channel gets one at a time, in their order, from all processes together.
 *
 * @category models
 * @since 0.2.0
 */
export interface ReviewChannel {
  readonly name: string
  /** For a channel of one reviewer: it hears of an action once a vote of theirs would count. */
  readonly reviewer?: Reviewer | undefined
  /** Which notices it wants after the first one. Default: all. */
  readonly hears?: ReadonlyArray<Exclude<ReviewNotice["kind"], "pending">> | undefined
  readonly deliver: (notice: ReviewNotice, delivery: Delivery) => Effect.Effect<string | void, ChannelFailed>
}

/**
 * Which channels, and what they may show.
 *
 * @category options
 * @since 0.2.0
 */
export interface Options {
  readonly channels: ReadonlyArray<ReviewChannel>
  /** What leaves of the params. Default: nothing (`Redaction.withheld`). */
  readonly redact?: Redaction.Redaction | undefined
  /** Default: every 5 seconds. */
  readonly every?: Duration.Input | undefined
}

/** How long one attempt may take. A claim holds a little longer. */
const attemptMillis = 10_000
const leaseMillis = 30_000

const backoff = (attempts: number) => Math.min(300_000, 5_000 * 2 ** attempts)

const idOf = (channel: string, { opening }: Ballot, step: string) =>
  sha256(`${channel}\n${opening.actionId}\n${opening.digest}\n${step}`)

interface Step {
  readonly kind: ReviewNotice["kind"]
  readonly step: string
}

/** The steps of a ballot so far, in their order. */
const stepsOf = ({ opening, outcome, votes }: Ballot, now: number): readonly [Step, ...ReadonlyArray<Step>] => {
  if (outcome !== null) return [{ kind: "pending", step: "pending" }, { kind: "ended", step: "ended" }]
  const reminders = opening.rule === null
    ? []
    : compile(opening.rule, opening).remindersAt.filter((at) => at <= now)
  return [
    { kind: "pending", step: "pending" },
    ...votes.length === 0 ? [] : [{ kind: "voted" as const, step: `voted/${votes.length}` }],
    ...reminders.map((at) => ({ kind: "reminder" as const, step: `reminder/${at}` }))
  ]
}

/** How many that have ended are looked at: more than end between two looks. */
const lately = 200

/** What all channels look at. */
interface Look {
  readonly listed: ReadonlyMap<string, PendingAction>
  /** The oldest first. */
  readonly ballots: ReadonlyArray<Ballot>
}

const look: Effect.Effect<Look, StorageFailed | OperationError, Approvals | Ballots> = Effect.gen(function*() {
  const approvals = yield* Approvals
  const ballots = yield* Ballots
  const { pending } = yield* approvals.pending
  const open = yield* ballots.list({ ended: false, limit: 10_000 })
  const ended = yield* ballots.list({ ended: true, limit: lately })
  return {
    listed: new Map(pending.map((action): [string, PendingAction] => [action.actionId, action])),
    ballots: [...ended, ...open].toReversed()
  }
})

const makeWith = Effect.fnUntraced(function*(
  { channels, redact = Redaction.withheld }: Omit<Options, "every">,
  look: Effect.Effect<Look, StorageFailed | OperationError>
): Effect.fn.Return<
  { readonly sweep: Effect.Effect<void, StorageFailed | OperationError> },
  never,
  Ballots | Deliveries
> {
  const ballots = yield* Ballots
  const deliveries = yield* Deliveries
  /** Ballots of which a channel needs nothing any more. */
  const finished = new Set<string>()
  /** Until when channels want to be left alone, in epoch milliseconds. */
  const pauses = new Map<string, number>()

  const text = (text: string) => redactText(text, redact)

  const noticeOf = (
    id: string,
    kind: ReviewNotice["kind"],
    { opening, outcome, votes }: Ballot,
    action: PendingAction | undefined,
    now: number
  ): ReviewNotice => ({
    id,
    kind,
    actionId: opening.actionId,
    digest: opening.digest,
    agentId: text(opening.agentId),
    tool: text(opening.tool),
    method: text(opening.method),
    params: action === undefined ? undefined : shownParams(action, redact),
    violations: (action?.violations ?? []).map(text),
    createdAt: opening.createdAt,
    timeoutAt: opening.timeoutAt,
    votes: votes.map(({ choice, reviewerId }) => ({ reviewerId: text(reviewerId), choice })),
    needs: wordsOfBallot(opening, votes, now).map(text),
    outcome: outcome?.result ?? null
  })

  /** Of all who would deliver something of this ballot on this channel at a time, one does: the others find it `taken`. */
  const inTurn = <A, E>(channel: ReviewChannel, ballot: Ballot, deliver: Effect.Effect<A, E>) =>
    Effect.gen(function*() {
      const id = idOf(channel.name, ballot, "turn")
      const now = yield* Clock.currentTimeMillis
      if ((yield* deliveries.claim({ id, now, until: now + leaseMillis })) === undefined) return "taken" as const
      const release = Effect.flatMap(Clock.currentTimeMillis, (now) => deliveries.release(id, now))
      return yield* Effect.ensuring(deliver, Effect.ignore(release))
    })

  /** Whether the delivery has arrived now. Where another process has it, or it is not due, it is `elsewhere`. */
  const deliver = Effect.fnUntraced(function*(
    channel: ReviewChannel,
    { kind, step }: Step,
    listed: Ballot,
    action: PendingAction | undefined,
    earlier: { readonly receipt: string | undefined; readonly wasTried: boolean }
  ) {
    // What was listed may be older than what another process has announced meanwhile.
    const ballot = (yield* ballots.find(listed.opening)) ?? listed
    const id = idOf(channel.name, ballot, step)
    const now = yield* Clock.currentTimeMillis
    const isDue = stepsOf(ballot, now).some((due) => due.step === step) &&
      // What has ended is not announced, but where an attempt may have done so: then the end has to follow.
      !(kind === "pending" && ballot.outcome !== null && !earlier.wasTried)
    const seat = channel.reviewer === undefined || ballot.outcome !== null
      ? null
      : yield* seatFor(ballot, channel.reviewer)
    if (!isDue || seat === undefined) return "elsewhere"
    const attempts = yield* deliveries.claim({ id, now, until: now + leaseMillis })
    if (attempts === undefined) return "elsewhere"
    const result = yield* channel.deliver(
      noticeOf(id, kind, ballot, action, now),
      { attempts, receipt: earlier.receipt, onBehalfOf: seat }
    ).pipe(
      Effect.timeoutOrElse({
        duration: attemptMillis,
        orElse: () => Effect.fail(new ChannelFailed({ channel: channel.name, detail: "no answer in 10 seconds" }))
      }),
      Effect.result
    )
    if (Result.isSuccess(result)) {
      yield* deliveries.settle(id, typeof result.success === "string" ? result.success : undefined)
      return "arrived"
    }
    const { message, retryAfterMillis } = result.failure
    yield* Effect.logWarning(message)
    const then = yield* Clock.currentTimeMillis
    if (retryAfterMillis !== undefined) pauses.set(channel.name, then + retryAfterMillis)
    yield* deliveries.release(id, then + (retryAfterMillis ?? backoff(attempts)))
    return "failed"
  })

  /** What stood in the first notice is not announced again. */
  const skip = Effect.fnUntraced(function*(id: string, now: number) {
    if ((yield* deliveries.claim({ id, now, until: now })) !== undefined) yield* deliveries.settle(id)
  })

  /** Whether the channel can take more now. */
  const attend = Effect.fnUntraced(
    function*(channel: ReviewChannel, ballot: Ballot, action: PendingAction | undefined) {
      const now = yield* Clock.currentTimeMillis
      const hasEnded = ballot.outcome !== null
      const last = idOf(channel.name, ballot, "ended")
      if (hasEnded && finished.has(last)) return true
      const [first, ...others] = stepsOf(ballot, now)
      const firstId = idOf(channel.name, ballot, first.step)
      const due = others.filter(({ kind }) => channel.hears?.includes(kind as "voted") ?? true)
      const idsOf = due.map(({ step }) => idOf(channel.name, ballot, step))
      const known = yield* deliveries.find([firstId, ...idsOf])
      const isAsked = channel.reviewer === undefined || hasEnded ||
        (yield* seatFor(ballot, channel.reviewer)) !== undefined
      if (!isAsked) return true
      const announced = known.get(firstId)
      if (announced?.isSettled !== true) {
        // What was never announced needs no end.
        if (hasEnded && announced === undefined) {
          finished.add(last)
          return true
        }
        const earlier = { receipt: undefined, wasTried: announced !== undefined }
        const result = yield* inTurn(channel, ballot, deliver(channel, first, ballot, action, earlier))
        if (result !== "arrived") return result !== "failed"
        if (!hasEnded) yield* Effect.forEach(idsOf, (id) => skip(id, now), { discard: true })
        return true
      }
      const earlier = { receipt: announced.receipt, wasTried: true }
      for (const step of due) {
        if (known.get(idOf(channel.name, ballot, step.step))?.isSettled === true) continue
        const result = yield* inTurn(channel, ballot, deliver(channel, step, ballot, action, earlier))
        if (result !== "arrived") return result !== "failed"
      }
      if (hasEnded) finished.add(last)
      return true
    }
  )

  const sweep = Effect.gen(function*() {
    const { ballots, listed } = yield* look
    yield* Effect.forEach(
      channels,
      Effect.fnUntraced(function*(channel) {
        for (const ballot of ballots) {
          if ((yield* Clock.currentTimeMillis) < (pauses.get(channel.name) ?? 0)) return
          const action = listed.get(ballot.opening.actionId)
          const isSame = action !== undefined && digestOf(action) === ballot.opening.digest
          if (!(yield* attend(channel, ballot, isSame ? action : undefined))) return
        }
      }),
      { concurrency: "unbounded", discard: true }
    )
  }).pipe(Effect.withSpan("ReviewChannel.sweep"))

  return { sweep }
})

/**
 * One look: delivers what is due on every channel. A channel that fails or is slow delays no other, and no vote.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = Effect.fnUntraced(function*(
  options: Omit<Options, "every">
): Effect.fn.Return<
  { readonly sweep: Effect.Effect<void, StorageFailed | OperationError> },
  never,
  Approvals | Ballots | Deliveries
> {
  const context = yield* Effect.context<Approvals | Ballots>()
  return yield* makeWith(options, Effect.provide(look, context))
})

/** For so long channels share what was looked at. */
const lookMillis = 1_000

/**
 * Announces ballots on channels for as long as the scope lives. Run it in every process of the panel: each notice is
 * delivered by one of them.
 *
 * **Details**
 *
 * A delivery that fails is tried again after 5 seconds, then after twice as long each time, up to 5 minutes; or when the
 * channel says so. Where a process ends between sending and writing that down, another one sends the notice again after 30
 * seconds, under the same id.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: Options): Layer.Layer<never, never, Approvals | Ballots | Deliveries> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const context = yield* Effect.context<Approvals | Ballots>()
    const shared = yield* Effect.cachedWithTTL(Effect.provide(look, context), lookMillis)
    // Each has a rhythm of its own: one that is slow delays no other.
    yield* Effect.forEach(
      options.channels,
      (channel) =>
        Effect.flatMap(makeWith({ ...options, channels: [channel] }, shared), ({ sweep }) =>
          sweep.pipe(
            Effect.catch((error) =>
              Effect.logWarning(`${channel.name} could not be told everything: ${error.message}`)
            ),
            Effect.repeat(Schedule.spaced(options.every ?? "5 seconds")),
            Effect.forkScoped
          )),
      { discard: true }
    )
  }))
