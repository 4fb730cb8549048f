/**
 * Patterns of Rego, which are those of RE2, as patterns of JavaScript that match the same.
 *
 * What cannot be said in JavaScript, or means something else there, is refused: a policy must not decide by a pattern that
 * was read in another way than its author meant.
 *
 * @internal
 */

/**
 * A pattern that cannot be carried over.
 *
 * @internal
 */
export class UnsupportedPattern extends Error {
  constructor(pattern: string, detail: string) {
    super(`the pattern ${JSON.stringify(pattern.slice(0, 100))} cannot be used here: ${detail}`)
  }
}

/** Classes in letters, and what they leave out, as ranges that stand in brackets. */
const perl: Readonly<Record<string, string>> = {
  d: "0-9",
  D: "\\0-\\u{2F}\\u{3A}-\\u{10FFFF}",
  w: "0-9A-Za-z_",
  W: "\\0-\\u{2F}\\u{3A}-\\u{40}\\u{5B}-\\u{5E}\\u{60}\\u{7B}-\\u{10FFFF}",
  s: "\\t\\n\\f\\r\\u{20}",
  S: "\\0-\\u{8}\\u{B}\\u{E}-\\u{1F}\\u{21}-\\u{10FFFF}"
}

const posix: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\0-\\u{7F}",
  blank: "\\t\\u{20}",
  cntrl: "\\0-\\u{1F}\\u{7F}",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: "\\u{20}-~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t\\n\\v\\f\\r\\u{20}",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f"
}

const controls: Readonly<Record<string, string>> = { a: "\\u{7}", f: "\\f", n: "\\n", r: "\\r", t: "\\t", v: "\\v" }

