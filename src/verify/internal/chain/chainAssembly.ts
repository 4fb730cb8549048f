/**
 * Assembles checked pages to one log, in whatever order they arrive, and reports on it.
 *
 * @internal
 */
import type { Checkpoint } from "../../../audit/Checkpoint.ts"
import {
  BrokenLink,
  DoesNotReachGenesis,
  Duplicate,
  type Finding,
  type Gap,
  HashMismatch,
  MissingRecords,
  OutOfOrder,
  type RecordRef,
  RewrittenSince,
  TruncatedSince
} from "../../ChainReport.ts"
import type { AuditPage } from "../scan/auditScanner.ts"
import { type LooseEnd, PageChecks, type PageOptions, type Pin } from "./pageChecks.ts"
import { type Segment, Segments } from "./segments.ts"

/** What stands before the first record. */
const genesis = "GENESIS"

const noRecord = { id: 0, actionId: "" }

/** @internal */
export interface AssemblyOptions {
  /** Checkpoints that the log must still contain. */
  readonly pins: ReadonlyArray<Checkpoint>
  /** Whether the log may begin later than at `GENESIS`, and end before its newest record. */
  readonly isPart: boolean
  /** The checkpoint below which nothing need be read. */
  readonly since: Checkpoint | undefined
  readonly maxFindings: number
  readonly onLeaf: PageOptions["onLeaf"]
  /** Default: false. */
  readonly wantsTimes?: boolean | undefined
}

/** @internal */
export interface Verdict {
  readonly tenantId: string | undefined
  readonly records: number
  readonly head: RecordRef | undefined
  /** The place of the head, counted from 0. */
  readonly headPosition: number
  readonly oldest: RecordRef | undefined
  readonly findings: ReadonlyArray<Finding>
  readonly omittedFindings: number
  readonly gaps: ReadonlyArray<Gap>
  /** Whether the newest record of the log was among those read. */
  readonly isUpToDate: boolean
}

/** @internal */
export class ChainAssembly {
  private readonly options: AssemblyOptions
  private readonly pins: ReadonlyArray<Pin>
  private readonly pageOptions: PageOptions
  /** None touches another. */
  private readonly segments = new Segments()
  /** Where pages began and ended, by places. */
  private readonly ends = new Map<number, RecordRef>()
  /** The records of which the present page has shown another version. */
  private readonly rewrittenIds = new Set<number>()
  private previous: PageChecks | undefined
  private findings: Array<Finding> = []
  private omitted = 0
  private excluded = 0
  /** The length of the log, by a page that begins with its newest record, and by any page. */
  private newestTotal: number | undefined
  private anyTotal = 0
  /** Records that could not be read one by one. */
  unreadable = 0
  tenantId: string | undefined

  constructor(options: AssemblyOptions) {
    this.options = options
    const checkpoints = options.since === undefined ? options.pins : [...options.pins, options.since]
    this.pins = checkpoints.map((checkpoint) => ({ checkpoint, found: undefined }))
    const pins = Map.groupBy(this.pins, ({ checkpoint }) => checkpoint.id)
    this.pageOptions = {
      pins,
      onFinding: (finding) => this.report(finding),
      onLeaf: options.onLeaf,
      wantsTimes: options.wantsTimes ?? false
    }
  }

  get wantsLeaves(): boolean {
    return this.options.onLeaf !== undefined
  }

  page(): PageChecks {
    return new PageChecks(this.pageOptions)
  }

  /** The lowest place that was read, and its record. */
  get lowest(): { readonly position: number; readonly id: number } | undefined {
    const last = this.segments.oldest
    return last === undefined ? undefined : { position: last.bottom, id: last.oldest.id }
  }

  /** Takes a page that was read to its end. */
  add(page: PageChecks, { count, offset, tenantId, total }: AuditPage): void {
    this.tenantId ??= tenantId
    this.anyTotal = Math.max(this.anyTotal, total)
    if (offset === 0) this.newestTotal = Math.max(this.newestTotal ?? 0, total)
    this.excluded += page.excluded
    if (count !== page.rows) {
      this.report(new MissingRecords({ ...noRecord, ...page.oldest, of: "count", expected: count, found: page.rows }))
    }
    if (page.newest === undefined || page.oldest === undefined) return
    this.rewrittenIds.clear()
    this.compareWithPrevious(page)
    this.previous = page
    this.insert(page, { top: page.top, bottom: page.bottom, newest: page.newest, oldest: page.oldest })
    for (const [place, end] of [[page.top, page.newest], [page.bottom, page.oldest]] as const) {
      if (!this.ends.has(place)) this.ends.set(place, end)
    }
  }

