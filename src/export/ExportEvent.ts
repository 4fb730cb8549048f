/**
 * What an export hands to a sink: records that were verified, and whatever stands in the way of that.
 *
 * @since 0.2.0
 */
import type { Finding } from "../verify/ChainReport.ts"
import type { Row } from "./internal/logRows.ts"
import { type Redacted, redactRow } from "./internal/redactRow.ts"
import type { Redaction } from "./Redaction.ts"

const utf8 = new TextDecoder()

/**
 * What all events have.
 *
 * @category models
 * @since 0.2.0
 */
export interface EventInfo {
  /** The same whenever the event is delivered again: what to tell duplicates by. */
  readonly id: string
  readonly tenantId: string
  /** How much of the log is covered with this event: records from the oldest on, by number. */
  readonly count: number
}

/**
 * A record whose hash was recomputed from the bytes that the gateway sent, and that follows the one before it.
 *
 * **Details**
 *
 * Its id is the hash of the record, which fixes its content and its place. What the hash does not cover stands at
 * `AuditRecord`. Params are redacted before the event exists: nothing of what was taken out can be read from it.
 *
 * @category models
 * @since 0.2.0
 */
export class VerifiedRecord implements EventInfo {
  readonly _tag = "Record"
  readonly tenantId: string
  readonly count: number
  readonly id: string
  /** The record's id in the log. Ids have gaps. */
  readonly recordId: number
  readonly #row: Row
  readonly #redacted: Redacted

  constructor(tenantId: string, count: number, row: Row, redaction: Redaction) {
    this.tenantId = tenantId
    this.count = count
    this.id = row.computed
    this.recordId = row.id
    this.#row = row
    this.#redacted = redactRow(row, redaction)
  }

  /** The hash of the record. */
  get recordHash(): string {
    return this.id
  }

  /** Whether something was taken out, or may have been. */
  get isRedacted(): boolean {
    const { params, subject, whole } = this.#redacted
    return params !== undefined || subject !== undefined || whole !== undefined
  }

  get actionId(): string {
    return this.#row.actionId
  }

  /** The length of `json`, in bytes. */
  get byteLength(): number {
    const { params, subject, whole } = this.#redacted
    if (whole !== undefined) return whole.length
    const { end, paramsEnd, paramsStart, start, subjectEnd, subjectStart } = this.#row
    return end - start +
      (params === undefined ? 0 : params.length - (paramsEnd - paramsStart)) +
      (subject === undefined ? 0 : subject.length - (subjectEnd - subjectStart))
  }

  /** Writes `json` as bytes, without making a text of it first. Returns the place after it. */
  copyTo(target: Uint8Array, at: number): number {
    const { params, subject, whole } = this.#redacted
    if (whole !== undefined) {
      target.set(whole, at)
      return at + whole.length
    }
    const row = this.#row
    const { bytes, end, paramsEnd, paramsStart, start } = row
    if (subject === undefined) {
      if (params === undefined) {
        target.set(bytes.subarray(start, end), at)
        return at + end - start
      }
      return put(target, at, bytes, start, paramsStart, params, paramsEnd, end)
    }
    const { subjectEnd, subjectStart } = row
    if (params === undefined) return put(target, at, bytes, start, subjectStart, subject, subjectEnd, end)
    return subjectStart < paramsStart
      ? put(
        target,
        put(target, at, bytes, start, subjectStart, subject, subjectEnd, paramsStart),
        params,
        0,
        params.length,
        bytes.subarray(paramsEnd, end),
        0,
        0
      )
      : put(
        target,
        put(target, at, bytes, start, paramsStart, params, paramsEnd, subjectStart),
        subject,
        0,
        subject.length,
        bytes.subarray(subjectEnd, end),
        0,
        0
      )
  }

  /** The record as the gateway sent it (GET /audit/log), but for what was taken out, on one line. */
  get json(): string {
    const bytes = new Uint8Array(this.byteLength)
    this.copyTo(bytes, 0)
    return utf8.decode(bytes)
  }

