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
 * letters of Braille, Khitan and music that look like one), and whatever else is by default not drawn at all. The sign
 * that makes a symbol colourful is harmless after a symbol.
 */
const invisible =
  /(?<invisible>(?!(?<=\p{Extended_Pictographic})\uFE0F)(?! )[\p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800\u{16FE4}\u{1D159}])\k<invisible>*/gu

/** From the first letter of such a script to the last, within one quoted text. */
const rightToLeft =
  /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}](?:[^"\\\n]*[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}])?/gu

const cut = (text: string, pattern: RegExp, make: (match: string) => Piece): ReadonlyArray<Piece> => {
  const pieces: Array<Piece> = []
  let end = 0
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) pieces.push(text.slice(end, match.index))
    pieces.push(make(match[0]))
    end = match.index + match[0].length
  }
  if (end < text.length) pieces.push(text.slice(end))
  return pieces
}

const named = (run: string): Invisible => {
  const codePoint = run.codePointAt(0)!
  return { codePoint, times: run.length / (codePoint > 0xffff ? 2 : 1) }
}

/**
 * The pieces of a line.
 *
 * @internal
 */
export const piecesOf = (text: string): ReadonlyArray<Piece> =>
  cut(text, invisible, named).flatMap((piece) =>
    typeof piece === "string" ? cut(piece, rightToLeft, (text) => ({ text })) : [piece]
  )

/** @internal */
export const nameOf = ({ codePoint, times }: Invisible): string =>
  `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}${times > 1 ? ` ×${times}` : ""}`

/**
 * The same text with every invisible character written in another way.
 *
 * @internal
 */
export const withVisible = (text: string, write: (character: string) => string): string =>
  text.replace(invisible, (run) => {
    const { codePoint, times } = named(run)
    return write(String.fromCodePoint(codePoint)).repeat(times)
  })
