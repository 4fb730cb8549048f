/**
 * Reads a log oldest first, from any place on, and verifies each record before it hands it on.
 *
 * The gateway counts from the newest record, and the log grows meanwhile: a place is `total - 1 - offset` of one and the
 * same answer, and what an answer lacks is asked for again.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import { stepOver } from "../../audit/internal/logPages.ts"
import type { OperationError } from "../../errors/VargateError.ts"
import { maxPageSize } from "../../internal/limits.ts"
import {
  BrokenLink,
  DoesNotReachGenesis,
  Duplicate,
  type Finding,
  HashMismatch,
  MissingRecords,
  OutOfOrder,
  RewrittenSince,
  TruncatedSince
} from "../../verify/ChainReport.ts"
import type { HasherService } from "../../verify/Hasher.ts"
import { invalid } from "../../verify/internal/chain/chainReport.ts"
import { notAPage } from "../../verify/internal/json/notAPage.ts"
import { type ExportEvent, LogFinding, MissingRecord, VerifiedRecord } from "../ExportEvent.ts"
import type { Redaction } from "../Redaction.ts"
import { type Row, type RowPage, scanRows } from "./logRows.ts"

const genesis = "GENESIS"
/** Such a page is empty, and says how long the log is even where its newest record cannot be shown. */
const beyondTheEnd = { limit: 1, offset: 1_000_000_000 }
/** A log whose records all have other hashes than they should is not hashed as we know it. */
const maxMismatches = 100
/** A record that cannot be shown is located between two looks at the length of the log; how often that is tried. */
const maxLooks = 20

/**
 * How far the log was read.
 *
 * @internal
 */
export interface Position {
  /** Places that were read, and the next place. */
  readonly from: number
  /** The hash that the next record must name; undefined behind a record that cannot be shown. */
  readonly link: string | undefined
  readonly lastId: number
  readonly tenantId: string | undefined
  /** How many of the last records had other hashes than they state. */
  readonly mismatches: number
}

/** @internal */
export const beginning: Position = { from: 0, link: genesis, lastId: -Infinity, tenantId: undefined, mismatches: 0 }

/**
 * One step forward.
 *
 * @internal
 */
export interface Step {
  readonly events: ReadonlyArray<ExportEvent>
  /** Of the records that were read for it. */
  readonly byteLength: number
  readonly position: Position
  /** How long the log was. */
  readonly total: number
  /** Why nothing more can be exported. It is the last of the events. */
  readonly stop: Finding | undefined
}

/** @internal */
export interface ReaderOptions {
  readonly operation: string
  readonly read: (
    query: { readonly limit: number; readonly offset: number }
  ) => Effect.Effect<Uint8Array, OperationError>
  readonly hasher: HasherService
  readonly redaction: Redaction
  readonly pageSize: number
}

