/**
 * Many fibers wait for verdicts, one looks: only while there are waiters, and once for all of them.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { monotonicMillis } from "../../internal/elapsed.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { pollLag } from "../../transport/Metrics.ts"
import { makeWatch, type Verdict, type Watch } from "./approvalLook.ts"

/**
 * One waiting fiber. At most one of its callbacks is called, and none after it has left.
 *
 * @internal
 */
export interface Waiter {
  /** In monotonic milliseconds; undefined waits indefinitely. */
  readonly deadline: number | undefined
  readonly onVerdict: (verdict: Verdict) => void
  readonly onDeadline: (lastFailure: string | undefined) => void
  /** The poller is closed: no verdict will come. */
  readonly onClose: () => void
}

/** @internal */
export interface ApprovalPoller {
  /** Adds a waiter, and returns how to remove it. */
  readonly enter: (actionId: ActionId, waiter: Waiter) => () => void
  /** Looks at once, or again when a look is under way. The next tick comes a whole pause later. */
  readonly nudge: Effect.Effect<void>
  /** How many looks have begun. */
  readonly looks: () => number
}

/** Timers of more than 24 days overflow; the next one takes over. */
const longestTimer = 2 ** 31 - 1

interface Subscription {
  readonly watch: Watch
  readonly waiters: Set<Waiter>
}

/**
 * Makes a poller in the current scope. `look` asks for verdicts on the watched actions; a look that fails is only noted,
 * since the waiters have deadlines of their own.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function*(
  look: (
    watches: ReadonlyMap<string, Watch>
  ) => Effect.Effect<ReadonlyMap<Watch, Verdict>, { readonly message: string }>,
  rhythm: Schedule.Schedule<unknown>
): Effect.fn.Return<ApprovalPoller, never, Scope.Scope> {
  const subscriptions = new Map<string, Subscription>()
  const occupied = Latch.makeUnsafe()
  const nudged = Latch.makeUnsafe()
  const deadlineSet = Latch.makeUnsafe()
  let nextDeadline = Infinity
  let looks = 0
  let isClosed = false
  let lastFailure: string | undefined
  /** When the queue was seen last; a look that failed has not seen it. */
  let seenAt = 0

  const recordLag = Effect.flatMap(monotonicMillis, (now) => {
    const lag = (now - seenAt) / 1000
    if (lastFailure === undefined) seenAt = now
    return Metric.update(pollLag, lag)
  })

  const lookOnce = Effect.suspend(() => look(new Map([...subscriptions].map(([id, { watch }]) => [id, watch])))).pipe(
    Effect.map((verdicts) => {
      lastFailure = undefined
      const served = [...verdicts].map(([{ actionId }, verdict]) => {
        const waiters = subscriptions.get(actionId)?.waiters ?? []
        subscriptions.delete(actionId)
        return { waiters, verdict }
      })
      // Before the waiters are called: one that comes back at once is the first of a new round.
      const isEmptied = subscriptions.size === 0
      for (const { waiters, verdict } of served) {
        for (const waiter of waiters) waiter.onVerdict(verdict)
      }
      return isEmptied
    }),
    Effect.catchCauseIf(
      (cause) => !Cause.hasInterruptsOnly(cause),
      (cause) => {
        const failure = Cause.squash(cause)
        lastFailure = failure instanceof Error ? failure.message : String(failure)
        return Effect.as(Effect.logDebug("A look at the approvals failed", lastFailure), false)
      }
    )
  )

  const looking = Effect.gen(function*() {
    yield* occupied.await
    // Many often come in one breath, and share the first look.
    yield* Effect.yieldNow
    const step = yield* Schedule.toStep(rhythm)
    seenAt = yield* monotonicMillis
    let pause: Duration.Duration | undefined
    while (subscriptions.size > 0) {
      nudged.closeUnsafe()
      looks++
      const isEmptied = yield* lookOnce
      yield* recordLag
      if (isEmptied) break
      pause ??= yield* step(yield* Clock.currentTimeMillis, undefined).pipe(
        Effect.map(([, duration]) => duration),
        Pull.catchDone(() => Effect.succeed(Duration.infinity))
      )
      // A nudge takes no step: it would wear out a rhythm that grows or ends.
      if (Option.isNone(yield* Effect.timeoutOption(nudged.await, pause))) pause = undefined
    }
    if (subscriptions.size === 0) occupied.closeUnsafe()
  })

  const keepingDeadlines = Effect.gen(function*() {
    const now = yield* monotonicMillis
    deadlineSet.closeUnsafe()
    nextDeadline = Infinity
    for (const [actionId, { waiters }] of subscriptions) {
      for (const waiter of waiters) {
        if (waiter.deadline === undefined) continue
        if (waiter.deadline > now) nextDeadline = Math.min(nextDeadline, waiter.deadline)
        else {
          leave(actionId, waiter)
          waiter.onDeadline(lastFailure)
        }
      }
    }
    yield* Effect.timeoutOption(deadlineSet.await, Math.min(nextDeadline - now, longestTimer))
  })

  const leave = (actionId: string, waiter: Waiter) => {
    const subscription = subscriptions.get(actionId)
    if (subscription?.waiters.delete(waiter) !== true || subscription.waiters.size > 0) return
    subscriptions.delete(actionId)
    // Without waiters there is nothing to look for: let the looking fiber rest.
    if (subscriptions.size === 0) nudged.openUnsafe()
  }

  yield* Effect.forkScoped(Effect.forever(looking))
  yield* Effect.forkScoped(Effect.forever(keepingDeadlines))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosed = true
      for (const { waiters } of subscriptions.values()) {
        for (const waiter of waiters) waiter.onClose()
      }
      subscriptions.clear()
    })
  )

  return {
    enter: (actionId, waiter) => {
      if (isClosed) {
        waiter.onClose()
        return () => {}
      }
      const subscription = subscriptions.get(actionId) ?? { watch: makeWatch(actionId), waiters: new Set() }
      subscriptions.set(actionId, subscription)
      subscription.waiters.add(waiter)
      if (waiter.deadline !== undefined && waiter.deadline < nextDeadline) {
        nextDeadline = waiter.deadline
        deadlineSet.openUnsafe()
      }
      occupied.openUnsafe()
      return () => leave(actionId, waiter)
    },
    nudge: Effect.sync(() => void nudged.openUnsafe()),
    looks: () => looks
  }
})
