/** Copies strings of JSON in the spelling of Python's `json.dumps`. */
import { backslash, quote, rubout, space, zero } from "../../../../internal/asciiBytes"
import { outputEnd, put, putBackslash, writeAt } from "./output"

/**
 * Copies the string at `at`, if it is plain, and returns the position after it, or else, negative, the position of what
 * is not. A `nested` copy is escaped once more.
 */
export function copyString(at: i32, nested: bool): i32 {
  if (load<u8>(at) != quote) return -at
  let from = at + 1
  let to = outputEnd()
  if (nested) store<u8>(to++, backslash)
  store<u8>(to++, quote)
  for (;;) {
    // All of it is written, and what is not to stay is written over.
    const chunk = v128.load(from)
    v128.store(to, chunk)
    const special = specialBytes(chunk)
    if (special == 0) {
      from += 16
      to += 16
      continue
    }
    const plain = ctz(special)
    from += plain
    to += plain
    const byte: i32 = load<u8>(from)
    if (byte == quote) break
    writeAt(to)
    from = byte == backslash ? copyEscape(from, nested) : copyUnicode(from, nested)
    if (from < 0) return from
    to = outputEnd()
  }
  if (nested) store<u8>(to++, backslash)
  store<u8>(to++, quote)
  writeAt(to)
  return from + 1
}

/** One bit for each byte that is not printable ASCII, or a quote, or a backslash. */
function specialBytes(chunk: v128): i32 {
  // From 0x80 on, bytes count as negative.
  const isBelowSpace = i8x16.lt_s(chunk, i8x16.splat(i8(space)))
  const isRubout = i8x16.eq(chunk, i8x16.splat(i8(rubout)))
  const isQuote = i8x16.eq(chunk, i8x16.splat(i8(quote)))
  const isBackslash = i8x16.eq(chunk, i8x16.splat(i8(backslash)))
  return i8x16.bitmask(v128.or(v128.or(isBelowSpace, isRubout), v128.or(isQuote, isBackslash)))
}

/** The escapes that Python writes as well. */
function copyEscape(at: i32, nested: bool): i32 {
  const letter: i32 = load<u8>(at + 1)
  switch (letter) {
    case quote:
    case backslash:
      putBackslash(nested)
      if (nested) put(backslash)
      break
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      putBackslash(nested)
      break
    default:
      return -at
  }
  put(letter)
  return at + 2
}

/** One character of two to four bytes, as one or two escapes of UTF-16. */
function copyUnicode(at: i32, nested: bool): i32 {
  const first: i32 = load<u8>(at)
  if (first < 0xc2 || first > 0xf4) return -at
  const size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  let point = first & (0xff >> (size + 1))
  for (let i = 1; i < size; i++) {
    const byte: i32 = load<u8>(at + i)
    if ((byte & 0xc0) != 0x80) return -at
    point = point << 6 | (byte & 0x3f)
  }
  // Overlong forms, halves of a pair, and what lies beyond Unicode.
  if (size == 3 && (point < 0x800 || (point & 0xf800) == 0xd800)) return -at
  if (size == 4 && (point < 0x10000 || point > 0x10ffff)) return -at
  if (size == 4) {
    putUnit(0xd7c0 + (point >> 10), nested)
    putUnit(0xdc00 | (point & 0x3ff), nested)
  } else {
    putUnit(point, nested)
  }
  return at + size
}

function putUnit(unit: i32, nested: bool): void {
  putBackslash(nested)
  put(0x75) // u
  for (let shift = 12; shift >= 0; shift -= 4) {
    const digit = unit >> shift & 0xf
    put(digit < 10 ? zero + digit : 0x57 + digit)
  }
}
