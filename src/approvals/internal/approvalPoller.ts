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
  /** Adds a waiter, and returns what it watches. `timeoutAt` is that of `makeWatch`. */
  readonly enter: (actionId: ActionId, waiter: Waiter, timeoutAt?: number) => Watch
  readonly leave: (actionId: string, waiter: Waiter) => void
  /** Looks at once, or again when a look is under way. The next tick comes a whole pause later. */
  readonly nudge: Effect.Effect<void>
  /** How many looks have begun. */
  readonly looks: () => number
}

/** Timers of more than 24 days overflow; the next one takes over. */
const longestTimer = 2 ** 31 - 1

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
  rhythm: Schedule.Schedule<unknown>,
  /** Runs when what a look has found was handed over. */
  onLooked: () => void = () => {}
): Effect.fn.Return<ApprovalPoller, never, Scope.Scope> {
  /** Both have the same keys. */
  const watches = new Map<string, Watch>()
  const waitersOf = new Map<string, Set<Waiter>>()
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

  const forget = (actionId: string) => {
    watched = undefined
    watches.delete(actionId)
    waitersOf.delete(actionId)
  }

  /** What is watched at the beginning of a look: twenty thousand are copied only where one has come or gone. */
  let watched: ReadonlyMap<string, Watch> | undefined
  const lookOnce = Effect.suspend(() => look(watched ??= new Map(watches))).pipe(
    Effect.map((verdicts) => {
      lastFailure = undefined
      const served = [...verdicts].map(([{ actionId }, verdict]) => {
        const waiters = waitersOf.get(actionId) ?? []
        forget(actionId)
        return { waiters, verdict }
      })
      // Before the waiters are called: one that comes back at once is the first of a new round.
      const isEmptied = watches.size === 0
      for (const { waiters, verdict } of served) {
        for (const waiter of waiters) waiter.onVerdict(verdict)
      }
      onLooked()
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
    while (watches.size > 0) {
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
    if (watches.size === 0) occupied.closeUnsafe()
  })

  const keepingDeadlines = Effect.gen(function*() {
    const now = yield* monotonicMillis
    deadlineSet.closeUnsafe()
    nextDeadline = Infinity
    for (const [actionId, waiters] of waitersOf) {
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
    const waiters = waitersOf.get(actionId)
    if (waiters?.delete(waiter) !== true || waiters.size > 0) return
    forget(actionId)
    // Without waiters there is nothing to look for: let the looking fiber rest.
    if (watches.size === 0) nudged.openUnsafe()
  }

  yield* Effect.forkScoped(Effect.forever(looking))
  yield* Effect.forkScoped(Effect.forever(keepingDeadlines))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosed = true
      for (const waiters of waitersOf.values()) {
        for (const waiter of waiters) waiter.onClose()
      }
      watches.clear()
      watched = undefined
      waitersOf.clear()
    })
  )

  return {
    enter: (actionId, waiter, timeoutAt) => {
      const watch = watches.get(actionId) ?? makeWatch(actionId, timeoutAt)
      if (isClosed) {
        waiter.onClose()
        return watch
      }
      if (!watches.has(actionId)) watched = undefined
      watches.set(actionId, watch)
      const waiters = waitersOf.get(actionId) ?? new Set()
      waitersOf.set(actionId, waiters)
      waiters.add(waiter)
      if (waiter.deadline !== undefined && waiter.deadline < nextDeadline) {
        nextDeadline = waiter.deadline
        deadlineSet.openUnsafe()
      }
      occupied.openUnsafe()
      return watch
    },
    leave,
    nudge: Effect.sync(() => void nudged.openUnsafe()),
    looks: () => looks
  }
})
