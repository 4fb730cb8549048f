/**
 * One look at the gateway for any number of pending actions.
 *
 * The pending list and the history show 50 rows each, by the time of queueing. What is in neither is found in the audit
 * log, read backwards only as far as is new, or as far as a newly watched action's own record.
 *
 * @internal
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { type ReadPage, readStepping } from "../../audit/internal/logPages.ts"
import { Expired, NotFound, type OperationError, Rejected, Timeout, VargateError } from "../../errors/VargateError.ts"
import { monotonicMillis } from "../../internal/elapsed.ts"
import type { ActionId } from "../../model/ActionId.ts"
import { Approved, type DecidedAction, type PendingList } from "../Approval.ts"
import { readReview } from "./reviewRecord.ts"

/** @internal */
export type Verdict = Approved | Rejected | Expired | VargateError

/**
 * A pending action under watch, with what earlier looks have shown of it.
 *
 * @internal
 */
export interface Watch {
  readonly actionId: ActionId
  /** When the gateway gives up on it, in epoch milliseconds. */
  timeoutAt: number | undefined
  /** No decision on it is in the log up to the look's position: its own record was found, or it was pending then. */
  anchored: boolean
  /** That is what an earlier process found, which read the log up to the position that was resumed. */
  inherited: boolean
  /** The history's row that says approved, and since when (monotonic) its audit record is awaited. */
  approved: { readonly row: DecidedAction; readonly since: number } | undefined
}

/**
 * Watches an action. `timeoutAt` stands for an earlier process that has looked for it up to its position in the log.
 *
 * @internal
 */
export const makeWatch = (actionId: ActionId, timeoutAt?: number): Watch => ({
  actionId,
  timeoutAt,
  anchored: timeoutAt !== undefined,
  inherited: timeoutAt !== undefined,
  approved: undefined
})

/**
 * The newest record of the log that was read.
 *
 * @internal
 */
export interface LogPosition {
  readonly recordId: number
  readonly recordHash: string
}

/**
 * A look, and where in the log it has arrived.
 *
 * @internal
 */
export interface Look {
  (watches: ReadonlyMap<string, Watch>): Effect.Effect<ReadonlyMap<Watch, Verdict>, OperationError>
  readonly position: () => LogPosition | undefined
  /** Begins no further on than an earlier process has arrived, whose watches are watched from now on. */
  readonly resume: (position: LogPosition) => void
}

/** @internal */
export const timeoutAt = ({ timeoutAt }: Watch): DateTime.Utc | null =>
  timeoutAt === undefined ? null : DateTime.makeUnsafe(timeoutAt)

/**
 * Where a look gets its lists from.
 *
 * @internal
 */
export interface Source {
  readonly pending: Effect.Effect<PendingList, OperationError>
  readonly history: Effect.Effect<ReadonlyArray<DecidedAction>, OperationError>
  readonly page: ReadPage
  /** Redacts the API key in what becomes part of an error. */
  readonly redact: (text: string) => string
}

/** Enough for the news between two looks; the rest of a longer read takes larger pages. */
const newsSize = 20

/** In the gateway a pending action expires after one hour. */
const lifetime = 3_600_000

/** An approved action's record comes when its execution has ended, and clocks differ: silence proves nothing before this. */
const patience = 60_000

/** When a look is taken: by the wall clock, as the gateway tells times, and in elapsed time, for what is measured here. */
interface Moment {
  readonly now: number
  readonly elapsed: number
}

const isOver = ({ timeoutAt }: Watch, now: number) => timeoutAt !== undefined && now > timeoutAt + patience

const pageSize = 200

/** 100,000 records. What lies deeper is watched without its anchor. */
const maxPages = 500

/**
 * A look that remembers how far the audit log was read, and when the gateway last counted something decided.
 *
 * @internal
 */
