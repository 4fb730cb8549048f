/**
 * The text of a large audit log around its records, as it streams in.
 *
 * @internal
 */
import * as Ascii from "../../../internal/asciiBytes.ts"
import { concatBytes } from "../../../internal/concatBytes.ts"
import { MalformedJson } from "../json/jsonReader.ts"

const { backslash, closeBrace, closeBracket, colon, comma, openBrace, openBracket, quote } = Ascii

/** Far beyond what a gateway sends: a page says four things beside its records. More would only fill the memory. */
const maxAround = 1024 * 1024

/**
 * The largest record that is read. One holds a call, which has at most 1 MiB.
 *
 * @internal
 */
export const maxRecord = 64 * 1024 * 1024

/**
 * Finds where the records of a page begin, and keeps what is not records: put together, that is a page whose records were
 * taken out. Only brackets, strings and colons are looked at here; the scanner judges.
 *
 * @internal
 */
export class TextAround {
  private readonly parts: Array<Uint8Array> = []
  private size = 0
  private depth = 0
  private inString = false
  private isEscaped = false
  /** The text of the last string that ended in the outermost object, and whether a colon came after it. */
  private key: Array<number> = []
  private isKey = false

  /**
   * Takes bytes that come before the records, from a position of the whole text on. Returns where in them the first record
   * is to begin, or -1.
   */
  takeHead(chunk: Uint8Array, at: number): number {
    let position = 0
    while (position < chunk.length) {
      if (this.inString) {
        position = this.skipString(chunk, position)
        continue
      }
      const byte = chunk[position++]!
      switch (byte) {
        case quote:
          this.inString = true
          if (this.depth === 1) this.key = []
          break
        case openBrace:
        case openBracket:
          if (this.depth === 1 && byte === openBracket && this.isKey && this.isRecordsKey()) {
            this.take(chunk.subarray(0, position), at)
            return position
          }
          this.depth++
          break
        case closeBrace:
        case closeBracket:
          this.depth--
          break
        case comma:
          this.isKey = false
          break
        case colon:
          this.isKey = true
          break
      }
    }
    this.take(chunk, at)
    return -1
  }

  /** Takes bytes that come after the records, from the bracket on that closes them. */
  take(bytes: Uint8Array, at: number): void {
    this.size += bytes.length
    if (this.size > maxAround) {
      throw new MalformedJson(at, `no more than ${maxAround} bytes beside the records`)
    }
    // A copy: `slice` of a Node buffer is none.
    this.parts.push(new Uint8Array(bytes))
  }

  get text(): Uint8Array {
    return concatBytes(this.parts)
  }

  private skipString(chunk: Uint8Array, at: number): number {
    let position = at
    const isCandidate = this.depth === 1
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
      if (isCandidate && this.key.length < 64) this.key.push(byte)
    }
    return position
  }

  private isRecordsKey(): boolean {
    try {
      return JSON.parse(`"${String.fromCharCode(...this.key)}"`) === "records"
    } catch {
      return false
    }
  }
}