/** @internal */
export const makeReader = (options: ReaderOptions) => {
  const { hasher, operation, pageSize, redaction } = options

  const page = (query: { readonly limit: number; readonly offset: number }): Effect.Effect<RowPage, OperationError> =>
    Effect.flatMap(
      options.read(query),
      (bytes) => Effect.mapError(scanRows(bytes, hasher), (error) => notAPage(operation, error))
    )

  const length = Effect.map(page(beyondTheEnd), ({ page }) => page)

  let size = Math.min(pageSize, maxPageSize)

  /** One record by its place, or `undefined` where it cannot be shown; `later` while the log grows too fast to say. */
  const look = Effect.fnUntraced(function*(place: number) {
    for (let attempt = 0; attempt < maxLooks; attempt++) {
      const { total } = yield* length
      const [part] = yield* stepOver(page, 1, total - 1 - place)
      if (part?._tag === "Page") {
        const row = part.page.rows[0]
        if (row !== undefined && placeOf(part.page, 0) === place) return row
      } else if ((yield* length).total === total) {
        return undefined
      }
    }
    return "later" as const
  })

  /** The rows from a place on, each once, up to the first that is not known yet. */
  const rowsFrom = Effect.fnUntraced(function*(low: number, overlap: number, total: number) {
    let seen = total
    for (let attempt = 0, margin = 0;; attempt++) {
      const limit = Math.min(size + overlap, maxPageSize - margin, seen - low)
      if (limit <= 0 || attempt > maxLooks) {
        return { rows: [] as ReadonlyArray<Row | undefined>, total: seen, short: undefined, tenantId: undefined }
      }
      const parts = yield* stepOver(page, limit + margin, seen - low - limit)
      const pages = parts.flatMap((part) => part._tag === "Page" ? [part.page] : [])
      const last = pages.at(-1)
      const now = last?.page.total ?? (yield* length).total
      const short = pages.find(({ page, rows }) => page.count !== rows.length)
      const tenantId = last?.page.tenantId
      // As it nearly always is: one page that begins where it should.
      if (parts.length === 1 && last !== undefined && last.rows.length > 0) {
        const lowest = placeOf(last, last.rows.length - 1)
        if (lowest <= low && placeOf(last, 0) >= low) {
          return {
            rows: (last.rows as Array<Row>).reverse().slice(low - lowest, low - lowest + limit),
            total: now,
            short,
            tenantId
          }
        }
      }
      const byPlace = new Map(
        pages.flatMap((page) => page.rows.map((row, index) => [placeOf(page, index), row] as const))
      )
      const hasGap = parts.some(({ _tag }) => _tag === "Gap")
      if (!hasGap && !byPlace.has(low) && byPlace.size > 0 && now > seen) {
        // Records that were appended meanwhile have moved the place out of the page.
        margin = Math.min(2 * (now - seen), maxPageSize / 2)
        seen = now
        continue
      }
      if (!hasGap && !byPlace.has(low) && byPlace.size > 0 && byPlace.size < limit + margin && size > 1) {
        // The page is shorter than it should be: the gateway returns no longer ones.
        size = Math.max(1, Math.min(size - 1, byPlace.size - 1))
        margin = 0
        continue
      }
      const rows: Array<Row | undefined> = []
      for (let place = low; place < low + limit; place++) {
        const row = byPlace.get(place) ?? (hasGap ? yield* look(place) : "later")
        if (row === "later") break
        rows.push(row)
      }
      return { rows, total: now, short, tenantId }
    }
  })

  /** `known` is how long the log was a moment ago, where that is more than was read of it. */
  const step = Effect.fnUntraced(function*(
    position: Position,
    known?: number
  ): Effect.fn.Return<Step, OperationError> {
    const { from, link } = position
    const head = known !== undefined && known > from && position.tenantId !== undefined
      ? { total: known, tenantId: position.tenantId }
      : yield* length
    const tenantId = position.tenantId ?? head.tenantId
    if (head.tenantId !== tenantId) return yield* otherTenant(tenantId, head.tenantId)
    let byteLength = 0
    const end = (finding: Finding, events: ReadonlyArray<ExportEvent>, count: number, total: number): Step => ({
      events: [...events, new LogFinding(tenantId, count, finding)],
      byteLength,
      position: { ...position, tenantId },
      total,
      stop: finding
    })
    if (head.total < from) {
      return end(new TruncatedSince({ id: 0, actionId: "", expected: from, found: head.total }), [], from, head.total)
    }
    // The record before the first that is wanted is looked at again: it may have been rewritten while nothing was added.
    const low = from > 0 && link !== undefined ? from - 1 : from
    const found = yield* rowsFrom(low, from - low, head.total)
    if (found.tenantId !== undefined && found.tenantId !== tenantId) return yield* otherTenant(tenantId, found.tenantId)
    if (found.short !== undefined) {
      const { page, rows } = found.short
      const finding = new MissingRecords({ id: 0, actionId: "", of: "count", expected: page.count, found: rows.length })
      return end(finding, [], from, found.total)
    }
    const events: Array<ExportEvent> = []
    let { lastId, mismatches } = position
    let expected = link
    let place = low
    let older: Row | undefined
    for (const [index, row] of found.rows.entries()) {
      if (row !== undefined) byteLength += row.byteLength
      if (place < from) {
        if (row !== undefined && row.recordHash !== link) {
          const finding = new RewrittenSince({
            id: row.id,
            actionId: row.actionId,
            shown: "checkpoint",
            expected: link!,
            found: row.recordHash
          })
          return end(finding, events, from, found.total)
        }
      } else if (row === undefined) {
        events.push(new MissingRecord(tenantId, place + 1, found.rows[index + 1]?.prevHash))
        expected = undefined
      } else {
        if (expected !== undefined && !follows(row, older, expected)) {
          return end(wrongLink(row, expected, place), events, place, found.total)
        }
        if (row.id <= lastId) {
          const finding = new OutOfOrder({ id: row.id, actionId: row.actionId, after: lastId })
          events.push(new LogFinding(tenantId, place, finding))
        }
        if (row.isGenuine) {
          events.push(new VerifiedRecord(tenantId, place + 1, row, redaction))
          mismatches = 0
        } else {
          const next = found.rows[index + 1]
          const finding = new HashMismatch({
            id: row.id,
            actionId: row.actionId,
            stored: row.recordHash,
            computed: row.computed,
            mayBeDroppedKey: next === undefined || next.prevHash === row.recordHash
          })
          if (++mismatches > maxMismatches) return end(finding, events, place, found.total)
          events.push(new LogFinding(tenantId, place + 1, finding))
        }
        expected = row.recordHash
        lastId = Math.max(lastId, row.id)
      }
      older = row
      place++
    }
    return {
      events,
      byteLength,
      position: { from: Math.max(from, place), link: expected, lastId, tenantId, mismatches },
      total: found.total,
      stop: undefined
    }
  })

  const otherTenant = (ours: string, theirs: string) =>
    invalid(operation, ["tenant_id"], `the cursor is of the log of ${ours}, and the key of ${theirs}`)

  /** The newest record by itself, to begin behind it. */
  const newest = Effect.fnUntraced(function*() {
    const { page: head, rows } = yield* page({ limit: 1, offset: 0 })
    const row = rows[0]
    return row === undefined ? undefined : { tenantId: head.tenantId, count: head.total, row }
  })

  return { step, newest }
}

const placeOf = ({ page }: RowPage, index: number) => page.total - 1 - page.offset - index

/** Within a page the scanner has compared the two hashes already. */
const follows = (row: Row, older: Row | undefined, expected: string): boolean =>
  older !== undefined && older.bytes === row.bytes && older.isLinked === true
    ? true
    : row.prevHash === expected

const wrongLink = (row: Row, expected: string, place: number): Finding => {
  const { actionId, id, prevHash, recordHash } = row
  return recordHash === expected
    ? new Duplicate({ id, actionId })
    : place === 0
    ? new DoesNotReachGenesis({ id, actionId, prevHash })
    : new BrokenLink({ id, actionId, expected: prevHash, found: expected })
}