export const make = (source: Source): Look => {
  let last: LogPosition | undefined
  /** Where an earlier process had arrived, until its record was found again; and where this one had before. */
  let resumed: { readonly from: LogPosition; readonly before: LogPosition | undefined } | undefined
  let lastCounts = ""
  let changedAt = 0

  /** Whether nothing was decided for so long that history and log cannot tell more of those that are not listed. */
  const isQuiet = (
    watches: ReadonlyMap<string, Watch>,
    listed: ReadonlySet<string>,
    stats: PendingList["stats"],
    { elapsed, now }: Moment
  ) => {
    const counts = JSON.stringify(stats)
    if (stats === undefined || counts !== lastCounts) {
      lastCounts = counts
      changedAt = elapsed
    }
    if (elapsed - changedAt <= patience) return false
    for (const [actionId, watch] of watches) {
      const isOpen = !watch.anchored || watch.approved !== undefined || isOver(watch, now)
      if (isOpen && !listed.has(actionId)) return false
    }
    return true
  }

  const readLog = Effect.fnUntraced(function*(
    watches: ReadonlyMap<string, Watch>,
    open: ReadonlyArray<Watch>,
    verdicts: Map<Watch, Verdict>
  ): Effect.fn.Return<void, OperationError> {
    const lastId = last?.recordId ?? 0
    const resuming = resumed
    const unanchored = open.filter(({ anchored }) => !anchored)
    let gapsSeen = 0
    let isAtStart = false
    let isConfirmed = false
    let newest = last
    // Taken over only when the whole read has ended: half of it would hide what is further back.
    const anchors = new Map<Watch, number>()
    const found = new Map<Watch, Verdict>()
    let limit = unanchored.length === 0 ? newsSize : pageSize
    for (let offset = 0; offset < pageSize * maxPages; offset += limit, limit = pageSize) {
      const { gaps, records, total } = yield* readStepping(source.page, limit, offset)
      for (const record of records) {
        if (record.id > (newest?.recordId ?? 0)) newest = { recordId: record.id, recordHash: record.recordHash }
        isConfirmed ||= record.id === resuming?.from.recordId && record.recordHash === resuming.from.recordHash
        readRecord(record, watches, anchors, found)
      }
      gapsSeen += gaps.length
      const left = unanchored.filter((watch) => !anchors.has(watch) && !found.has(watch))
      isAtStart = total !== undefined ? offset + limit >= total : records.length + gaps.length === 0
      if (isAtStart || (left.length === 0 && (lastId === 0 || (records.at(-1)?.id ?? Infinity) <= lastId))) break
    }
    if (resuming !== undefined && resuming === resumed && !isConfirmed) {
      // It is another log, or the record cannot be shown: what was found in it says nothing of this one.
      last = resuming.before
      resumed = undefined
      for (const watch of watches.values()) {
        if (!watch.inherited) continue
        watch.inherited = false
        watch.anchored = false
        watch.timeoutAt = undefined
      }
      return yield* readLog(watches, open, verdicts)
    }
    for (const [watch, timeoutAt] of anchors) {
      watch.anchored = true
      watch.timeoutAt ??= timeoutAt
    }
    for (const [watch, verdict] of found) verdicts.set(watch, verdict)
    for (const watch of unanchored) {
      // A gap, or what lies beyond the bound, may be the very record that is missing.
      if (!watch.anchored && !found.has(watch) && isAtStart && gapsSeen === 0) verdicts.set(watch, unknownAction(watch))
      watch.anchored = true
    }
    // What was resumed meanwhile has not been looked for.
    if (resumed !== resuming) return
    resumed = undefined
    last = newest
  })

  const look = Effect.fnUntraced(function*(
    watches: ReadonlyMap<string, Watch>
  ): Effect.fn.Return<ReadonlyMap<Watch, Verdict>, OperationError> {
    const verdicts = new Map<Watch, Verdict>()
    const listed = new Set<string>()
    const { pending, stats } = yield* source.pending
    for (const row of pending) {
      listed.add(row.actionId)
      const watch = watches.get(row.actionId)
      if (watch !== undefined && row.timeoutAt !== undefined) watch.timeoutAt = row.timeoutAt.epochMilliseconds
    }
    const moment = { now: yield* Clock.currentTimeMillis, elapsed: yield* monotonicMillis }
    const gone: Array<Watch> = []
    if (!isQuiet(watches, listed, stats, moment)) {
      for (const [actionId, watch] of watches) if (!listed.has(actionId)) gone.push(watch)
    }
    if (gone.length > 0) {
      const history = new Map((yield* source.history).map((row) => [row.actionId, row]))
      for (const watch of gone) {
        const row = history.get(watch.actionId)
        if (row !== undefined) readHistory(row, watch, moment, verdicts)
      }
      const open = gone.filter((watch) => !verdicts.has(watch))

      // A listed action may be decided before the log is read, so the log is read for all.
      if (open.length > 0) yield* readLog(watches, open, verdicts)
      for (const watch of open) {
        if (!verdicts.has(watch)) readSilence(watch, moment, verdicts)
      }
    }
    if (last !== undefined) {
      // What was pending when this look began is decided by records that are newer than what was read before it.
      for (const actionId of listed) {
        const watch = watches.get(actionId)
        if (watch !== undefined) watch.anchored = true
      }
    }
    for (const [watch, verdict] of verdicts) {
      if (verdict._tag === "Rejected") verdicts.set(watch, redacted(verdict, source.redact))
    }
    return verdicts
  }, Effect.onError(() => Effect.sync(() => lastCounts = "")))

  return Object.assign(look, {
    position: () => last,
    resume: (position: LogPosition) => {
      resumed = { from: position, before: last }
      // Nothing may be left out between the two.
      if (last === undefined || position.recordId < last.recordId) last = position
    }
  })
}