const literal = (character: string): string =>
  /[0-9A-Za-z]/.test(character) ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`

const isCategory = (name: string) => /^(?:C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$/.test(name)

class Translator {
  readonly pattern: string
  private readonly characters: ReadonlyArray<string>
  private at = 0
  private flags = ""

  constructor(pattern: string) {
    this.pattern = pattern
    this.characters = [...pattern]
  }

  translate(): RegExp {
    const lead = /^\(\?([ims]+)\)/.exec(this.pattern)
    if (lead !== null) {
      this.flags = lead[1]!
      this.at = lead[0].length
    }
    let source = ""
    while (this.at < this.characters.length) source += this.next()
    try {
      return new RegExp(source, this.flags.includes("i") ? "giu" : "gu")
    } catch {
      return this.refuse("it is no pattern")
    }
  }

  private refuse(detail: string): never {
    throw new UnsupportedPattern(this.pattern, detail)
  }

  private take(): string {
    return this.characters[this.at++] ?? this.refuse("it ends too early")
  }

  private rest(): string {
    return this.characters.slice(this.at, this.at + 64).join("")
  }

  private next(): string {
    const character = this.take()
    switch (character) {
      case "\\":
        return this.escape()
      case "[":
        return this.bracket()
      case "(":
        return this.group()
      case ".":
        return this.flags.includes("s") ? "[\\s\\S]" : "[^\\n]"
      case "^":
        return this.flags.includes("m") ? "(?<![^\\n])" : "^"
      case "$":
        return this.flags.includes("m") ? "(?![^\\n])" : "$"
      case "*":
      case "+":
      case "?":
      case "|":
      case ")":
        return character
      case "{": {
        const count = /^(\d+)(?:,(\d*))?\}/.exec(this.rest())
        if (count === null) return "\\{"
        if (Number(count[1]) > 1000 || Number(count[2] ?? 0) > 1000) this.refuse("it repeats more than 1000 times")
        this.at += count[0].length
        return `{${count[0]}`
      }
      default:
        return literal(character)
    }
  }

  private group(): string {
    if (this.characters[this.at] !== "?") return "("
    const named = /^\?P?<(\w+)>/.exec(this.rest())
    if (named !== null) {
      this.at += named[0].length
      return `(?<${named[1]}>`
    }
    if (this.characters[this.at + 1] !== ":") this.refuse("flags within a pattern")
    this.at += 2
    return "(?:"
  }

  private escape(): string {
    const character = this.take()
    if (perl[character] !== undefined) return `[${perl[character]}]`
    switch (character) {
      case "A":
        return "(?<![\\s\\S])"
      case "z":
        return "(?![\\s\\S])"
      case "b":
      case "B":
        // JavaScript counts more letters as parts of a word where case does not matter.
        return this.flags.includes("i") ? this.refuse("\\b without regard to case") : `\\${character}`
      case "p":
      case "P":
        return this.property(character)
      case "Q": {
        let text = ""
        while (this.at < this.characters.length) {
          if (this.rest().startsWith("\\E")) {
            this.at += 2
            break
          }
          text += literal(this.take())
        }
        return text
      }
      default:
        return this.escaped(character)
    }
  }

  /** One character behind a backslash, in brackets or not. */
  private escaped(character: string): string {
    if (controls[character] !== undefined) return controls[character]
    if (character === "x") {
      const hex = /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(this.rest())
      if (hex === null) return this.refuse("\\x without a number")
      this.at += hex[0].length
      return `\\u{${hex[1] ?? hex[2]}}`
    }
    if (/[0-9A-Za-z]/.test(character) || character > "\x7f") return this.refuse(`\\${character}`)
    return literal(character)
  }

  private property(letter: string): string {
    const found = /^(?:\{(\^?)(\w+)\}|([A-Z]))/.exec(this.rest())
    if (found === null) return this.refuse("\\p without a name")
    this.at += found[0].length
    const name = found[2] ?? found[3]!
    const isNegated = (letter === "P") !== (found[1] === "^")
    return `\\${isNegated ? "P" : "p"}{${isCategory(name) ? name : `Script=${name}`}}`
  }

  private bracket(): string {
    let text = "["
    if (this.characters[this.at] === "^") {
      this.at++
      text += "^"
    }
    let isFirst = true
    while (isFirst || this.characters[this.at] !== "]") {
      isFirst = false
      const [item, isCharacter] = this.item()
      text += item
      const [dash, end] = this.characters.slice(this.at, this.at + 2)
      if (isCharacter && dash === "-" && end !== "]" && end !== undefined) {
        this.at++
        const [to, isEnd] = this.item()
        if (!isEnd) this.refuse("a range that ends in a class")
        text += `-${to}`
      }
    }
    this.at++
    return `${text}]`
  }

  /** Something in brackets, and whether it is one character. */
  private item(): readonly [text: string, isCharacter: boolean] {
    const character = this.take()
    if (character === "[") {
      const named = /^:(\^?)([a-z]+):\]/.exec(this.rest())
      if (named !== null) {
        const ranges = posix[named[2]!]
        if (ranges === undefined || named[1] === "^") return this.refuse(`[${named[0]}`)
        this.at += named[0].length
        return [ranges, false]
      }
    }
    if (character !== "\\") return [literal(character), true]
    const next = this.take()
    if (perl[next] !== undefined) return [perl[next], false]
    if (next === "p" || next === "P") return [this.property(next), false]
    return [this.escaped(next), true]
  }
}

const known = new Map<string, RegExp>()
const maxKnown = 1000

/**
 * The pattern in JavaScript, with the flags `g` and `u`. Throws where there is none.
 *
 * @internal
 */
export const toRegExp = (pattern: string): RegExp => {
  const found = known.get(pattern)
  if (found !== undefined) return found
  const made = new Translator(pattern).translate()
  if (known.size < maxKnown) known.set(pattern, made)
  return made
}

/** A match: where it begins and ends, and its groups. */
interface Match {
  readonly from: number
  readonly to: number
  readonly groups: RegExpExecArray
}

/**
 * All matches from left to right, as Go finds them: none is empty right behind another.
 *
 * @internal
 */
export const matchesOf = (pattern: string, text: string, most = Infinity): ReadonlyArray<Match> => {
  const found: Array<Match> = []
  let end = -1
  for (const groups of text.matchAll(toRegExp(pattern))) {
    if (found.length >= most) break
    const from = groups.index
    const to = from + groups[0].length
    if (to > from || from !== end) found.push({ from, to, groups })
    end = to
  }
  return found
}

/** `$1`, `${1}`, `$name`, `${name}` and `$$`: the longest name counts, and one without a group is empty. */
const expand = (template: string, groups: RegExpExecArray): string =>
  template.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (whole, bare?: string, braced?: string) => {
    const name = bare ?? braced
    if (name === undefined) return whole === "$$" ? "$" : whole
    return (/^\d+$/.test(name) ? groups[Number(name)] : groups.groups?.[name]) ?? ""
  })

/** @internal */
export const replaceAll = (text: string, pattern: string, template: string): string => {
  let from = 0
  let all = ""
  for (const match of matchesOf(pattern, text)) {
    all += text.slice(from, match.from) + expand(template, match.groups)
    from = match.to
  }
  return all + text.slice(from)
}

/** @internal */
export const split = (pattern: string, text: string): ReadonlyArray<string> => {
  if (pattern !== "" && text === "") return [""]
  const parts: Array<string> = []
  let begin = 0
  let end = 0
  for (const { from, to } of matchesOf(pattern, text)) {
    end = from
    if (to !== 0) parts.push(text.slice(begin, end))
    begin = to
  }
  if (end !== text.length) parts.push(text.slice(begin))
  return parts
}
