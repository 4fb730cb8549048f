/** Reads nodes as hex. */
import { digits, row } from "./layout"

/** Writes the bytes of so many nodes to the row. `false` where they are not all lower-case hex digits. */
export function readDigits(count: i32): bool {
  let isHex = i8x16.splat(-1)
  const end = digits + 64 * count
  for (let from = digits, to = row; from < end; from += 16, to += 8) {
    const text = v128.load(from)
    const number = i8x16.sub(text, i8x16.splat(0x30)) // 0
    const letter = i8x16.sub(text, i8x16.splat(0x61)) // a
    const isNumber = i8x16.lt_u(number, i8x16.splat(10))
    isHex = v128.and(isHex, v128.or(isNumber, i8x16.lt_u(letter, i8x16.splat(6))))
    const value = v128.bitselect(number, i8x16.add(letter, i8x16.splat(10)), isNumber)
    // The first digit of two is in the lower byte of a pair.
    const pairs = v128.or(i16x8.shl(value, 4), i16x8.shr_u(value, 8))
    const bytes = i8x16.shuffle(pairs, pairs, 0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14)
    v128.store64_lane(to, bytes, 0)
  }
  return i8x16.all_true(isHex)
}
