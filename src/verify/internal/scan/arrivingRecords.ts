/**
 * Gathers the text of a large audit log, as it streams in, so that its records can be scanned in stretches.
 *
 * @internal
 */
import { MalformedJson } from "../json/jsonReader.ts"
import type { Next, TakenRecords } from "./auditScanner.ts"
import { maxRecord, TextAround } from "./textAround.ts"

/**
 * Some of the text between the brackets of the records. `offset` is what to add to a position in it for the position in
 * the whole text. The bytes hold good until the next stretch is asked for: their place is used again.
 *
 * @internal
 */
export interface Stretch {
  readonly bytes: Uint8Array
  readonly offset: number
  readonly next: Next
  /** Whether nothing comes after it. */
  readonly isAll: boolean
}

/**
 * Unlike a `RecordSplitter` it does not look where records end: the scanner, which has to find out anyway, says how far it
 * came, and what it left begins the next stretch. So each byte is looked at once, but for the record at a stretch's end.
 *
 * @internal
 */
export class ArrivingRecords {
  private readonly stretchSize: number
  private buffer: Uint8Array
  private size = 0
  /** How many bytes are worth a scan. */
  private wanted: number
  private readonly around = new TextAround()
  private place: "head" | "records" | "tail" = "head"
  private next: Next = "first record"
  /** Where the buffer begins in the whole text, and how far that was taken. */
  private offset = 0
  private consumed = 0

  constructor(stretchSize: number) {
    this.stretchSize = stretchSize
    this.wanted = stretchSize
    this.buffer = new Uint8Array(stretchSize)
  }

  /** Takes the next bytes, and yields stretches one by one; each has to be answered with how far it was read. */
  *push(chunk: Uint8Array): Generator<Stretch, void, TakenRecords> {
    let at = 0
    if (this.place === "head") {
      at = this.around.takeHead(chunk, this.consumed)
      if (at !== -1) {
        this.place = "records"
        this.offset = this.consumed + at
      }
    }
    while (this.place === "records" && at < chunk.length) {
      at += this.fill(chunk, at)
      if (this.size === this.wanted) this.took(yield this.stretch(false))
    }
    if (this.place === "tail") this.around.take(chunk.subarray(at), this.consumed + at)
    this.consumed += chunk.length
  }

  /** Yields the last stretch, when all has been pushed. */
  *end(): Generator<Stretch, void, TakenRecords> {
    if (this.place === "records") this.took(yield this.stretch(true))
  }

  /** A page whose records were taken out. */
  get rest(): Uint8Array {
    return this.around.text
  }

  private fill(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + this.wanted - this.size)
    this.buffer.set(part, this.size)
    this.size += part.length
    return part.length
  }

  private stretch(isAll: boolean): Stretch {
    return { bytes: this.buffer.subarray(0, this.size), offset: this.offset, next: this.next, isAll }
  }

  private took({ end, next }: TakenRecords): void {
    const { buffer, size } = this
    this.next = next
    if (next === "end") {
      this.place = "tail"
      this.around.take(buffer.subarray(end, size), this.offset + end)
      return
    }
    buffer.copyWithin(0, end, size)
    this.size -= end
    this.offset += end
    if (this.size >= maxRecord) throw new MalformedJson(this.offset, `a record of at most ${maxRecord} bytes`)
    // A record that does not fit is looked at again once there is twice as much of it.
    this.wanted = this.size < this.stretchSize ? this.stretchSize : Math.min(2 * this.size, maxRecord)
    if (this.wanted > buffer.length) {
      this.buffer = new Uint8Array(this.wanted)
      this.buffer.set(buffer.subarray(0, this.size))
    }
  }
}