  /** Pages that were read one after the other may overlap by more than their ends. */
  private compareWithPrevious(page: PageChecks): void {
    const { previous } = this
    if (previous === undefined) return
    const at = Math.min(page.top, previous.top)
    const expected = previous.hashAt(at)
    const found = page.hashAt(at)
    const record = at === page.top ? page.newest! : previous.newest!
    if (expected !== undefined && found !== undefined && expected !== found) this.rewritten(record, expected, found)
  }

  private insert(page: PageChecks, segment: Segment): void {
    const { segments } = this
    segments.add(segment)
    const { newer, older } = segments.neighbours(segment)
    // A page may reach over any number of stretches that were read before it.
    for (let next = older; next !== undefined && this.join(segment, next, page);) {
      next = segments.neighbours(segment).older
    }
    if (newer !== undefined) this.join(newer, segment, page)
  }

  /** Makes one of a segment and the next older one, if they touch or overlap. `page` has just become one of them. */
  private join(upper: Segment, lower: Segment, page: PageChecks): boolean {
    if (upper.bottom > lower.top + 1) return false
    if (upper.bottom === lower.top + 1) {
      this.link(upper.oldest, lower.newest)
    } else {
      const isLowerNew = lower.newest === page.newest
      const known = isLowerNew ? upper.oldest : lower.newest
      const shown = page.hashAt(isLowerNew ? upper.bottom : lower.top)
      if (shown !== undefined && shown !== known.recordHash) this.rewritten(known, known.recordHash, shown)
    }
    if (lower.bottom < upper.bottom) {
      upper.bottom = lower.bottom
      upper.oldest = lower.oldest
    } else {
      this.compareWithEnds(page)
    }
    this.segments.remove(lower)
    return true
  }

  /** Of a stretch that lies within another one, what can be compared is where some page began or ended. */
  private compareWithEnds(page: PageChecks): void {
    for (let place = page.top; place >= page.bottom; place--) {
      const known = this.ends.get(place)
      const shown = known === undefined ? undefined : page.hashAt(place)
      if (shown !== undefined && shown !== known!.recordHash) return this.rewritten(known!, known!.recordHash, shown)
    }
  }

  private link(newer: LooseEnd, older: RecordRef): void {
    const { actionId, id } = older
    if (newer.prevHash === older.recordHash) {
      if (id >= newer.id) this.report(new OutOfOrder({ id, actionId, after: newer.id }))
    } else if (newer.recordHash === older.recordHash) {
      this.excluded++
      this.report(new Duplicate({ id, actionId }))
    } else {
      this.report(
        new BrokenLink({
          id: newer.id,
          actionId: newer.actionId,
          expected: newer.prevHash,
          found: older.recordHash
        })
      )
      if (id >= newer.id) this.report(new OutOfOrder({ id, actionId, after: newer.id }))
    }
  }

  private rewritten({ actionId, id }: RecordRef, expected: string, found: string): void {
    // A page may be compared with the same record by more than one way.
    if (this.rewrittenIds.has(id)) return
    this.rewrittenIds.add(id)
    this.report(new RewrittenSince({ id, actionId, shown: "page", expected, found }))
  }

  // --- the verdict ---------------------------------------------------------------------------------------------------

  finish(): Verdict {
    const { isPart } = this.options
    const total = this.newestTotal ?? this.anyTotal
    const head = this.segments.newest?.newest
    const oldest = this.segments.oldest?.oldest
    const positioned = [...this.segments].reduce((sum, { bottom, top }) => sum + top - bottom + 1, 0)
    const records = positioned - this.excluded
    const gaps = this.holes(total)
    const missing = gaps.reduce((sum, { size }) => sum + size, 0)
    const isExplained = missing <= this.unreadable
    if (!isExplained || (!isPart && head === undefined && total > 0)) {
      this.report(
        new MissingRecords({ ...noRecord, ...oldest, of: "total", expected: total, found: total - missing })
      )
    }
    this.checkBeginning(isExplained ? gaps : [])
    for (const pin of this.pins) this.checkPin(pin, head, oldest, isExplained ? gaps : [], total)
    const findings = this.sorted()
    return {
      tenantId: this.tenantId,
      records,
      head,
      headPosition: this.segments.newest?.top ?? -1,
      oldest,
      findings,
      omittedFindings: this.omitted,
      gaps: isExplained ? gaps : [],
      isUpToDate: this.newestTotal !== undefined || this.unreadable > 0
    }
  }

