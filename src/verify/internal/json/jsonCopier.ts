/**
 * Rewrites the bytes of a JSON text in the spelling of Python's `json.dumps`.
 *
 * @internal
 */
import * as Result from "effect/Result"
import * as Ascii from "../../../internal/asciiBytes.ts"
import { JsonReader, MalformedJson, type Token } from "./jsonReader.ts"

// Local names are folded into the loops, imported ones are looked up each time.
const { backslash, colon, comma, letterU, openBrace, openBracket, quote, rubout, space } = Ascii

/** From an opening bracket or brace to its closing one. */
const toClosing = 2
const replacement = 0xfffd
const hexDigits = new TextEncoder().encode("0123456789abcdef")

/** Bytes of a string that are copied as they are: printable ASCII but quote and backslash. */
const isPlain = new Uint8Array(256).map((_, byte) =>
  byte >= space && byte < rubout && byte !== quote && byte !== backslash ? 1 : 0
)

/**
 * `isPlain` for four bytes at once: each of the sums sets the top bit of a byte that is not plain, or has it set by a
 * carry from one that is not.
 */
const isPlainWord = (word: number): boolean => {
  const sums = word | // from 0x80
    (word + 0x01010101) | // 0x7f
    (word - 0x20202020) | // below 0x20
    ((word ^ 0x22222222) - 0x01010101) | // quote
    ((word ^ 0x5c5c5c5c) - 0x01010101) // backslash
  return (sums & 0x80808080) === 0
}

/** The letters of the short escapes, by character. */
const shortEscape = new Uint8Array(space)
for (const [letter, unit] of Object.entries({ b: 8, t: 9, n: 10, f: 12, r: 13 })) {
  shortEscape[unit] = letter.charCodeAt(0)
}

/**
 * A reader whose `copy` methods append what they step over to `output`, as ASCII and without blanks between tokens;
 * numbers, key order and repeated keys stay as they are. A `nested` copy is escaped once more, for use inside a string.
 *
 * @internal
 */
export class JsonCopier extends JsonReader {
  readonly maxDepth: number
  output!: Uint8Array
  /**
   * The bytes written so far. May exceed `output.length`: what does not fit is dropped, which spares a check per byte.
   * The caller compares the two once, and starts over with a larger output.
   */
  length = 0
  private outputView!: DataView
  private readonly containers: Uint8Array

  constructor(bytes: Uint8Array, options: { readonly maxDepth: number; readonly outputSize: number }) {
    super(bytes)
    this.maxDepth = options.maxDepth
    this.containers = new Uint8Array(options.maxDepth)
    this.grow(options.outputSize)
  }

  /** Empties the output and makes it `size` bytes long. */
  grow(size: number): void {
    this.output = new Uint8Array(size)
    this.outputView = new DataView(this.output.buffer)
    this.length = 0
  }

  put(byte: number): void {
    this.output[this.length++] = byte
  }

  putToken({ length, words }: Token): void {
    const start = this.length
    this.length += length
    if (this.length > this.output.length) return
    const last = words.length - 1
    for (let i = 0; i < last; i++) this.outputView.setInt32(start + 4 * i, words[i]!)
    this.outputView.setInt32(this.length - 4, words[last]!)
  }

  skipValue(at: number): number {
    const byte = this.bytes[at]
    if (byte === quote) return this.skipString(at)
    if (byte !== openBrace && byte !== openBracket) return this.skipScalar(at)
    // Copying checks the same. What is written beyond `length` does not count.
    const length = this.length
    const position = this.copyValue(at, false)
    this.length = length
    return position
  }

  copyString(at: number, nested: boolean): number {
    const bytes = this.bytes
    if (bytes[at] !== quote) throw new MalformedJson(at, "a string")
    const { output, outputView, view } = this
    const lastWord = bytes.length - 4
    const lastOutputWord = output.length - 4
    let length = this.length
    let position = at + 1
    if (nested) output[length++] = backslash
    output[length++] = quote
    for (;;) {
      while (position <= lastWord && length <= lastOutputWord) {
        const word = view.getInt32(position)
        if (!isPlainWord(word)) break
        outputView.setInt32(length, word)
        length += 4
        position += 4
      }
      let byte = bytes[position]!
      while (isPlain[byte] === 1) {
        output[length++] = byte
        byte = bytes[++position]!
      }
      if (byte === quote) break
      this.length = length
      position = byte === backslash ? this.copyEscape(position + 1, nested) : this.copyUnicode(position, nested)
      length = this.length
    }
    if (nested) output[length++] = backslash
    output[length++] = quote
    this.length = length
    return position + 1
  }

