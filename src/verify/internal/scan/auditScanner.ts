/**
 * Reads pages of an audit log byte by byte, so that the hash of every record can be computed from the text that the
 * gateway sent.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Ascii from "../../../internal/asciiBytes.ts"
import { JsonCopier } from "../json/jsonCopier.ts"
import { MalformedJson } from "../json/jsonReader.ts"
import { fieldIndex } from "./auditFields.ts"
import { PlainRecords } from "./plainRecords.ts"
import { none, RecordReader } from "./recordReader.ts"

// Local names are folded into the loops, imported ones are looked up each time.
const { closeBrace, closeBracket, colon, comma, openBrace, openBracket, quote } = Ascii

/**
 * The characters of a SHA-256 in hex.
 *
 * @internal
 */
export const hashSize = 64

/**
 * One record of the page being scanned. The view is reused: it and its `payload` hold good during the callback only,
 * strings taken from it stay. The texts are decoded when they are asked for.
 *
 * @internal
 */
export interface AuditRecordView {
  readonly id: number
  readonly actionId: string
  readonly requestedAt: string
  readonly prevHash: string
  readonly recordHash: string
  /** `undefined` where the record has none, or no string. */
  readonly erasureStatus: string | undefined
  /** Whether `recordHash` is this text, without decoding it. */
  readonly recordHashIs: (hash: string) => boolean
  /**
   * Copies the bytes of `recordHash` as they are spelled. Returns `false` if they are not as many as those of a
   * SHA-256.
   */
  readonly copyRecordHash: (target: DataView, at: number) => boolean
  /**
   * Whether the record before this one on the page, the next newer one, names this one's `recordHash` as its
   * `prevHash`, without decoding either. `undefined` for the first record of a page.
   */
  readonly isLinked: boolean | undefined
  /** The `action_id` of the record before this one on the page. `undefined` for the first record of a page. */
  readonly newerActionId: string | undefined
  /** The `prev_hash` of the record before this one on the page. `undefined` for the first record of a page. */
  readonly newerPrevHash: string | undefined
  /** The bytes whose lower-case hex SHA-256 is `recordHash` in a genuine record. */
  readonly payload: Uint8Array
  /** Where the record stands in the text. */
  readonly start: number
  readonly end: number
  /**
   * Where the value of one of `auditFields` begins and ends, by its place there; the former is `none` where it is missing.
   * Of fields that the view has no name for, only where the scan was told to note all places.
   */
  readonly startOf: (field: number) => number
  readonly endOf: (field: number) => number
}

/**
 * What a page of `GET /audit/log` says about itself, and its loose ends: the next page continues with the record that
 * `lastPrevHash` names. They are `undefined` on a page without records.
 *
 * @internal
 */
export interface AuditPage {
  readonly count: number
  readonly offset: number
  readonly total: number
  readonly tenantId: string
  readonly firstRecordHash: string | undefined
  readonly lastActionId: string | undefined
  readonly lastPrevHash: string | undefined
}

/**
 * The loose end of a text: the next one continues with the record that `lastPrevHash` names.
 *
 * @internal
 */
export type LastEnd = Pick<AuditPage, "lastActionId" | "lastPrevHash">

/**
 * Scans a text, and hands its records out.
 *
 * @internal
 */
export type Scan<A> = (onRecord: (record: AuditRecordView) => void) => Result.Result<A, MalformedJson>

/**
 * What is to come next in the text of an array of records.
 *
 * @internal
 */
export type Next = "first record" | "record" | "comma" | "end"

/**
 * How far the records of a text were read, which may break off anywhere.
 *
 * @internal
 */
export interface TakenRecords extends LastEnd {
  /** Where the text begins that was not read: at a record that it breaks off, or at the bracket that ends all of them. */
  readonly end: number
  readonly next: Next
}

/**
 * No part of a JSON text is found wrong further than this before the end of what was looked at: a literal, which is
 * looked at as a whole, has at most five characters.
 */
const lookahead = 8

const actionId = fieldIndex("action_id")
const requestedAt = fieldIndex("requested_at")
const prevHash = fieldIndex("prev_hash")
const recordHash = fieldIndex("record_hash")
const erasureStatus = fieldIndex("erasure_status")

class Scanner implements AuditRecordView {
  private readonly json: JsonCopier
  private readonly onRecord: (record: AuditRecordView) => void
  private readonly reader: RecordReader
  private readonly starts: Int32Array
  private readonly ends: Int32Array
  private newerPrevHashStart = none
  private newerPrevHashEnd = none
  private newerActionIdStart = none
  private newerActionIdEnd = none
  private firstRecordHash: string | undefined
  start = none
  end = none

