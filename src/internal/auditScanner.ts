/**
 * Reads pages of an audit log byte by byte, so that the hash of every record can be computed from the text that the
 * gateway sent.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Ascii from "./asciiBytes.ts"
import { auditFields, fieldIndex, fieldsOfKeyLength, firstHashed, nextHashed } from "./auditFields.ts"
import { JsonCopier } from "./jsonCopier.ts"
import { MalformedJson } from "./jsonReader.ts"

// Local names are folded into the loops, imported ones are looked up each time.
const { backslash, closeBrace, closeBracket, colon, comma, isDigit, minus, openBrace, openBracket, quote, zero } = Ascii

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
 * What a page of `GET /audit/log` says about itself, and its loose ends: the next page goes on with the record that
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

const fields = auditFields
const next = nextHashed
const id = fieldIndex("id")
const actionId = fieldIndex("action_id")
const requestedAt = fieldIndex("requested_at")
const prevHash = fieldIndex("prev_hash")
const recordHash = fieldIndex("record_hash")
const erasureStatus = fieldIndex("erasure_status")
const viewedTexts: ReadonlyArray<number> = [actionId, requestedAt, prevHash, recordHash]
const none = -1

// A byte order mark inside the text is a character like any other.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

class Scanner implements AuditRecordView {
  private readonly json: JsonCopier
  private readonly onRecord: (record: AuditRecordView) => void
  /** Where the value of each of `fields` begins in the current record, or `none`. */
  private readonly starts = new Int32Array(fields.length)
  private readonly ends = new Int32Array(fields.length)
  private newerPrevHashStart = none
  private newerPrevHashEnd = none
  private newerActionIdStart = none
  private newerActionIdEnd = none
  private firstRecordHash: string | undefined
  id = 0

  constructor(json: JsonCopier, onRecord: (record: AuditRecordView) => void) {
    this.json = json
    this.onRecord = onRecord
    this.starts.fill(none)
  }

  get actionId(): string {
    return this.text(this.starts[actionId]!, this.ends[actionId]!)
  }

  get requestedAt(): string {
    return this.text(this.starts[requestedAt]!, this.ends[requestedAt]!)
  }

  get prevHash(): string {
    return this.text(this.starts[prevHash]!, this.ends[prevHash]!)
  }

  get recordHash(): string {
    return this.text(this.starts[recordHash]!, this.ends[recordHash]!)
  }

  get erasureStatus(): string | undefined {
    const start = this.starts[erasureStatus]!
    return start === none || this.json.bytes[start] !== quote ? undefined : this.text(start, this.ends[erasureStatus]!)
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

  get isLinked(): boolean | undefined {
    const newer = this.newerPrevHashStart
    if (newer === none) return undefined
    const start = this.starts[recordHash]!
    const length = this.ends[recordHash]! - start
    return (this.newerPrevHashEnd - newer === length && this.json.repeats(newer, start, length)) ||
      this.text(newer, this.newerPrevHashEnd) === this.recordHash
  }

  get newerActionId(): string | undefined {
    return this.newerActionIdStart === none ? undefined : this.text(this.newerActionIdStart, this.newerActionIdEnd)
  }

  get newerPrevHash(): string | undefined {
    return this.newerPrevHashStart === none ? undefined : this.text(this.newerPrevHashStart, this.newerPrevHashEnd)
  }

  get payload(): Uint8Array {
    return this.json.output.subarray(0, this.json.length)
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
          page.set(key, this.integer(at, end))
          return end
        }
        case "tenant_id": {
          const end = json.skipString(at)
          page.set(key, this.text(at, end))
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
      const key = this.text(position, keyEnd)
      position = json.skipBlanks(onMember(key, json.skipPunctuation(keyEnd, colon)))
      if (json.bytes[position] === closeBrace) return position + 1
      if (json.bytes[position] !== comma) throw new MalformedJson(position, "\",\" or \"}\"")
      position = json.skipBlanks(position + 1)
    }
  }

  private records(at: number): number {
    const json = this.json
    if (json.bytes[at] !== openBracket) throw new MalformedJson(at, "an array")
    let position = json.skipBlanks(at + 1)
    if (json.bytes[position] === closeBracket) return position + 1
    for (;;) {
      position = json.skipBlanks(this.record(position))
      this.firstRecordHash ??= this.recordHash
      this.onRecord(this)
      if (json.bytes[position] === closeBracket) return position + 1
      if (json.bytes[position] !== comma) throw new MalformedJson(position, "\",\" or \"]\"")
      position = json.skipBlanks(position + 1)
    }
  }

  /**
   * One pass as long as the fields come in the gateway's order: each is guessed to be the next one, and goes straight
   * into the payload. What comes in another order is noted, and copied at the end of the record.
   */
  private record(at: number): number {
    const { ends, json, starts } = this
    const bytes = json.bytes
    if (bytes[at] !== openBrace) throw new MalformedJson(at, "a record")
    this.newerPrevHashStart = starts[prevHash]!
    this.newerPrevHashEnd = ends[prevHash]!
    this.newerActionIdStart = starts[actionId]!
    this.newerActionIdEnd = ends[actionId]!
    starts.fill(none)
    json.length = 0
    let guess = 0
    let hashed = firstHashed
    let position = at
    for (;;) {
      let field = guess
      const lead = fields[guess]?.lead
      if (lead !== undefined && json.startsWith(position, lead)) {
        position = json.skipBlanks(position + lead.length)
      } else {
        const isFirst = position === at
        position = json.skipBlanks(position)
        if (bytes[position] === closeBrace && !isFirst) break
        if (bytes[position] !== (isFirst ? openBrace : comma)) throw new MalformedJson(position, "\",\" or \"}\"")
        position = json.skipBlanks(position + 1)
        const keyEnd = json.skipString(position)
        field = this.fieldOf(position, keyEnd)
        position = json.skipPunctuation(keyEnd, colon)
      }
      if (field === none) {
        position = json.skipValue(position)
        continue
      }
      if (starts[field] !== none) throw new MalformedJson(position, `one ${fields[field]!.name} only`)
      starts[field] = position
      if (field === hashed) {
        position = this.copyField(field)
        hashed = next[field]!
      } else {
        position = json.skipValue(position)
      }
      ends[field] = position
      guess = field + 1
    }
    for (let field = hashed; field !== none; field = next[field]!) this.required(field, position)
    this.required(id, position)
    this.required(recordHash, position)
    this.id = this.integer(starts[id]!, ends[id]!)
    for (const field of viewedTexts) {
      if (bytes[starts[field]!] !== quote) throw new MalformedJson(starts[field]!, "a string")
    }
    this.copyFields(hashed)
    if (json.length > json.output.length) {
      json.grow(2 * json.length)
      this.copyFields(firstHashed)
    }
    return position + 1
  }

  private required(field: number, recordEnd: number): void {
    if (this.starts[field] === none) throw new MalformedJson(recordEnd, `a ${fields[field]!.name} in the record`)
  }

  private copyFields(first: number): void {
    for (let field = first; field !== none; field = next[field]!) this.copyField(field)
    this.json.put(closeBrace)
    this.json.output[0] = openBrace
  }

  private copyField(index: number): number {
    const json = this.json
    const { isNested, lead } = fields[index]!
    const start = this.starts[index]!
    json.putToken(lead)
    if (!isNested) return json.bytes[start] === quote ? json.copyString(start, false) : json.copyValue(start, false)
    json.put(quote)
    const end = json.copyValue(start, true)
    json.put(quote)
    return end
  }

  private fieldOf(start: number, end: number): number {
    const json = this.json
    for (const field of fieldsOfKeyLength(end - start)) {
      if (json.startsWith(start, fields[field]!.key)) return field
    }
    for (let position = start; position < end; position++) {
      // `"\u0069d"` is a way to write `"id"`.
      if (json.bytes[position] === backslash) return fieldIndex(this.text(start, end))
    }
    return none
  }

  private integer(start: number, end: number): number {
    const { bytes } = this.json
    let value = 0
    let position = start
    while (position < end && isDigit(bytes[position]!)) value = value * 10 + bytes[position++]! - zero
    // A sign, a fraction or an exponent. It has been checked as JSON: what begins like a number is one.
    if (position < end && (position > start || bytes[start] === minus)) {
      value = Number(utf8.decode(bytes.subarray(start, end)))
      position = end
    }
    if (position < end || !Number.isSafeInteger(value)) throw new MalformedJson(start, "an integer")
    return value
  }

  private text(start: number, end: number): string {
    const text = utf8.decode(this.json.bytes.subarray(start + 1, end - 1))
    return text.includes("\\") ? JSON.parse(`"${text}"`) : text
  }
}

/**
 * Scans the bytes of one answer to `GET /audit/log` and hands every record to `onRecord`, in the order of the text.
 * Nothing that is hashed goes through `JSON.parse`: number tokens, key order and repeated keys reach the payload as
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
  try {
    return Result.succeed(new Scanner(json, onRecord).page())
  } catch (error) {
    if (error instanceof MalformedJson) return Result.fail(error)
    throw error
  }
}