  copyValue(at: number, nested: boolean): number {
    const { bytes, containers, output } = this
    let position = at
    let depth = 0
    let container = 0
    for (;;) {
      let byte = bytes[position]!
      if (byte === quote) {
        position = this.copyString(position, nested)
      } else if (byte === openBrace || byte === openBracket) {
        if (depth === this.maxDepth) throw new MalformedJson(position, `at most ${depth} open arrays and objects`)
        output[this.length++] = byte
        position = this.skipBlanks(position + 1)
        if (bytes[position] !== byte + toClosing) {
          containers[depth++] = container
          container = byte
          if (byte === openBrace) position = this.copyKey(position, nested)
          continue
        }
        output[this.length++] = byte + toClosing
        position++
      } else {
        const end = this.skipScalar(position)
        while (position < end) output[this.length++] = bytes[position++]!
      }
      // A value has ended. Close what ends with it, and go on to the next value, if any.
      for (;;) {
        if (depth === 0) return position
        byte = bytes[position]!
        if (byte <= space) {
          position = this.skipBlanks(position)
          byte = bytes[position]!
        }
        output[this.length++] = byte
        if (byte === comma) {
          position = this.skipBlanks(position + 1)
          if (container === openBrace) position = this.copyKey(position, nested)
          break
        }
        if (byte !== container + toClosing) {
          throw new MalformedJson(position, container === openBrace ? "\",\" or \"}\"" : "\",\" or \"]\"")
        }
        position++
        container = containers[--depth]!
      }
    }
  }

  private copyKey(at: number, nested: boolean): number {
    let position = this.copyString(at, nested)
    if (this.bytes[position] !== colon) {
      position = this.skipBlanks(position)
      if (this.bytes[position] !== colon) throw new MalformedJson(position, "\":\"")
    }
    this.put(colon)
    return this.skipBlanks(position + 1)
  }

  private copyEscape(at: number, nested: boolean): number {
    if (this.bytes[at] === letterU) {
      this.putUnit(this.hexUnit(at + 1), nested)
      return at + 5
    }
    this.putUnit(this.escapedUnit(at), nested)
    return at + 1
  }

  /** Copies a run of characters that are not printable ASCII, replacing invalid UTF-8 as `TextDecoder` does. */
  private copyUnicode(at: number, nested: boolean): number {
    const bytes = this.bytes
    let position = at
    do {
      const lead = bytes[position]!
      if (lead === rubout) {
        this.putUnit(lead, nested)
        position++
        continue
      }
      if (!(lead >= 0x80)) throw new MalformedJson(position, "a character of a string")
      position++
      const size = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1
      // The narrower bounds of a second byte exclude overlong forms, surrogates, and what lies beyond U+10FFFF.
      let lower = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
      let upper = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
      let point = lead & (0xff >> (size + 1))
      let missing = size - 1
      while (missing > 0) {
        const byte = bytes[position]!
        if (!(byte >= lower && byte <= upper)) break
        point = point << 6 | (byte & 0x3f)
        lower = 0x80
        upper = 0xbf
        missing--
        position++
      }
      if (size === 1 || missing > 0) {
        this.putUnit(replacement, nested)
      } else if (point > 0xffff) {
        this.putUnit(0xd7c0 + (point >> 10), nested)
        this.putUnit(0xdc00 | (point & 0x3ff), nested)
      } else {
        this.putUnit(point, nested)
      }
    } while (bytes[position]! >= rubout)
    return position
  }

  private putUnit(unit: number, nested: boolean): void {
    if (unit === quote || unit === backslash) {
      this.put(backslash)
      if (nested) {
        this.put(backslash)
        this.put(backslash)
      }
      this.put(unit)
    } else if (unit >= space && unit < rubout) {
      this.put(unit)
    } else {
      this.put(backslash)
      if (nested) this.put(backslash)
      const letter = unit < space ? shortEscape[unit]! : 0
      if (letter > 0) {
        this.put(letter)
      } else {
        this.put(letterU)
        for (let shift = 12; shift >= 0; shift -= 4) this.put(hexDigits[unit >> shift & 0xf]!)
      }
    }
  }
}

/**
 * The text of a JSON document as Python's `json.loads` and compact ASCII `json.dumps` would give it back, in bytes,
 * except that numbers keep the spelling of the document and repeated keys are all kept.
 *
 * @internal
 */
export const canonicalJsonBytes = (
  bytes: Uint8Array,
  options?: { readonly maxDepth?: number | undefined } | undefined
): Result.Result<Uint8Array, MalformedJson> => {
  const json = new JsonCopier(bytes, { maxDepth: options?.maxDepth ?? 10_000, outputSize: 2 * bytes.length })
  const copy = () => json.end(json.copyValue(json.start(), false))
  try {
    copy()
    if (json.length > json.output.length) {
      json.grow(json.length)
      copy()
    }
    return Result.succeed(json.output.subarray(0, json.length))
  } catch (error) {
    if (error instanceof MalformedJson) return Result.fail(error)
    throw error
  }
}
