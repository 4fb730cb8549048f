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
  /** Its own record was found: every decision on it is in what is newer, and none was there so far. */
  anchored: boolean
  /** The history's row that says approved, and since when (monotonic) its audit record is awaited. */
  approved: { readonly row: DecidedAction; readonly since: number } | undefined
}

/** @internal */
export const makeWatch = (actionId: ActionId): Watch => ({
  actionId,
  timeoutAt: undefined,
  anchored: false,
  approved: undefined
})

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
export const make = (source: Source) => {
  let lastId = 0
  let lastCounts = ""
  let changedAt = 0

  /** Whether nothing was decided for so long that history and log cannot tell more of these than they did before. */
  const isQuiet = (gone: ReadonlyArray<Watch>, stats: PendingList["stats"], { elapsed, now }: Moment) => {
    const counts = JSON.stringify(stats)
    if (stats === undefined || counts !== lastCounts) {
      lastCounts = counts
      changedAt = elapsed
    }
    return elapsed - changedAt > patience &&
      gone.every((watch) => watch.anchored && !watch.approved && !isOver(watch, now))
  }

  const readLog = Effect.fnUntraced(function*(
    watches: ReadonlyMap<string, Watch>,
    unanchored: ReadonlyArray<Watch>,
    verdicts: Map<Watch, Verdict>
  ) {
    let gapsSeen = 0
    let isAtStart = false
    let newestId = lastId
    // Taken over only when the whole read has ended: half of it would hide what is further back.
    const anchors = new Map<Watch, number>()
    const found = new Map<Watch, Verdict>()
    let limit = unanchored.length === 0 ? newsSize : pageSize
    for (let offset = 0; offset < pageSize * maxPages; offset += limit, limit = pageSize) {
      const { gaps, records, total } = yield* readStepping(source.page, limit, offset)
      for (const record of records) {
        newestId = Math.max(newestId, record.id)
        readRecord(record, watches, anchors, found)
      }
      gapsSeen += gaps.length
      const open = unanchored.filter((watch) => !anchors.has(watch) && !found.has(watch))
      isAtStart = total !== undefined ? offset + limit >= total : records.length + gaps.length === 0
      if (isAtStart || (open.length === 0 && (lastId === 0 || (records.at(-1)?.id ?? Infinity) <= lastId))) break
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
    lastId = newestId
  })

  return Effect.fnUntraced(function*(
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
    const gone = [...watches.values()].filter(({ actionId }) => !listed.has(actionId))
    const moment = { now: yield* Clock.currentTimeMillis, elapsed: yield* monotonicMillis }
    if (isQuiet(gone, stats, moment) || gone.length === 0) return verdicts

    const history = new Map((yield* source.history).map((row) => [row.actionId, row]))
    for (const watch of gone) {
      const row = history.get(watch.actionId)
      if (row !== undefined) readHistory(row, watch, moment, verdicts)
    }
    const open = gone.filter((watch) => !verdicts.has(watch))

    // A listed action may be decided before the log is read, so the log is read for all.
    if (open.length > 0) yield* readLog(watches, open.filter(({ anchored }) => !anchored), verdicts)
    for (const watch of open) {
      if (!verdicts.has(watch)) readSilence(watch, moment, verdicts)
    }
    for (const [watch, verdict] of verdicts) {
      if (verdict._tag === "Rejected") verdicts.set(watch, redacted(verdict, source.redact))
    }
    return verdicts
  }, Effect.onError(() => Effect.sync(() => lastCounts = "")))
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
