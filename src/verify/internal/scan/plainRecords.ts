/**
 * Reads the records of an audit page by a WebAssembly module, several times as fast as JavaScript can, as long as they
 * are plain: spelled as a gateway spells them. What is not plain, valid or not, is left to the `RecordReader`.
 *
 * @internal
 */
import { wasmExports } from "../wasmExports.ts"
import { auditFields, fieldIndex } from "./auditFields.ts"
import { plainRecordsBinary } from "./plainRecordsBinary.ts"

/** What `wasm/scan/plainRecord.ts` exports. The numbers are addresses and sizes, which `layout.ts` beside it explains. */
interface Exports {
  readonly memory: WebAssembly.Memory
  readonly addField: (leadLength: number, ...flags: ReadonlyArray<boolean>) => number
  readonly readRecord: (at: number) => number
  readonly payloadLength: () => number
  readonly maxDepth: WebAssembly.Global
  readonly starts: WebAssembly.Global
  readonly ends: WebAssembly.Global
  readonly window: WebAssembly.Global
  readonly windowSize: WebAssembly.Global
  readonly payload: WebAssembly.Global
}

/** Zeros behind the window. What is cut off by its end is found wanting no further than this from it. */
const lookahead = 32
const alignment = 8
/** After so many failures in a row, the rest of a page is not worth another attempt. */
const maxFailures = 8
const none = -1
/** The fields that are looked at beside the payload. To note the others would take as long as to find them. */
const viewed = Uint8Array.from(
  ["id", "action_id", "requested_at", "prev_hash", "record_hash", "erasure_status"].map(fieldIndex)
)
const everyField = Uint8Array.from(auditFields, (_, index) => index)

class RecordModule {
  readonly readRecord: Exports["readRecord"]
  readonly maxDepth: number
  readonly memory: Uint8Array
  /** Where the value of each field begins and ends in the memory; 0 for a field that is missing. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly window: number
  readonly windowSize: number
  private readonly payload: number
  private readonly payloadLength: Exports["payloadLength"]
  /** By their length. */
  private readonly payloadViews: Array<Uint8Array | undefined> = Array.from({ length: 4096 }, () => undefined)

  constructor(exports: Exports) {
    const { buffer } = exports.memory
    this.readRecord = exports.readRecord
    this.payloadLength = exports.payloadLength
    this.maxDepth = exports.maxDepth.value
    this.memory = new Uint8Array(buffer)
    this.starts = new Int32Array(buffer, exports.starts.value, auditFields.length)
    this.ends = new Int32Array(buffer, exports.ends.value, auditFields.length)
    this.window = exports.window.value
    this.windowSize = exports.windowSize.value
    this.payload = exports.payload.value
    const encoder = new TextEncoder()
    for (const { isHashed, isNested, isRequired, leadText } of auditFields) {
      const lead = encoder.encode(leadText)
      this.memory.set(lead, exports.addField(lead.length, isRequired, isHashed, isNested))
    }
  }

  /** Payloads begin at the same place, so one view of each usual length will do: to make one takes time and garbage. */
  payloadView(): Uint8Array {
    const { memory, payload, payloadViews } = this
    const length = this.payloadLength()
    const known = payloadViews[length]
    if (known !== undefined) return known
    const view = memory.subarray(payload, payload + length)
    if (length < payloadViews.length) payloadViews[length] = view
    return view
  }
}

let shared: { readonly module: RecordModule | undefined } | undefined
/** There is one memory. A page that is scanned while another page's records are looked at does without. */
let isClaimed = false

/**
 * A page whose records are read from a window of the module's memory, so that memory does not grow with pages. Its
 * claimant releases it.
 *
 * @internal
 */
export class PlainRecords {
  private readonly module: RecordModule
  private readonly bytes: Uint8Array
  private windowStart = 0
  private windowEnd = 0
  /** What to add to an address in the window for a position in the page. */
  private shift = 0
  private failures = 0
  /** Whether the last record that is not plain may be so because the text breaks off there. */
  isBrokenOff = false

  private readonly noted: Uint8Array

  private constructor(module: RecordModule, bytes: Uint8Array, noted: Uint8Array) {
    this.module = module
    this.bytes = bytes
    this.noted = noted
  }

  /** `allPlaces` notes those of every field, and not only of the fields that verification looks at. */
  static claim(bytes: Uint8Array, maxDepth: number, allPlaces = false): PlainRecords | undefined {
    if (isClaimed) return undefined
    if (shared === undefined) {
      const exports = wasmExports<Exports>(plainRecordsBinary)
      shared = { module: exports && new RecordModule(exports) }
    }
    const { module } = shared
    if (module === undefined || maxDepth < module.maxDepth) return undefined
    isClaimed = true
    return new PlainRecords(module, bytes, allPlaces ? everyField : viewed)
  }

  release(): void {
    isClaimed = false
  }

  /** The bytes that are hashed of the last record. They hold good until the next one is read. */
  get payload(): Uint8Array {
    return this.module.payloadView()
  }

  /**
   * Notes where the values of a record are that are looked at, and returns the position after it, or -1 for a record that is not plain, or
   * larger than the window.
   */
  read(at: number, starts: Int32Array, ends: Int32Array): number {
    if (this.failures === maxFailures) return none
    if (at >= this.windowEnd) this.moveWindow(at)
    const { module } = this
    let end = module.readRecord(at - this.shift)
    // The end of the window may have cut the record off.
    if (end < 0 && this.windowStart + alignment <= at && this.isCut(this.shift - end)) {
      this.moveWindow(at)
      end = module.readRecord(at - this.shift)
    }
    if (end < 0) {
      this.isBrokenOff = this.windowEnd === this.bytes.length && this.isNearEnd(this.shift - end)
      this.failures++
      return none
    }
    this.failures = 0
    const { noted, shift } = this
    for (let i = 0; i < noted.length; i++) {
      const field = noted[i]!
      const start = module.starts[field]!
      starts[field] = start === 0 ? none : start + shift
      ends[field] = module.ends[field]! + shift
    }
    return end + shift
  }

  private isCut(position: number): boolean {
    return this.windowEnd < this.bytes.length && this.isNearEnd(position)
  }

  private isNearEnd(position: number): boolean {
    return position > this.windowEnd - lookahead
  }

  private moveWindow(at: number): void {
    const { memory, window, windowSize } = this.module
    // Between places that are aligned alike, V8 copies shared memory by words. A record never begins before the 12th
    // byte.
    const start = at - (this.bytes.byteOffset + at) % alignment
    const stretch = this.bytes.subarray(start, start + windowSize)
    memory.set(stretch, window)
    memory.fill(0, window + stretch.length, window + stretch.length + lookahead)
    this.windowStart = start
    this.windowEnd = start + stretch.length
    this.shift = start - window
  }
}
