/** The end of what has been written so far. Nothing is compared with: see `layout.ts`. */

let end: i32 = 0

/** Writing goes on at an address. */
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
  put(0x5c)
  if (nested) put(0x5c)
}
