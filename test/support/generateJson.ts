/** Seeded JSON values that are hard on writers and readers of JSON, for comparing them with a reference. */
export interface Random {
  /** A float in [0, 1). */
  readonly next: () => number
  /** An integer in [0, limit). */
  readonly below: (limit: number) => number
  readonly pick: <A>(choices: ReadonlyArray<A>) => A
}

export const seeded = (seed: number): Random => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return { next, below, pick: (choices) => choices[below(choices.length)]! }
}

const keys = ["10", "2", "-1", "01", "__proto__", "constructor", "", "a", "é", "😀", "\"", "\\", "toJSON", "\ud800"]

const generateString = (random: Random): string => {
  let text = ""
  for (let length = random.below(8); length > 0; length--) {
    switch (random.below(7)) {
      case 0:
        text += String.fromCharCode(random.below(0x20))
        break
      case 1:
        text += random.pick(["\"", "\\", "/", "\x7f", "\x80", "~", " ", "\u2028", "\u2029", "\ufeff", "\uffff"])
        break
      case 2:
        text += String.fromCodePoint(0x10000 + random.below(0x100000))
        break
      case 3:
        text += String.fromCharCode(0xd800 + random.below(0x800))
        break
      case 4:
        text += String.fromCharCode(random.below(0x10000))
        break
      default:
        text += String.fromCharCode(0x20 + random.below(0x5f))
    }
  }
  return text
}

const generateNumber = (random: Random): number => {
  const sign = random.pick([1, -1])
  switch (random.below(5)) {
    case 0:
      return sign * random.below(1000)
    case 1:
      return sign * random.next()
    case 2:
      return sign * Number(random.below(100000) + "e" + (random.below(60) - 30))
    case 3:
      return sign * Number((random.next() * 10).toPrecision(1 + random.below(17)) + "e" + (random.below(640) - 325))
    default:
      return random.pick([0, 1e16, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2 ** 53, 123456789012345680000, 0.0001])
  }
}

export const generateJson = (random: Random, depth = 0): unknown => {
  const kind = random.below(depth > 4 ? 4 : 7)
  if (kind === 0) return random.pick([null, true, false])
  if (kind === 1) return generateNumber(random)
  if (kind < 4) return generateString(random)
  const length = random.below(5)
  if (kind === 4) return Array.from({ length }, () => generateJson(random, depth + 1))
  const entries = Array.from({ length }, () => {
    const key = random.below(2) === 0 ? random.pick(keys) : generateString(random)
    return JSON.stringify(key) + ":" + JSON.stringify(generateJson(random, depth + 1))
  })
  return JSON.parse("{" + entries.join(",") + "}")
}

const blanks = ["", "", "", " ", "\n", "\t", "\r", " \n  "]

const spellString = (random: Random, text: string): string => {
  let spelled = ""
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    const hex = unit.toString(16).padStart(4, "0")
    if (random.below(6) === 0) spelled += "\\u" + (random.below(2) === 0 ? hex : hex.toUpperCase())
    else if (text[i] === "/") spelled += random.pick(["/", "\\/"])
    else spelled += JSON.stringify(text[i]).slice(1, -1)
  }
  // Halves of a pair, escaped one by one, may come out raw: then they have to stand together.
  return "\"" +
    spelled.replace(/\\ud[89ab]..\\ud[c-f]../g, (pair) => random.below(2) ? JSON.parse(`"${pair}"`) : pair) +
    "\""
}

const numberTokens = ["1.0", "-0", "-0.0", "1E5", "1e+16", "1.10", "0e0", "100000000000000000000000000001", "2E-7"]

/** A JSON text of a value in some unusual but valid spelling: blanks, needless escapes, raw UTF-8, odd numbers. */
export const spellJson = (random: Random, value: unknown): string => {
  const blank = () => random.pick(blanks)
  const joined = (parts: ReadonlyArray<string>) => parts.map((part) => blank() + part + blank()).join(",") || blank()
  if (typeof value === "string") return spellString(random, value)
  if (typeof value === "number") return random.below(2) === 0 ? random.pick(numberTokens) : JSON.stringify(value)
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return "[" + joined(value.map((item) => spellJson(random, item))) + "]"
  const members = Object.entries(value).map(([key, item]) =>
    spellString(random, key) + blank() + ":" + blank() + spellJson(random, item)
  )
  return "{" + joined(members) + "}"
}

const fragments = [
  ..."{}[]:,\"\\/ \n\r\t\v\f\0\x1f\x7f0123456789+-.eEutfnabx",
  "\ufeff",
  "é",
  "😀",
  "null",
  "\\u",
  "\\ud83d"
]

/** The text with one to three random changes, most of which make it invalid. */
export const mutate = (random: Random, text: string): string => {
  let mutated = text
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(mutated.length + 1)
    const kept = mutated.slice(at + random.below(2))
    mutated = mutated.slice(0, at) + (random.below(3) === 0 ? "" : random.pick(fragments)) + kept
  }
  return mutated
}