  constructor(json: JsonCopier, reader: RecordReader, onRecord: (record: AuditRecordView) => void) {
    this.json = json
    this.onRecord = onRecord
    this.reader = reader
    this.starts = reader.starts
    this.ends = reader.ends
  }

  get id(): number {
    return this.reader.id
  }

  get actionId(): string {
    return this.json.text(this.starts[actionId]!, this.ends[actionId]!)
  }

  get requestedAt(): string {
    return this.json.text(this.starts[requestedAt]!, this.ends[requestedAt]!)
  }

  get prevHash(): string {
    return this.json.text(this.starts[prevHash]!, this.ends[prevHash]!)
  }

  get recordHash(): string {
    return this.json.text(this.starts[recordHash]!, this.ends[recordHash]!)
  }

  get erasureStatus(): string | undefined {
    const start = this.starts[erasureStatus]!
    return start === none || this.json.bytes[start] !== quote
      ? undefined
      : this.json.text(start, this.ends[erasureStatus]!)
  }

  recordHashIs(hash: string): boolean {
    const start = this.starts[recordHash]! + 1
    const bytes = this.json.bytes
    for (let i = 0; i < hash.length; i++) {
      // Escapes are rare enough to decode the whole text on any difference.
      if (bytes[start + i] !== hash.charCodeAt(i)) return this.recordHash === hash
    }
    return start + hash.length + 1 === this.ends[recordHash] || this.recordHash === hash
  }

  copyRecordHash(target: DataView, at: number): boolean {
    const start = this.starts[recordHash]! + 1
    if (this.ends[recordHash]! - 1 - start !== hashSize) return false
    this.json.copyBytes(start, hashSize, target, at)
    return true
  }

  get isLinked(): boolean | undefined {
    const newer = this.newerPrevHashStart
    if (newer === none) return undefined
    const start = this.starts[recordHash]!
    const length = this.ends[recordHash]! - start
    return (this.newerPrevHashEnd - newer === length && this.json.repeats(newer, start, length)) ||
      this.json.text(newer, this.newerPrevHashEnd) === this.recordHash
  }

  get newerActionId(): string | undefined {
    return this.newerActionIdStart === none ? undefined : this.json.text(this.newerActionIdStart, this.newerActionIdEnd)
  }

  get newerPrevHash(): string | undefined {
    return this.newerPrevHashStart === none ? undefined : this.json.text(this.newerPrevHashStart, this.newerPrevHashEnd)
  }

  get payload(): Uint8Array {
    return this.reader.payload
  }

  startOf(field: number): number {
    return this.starts[field]!
  }

  endOf(field: number): number {
    return this.ends[field]!
  }

  page(): AuditPage {
    const json = this.json
    const page = new Map<string, number | string>()
    const end = this.members(json.start(), (key, at) => {
      if (page.has(key)) throw new MalformedJson(at, `one ${key} only`)
      switch (key) {
        case "records": {
          page.set(key, at)
          return this.records(at)
        }
        case "count":
        case "offset":
        case "total": {
          const end = json.skipValue(at)
          page.set(key, json.integer(at, end))
          return end
        }
        case "tenant_id": {
          const end = json.skipString(at)
          page.set(key, json.text(at, end))
          return end
        }
        default:
          return json.skipValue(at)
      }
    })
    json.end(end)
    const required = <A extends number | string>(key: string): A => {
      const value = page.get(key)
      if (value === undefined) throw new MalformedJson(end - 1, `a ${key} in the page`)
      return value as A
    }
    required("records")
    return {
      count: required("count"),
      offset: required("offset"),
      total: required("total"),
      tenantId: required("tenant_id"),
      firstRecordHash: this.firstRecordHash,
      lastActionId: this.lastActionId,
      lastPrevHash: this.lastPrevHash
    }
  }

  /** Reads records as far as they are there. With `isAll`, a text that breaks off is malformed. */
  arrived(from: Next, isAll: boolean): TakenRecords {
    const { json, reader } = this
    const { bytes } = json
    reader.mayGoOn = !isAll
    let next = from
    let end = 0
    try {
      while (next !== "end") {
        end = json.skipBlanks(end)
        if (bytes[end] === closeBracket && next !== "record") {
          next = "end"
        } else if (next === "comma") {
          if (bytes[end] !== comma) throw new MalformedJson(end, "\",\" or \"]\"")
          end++
          next = "record"
        } else {
          this.rememberNewer()
          end = reader.read(end)
          this.onRecord(this)
          next = "comma"
        }
      }
    } catch (error) {
      if (!(error instanceof MalformedJson) || isAll || error.position < bytes.length - lookahead) throw error
    }
    // A record that breaks off has left its own places behind; those of the one before were noted.
    return next === "comma" || next === "end"
      ? { end, next, lastActionId: this.lastActionId, lastPrevHash: this.lastPrevHash }
      : { end, next, lastActionId: this.newerActionId, lastPrevHash: this.newerPrevHash }
  }