  private get goesToGenesis(): boolean {
    return !this.options.isPart && this.options.since === undefined
  }

  private holes(total: number): Array<Gap> {
    const holes: Array<Gap> = []
    let upper: Segment | undefined
    for (const lower of this.segments) {
      const size = upper === undefined ? total - 1 - lower.top : upper.bottom - lower.top - 1
      if (size > 0 && !(upper === undefined && this.options.isPart)) {
        holes.push({
          size,
          newer: refOf(upper?.oldest),
          older: refOf(lower.newest),
          recordHash: size === 1 ? upper?.oldest.prevHash : undefined
        })
      }
      upper = lower
    }
    const last = this.segments.oldest
    if (last !== undefined && last.bottom > 0 && this.goesToGenesis && last.oldest.prevHash !== genesis) {
      if (this.unreadable > 0) {
        const recordHash = last.bottom === 1 ? last.oldest.prevHash : undefined
        holes.push({ size: last.bottom, newer: refOf(last.oldest), older: undefined, recordHash })
      }
    }
    return holes
  }

  private checkBeginning(gaps: ReadonlyArray<Gap>): void {
    const last = this.segments.oldest
    if (last === undefined || !this.goesToGenesis) return
    const { actionId, id, prevHash } = last.oldest
    const isGap = gaps.some(({ older }) => older === undefined)
    if (prevHash !== genesis && !isGap) this.report(new DoesNotReachGenesis({ id, actionId, prevHash }))
    if (last.bottom !== 0 && !isGap) {
      const expected = this.segments.newest!.top + 1
      this.report(
        new MissingRecords({ id, actionId, of: "total", expected, found: expected - last.bottom })
      )
    }
  }

  private checkPin(
    { checkpoint, found }: Pin,
    head: RecordRef | undefined,
    oldest: RecordRef | undefined,
    gaps: ReadonlyArray<Gap>,
    total: number
  ): void {
    const { count, id, recordHash } = checkpoint
    const actionId = checkpoint.actionId ?? ""
    if (found !== undefined) {
      const position = found.page.top - found.row
      if (found.recordHash === recordHash && position !== count - 1) {
        this.report(new MissingRecords({ id, actionId, of: "checkpoint", expected: count, found: position + 1 }))
      }
    } else if (head === undefined || head.id < id) {
      if (!this.options.isPart && !gaps.some((gap) => gap.newer === undefined && gap.older !== undefined)) {
        this.report(new TruncatedSince({ id, actionId, expected: count, found: total }))
      }
    } else if (oldest!.id < id || this.goesToGenesis || checkpoint === this.options.since) {
      const gap = gaps.find(({ newer, older }) => (newer?.id ?? Infinity) > id && (older?.id ?? -Infinity) < id)
      const mayBeThere = gap !== undefined && (gap.recordHash === undefined || gap.recordHash === recordHash)
      if (!mayBeThere) {
        const found = gap?.recordHash
        this.report(new RewrittenSince({ id, actionId, shown: "checkpoint", expected: recordHash, found }))
      }
    }
  }

  private report(finding: Finding): void {
    this.findings.push(finding)
    // Twice as many as wanted are kept for a while, so that the oldest of many can be told without sorting each time.
    if (this.findings.length >= 2 * this.options.maxFindings + 2) this.findings = this.sorted()
  }

  private sorted(): Array<Finding> {
    const links = this.findings.filter(({ _tag }) => _tag === "BrokenLink") as ReadonlyArray<BrokenLink>
    const ids = new Set(links.map(({ id }) => id))
    const hashes = new Set(links.map(({ found }) => found))
    const sorted = this.findings.toSorted((a, b) => a.id - b.id).map((finding) =>
      finding._tag === "HashMismatch" && (ids.has(finding.id) || hashes.has(finding.stored))
        ? new HashMismatch({ ...finding, mayBeDroppedKey: false })
        : finding
    )
    const kept = sorted.slice(0, Math.max(1, this.options.maxFindings))
    this.omitted += sorted.length - kept.length
    return kept
  }
}

const refOf = (record: RecordRef | undefined): RecordRef | undefined =>
  record === undefined
    ? undefined
    : { id: record.id, actionId: record.actionId, recordHash: record.recordHash }
