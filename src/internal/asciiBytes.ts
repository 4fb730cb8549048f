/**
 * The ASCII characters that have a meaning in JSON, as bytes. What is in `wasm/` reads these as well.
 *
 * @internal
 */

export const tab = 0x09
export const newline = 0x0a
export const carriageReturn = 0x0d
export const space = 0x20
export const quote = 0x22
export const plus = 0x2b
export const comma = 0x2c
export const minus = 0x2d
export const dot = 0x2e
export const slash = 0x2f
export const zero = 0x30
export const nine = 0x39
export const colon = 0x3a
export const openBracket = 0x5b
export const backslash = 0x5c
export const closeBracket = 0x5d
export const letterF = 0x66
export const letterT = 0x74
export const letterU = 0x75
export const openBrace = 0x7b
export const closeBrace = 0x7d
export const rubout = 0x7f

/**
 * Whether a byte is one of `0` to `9`. A declaration: a function that is a constant would be compiled into the module
 * of `wasm/`, which has its own.
 *
 * @internal
 */
export function isDigit(byte: number): boolean {
  return byte >= zero && byte <= nine
}
