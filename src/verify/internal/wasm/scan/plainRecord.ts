/**
 * Reads audit records that are plain: compact JSON, the fields in their order, nothing but UTF-8 and the short escapes.
 * This folder is AssemblyScript; `npm run build:wasm` compiles it, and `internal/scan/plainRecords.ts` is the host.
 */
import { closeBrace, openBrace, quote } from "../../../../internal/asciiBytes"
import { copyValue } from "./jsonValue"
import {
  ends,
  fields,
  fieldSize,
  isHashed,
  isNested,
  isRequired,
  lead,
  leadLength,
  leadMask,
  payload,
  starts
} from "./layout"
import { outputEnd, put, writeAt } from "./output"

export { maxDepth } from "./jsonValue"
export { ends, payload, starts, window, windowSize } from "./layout"

let fieldsEnd: i32 = fields

/**
 * Adds the next field, of at most 32, and returns the address where what stands before its value is to be written:
 * separator, key and colon, at most 32 bytes. What is not required is not hashed either. What is nested is hashed as a
 * string.
 */
export function addField(length: i32, required: bool, hashed: bool, nested: bool): i32 {
  const field = fieldsEnd
  memory.fill(field + leadMask, 0xff, length)
  store<i32>(field, length, leadLength)
  store<i32>(field, i32(required), isRequired)
  store<i32>(field, i32(hashed), isHashed)
  store<i32>(field, i32(nested), isNested)
  fieldsEnd += fieldSize
  return field + lead
}

/**
 * Notes where the values of a record are, and writes what is hashed of it to `payload`. Returns the position after the
 * record, if it is plain, or else, negative, the position of what is not.
 */
export function readRecord(at: i32): i32 {
  writeAt(payload)
  let position = at
  let place = 0
  for (let field = fields; field < fieldsEnd; field += fieldSize, place += 4) {
    store<i32>(place, 0, starts)
    if (!isLedBy(position, field)) {
      if (load<i32>(field, isRequired)) return -position
      continue
    }
    const before = outputEnd()
    copyLead(field)
    position += load<i32>(field, leadLength)
    store<i32>(place, position, starts)
    const nested = load<i32>(field, isNested) != 0
    if (nested) put(quote)
    position = copyValue(position, nested)
    if (position < 0) return position
    if (nested) put(quote)
    // Copied to be checked. Nothing of it stays.
    if (!load<i32>(field, isHashed)) writeAt(before)
    store<i32>(place, position, ends)
  }
  if (load<u8>(position) != closeBrace) return -position
  put(closeBrace)
  store<u8>(payload, openBrace)
  return position + 1
}

/** The size of the payload of the last record. */
export function payloadLength(): i32 {
  return outputEnd() - payload
}

function isLedBy(at: i32, field: i32): bool {
  const first = v128.xor(v128.load(at), v128.load(field, lead))
  const second = v128.xor(v128.load(at, 16), v128.load(field, lead + 16))
  const difference = v128.or(
    v128.and(first, v128.load(field, leadMask)),
    v128.and(second, v128.load(field, leadMask + 16))
  )
  return !v128.any_true(difference)
}

function copyLead(field: i32): void {
  const to = outputEnd()
  v128.store(to, v128.load(field, lead))
  v128.store(to, v128.load(field, lead + 16), 16)
  writeAt(to + load<i32>(field, leadLength))
}
