/**
 * Reads the records of an audit page one by one: where their values are, and what is hashed of them.
 *
 * @internal
 */
import * as Ascii from "../../../internal/asciiBytes.ts"
import type { JsonCopier } from "../json/jsonCopier.ts"
import { MalformedJson } from "../json/jsonReader.ts"
import { auditFields, fieldIndex, fieldsOfKeyLength, firstHashed, nextHashed } from "./auditFields.ts"
import type { PlainRecords } from "./plainRecords.ts"

// Local names are folded into the loops, imported ones are looked up each time.
const { backslash, closeBrace, colon, comma, openBrace, quote } = Ascii
const fields = auditFields
const next = nextHashed
const id = fieldIndex("id")
const recordHash = fieldIndex("record_hash")
const texts: ReadonlyArray<number> = ["action_id", "requested_at", "prev_hash", "record_hash"].map(fieldIndex)

/** Stands for what is before the first field. */
const beginning = fields.length

/**
 * What a record has no field of has no place.
 *
 * @internal
 */
export const none = -1

/** @internal */
export class RecordReader {
  private readonly json: JsonCopier
  private readonly plain: PlainRecords | undefined
  private isPlain = false
  /** Whether more of the text may come: then a record that ends where the text does is not looked at any closer. */
  mayGoOn = false
  /** Where the value of each of `auditFields` begins in the current record, or `none`. */
  readonly starts = new Int32Array(fields.length).fill(none)
  readonly ends = new Int32Array(fields.length)
  /** The field that followed each field, and began the record, when it was read last: until then the gateway's order. */
  private readonly followers = Int8Array.from(
    { length: fields.length + 1 },
    (_, field) => (field + 1) % (fields.length + 1)
  )
  id = 0

  constructor(json: JsonCopier, plain: PlainRecords | undefined) {
    this.json = json
    this.plain = plain
  }

  /** The bytes that are hashed. They hold good until the next record is read. */
  get payload(): Uint8Array {
    return this.isPlain ? this.plain!.payload : this.json.output.subarray(0, this.json.length)
  }

  /** Returns the position after the record. */
  read(at: number): number {
    const { ends, json, starts } = this
    const plainEnd = this.plain === undefined ? none : this.plain.read(at, starts, ends)
    this.isPlain = plainEnd !== none
    if (!this.isPlain && this.mayGoOn && this.plain?.isBrokenOff === true) {
      throw new MalformedJson(json.bytes.length, "more of the record")
    }
    const end = this.isPlain ? plainEnd : this.readAny(at)
    this.id = json.integer(starts[id]!, ends[id]!)
    for (const field of texts) {
      if (json.bytes[starts[field]!] !== quote) throw new MalformedJson(starts[field]!, "a string")
    }
    return end
  }

  /**
   * Each field is guessed to be the one that followed the last time. One pass as long as the fields come in the gateway's
   * order: each is copied straight into the payload. What comes in another order is noted, and copied at the end of the
   * record.
   */
  private readAny(at: number): number {
    const { ends, followers, json, starts } = this
    const bytes = json.bytes
    if (bytes[at] !== openBrace) throw new MalformedJson(at, "a record")
    starts.fill(none)
    json.length = 0
    let before = beginning
    let hashed = firstHashed
    let position = at
    for (;;) {
      const isFirst = position === at
      position = json.skipBlanks(position)
      if (bytes[position] === closeBrace && !isFirst) break
      if (bytes[position] !== (isFirst ? openBrace : comma)) throw new MalformedJson(position, "\",\" or \"}\"")
      position++
      let field = followers[before]!
      const label = fields[field]?.label
      if (label !== undefined && json.startsWith(position, label)) {
        position = json.skipBlanks(position + label.length)
      } else {
        position = json.skipBlanks(position)
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
      followers[before] = field
      before = field
    }
    for (let field = hashed; field !== none; field = next[field]!) this.required(field, position)
    this.required(id, position)
    this.required(recordHash, position)
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
      if (json.bytes[position] === backslash) return fieldIndex(json.text(start, end))
    }
    return none
  }
}