  private get lastActionId(): string | undefined {
    return this.starts[actionId] === none ? undefined : this.actionId
  }

  private get lastPrevHash(): string | undefined {
    return this.starts[prevHash] === none ? undefined : this.prevHash
  }

  private members(at: number, onMember: (key: string, at: number) => number): number {
    const json = this.json
    if (json.bytes[at] !== openBrace) throw new MalformedJson(at, "an object")
    let position = json.skipBlanks(at + 1)
    if (json.bytes[position] === closeBrace) return position + 1
    for (;;) {
      const keyEnd = json.skipString(position)
      const key = json.text(position, keyEnd)
      position = json.skipBlanks(onMember(key, json.skipPunctuation(keyEnd, colon)))
      if (json.bytes[position] === closeBrace) return position + 1
      if (json.bytes[position] !== comma) throw new MalformedJson(position, "\",\" or \"}\"")
      position = json.skipBlanks(position + 1)
    }
  }

  private records(at: number): number {
    const { json, reader } = this
    if (json.bytes[at] !== openBracket) throw new MalformedJson(at, "an array")
    let position = json.skipBlanks(at + 1)
    if (json.bytes[position] === closeBracket) return position + 1
    for (;;) {
      this.rememberNewer()
      this.start = position
      this.end = reader.read(position)
      position = json.skipBlanks(this.end)
      this.firstRecordHash ??= this.recordHash
      this.onRecord(this)
      if (json.bytes[position] === closeBracket) return position + 1
      if (json.bytes[position] !== comma) throw new MalformedJson(position, "\",\" or \"]\"")
      position = json.skipBlanks(position + 1)
    }
  }

  private rememberNewer(): void {
    const { ends, starts } = this
    this.newerPrevHashStart = starts[prevHash]!
    this.newerPrevHashEnd = ends[prevHash]!
    this.newerActionIdStart = starts[actionId]!
    this.newerActionIdEnd = ends[actionId]!
  }
}

/**
 * Scans the bytes of one answer to `GET /audit/log` and hands every record to `onRecord`, in the order of the text.
 * Nothing that is hashed passes through `JSON.parse`: number tokens, key order and repeated keys reach the payload as
 * they were sent, while blanks and other spellings of the same characters are brought to the gateway's. Records ahead
 * of a malformed place have been handed out by the time the failure is known. A field that the hash or the view needs
 * must be there exactly once, in any order; further fields are skipped.
 *
 * @internal
 */
export const scanAuditPage = (
  bytes: Uint8Array,
  onRecord: (record: AuditRecordView) => void,
  options?: { readonly maxDepth?: number | undefined; readonly allPlaces?: boolean | undefined } | undefined
): Result.Result<AuditPage, MalformedJson> =>
  scanning(bytes, onRecord, options?.maxDepth, (scanner) => scanner.page(), options?.allPlaces)

/**
 * Scans some of the text of an array of records, in the same way: what is between its brackets, or continues from there.
 * What it breaks off at is left for the next time, unless it is said to be all there is.
 *
 * @internal
 */
export const scanRecords = (
  bytes: Uint8Array,
  onRecord: (record: AuditRecordView) => void,
  { isAll, next }: { readonly next: Next; readonly isAll: boolean }
): Result.Result<TakenRecords, MalformedJson> =>
  scanning(bytes, onRecord, undefined, (scanner) => scanner.arrived(next, isAll))

const scanning = <A>(
  bytes: Uint8Array,
  onRecord: (record: AuditRecordView) => void,
  maxDepth = 10_000,
  scan: (scanner: Scanner) => A,
  allPlaces = false
): Result.Result<A, MalformedJson> => {
  const json = new JsonCopier(bytes, { maxDepth, outputSize: 0 })
  const plain = PlainRecords.claim(bytes, json.maxDepth, allPlaces)
  try {
    return Result.succeed(scan(new Scanner(json, new RecordReader(json, plain), onRecord)))
  } catch (error) {
    if (error instanceof MalformedJson) return Result.fail(error)
    throw error
  } finally {
    plain?.release()
  }
}
