/**
 * The newest part of the audit log, read once for all calls that look for something in it. When a gateway stumbles, many calls
 * lose their answers at the same moment; they must not each read the log.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { AuditRecord } from "../../audit/AuditRecord.ts"
import { type ReadPage, readStepping } from "../../audit/internal/logPages.ts"
import type { OperationError } from "../../errors/VargateError.ts"

const pageSize = 100

/** Enough for the news between two reads; the rest of a longer read takes larger pages. */
const newsSize = 20

/** @internal */
export const writtenAt = (record: AuditRecord) => (record.createdAt ?? record.requestedAt).epochMilliseconds

/**
 * A reader that looks for records written since a time (epoch milliseconds).
 *
 * @internal
 */
export interface Reader {
  readonly since: number
}

/** @internal */
export class NewestRecords {
  private readonly page: ReadPage
  private readonly maxPages: number
  private readonly lock = Semaphore.makeUnsafe(1)
  private readonly readers = new Set<Reader>()
  private records: ReadonlyArray<AuditRecord> = []
  /** All records written since then are in `records`, as of the last read. */
  private coveredSince = Infinity
  private isComplete = true
  /** How far back the last read was meant to go. */
  private readSince = Infinity
  private asked = 0
  private served = 0

  constructor(page: ReadPage, maxPages: number) {
    this.page = page
    this.maxPages = maxPages
  }

  enter(reader: Reader): void {
    this.readers.add(reader)
  }

  leave(reader: Reader): void {
    this.readers.delete(reader)
    if (this.readers.size > 0) return
    this.records = []
    this.coveredSince = Infinity
    this.readSince = Infinity
  }

  /**
   * All records written since the reader's time, as the log stands now or later; newest first. Not complete where records
   * cannot be shown or lie too deep.
   */
  read(
    reader: Reader
  ): Effect.Effect<{ readonly records: ReadonlyArray<AuditRecord>; readonly isComplete: boolean }, OperationError> {
    return Effect.suspend(() => {
      const ticket = ++this.asked
      return this.lock.withPermit(Effect.suspend(() =>
        // A read that began after this was asked for has seen all that there is to see.
        this.served >= ticket && this.readSince <= reader.since ? Effect.void : this.refresh(this.asked)
      )).pipe(
        Effect.map(() => ({
          records: this.records.filter((record) => writtenAt(record) >= reader.since),
          isComplete: this.isComplete
        }))
      )
    })
  }

  private refresh(asked: number): Effect.Effect<void, OperationError> {
    const since = Math.min(...Array.from(this.readers, (reader) => reader.since))
    const known = new Map(this.records.map((record) => [record.id, record]))
    const isKnownFrom = (record: AuditRecord) => known.has(record.id) && this.coveredSince <= since
    const { maxPages, page } = this
    return Effect.gen(function*() {
      // Pages shift while records are appended: the same record may come twice.
      const read = new Map<number, AuditRecord>()
      let isComplete = true
      let limit = known.size > 0 ? newsSize : pageSize
      for (let offset = 0; offset < maxPages * pageSize; offset += limit, limit = pageSize) {
        const { gaps, records, total } = yield* readStepping(page, limit, offset)
        for (const record of records) read.set(record.id, record)
        if (gaps.length > 0) isComplete = false
        const oldest = records.at(-1)
        const isAtStart = records.length + gaps.length < limit || offset + limit >= (total ?? Infinity)
        if (isAtStart || (oldest !== undefined && (writtenAt(oldest) < since || isKnownFrom(oldest)))) {
          return { read, isComplete }
        }
      }
      return { read, isComplete: false }
    }).pipe(
      Effect.map(({ isComplete, read }) => {
        for (const [id, record] of known) read.set(id, record)
        this.records = [...read.values()].filter((record) => writtenAt(record) >= since).sort((a, b) => b.id - a.id)
        // What was not read this time is looked for again next time.
        this.coveredSince = isComplete ? since : Infinity
        this.isComplete = isComplete
        this.readSince = since
        this.served = asked
      })
    )
  }
}
