/**
 * All records of the log in order, while it grows.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { OperationError } from "../../errors/VargateError.ts"
import { maxPageSize } from "../../internal/limits.ts"
import type { AuditPage, AuditRecord } from "../AuditRecord.ts"
import type { Checkpoint } from "../Checkpoint.ts"
import { type Part, stepOver } from "./logPages.ts"

/** @internal */
export interface RecordStreamOptions {
  readonly page: (options: {
    readonly limit: number
    readonly offset: number
  }) => Effect.Effect<AuditPage, OperationError>
  readonly pageSize: number
  readonly since: Checkpoint | undefined
  /** Takes the place of a record that cannot be shown, counted from 0 for the oldest. */
  readonly onGap: (position: number) => Effect.Effect<void>
}

/** Such a page is empty, and says how long the log is even where its newest record cannot be shown. */
const beyondTheEnd = { limit: 1, offset: 1_000_000_000 }

type Records = Stream.Stream<AuditRecord, OperationError>

/**
 * Newest first. The log as it was when the first page was read: what is appended meanwhile shifts later pages, which
 * then begin with records that are known by their ids.
 *
 * @internal
 */
export const newestFirst = ({ onGap, page, pageSize, since }: RecordStreamOptions): Records =>
  Stream.paginate(
    { offset: 0, below: Infinity },
    Effect.fnUntraced(function*(state: { readonly offset: number; readonly below: number }) {
      const parts = yield* stepOver(page, pageSize, state.offset)
      yield* reportGaps(parts, yield* lengthOf(parts, page), onGap)
      const records: Array<AuditRecord> = []
      let { below } = state
      for (const record of recordsOf(parts)) {
        if (record.id >= below) continue
        below = record.id
        if (since === undefined || record.id > since.id) records.push(record)
      }
      const last = parts.at(-1)!
      const offset = endOf(last)
      const isOver = (last._tag === "Page" && (last.page.records.length === 0 || offset >= last.page.total)) ||
        (since !== undefined && below <= since.id)
      return [records, isOver ? Option.none() : Option.some({ offset, below })] as const
    })
  )

/**
 * Oldest first, to the newest record there is at the end. What is appended between two requests moves the place that is
 * wanted out of the page that was asked for; then it is asked for again, with a margin.
 *
 * @internal
 */
export const oldestFirst = ({ onGap, page, pageSize, since }: RecordStreamOptions): Records =>
  Stream.paginate(
    {
      from: since?.count ?? 0,
      above: since?.id ?? -Infinity,
      total: undefined as number | undefined,
      size: pageSize,
      margin: 0
    },
    Effect.fnUntraced(function*(state) {
      const total = state.total ?? (yield* page(beyondTheEnd)).total
      const limit = Math.min(state.size, maxPageSize - state.margin, total - state.from)
      if (limit <= 0) return [[], Option.none()] as const
      const parts = yield* stepOver(page, limit + state.margin, total - state.from - limit)
      const length = yield* lengthOf(parts, page)
      const lowest = length - endOf(parts.at(-1)!)
      if (lowest > state.from) {
        const grown = length - total
        const got = length - parts[0]!.offset - lowest
        const again = grown > 0
          ? { ...state, total: length, margin: Math.min(2 * grown, maxPageSize / 2) }
          // The page is shorter than it should be: the gateway returns no longer ones.
          : { ...state, total: length, margin: 0, size: got }
        return [[], got < 1 ? Option.none() : Option.some(again)] as const
      }
      yield* reportGaps(parts, length, onGap)
      const records: Array<AuditRecord> = []
      let { above } = state
      for (const record of recordsOf(parts).reverse()) {
        if (record.id <= above) continue
        above = record.id
        records.push(record)
      }
      const from = length - parts[0]!.offset
      const isOver = from >= length || from <= state.from
      return [records, isOver ? Option.none() : Option.some({ ...state, from, above, total: length })] as const
    })
  )

const recordsOf = (parts: ReadonlyArray<Part<AuditPage>>): Array<AuditRecord> =>
  parts.flatMap((part) => part._tag === "Page" ? part.page.records : [])

/** The offset of what comes after a part. */
const endOf = (part: Part<AuditPage>): number => part.offset + (part._tag === "Page" ? part.page.records.length : 1)

/** How long the log was when the last of the parts was read. */
const lengthOf = (parts: ReadonlyArray<Part<AuditPage>>, page: RecordStreamOptions["page"]) => {
  const last = parts.findLast((part) => part._tag === "Page")
  return last === undefined
    ? Effect.map(page(beyondTheEnd), ({ total }) => total)
    : Effect.succeed(last.page.total)
}

const reportGaps = (
  parts: ReadonlyArray<Part<AuditPage>>,
  length: number,
  onGap: RecordStreamOptions["onGap"]
) =>
  Effect.forEach(
    parts,
    (part) => part._tag === "Gap" ? onGap(length - 1 - part.offset) : Effect.void,
    { discard: true }
  )
