/**
 * Checks the records of one page among themselves, as they are scanned from its newest to its oldest.
 *
 * @internal
 */
import type { Checkpoint } from "../../../audit/Checkpoint.ts"
import {
  BrokenLink,
  Duplicate,
  type Finding,
  HashMismatch,
  OutOfOrder,
  type RecordRef,
  RewrittenSince
} from "../../ChainReport.ts"
import type { AuditPage, AuditRecordView, LastEnd } from "../scan/auditScanner.ts"
import type { VerifiedRun } from "./verifiedRun.ts"

/** Hashes are kept of so many records from either end of a page, to compare where pages overlap. */
const keptHashes = 4096

/**
 * A record that another one must follow.
 *
 * @internal
 */
export interface LooseEnd extends RecordRef {
  readonly prevHash: string
}

/**
 * A checkpoint that the log must still contain, and where it was met.
 *
 * @internal
 */
export interface Pin {
  readonly checkpoint: Checkpoint
  found: { readonly recordHash: string; readonly page: PageChecks; readonly row: number } | undefined
}

/** @internal */
export type OnLeaf = (id: number, recordHash: string, isErased: boolean, requestedAt?: string) => void

/** @internal */
export interface PageOptions {
  /** By the record's id. Two parties may have been shown two records of the same id. */
  readonly pins: ReadonlyMap<number, ReadonlyArray<Pin>>
  readonly onFinding: (finding: Finding) => void
  /** Called for every record that belongs to the log. */
  readonly onLeaf: OnLeaf | undefined
  /** Whether `onLeaf` is told when the action was requested. */
  readonly wantsTimes: boolean
}

/** @internal */
export class PageChecks {
  private readonly options: PageOptions
  private readonly firstHashes: Array<string> = []
  private readonly lastHashes: Array<string> = []
  /** Those of whole texts that were taken, among the last: the row of the first, and all in one string. */
  private readonly lastRuns: Array<{ readonly row: number; readonly rows: number; readonly hashes: string }> = []
  /** The record that the next one must follow, where that is not the one right before it in the text. */
  private detached: Omit<LooseEnd, "recordHash"> | undefined
  private lastId = 0
  private lastHash = ""
  /** Records in the text, those that do not belong there included. */
  rows = 0
  /** Records that do not belong there. */
  excluded = 0
  newest: RecordRef | undefined
  oldest: LooseEnd | undefined
  /** Place of the newest row in the log, counted from 0 for the oldest. Known when the page has been read. */
  top = 0

  constructor(options: PageOptions) {
    this.options = options
  }

  get wantsLeaves(): boolean {
    return this.options.onLeaf !== undefined
  }

  /** Whether records are to be looked at one by one: what was verified elsewhere comes without times. */
  get wantsTimes(): boolean {
    return this.options.wantsTimes
  }

  get bottom(): number {
    return this.top - this.rows + 1
  }

  /** Takes one record. `hash` is that of its payload. The view holds good during the call only. */
  add(record: AuditRecordView, hash: string): void {
    const isGenuine = record.recordHashIs(hash)
    const stored = isGenuine ? hash : record.recordHash
    const id = record.id
    const row = this.keepHash(stored)
    if (row === 0) {
      this.newest = { id, actionId: record.actionId, recordHash: stored }
    } else {
      const isLinked = this.detached === undefined ? record.isLinked : this.detached.prevHash === stored
      if (isLinked === false) {
        this.detached ??= { id: this.lastId, actionId: record.newerActionId!, prevHash: record.newerPrevHash! }
        if (id >= this.lastId) return this.exclude(record, stored)
        this.breakLink(this.detached, stored)
      } else if (id >= this.lastId) {
        // Ids are not hashed: the record is in its place, its id is not.
        this.report(new OutOfOrder({ id, actionId: record.actionId, after: this.lastId }))
      }
      this.detached = undefined
    }
    if (!isGenuine) {
      this.report(
        new HashMismatch({ id, actionId: record.actionId, stored, computed: hash, mayBeDroppedKey: true })
      )
    }
    this.lastId = id
    this.lastHash = stored
    const { onLeaf, pins, wantsTimes } = this.options
    if (pins.size > 0) pins.get(id)?.forEach((pin) => this.compare(pin, record, stored, row))
    onLeaf?.(id, stored, record.erasureStatus === "erased", wantsTimes ? record.requestedAt : undefined)
  }

