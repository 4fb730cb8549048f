/**
 * How long the gateway finds the params of a tool call.
 *
 * @internal
 */

const quote = 0x22
const comma = 0x2c
const minus = 0x2d
const zero = 0x30
const nine = 0x39
const colon = 0x3a
const backslash = 0x5c

/**
 * How much longer Python spells a number than `JSON.stringify` does. Integers stay as they are. Floats have the same
 * digits, but Python turns to exponents below 1e-4 instead of 1e-6, and writes at least two digits of exponent.
 */
const numberExcess = (token: string): number => {
  if (/e-\d$/.test(token)) return 1
  const small = /^-?0\.(0000+)([1-9]\d*)$/.exec(token)
  if (small === null) return 0
  const zeros = small[1]!.length
  const digits = small[2]!.length
  const mantissa = digits === 1 ? 1 : digits + 1
  return mantissa + "e-05".length - ("0.".length + zeros + digits)
}

/**
 * The length of what Python writes for a number that it reads in a JSON text, however it is spelled there: integers keep
 * their digits, the rest become floats.
 *
 * @internal
 */
export const pythonNumberLength = (token: string): number => {
  if (!/[.eE]/.test(token)) return token === "-0" ? 1 : token.length
  const number = Number(token)
  const text = Object.is(number, -0) ? "-0" : String(number)
  const size = Math.abs(number)
  if (!Number.isInteger(number) || size >= 1e21) return text.length + numberExcess(text)
  if (size < 1e16) return text.length + ".0".length
  const spelled = String(size)
  let digits = spelled.length
  while (spelled[digits - 1] === "0") digits--
  return (number < 0 ? 1 : 0) + (digits === 1 ? 1 : digits + 1) + "e+16".length
}

/**
 * The length of the text that Python's `json.dumps` (default separators, ASCII output) writes for a text written by
 * `JSON.stringify`. Counts on that spelling: other JSON texts (`1.0`, `\u0061`, blanks) are measured wrongly.
 *
 * @internal
 */
export const pythonLengthOfText = (text: string): number => {
  let length = text.length
  let inString = false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (inString) {
      if (unit === quote) inString = false
      else if (unit === backslash) i++
      else if (unit > 0x7e) length += 5
    } else if (unit === quote) {
      inString = true
    } else if (unit === comma || unit === colon) {
      length++
    } else if (unit === minus || (unit >= zero && unit <= nine)) {
      const start = i
      while (i + 1 < text.length && isNumberUnit(text.charCodeAt(i + 1))) i++
      length += numberExcess(text.slice(start, i + 1))
    }
  }
  return length
}

const isNumberUnit = (unit: number): boolean =>
  (unit >= zero && unit <= nine) || unit === 0x2e || unit === 0x65 || unit === 0x2b || unit === minus

/**
 * The length that the gateway compares with its limit of 65,536 for the params of a tool call
 * (`POST /mcp/tools/call`): `len(json.dumps(json.loads(JSON.stringify(params))))`. Throws what `JSON.stringify` throws
 * (cycles, bigints); what it leaves out, such as `undefined`, has length 0.
 *
 * @internal
 */
export const pythonLength = (params: unknown): number => {
  const text = JSON.stringify(params) as string | undefined
  return text === undefined ? 0 : pythonLengthOfText(text)
}
