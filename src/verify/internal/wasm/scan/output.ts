/** Where writing continues. There is always enough space: see `layout.ts`. */
import { backslash } from "../../../../internal/asciiBytes"

let end: i32 = 0

export function writeAt(at: i32): void {
  end = at
}

export function outputEnd(): i32 {
  return end
}

export function put(byte: i32): void {
  store<u8>(end++, byte)
}

/** Inside of a string, a backslash is escaped. */
export function putBackslash(nested: bool): void {
  put(backslash)
  if (nested) put(backslash)
}
