/**
 * Text of unknown origin, made honest: characters that show nothing, or that make others show elsewhere, appear by their
 * names. `user\u202Egpj.exe` must not look like `userexe.jpg`.
 */
import { element } from "./elements.ts"

/** A run of the same invisible character. */
export interface Invisible {
  readonly codePoint: number
  readonly times: number
}

/** Words of a script that runs from right to left: kept together, so that they reorder nothing around them. */
export interface RightToLeft {
  readonly text: string
}

export type Piece = string | Invisible | RightToLeft

/**
 * Controls, format characters, separators of lines and paragraphs, lone surrogates, and whatever else is by default not
 * drawn at all. The sign that makes a symbol colourful is harmless after a symbol.
 */
const invisible =
  /(?<invisible>(?!(?<=\p{Extended_Pictographic})\uFE0F)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}])\k<invisible>*/gu

const letter = "[\\u0590-\\u08FF\\uFB1D-\\uFDFF\\uFE70-\\uFEFC\\u{10800}-\\u{10FFF}\\u{1E800}-\\u{1EFFF}]"
/** From the first such letter to the last, within one quoted text. */
const rightToLeft = new RegExp(`${letter}(?:[^"\\\\\n]*${letter})?`, "gu")

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

/** The pieces of a line. */
export const piecesOf = (text: string): ReadonlyArray<Piece> =>
  cut(text, invisible, named).flatMap((piece) =>
    typeof piece === "string" ? cut(piece, rightToLeft, (text) => ({ text })) : [piece]
  )

export const nameOf = ({ codePoint, times }: Invisible) =>
  `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}${times > 1 ? ` ×${times}` : ""}`

const nodeOf = (piece: Piece): Node => {
  if (typeof piece === "string") return document.createTextNode(piece)
  return "text" in piece
    ? element("bdi", {}, piece.text)
    : element("span", { class: "invisible", title: "A character that cannot be seen" }, nameOf(piece))
}

/** One line of text. */
export const visible = (text: string): DocumentFragment => {
  const fragment = document.createDocumentFragment()
  fragment.append(...piecesOf(text).map(nodeOf))
  return fragment
}

/** Text whose line feeds are its own. */
export const visibleLines = (text: string): DocumentFragment => {
  const fragment = document.createDocumentFragment()
  text.split("\n").forEach((line, index) => fragment.append(...index === 0 ? [] : ["\n"], visible(line)))
  return fragment
}
