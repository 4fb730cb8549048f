/**
 * Walks over the bytes of a JSON text without making values of them.
 *
 * @internal
 */
import * as Ascii from "../../../internal/asciiBytes.ts"

// Local names are folded into the loops, imported ones are looked up each time.
const {
  backslash,
  carriageReturn,
  dot,
  isDigit,
  letterF,
  letterT,
  letterU,
  minus,
  newline,
  plus,
  quote,
  slash,
  space,
  tab,
  zero
} = Ascii

/**
 * A JSON text that `JSON.parse` refuses, or that is not what the reader looked for: the offset of the first byte that
 * does not fit, and what would have fitted there.
 *
 * @internal
 */
export class MalformedJson {
  readonly _tag = "MalformedJson"
  readonly position: number
  readonly expected: string

  constructor(position: number, expected: string) {
    this.position = position
    this.expected = expected
  }
}

/**
 * An ASCII text of at least four characters that is looked for and copied by words of four, which takes a third of the
 * time of single bytes. The last word begins where it ends with the text, so it may overlap the one before.
 *
 * @internal
 */
export interface Token {
  readonly length: number
  readonly words: Int32Array
}

/**
 * Makes a `Token` of its text.
 *
 * @internal
 */
export const token = (text: string): Token => {
  const { buffer, byteLength: length, byteOffset } = new TextEncoder().encode(text)
  const view = new DataView(buffer, byteOffset, length)
  const words = Int32Array.from(
    { length: Math.ceil(length / 4) },
    (_, i) => view.getInt32(Math.min(4 * i, length - 4))
  )
  return { length, words }
}

// A byte order mark inside the text is a character like any other.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

const trueToken = token("true")
const falseToken = token("false")
const nullToken = token("null")

/** Bytes that need no look inside a string. Invalid UTF-8 is fine there: decoding replaces it. */
const isSkipped = new Uint8Array(256).map((_, byte) => byte >= space && byte !== quote && byte !== backslash ? 1 : 0)

/** The characters of the short escapes, by the letter after the backslash. */
const unescaped = new Uint8Array(256)
for (
  const [letter, unit] of Object.entries({ b: 8, t: 9, n: 10, f: 12, r: 13, "\"": quote, "/": slash, "\\": backslash })
) {
  unescaped[letter.charCodeAt(0)] = unit
}

/**
 * Steps over the parts of a JSON text. Every `skip` takes the position where something begins and returns the position
 * after it, or throws a `MalformedJson`; together they accept exactly what `JSON.parse` accepts after UTF-8 decoding.
 *
 * @internal
 */
export class JsonReader {
  readonly bytes: Uint8Array
  protected readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Where a text begins: `TextDecoder` drops a byte order mark. */
  start(): number {
    const [first, second, third] = this.bytes
    return this.skipBlanks(first === 0xef && second === 0xbb && third === 0xbf ? 3 : 0)
  }

  /** Only blanks may follow. */
  end(at: number): void {
    const position = this.skipBlanks(at)
    if (position < this.bytes.length) throw new MalformedJson(position, "the end of the text")
  }

  skipBlanks(at: number): number {
    const bytes = this.bytes
    let position = at
    for (;;) {
      const byte = bytes[position]!
      if (byte > space || (byte !== space && byte !== newline && byte !== carriageReturn && byte !== tab)) {
        return position
      }
      position++
    }
  }

  /** Steps over one given byte and the blanks around it. */
  skipPunctuation(at: number, byte: number): number {
    const position = this.skipBlanks(at)
    if (this.bytes[position] !== byte) throw new MalformedJson(position, JSON.stringify(String.fromCharCode(byte)))
    return this.skipBlanks(position + 1)
  }

  skipString(at: number): number {
    const bytes = this.bytes
    if (bytes[at] !== quote) throw new MalformedJson(at, "a string")
    let position = at + 1
    for (;;) {
      while (isSkipped[bytes[position]!] === 1) position++
      const byte = bytes[position]
      if (byte === quote) return position + 1
      if (byte !== backslash) throw new MalformedJson(position, "a character of a string")
      const letter = bytes[position + 1]
      if (letter === letterU) {
        this.hexUnit(position + 2)
        position += 6
      } else {
        this.escapedUnit(position + 1)
        position += 2
      }
    }
  }

  /** A number, `true`, `false` or `null`. */
  skipScalar(at: number): number {
    const bytes = this.bytes
    const byte = bytes[at]!
    if (byte !== minus && !isDigit(byte)) {
      const literal = byte === letterT ? trueToken : byte === letterF ? falseToken : nullToken
      if (!this.startsWith(at, literal)) throw new MalformedJson(at, "a value")
      return at + literal.length
    }
    let position = byte === minus ? at + 1 : at
    position = bytes[position] === zero ? position + 1 : this.skipDigits(position)
    if (bytes[position] === dot) position = this.skipDigits(position + 1)
    // Setting this bit makes a lower-case letter of an upper-case one.
    if ((bytes[position]! | 0x20) === 0x65) {
      const sign = bytes[position + 1]
      position = this.skipDigits(sign === plus || sign === minus ? position + 2 : position + 1)
    }
    return position
  }

  private skipDigits(at: number): number {
    let position = at
    while (isDigit(this.bytes[position]!)) position++
    if (position === at) throw new MalformedJson(at, "a digit")
    return position
  }

  protected escapedUnit(at: number): number {
    const unit = unescaped[this.bytes[at]!]
    if (unit === undefined || unit === 0) throw new MalformedJson(at, "an escape letter")
    return unit
  }

  protected hexUnit(at: number): number {
    let unit = 0
    for (let i = at; i < at + 4; i++) {
      const byte = this.bytes[i]!
      const lower = byte | 0x20
      if (isDigit(byte)) unit = unit << 4 | (byte - zero)
      else if (lower >= 0x61 && lower <= 0x66) unit = unit << 4 | (lower - 0x57)
      else throw new MalformedJson(i, "a hexadecimal digit")
    }
    return unit
  }

  startsWith(at: number, { length, words }: Token): boolean {
    const view = this.view
    const end = at + length
    if (end > view.byteLength) return false
    const last = words.length - 1
    for (let i = 0; i < last; i++) {
      if (view.getInt32(at + 4 * i) !== words[i]) return false
    }
    return view.getInt32(end - 4) === words[last]
  }

  /** Whether `length` bytes at one place are the same as those at another, further on. */
  repeats(at: number, later: number, length: number): boolean {
    const view = this.view
    let i = 0
    for (; i + 4 <= length; i += 4) {
      if (view.getInt32(at + i) !== view.getInt32(later + i)) return false
    }
    for (; i < length; i++) {
      if (view.getInt8(at + i) !== view.getInt8(later + i)) return false
    }
    return true
  }

  /** Copies bytes elsewhere, four at a time: `length` is a multiple of that. */
  copyBytes(at: number, length: number, target: DataView, targetAt: number): void {
    const view = this.view
    for (let i = 0; i < length; i += 4) target.setInt32(targetAt + i, view.getInt32(at + i))
  }

  /** The number that a value is, if it is an integer that JavaScript has. */
  integer(start: number, end: number): number {
    const { bytes } = this
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

  /** What a string between two positions, quotes included, stands for. */
  text(start: number, end: number): string {
    const text = utf8.decode(this.bytes.subarray(start + 1, end - 1))
    return text.includes("\\") ? JSON.parse(`"${text}"`) : text
  }
}
