/**
 * Text of unknown origin, made honest: characters that show nothing, or that make others show elsewhere, appear by their
 * names. `user\u202Egpj.exe` must not look like `userexe.jpg`, on a page or on a terminal.
 *
 * @internal
 */

/**
 * A run of the same invisible character.
 *
 * @internal
 */
export interface Invisible {
  readonly codePoint: number
  readonly times: number
}

/**
 * Words of a script that runs from right to left: kept together, so that they reorder nothing around them.
 *
 * @internal
 */
export interface RightToLeft {
  readonly text: string
}

/** @internal */
export type Piece = string | Invisible | RightToLeft

/**
 * Controls, format characters, separators of lines and paragraphs, lone surrogates, blanks other than the space (and the
 * characters of Braille, Khitan and music that look like one), and whatever else is by default not drawn at all.
 */
const invisible =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u00A0\u1680\u2000-\u200A\u202F\u205F\u3000\u2800\u{1D159}]|\u{16FE4}/gu

const emojiStyle = "\uFE0F"

/** The sign that makes a symbol colourful is harmless after a symbol. */
const isHarmless = (character: string, text: string, at: number): boolean =>
  character === emojiStyle && /\p{Extended_Pictographic}$/u.test(text.slice(Math.max(0, at - 2), at))

interface Run extends Invisible {
  readonly start: number
  readonly end: number
}

/** Where a text has invisible characters: neighbours of the same kind are one run. */
const runsOf = (text: string): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const { 0: character, index } of text.matchAll(invisible)) {
    if (isHarmless(character, text, index)) continue
    const codePoint = character.codePointAt(0)!
    const last = runs.at(-1)
    const end = index + character.length
    if (last?.end === index && last.codePoint === codePoint) {
      runs[runs.length - 1] = { ...last, times: last.times + 1, end }
    } else runs.push({ codePoint, times: 1, start: index, end })
  }
  return runs
}

/** From the first letter of such a script to the last, within one quoted text. */
const rightToLeft =
  /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}](?:[^"\\\n]*[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}])?/gu

const wordsOf = (text: string): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  let end = 0
  for (const { 0: words, index } of text.matchAll(rightToLeft)) {
    if (index > end) pieces.push(text.slice(end, index))
    pieces.push({ text: words })
    end = index + words.length
  }
  if (end < text.length) pieces.push(text.slice(end))
  return pieces
}

/**
 * The pieces of a line.
 *
 * @internal
 */
export const piecesOf = (text: string): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  let from = 0
  for (const { codePoint, end, start, times } of runsOf(text)) {
    for (const piece of wordsOf(text.slice(from, start))) pieces.push(piece)
    pieces.push({ codePoint, times })
    from = end
  }
  return pieces.concat(wordsOf(text.slice(from)))
}

/** @internal */
export const nameOf = ({ codePoint, times }: Invisible): string =>
  `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}${times > 1 ? ` ×${times}` : ""}`

/**
 * The same text with every invisible character written in another way.
 *
 * @internal
 */
export const withVisible = (text: string, write: (character: string) => string): string => {
  let visible = ""
  let from = 0
  for (const { codePoint, end, start, times } of runsOf(text)) {
    visible += text.slice(from, start) + write(String.fromCodePoint(codePoint)).repeat(times)
    from = end
  }
  return visible + text.slice(from)
}

const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

const escape = (character: string): string => {
  const short = shortEscapes[character]
  if (short !== undefined) return short
  const point = character.codePointAt(0)!
  if (point < 0x100) return `\\x${point.toString(16).padStart(2, "0")}`
  return point < 0x10000 ? `\\u${point.toString(16).padStart(4, "0")}` : `\\u{${point.toString(16)}}`
}

/**
 * Writes out every character that a terminal would obey instead of showing it, or that shows as nothing or as a blank:
 * `\x1b`, `\n`, `\u202e`, `\u2800`.
 *
 * @internal
 */
export const visible = (text: string): string => withVisible(text, escape)

/**
 * JSON that is safe on a screen too: what stands bare in its strings is escaped, which means the same. Between its
 * tokens JSON may have line ends and tabs, which do no harm.
 *
 * @internal
 */
export const visibleJson = (json: string): string =>
  withVisible(json, (character) =>
    /[\t\r\n]/.test(character)
      ? character
      : Array.from(
        { length: character.length },
        (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`
      ).join(""))