  /** The same, parsed: the names are those of the wire. */
  get fields(): Readonly<Record<string, unknown>> {
    return JSON.parse(this.json)
  }

  toJSON(): unknown {
    const { _tag, count, fields, id, isRedacted, tenantId } = this
    return { _tag, id, tenantId, count, isRedacted, record: fields }
  }
}

/** Copies bytes with others in the place of some of them. Returns the place after them. */
const put = (
  target: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  from: number,
  instead: Uint8Array,
  next: number,
  end: number
): number => {
  target.set(bytes.subarray(start, from), at)
  const behind = at + from - start
  target.set(instead, behind)
  target.set(bytes.subarray(next, end), behind + instead.length)
  return behind + instead.length + end - next
}

/**
 * A record that the gateway cannot show (its page answers 500). Nothing is known about it but the hash that its successor
 * names, where there was one.
 *
 * @category models
 * @since 0.2.0
 */
export class MissingRecord implements EventInfo {
  readonly _tag = "Gap"
  readonly id: string
  readonly tenantId: string
  readonly count: number
  readonly recordHash: string | undefined

  constructor(tenantId: string, count: number, recordHash: string | undefined) {
    this.tenantId = tenantId
    this.count = count
    this.recordHash = recordHash
    this.id = `${tenantId}:gap:${count}`
  }

  toJSON(): unknown {
    const { _tag, count, id, recordHash, tenantId } = this
    return { _tag, id, tenantId, count, recordHash }
  }
}

/**
 * Something about the log does not hold.
 *
 * **Details**
 *
 * A `HashMismatch` stands in the place of its record, whose content is not passed on, since nothing vouches for it; an
 * `OutOfOrder` stands before its record. Both are followed by more. After any other the export ends, and `count` is what
 * was verified before it.
 *
 * @category models
 * @since 0.2.0
 */
export class LogFinding implements EventInfo {
  readonly _tag = "Finding"
  readonly id: string
  readonly tenantId: string
  readonly count: number
  readonly finding: Finding

  constructor(tenantId: string, count: number, finding: Finding) {
    this.tenantId = tenantId
    this.count = count
    this.finding = finding
    const { _tag, id, ...rest } = finding as Finding & { readonly [key: string]: unknown }
    const details = ["stored", "computed", "expected", "found", "prevHash", "after"].flatMap((key) =>
      rest[key] === undefined ? [] : [String(rest[key])]
    )
    this.id = [tenantId, "finding", _tag, id, ...details].join(":")
  }

  toJSON(): unknown {
    const { _tag, count, finding, id, tenantId } = this
    return { _tag, id, tenantId, count, finding: { ...finding } }
  }
}

/**
 * A record that the sink refuses, whatever else stands beside it: too large, or not to its liking. It stands in the place of
 * the record, which can be found in the log.
 *
 * @category models
 * @since 0.2.0
 */
export class RefusedRecord implements EventInfo {
  readonly _tag = "Refused"
  readonly id: string
  readonly tenantId: string
  readonly count: number
  /** The id of the event that was refused. */
  readonly refused: string
  readonly byteLength: number
  readonly detail: string

  constructor(event: ExportEvent, detail: string) {
    this.tenantId = event.tenantId
    this.count = event.count
    this.refused = event.id
    this.byteLength = sizeOf(event)
    this.detail = detail
    this.id = `${event.id}:refused`
  }

  toJSON(): unknown {
    const { _tag, byteLength, count, detail, id, refused, tenantId } = this
    return { _tag, id, tenantId, count, refused, byteLength, detail }
  }
}

/**
 * One event of an export.
 *
 * @category models
 * @since 0.2.0
 */
export type ExportEvent = VerifiedRecord | MissingRecord | LogFinding | RefusedRecord

/**
 * Roughly how many bytes an event takes as JSON.
 *
 * @category models
 * @since 0.2.0
 */
export const sizeOf = (event: ExportEvent): number => event._tag === "Record" ? event.byteLength + 256 : 1024