const readHistory = (row: DecidedAction, watch: Watch, { elapsed }: Moment, verdicts: Map<Watch, Verdict>) => {
  const { actionId } = watch
  switch (row.status) {
    case "rejected":
      return verdicts.set(
        watch,
        new Rejected({ actionId, reviewer: row.reviewer, note: row.note, reviewedAt: row.reviewedAt })
      )
    case "expired":
      return verdicts.set(watch, new Expired({ actionId, timeoutAt: timeoutOf(watch, row.createdAt) }))
    case "approved":
      // The history is a moment ahead of the execution: what became of that is in the audit record.
      return watch.approved ??= { row, since: elapsed }
  }
  return undefined
}

const redacted = (verdict: Rejected, redact: (text: string) => string) =>
  new Rejected({
    ...verdict,
    reviewer: verdict.reviewer && redact(verdict.reviewer),
    note: verdict.note && redact(verdict.note)
  })

const timeoutOf = (watch: Watch, createdAt: DateTime.Utc | null | undefined): DateTime.Utc | null => {
  if (watch.timeoutAt === undefined && createdAt) return DateTime.add(createdAt, { milliseconds: lifetime })
  return timeoutAt(watch)
}

const readRecord = (
  record: AuditRecord,
  watches: ReadonlyMap<string, Watch>,
  anchors: Map<Watch, number>,
  found: Map<Watch, Verdict>
) => {
  const own = watches.get(record.actionId)
  if (own !== undefined) {
    anchors.set(own, record.requestedAt.epochMilliseconds + lifetime)
    return
  }
  const review = readReview(record)
  const watch = review && watches.get(review.actionId)
  if (review === undefined || watch === undefined) return
  found.set(watch, withReviewer(review, watch.approved?.row))
}

/** The record knows what was executed, the history knows who decided. */
const withReviewer = (review: Approved | Rejected, row: DecidedAction | undefined) =>
  review._tag === "Approved" && row !== undefined
    ? new Approved({
      ...review,
      reviewer: row.reviewer,
      note: row.note,
      reviewedAt: row.reviewedAt ?? review.reviewedAt
    })
    : review

const unknownAction = ({ actionId }: Watch) =>
  new VargateError({
    operation: "Approvals.await",
    reason: new NotFound({ detail: `no record of ${actionId} in the queue, the history or the audit log` })
  })

/** The action is in no list, and the log says nothing (new) about it. */
const readSilence = (watch: Watch, { elapsed, now }: Moment, verdicts: Map<Watch, Verdict>) => {
  if (watch.approved !== undefined) {
    if (elapsed - watch.approved.since < patience) return
    const reason = new Timeout({ after: Duration.millis(patience), sideEffect: "possible" })
    verdicts.set(watch, new VargateError({ operation: "Approvals.await", reason }))
  } else if (isOver(watch, now)) {
    // The look at the pending list has let the gateway expire what it had to, and no decision is on record.
    verdicts.set(watch, new Expired({ actionId: watch.actionId, timeoutAt: timeoutAt(watch) }))
  }
}
