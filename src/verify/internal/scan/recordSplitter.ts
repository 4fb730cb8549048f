/**
 * Cuts the text of a large audit log, as it streams in, into pieces that can be scanned one by one.
 *
 * @internal
 */
import * as Ascii from "../../../internal/asciiBytes.ts"
import { concatBytes } from "../../../internal/concatBytes.ts"
import { MalformedJson } from "../json/jsonReader.ts"
import { maxRecord, TextAround } from "./textAround.ts"

const { backslash, closeBrace, closeBracket, comma, openBrace, openBracket, quote } = Ascii

const encoder = new TextEncoder()
const before = encoder.encode("{\"records\":[")
const after = encoder.encode("],\"count\":0,\"offset\":0,\"total\":0,\"tenant_id\":\"\"}")
const isInString = new Uint8Array(256).map((_, byte) => byte === quote || byte === backslash ? 0 : 1)
const isBlank = (bytes: Uint8Array) => bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))

/**
 * Some records in the guise of a page, or the rest of the text: a page whose records were taken out. `offset` is what
 * to add to a position in it for the position in the whole text (of the rest: roughly). The bytes hold good until the
 * next piece is asked for: their place is used again, since garbage of this size would pile up faster than it is
 * collected.
 *
 * @internal
 */
export interface Piece {
  readonly bytes: Uint8Array
  readonly isRest: boolean
  readonly offset: number
}

/**
 * Every byte of the text ends up in one of the pieces except for commas between records, so the text is JSON exactly if
 * all pieces are. Only brackets, strings and commas are looked at here; the scanner judges.
 *
 * @internal
 */
export class RecordSplitter {
  private readonly pieceSize: number
  /** A page around the records of the current piece: its beginning stays, its end changes. */
  private buffer: Uint8Array
  private size = before.length
  private readonly around = new TextAround()
  private place: "head" | "records" | "tail" = "head"
  private depth = 0
  private inString = false
  private isEscaped = false
  private hasCut = false
  private consumed = 0
  private pieceStart = 0

  constructor(pieceSize: number) {
    this.pieceSize = pieceSize
    this.buffer = new Uint8Array(before.length + after.length + pieceSize)
    this.buffer.set(before)
  }

  /** Takes the next bytes and yields the pieces that are complete, one by one. */
  *push(chunk: Uint8Array): Generator<Piece> {
    let at = 0
    if (this.place === "head") {
      at = this.around.takeHead(chunk, this.consumed)
      if (at !== -1) {
        this.place = "records"
        this.pieceStart = this.consumed + at
      }
    }
    if (this.place === "records") at = yield* this.records(chunk, at)
    if (this.place === "tail") this.around.take(chunk.subarray(at), this.consumed)
    this.consumed += chunk.length
  }

  /** The rest, when all has been pushed. */
  end(): Piece {
    const { text } = this.around
    // A text that breaks off among its records has no rest that could be scanned, and should not get one.
    const bytes = this.place === "records"
      ? concatBytes([text, this.buffer.subarray(before.length, this.size)])
      : text
    return { bytes, isRest: true, offset: 0 }
  }

  /** Yields the pieces that are complete, and returns where the records end. */
  private *records(chunk: Uint8Array, from: number): Generator<Piece, number> {
    let start = from
    let position = from
    while (position < chunk.length) {
      if (this.inString) {
        position = this.skipString(chunk, position)
        continue
      }
      position = this.skipInRecord(chunk, position)
      if (position === chunk.length || this.inString) continue
      switch (chunk[position++]) {
        case quote:
          this.inString = true
          break
        case openBrace:
        case openBracket:
          this.depth++
          break
        case closeBrace:
        case closeBracket:
          if (this.depth === 0) {
            this.keep(chunk.subarray(start, position - 1))
            this.place = "tail"
            yield* this.lastPiece()
            return position - 1
          }
          this.depth--
          break
        case comma:
          if (this.depth === 0 && this.length + position - start >= this.pieceSize) {
            this.keep(chunk.subarray(start, position - 1))
            start = position
            if (this.isBlank) throw new MalformedJson(this.pieceStart, "a record")
            this.hasCut = true
            yield this.cut()
            this.size = before.length
            this.pieceStart = this.consumed + position
          }
          break
      }
    }
    this.keep(chunk.subarray(start))
    return position
  }

  /** Nearly all of a text is inside of records, where nothing counts but brackets and the ends of strings. */
  private skipInRecord(chunk: Uint8Array, at: number): number {
    const length = chunk.length
    let depth = this.depth
    let position = at
    while (position < length && depth > 0) {
      const byte = chunk[position++]!
      if (byte === quote) {
        while (position < length && isInString[chunk[position]!] === 1) position++
        // An escape, or the end of the chunk: no place for haste.
        if (chunk[position] !== quote) {
          this.inString = true
          break
        }
        position++
      } else if (byte === openBrace || byte === openBracket) {
        depth++
      } else if (byte === closeBrace || byte === closeBracket) {
        depth--
      }
    }
    this.depth = depth
    return position
  }

  private skipString(chunk: Uint8Array, at: number): number {
    let position = at
    while (position < chunk.length) {
      const byte = chunk[position++]!
      if (this.isEscaped) {
        this.isEscaped = false
      } else if (byte === backslash) {
        this.isEscaped = true
      } else if (byte === quote) {
        this.inString = false
        return position
      }
    }
    return position
  }

  private get length(): number {
    return this.size - before.length
  }

  private get isBlank(): boolean {
    return isBlank(this.buffer.subarray(before.length, this.size))
  }

  private keep(bytes: Uint8Array): void {
    if (this.length + bytes.length > maxRecord) {
      throw new MalformedJson(this.pieceStart, `a record of at most ${maxRecord} bytes`)
    }
    const needed = this.size + bytes.length + after.length
    if (needed > this.buffer.length) {
      const grown = new Uint8Array(2 * needed)
      grown.set(this.buffer.subarray(0, this.size))
      this.buffer = grown
    }
    this.buffer.set(bytes, this.size)
    this.size += bytes.length
  }

  private cut(): Piece {
    this.buffer.set(after, this.size)
    const bytes = this.buffer.subarray(0, this.size + after.length)
    return { bytes, isRest: false, offset: this.pieceStart - before.length }
  }

  private *lastPiece(): Generator<Piece> {
    if (!this.isBlank) yield this.cut()
    else if (this.hasCut) throw new MalformedJson(this.pieceStart, "a record")
  }
}