  /** Whether a text that was found sound can go on here without a closer look: it follows, and holds no pinned record. */
  canTake({ hashes, newestId, oldestId, rows }: VerifiedRun<LastEnd>): boolean {
    const { detached } = this
    if (this.wantsTimes) return false
    const follows = this.rows === 0 ||
      (detached !== undefined && newestId < this.lastId && hashes.slice(0, 64) === detached.prevHash)
    return rows === 0 || (follows && ![...this.options.pins.keys()].some((id) => oldestId <= id && id <= newestId))
  }

  /** Takes all records of a text that it can take. */
  take({ hashes, leaves, newestActionId, newestId, oldestId, page, rows }: VerifiedRun<LastEnd>): void {
    if (rows === 0) return
    const { firstHashes, lastRuns } = this
    const hashOf = (row: number) => hashes.slice(64 * row, 64 * row + 64)
    if (this.rows === 0) this.newest = { id: newestId, actionId: newestActionId, recordHash: hashOf(0) }
    for (let i = 0; i < rows && firstHashes.length < keptHashes; i++) firstHashes.push(hashOf(i))
    lastRuns.push({ row: this.rows, rows, hashes })
    this.rows += rows
    while (lastRuns[0]!.row + lastRuns[0]!.rows <= this.rows - keptHashes) lastRuns.shift()
    const { onLeaf } = this.options
    if (leaves !== undefined && onLeaf !== undefined) {
      for (let i = 0; i < rows; i++) onLeaf(leaves.ids[i]!, hashOf(i), leaves.erased[i] === 1)
    }
    this.lastId = oldestId
    this.lastHash = hashes.slice(-64)
    this.detached = undefined
    this.endText(page)
  }

  /** Ends a stretch of text after which the scanner starts anew. */
  endText(page: LastEnd): void {
    if (page.lastPrevHash === undefined || this.detached !== undefined) return
    this.detached = { id: this.lastId, actionId: page.lastActionId!, prevHash: page.lastPrevHash }
  }

  /** Ends the page, once its own word about itself is known. */
  end(page: AuditPage): void {
    this.top = page.total - 1 - page.offset
    const last = this.detached
    if (last !== undefined) this.oldest = { ...last, recordHash: this.lastHash }
  }

  /** The stored hash of the record at a place of the log, where it is known. */
  hashAt(position: number): string | undefined {
    const row = this.top - position
    if (row < 0 || row >= this.rows) return undefined
    if (row < keptHashes) return this.firstHashes[row]
    if (row < this.rows - keptHashes) return undefined
    const run = this.lastRuns.find((run) => run.row <= row && row < run.row + run.rows)
    return run === undefined
      ? this.lastHashes[row % keptHashes]
      : run.hashes.slice(64 * (row - run.row), 64 * (row - run.row) + 64)
  }

  /** Counts a row, and says which it is. */
  private keepHash(stored: string): number {
    const row = this.rows++
    if (row < keptHashes) this.firstHashes.push(stored)
    else this.lastHashes[row % keptHashes] = stored
    return row
  }

  private exclude(record: AuditRecordView, stored: string): void {
    this.excluded++
    const { actionId, id } = record
    const seenAt = this.firstHashes.indexOf(stored)
    const isSeen = stored === this.lastHash || (seenAt !== -1 && seenAt !== this.rows - 1)
    this.report(
      isSeen ? new Duplicate({ id, actionId }) : new OutOfOrder({ id, actionId, after: this.lastId })
    )
  }

  private breakLink(newer: Omit<LooseEnd, "recordHash">, found: string): void {
    this.report(new BrokenLink({ id: newer.id, actionId: newer.actionId, expected: newer.prevHash, found }))
  }

  private compare(pin: Pin, record: AuditRecordView, stored: string, row: number): void {
    pin.found = { recordHash: stored, page: this, row }
    const expected: string = pin.checkpoint.recordHash
    if (stored !== expected) {
      this.report(
        new RewrittenSince({
          id: record.id,
          actionId: record.actionId,
          shown: "checkpoint",
          expected,
          found: stored
        })
      )
    }
  }

  private report(finding: Finding): void {
    this.options.onFinding(finding)
  }
}
