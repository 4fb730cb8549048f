/**
 * The records of one page as rows: what was verified of each, and where it stands in the bytes that the gateway sent.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { HasherService } from "../../verify/Hasher.ts"
import type { MalformedJson } from "../../verify/internal/json/jsonReader.ts"
import { fieldIndex } from "../../verify/internal/scan/auditFields.ts"
import { type AuditPage, type AuditRecordView, scanAuditPage } from "../../verify/internal/scan/auditScanner.ts"
import { none } from "../../verify/internal/scan/recordReader.ts"

const actionId = fieldIndex("action_id")
const tool = fieldIndex("tool")
const method = fieldIndex("method")
const params = fieldIndex("params")
const prevHash = fieldIndex("prev_hash")
const subject = fieldIndex("pii_subject_id")

const utf8 = new TextDecoder()
const allPlaces = { allPlaces: true }

const isWithin = ({ end, start }: AuditRecordView, from: number, to: number) => start < from && from < to && to < end

/** Of which fields the places are kept, and the place of the record itself. */
const placed: ReadonlyArray<number> = [actionId, tool, method, params, prevHash, subject]
const stride = 2 + 2 * placed.length
const placeOf = (field: number) => 2 + 2 * placed.indexOf(field)
const actionIdAt = placeOf(actionId)
const toolAt = placeOf(tool)
const methodAt = placeOf(method)
const paramsAt = placeOf(params)
const prevHashAt = placeOf(prevHash)
const subjectAt = placeOf(subject)

/** The places of all records of a page, in one piece: an object with so many numbers for each would be most of the garbage. */
class Places {
  private numbers = new Int32Array(1024 * stride)
  readonly bytes: Uint8Array
  private size = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  at(index: number): number {
    return this.numbers[index]!
  }

  /** Returns where the places of the record begin. */
  add(record: AuditRecordView): number {
    if (this.size === this.numbers.length) {
      const grown = new Int32Array(2 * this.size)
      grown.set(this.numbers)
      this.numbers = grown
    }
    const { numbers, size } = this
    numbers[size] = record.start
    numbers[size + 1] = record.end
    for (let i = 0; i < placed.length; i++) {
      numbers[size + 2 + 2 * i] = record.startOf(placed[i]!)
      numbers[size + 3 + 2 * i] = record.endOf(placed[i]!)
    }
    this.size += stride
    return size
  }
}

/**
 * One record. It keeps the bytes of its page.
 *
 * @internal
 */
export class Row {
  private readonly places: Places
  private readonly from: number
  readonly id: number
  /** The hash that the record states. */
  readonly recordHash: string
  readonly computed: string
  /** Whether the next newer record of the same page names this one. `undefined` for the newest of a page. */
  readonly isLinked: boolean | undefined

  constructor(places: Places, record: AuditRecordView, computed: string) {
    this.places = places
    this.from = places.add(record)
    this.id = record.id
    this.computed = computed
    this.recordHash = record.recordHashIs(computed) ? computed : record.recordHash
    this.isLinked = record.isLinked
    // What is redacted is found by these places: a record must not leave by a wrong one.
    if (
      !isWithin(record, this.paramsStart, this.paramsEnd) ||
      (this.subjectStart !== none && !isWithin(record, this.subjectStart, this.subjectEnd))
    ) {
      throw new Error("The places of a record are not those of its text")
    }
  }

  get isGenuine(): boolean {
    return this.recordHash === this.computed
  }

  get bytes(): Uint8Array {
    return this.places.bytes
  }

  get start(): number {
    return this.places.at(this.from)
  }

  get end(): number {
    return this.places.at(this.from + 1)
  }

  get byteLength(): number {
    return this.end - this.start
  }

  get paramsStart(): number {
    return this.places.at(this.from + paramsAt)
  }

  get paramsEnd(): number {
    return this.places.at(this.from + paramsAt + 1)
  }

  /** Where the record names a data subject, or `none`. */
  get subjectStart(): number {
    return this.places.at(this.from + subjectAt)
  }

  get subjectEnd(): number {
    return this.places.at(this.from + subjectAt + 1)
  }

  get actionId(): string {
    return this.value(actionIdAt) as string
  }

  get prevHash(): string {
    return this.value(prevHashAt) as string
  }

  get tool(): string {
    return String(this.value(toolAt))
  }

  get method(): string {
    return String(this.value(methodAt))
  }

  get params(): unknown {
    return this.value(paramsAt)
  }

  /** The whole record, as JSON says it. */
  get fields(): Record<string, unknown> {
    return this.value(0) as Record<string, unknown>
  }

  private value(at: number): unknown {
    const { bytes, from, places } = this
    return JSON.parse(utf8.decode(bytes.subarray(places.at(from + at), places.at(from + at + 1))))
  }
}

/** @internal */
export interface RowPage {
  readonly page: AuditPage
  /** Newest first, as they stand in the text. */
  readonly rows: ReadonlyArray<Row>
}

/**
 * Scans a page and hashes its records. The bytes belong to the rows from then on.
 *
 * @internal
 */
export const scanRows = (bytes: Uint8Array, hasher: HasherService): Effect.Effect<RowPage, MalformedJson> =>
  Effect.suspend(() => {
    const { hash } = hasher
    const rows: Array<Row> = []
    const places = new Places(bytes)
    if (hash !== undefined) {
      const result = scanAuditPage(
        bytes,
        (record) => void rows.push(new Row(places, record, hash(record.payload))),
        allPlaces
      )
      return Effect.map(Effect.fromResult(result), (page) => inOneLine({ page, rows }, bytes))
    }
    const payloads: Array<Uint8Array<ArrayBuffer>> = []
    const first = scanAuditPage(bytes, (record) => void payloads.push(new Uint8Array(record.payload)))
    if (Result.isFailure(first)) return Effect.fail(first.failure)
    return Effect.flatMap(hasher.hashAll(payloads), (hashes) => {
      let row = 0
      const result = scanAuditPage(
        bytes,
        (record) => void rows.push(new Row(places, record, hashes[row++]!)),
        allPlaces
      )
      return Effect.map(Effect.fromResult(result), (page) => inOneLine({ page, rows }, bytes))
    })
  })

/** What is JSON has line breaks between its tokens only, where any other blank means the same. */
const inOneLine = (page: RowPage, bytes: Uint8Array): RowPage => {
  if (!hasControls(bytes)) return page
  for (const lineBreak of [0x0a, 0x0d]) {
    for (let at = bytes.indexOf(lineBreak); at !== -1; at = bytes.indexOf(lineBreak, at + 1)) bytes[at] = 0x20
  }
  return page
}

/** Whether a byte is below a space, four at a time: to search for each of two takes as long as to hash them all. */
const hasControls = (bytes: Uint8Array): boolean => {
  const { byteLength, byteOffset } = bytes
  const lead = Math.min(byteLength, (4 - byteOffset % 4) % 4)
  const words = new Int32Array(bytes.buffer, byteOffset + lead, (byteLength - lead) >> 2)
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (((word - 0x20202020) & ~word & 0x80808080) !== 0) return true
  }
  const isControl = (byte: number) => byte < 0x20
  return bytes.subarray(0, lead).some(isControl) || bytes.subarray(lead + 4 * words.length).some(isControl)
}
