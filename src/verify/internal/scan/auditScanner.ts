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
      lastActionId: this.starts[actionId] === none ? undefined : this.actionId,
      lastPrevHash: this.starts[prevHash] === none ? undefined : this.prevHash
    }
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
      position = json.skipBlanks(reader.read(position))
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
  options?: { readonly maxDepth?: number | undefined } | undefined
): Result.Result<AuditPage, MalformedJson> => {
  const json = new JsonCopier(bytes, { maxDepth: options?.maxDepth ?? 10_000, outputSize: 32_768 })
  const plain = PlainRecords.claim(bytes, json.maxDepth)
  try {
    return Result.succeed(new Scanner(json, new RecordReader(json, plain), onRecord).page())
  } catch (error) {
    if (error instanceof MalformedJson) return Result.fail(error)
    throw error
  } finally {
    plain?.release()
  }
}
