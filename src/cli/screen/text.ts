/**
 * What may be put on a terminal: text whose control characters are made visible, and styles, which only this program can
 * set. Params, notes and names come from callers of the gateway; nothing in them moves the cursor, changes a colour
 * or turns the writing direction.
 *
 * @internal
 */
import { displayWidth } from "effect/cli/CliOutput"
import { visible, visibleJson } from "../../internal/visibleText.ts"

export { visible, visibleJson }

/** @internal */
export type Style = keyof typeof codes

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

/**
 * Text in styles.
 *
 * @internal
 */
export interface Span {
  readonly text: string
  readonly styles: ReadonlyArray<Style>
}

/**
 * One line of a screen: it never becomes two.
 *
 * @internal
 */
export type Line = string | Span | ReadonlyArray<string | Span>

const styled = (...styles: ReadonlyArray<Style>) => (text: string): Span => ({ text, styles })

/** @internal */
export const bold = styled("bold")
/** @internal */
export const dim = styled("dim")
/** @internal */
export const red = styled("red")
/** @internal */
export const green = styled("green")
/** @internal */
export const yellow = styled("yellow")
/** @internal */
export const cyan = styled("cyan")
/** @internal */
export const alarm = styled("bold", "red")

/** @internal */
export const spansOf = (line: Line): ReadonlyArray<Span> => {
  const pieces = typeof line === "string" || !Array.isArray(line) ? [line as string | Span] : line
  return pieces.map((piece) => typeof piece === "string" ? { text: piece, styles: [] } : piece)
}

/**
 * One line of JSON that is safe on a terminal.
 *
 * @internal
 */
export const jsonLine = (value: unknown): string => visibleJson(JSON.stringify(value))

const ascii = /^[\x20-\x7e]*$/

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/**
 * Terminal cells of a line, counted no further than a little beyond `limit`.
 *
 * @internal
 */
export const widthOf = (line: Line, limit = Infinity): number => {
  let width = 0
  for (const { text } of spansOf(line)) {
    if (ascii.test(text)) width += text.length
    else for (const cells of cellsOf(text)) if ((width += cells.width) > limit) return width
    if (width > limit) return width
  }
  return width
}

/** One at a time, so that 64 kB are not measured of which 20 characters are shown. */
function* cellsOf(text: string) {
  for (const { segment } of graphemes.segment(text)) {
    const shown = visible(segment)
    yield { shown, width: ascii.test(shown) ? shown.length : displayWidth(shown) }
  }
}

/**
 * Cuts a line to a width; the last cell of a line that was cut is an ellipsis.
 *
 * @internal
 */
export const cut = (line: Line, width: number): Line => {
  if (widthOf(line, width) <= width) return line
  const kept: Array<Span> = []
  let left = width - 1
  for (const { styles, text } of spansOf(line)) {
    let shown = ""
    for (const cells of cellsOf(text)) {
      if (cells.width > left) return [...kept, { text: `${shown}…`, styles }]
      left -= cells.width
      shown += cells.shown
    }
    kept.push({ text: shown, styles })
  }
  return kept
}

/**
 * Fills a line up with blanks.
 *
 * @internal
 */
export const pad = (line: Line, width: number, align: "left" | "right" = "left"): Line => {
  const blanks = " ".repeat(Math.max(0, width - widthOf(line, width)))
  return align === "left" ? [...spansOf(line), blanks] : [blanks, ...spansOf(line)]
}

/**
 * Breaks a line between words so that it fits; words that are longer than the width are left whole.
 *
 * @internal
 */
export const wrap = (line: Line, width: number): ReadonlyArray<Line> => {
  const lines: Array<Array<Span>> = [[]]
  let left = width
  for (const [index, word] of wordsOf(line).entries()) {
    const cells = widthOf(word)
    if (index > 0 && cells + 1 <= left) {
      lines.at(-1)!.push({ text: " ", styles: [] }, ...word)
      left -= cells + 1
    } else {
      if (index > 0) lines.push([])
      lines.at(-1)!.push(...word)
      left = width - cells
    }
  }
  return lines
}

/** A word may change its style in the middle. */
const wordsOf = (line: Line): ReadonlyArray<ReadonlyArray<Span>> => {
  const words: Array<Array<Span>> = [[]]
  for (const { styles, text } of spansOf(line)) {
    for (const [index, word] of text.split(" ").entries()) {
      if (index > 0) words.push([])
      if (word !== "") words.at(-1)!.push({ text: word, styles })
    }
  }
  return words
}

/**
 * A line as the terminal gets it.
 *
 * @internal
 */
export const render = (line: Line, isColored: boolean): string =>
  spansOf(line).map(({ styles, text }) => {
    const shown = visible(text)
    return !isColored || styles.length === 0 || shown === ""
      ? shown
      : `\x1b[${styles.map((style) => codes[style]).join(";")}m${shown}\x1b[0m`
  }).join("").trimEnd()
