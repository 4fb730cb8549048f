/**
 * Copies values of JSON in the spelling of Python's `json.dumps`. Every function takes the position where something
 * begins and returns the position after it, if it is plain, or else, negative, the position of what is not.
 */
import {
  closeBrace,
  closeBracket,
  colon,
  comma,
  dot,
  minus,
  openBrace,
  openBracket,
  plus,
  quote,
  zero
} from "../../../../internal/asciiBytes"
import { copyString } from "./jsonString"
import { put } from "./output"

/** As many as there are bits in `containers`. */
export const maxDepth: i32 = 64

/** A `nested` copy is escaped once more, for use inside of a string. */
export function copyValue(at: i32, nested: bool): i32 {
  let position = at
  let depth = 0
  /** One bit for each open array or object, the innermost one the lowest. It is set for an object. */
  let containers: u64 = 0
  do {
    const byte: i32 = load<u8>(position)
    if (byte == openBrace || byte == openBracket) {
      if (depth == maxDepth) return -position
      put(byte)
      position++
      const isObject = byte == openBrace
      if (load<u8>(position) != closing(isObject)) {
        depth++
        containers = containers << 1 | u64(isObject)
        if (isObject) position = copyKey(position, nested)
        if (position < 0) return position
        continue
      }
      put(closing(isObject))
      position++
    } else {
      position = byte == quote ? copyString(position, nested) : copyScalar(position)
      if (position < 0) return position
    }
    // A value has ended. Close what ends with it, and go on to the next value, if any.
    while (depth > 0) {
      const isObject = (containers & 1) == 1
      const byte: i32 = load<u8>(position)
      if (byte != comma && byte != closing(isObject)) return -position
      put(byte)
      position++
      if (byte == comma) {
        if (isObject) position = copyKey(position, nested)
        if (position < 0) return position
        break
      }
      depth--
      containers >>= 1
    }
  } while (depth > 0)
  return position
}

function closing(isObject: bool): i32 {
  return isObject ? closeBrace : closeBracket
}

/** With its colon. */
function copyKey(at: i32, nested: bool): i32 {
  const position = copyString(at, nested)
  if (position < 0) return position
  if (load<u8>(position) != colon) return -position
  put(colon)
  return position + 1
}

/** A number, `true`, `false` or `null`. */
function copyScalar(at: i32): i32 {
  const first: i32 = load<u8>(at)
  const end = first == minus || isDigit(first) ? skipNumber(at) : skipLiteral(at)
  for (let position = at; position < end; position++) put(load<u8>(position))
  return end
}

function skipLiteral(at: i32): i32 {
  const word = load<u32>(at)
  if (word == 0x65757274 || word == 0x6c6c756e) return at + 4 // true, null
  return word == 0x736c6166 && load<u8>(at + 4) == 0x65 ? at + 5 : -at // false
}

function skipNumber(at: i32): i32 {
  let position = load<u8>(at) == minus ? at + 1 : at
  position = load<u8>(position) == zero ? position + 1 : skipDigits(position)
  if (position > 0 && load<u8>(position) == dot) position = skipDigits(position + 1)
  // Setting this bit makes a lower-case letter of an upper-case one.
  if (position > 0 && (load<u8>(position) | 0x20) == 0x65) {
    const sign: i32 = load<u8>(position + 1)
    position = skipDigits(sign == plus || sign == minus ? position + 2 : position + 1)
  }
  return position
}

function skipDigits(at: i32): i32 {
  let position = at
  while (isDigit(load<u8>(position))) position++
  return position == at ? -at : position
}

function isDigit(byte: i32): bool {
  return u32(byte - zero) < 10
}
