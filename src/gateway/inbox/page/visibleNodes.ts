/**
 * Text of unknown origin on the page, by its visible pieces.
 */
import { nameOf, type Piece, piecesOf } from "../../../internal/visibleText.ts"
import { element } from "./elements.ts"

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
