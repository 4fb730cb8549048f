/**
 * Tables that fit the screen: columns that may be cut give way to those that may not.
 *
 * @internal
 */
import { bold, cut, dim, type Line, pad, type Span, spansOf, widthOf, wrap } from "./text.ts"

/** @internal */
export interface Column {
  readonly title: string
  readonly align?: "left" | "right" | undefined
  /** The width below which the column is not cut. Left out: it is never cut. */
  readonly min?: number | undefined
}

/** @internal */
export type Row = ReadonlyArray<Line>

const gutter = "  "
/** No column is wider, even where the screen has no end. */
const widest = 200

/**
 * Columns with their widths.
 *
 * @internal
 */
export interface Layout {
  readonly columns: ReadonlyArray<Column & { readonly width: number }>
  /** Whether cells that are wider are cut. Where lines may be of any length, they are not. */
  readonly isBounded: boolean
}

/**
 * Sets each column's width, so that the rows fit the screen as far as the columns can be cut. An undefined width is a
 * screen without end.
 *
 * @internal
 */
export const layout = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<Row>,
  width: number | undefined
): Layout => {
  const limit = Math.min(width ?? widest, widest)
  const widths = columns.map(({ title }, index) =>
    Math.min(limit, Math.max(title.length, ...rows.map((row) => widthOf(row[index] ?? "", limit))))
  )
  const slack = (index: number) => widths[index]! - (columns[index]!.min ?? Infinity)
  const space = (width ?? Infinity) - gutter.length * (columns.length - 1)
  for (let over = widths.reduce((sum, each) => sum + each, 0) - space; over > 0; over--) {
    const [first, ...others] = [...widths.keys()].filter((index) => slack(index) > 0)
    if (first === undefined) break
    const widestOne = others.reduce((most, index) => widths[index]! > widths[most]! ? index : most, first)
    widths[widestOne]!--
  }
  return {
    columns: columns.map((column, index) => ({ ...column, width: widths[index]! })),
    isBounded: width !== undefined
  }
}

/** @internal */
export const header = (layout: Layout): Line => rowOf(layout, layout.columns.map(({ title }) => dim(title)))

/** @internal */
export const rowOf = ({ columns, isBounded }: Layout, row: Row): Line =>
  columns.flatMap(({ align, width }, index): ReadonlyArray<string | Span> => {
    const cell = isBounded ? cut(row[index] ?? "", width) : row[index] ?? ""
    const isLast = index === columns.length - 1
    return isLast ? spansOf(cell) : [...spansOf(pad(cell, width, align)), gutter]
  })

/** @internal */
export const table = (
  columns: ReadonlyArray<Column>,
  rows: ReadonlyArray<Row>,
  width: number | undefined
): ReadonlyArray<Line> => {
  const fitted = layout(columns, rows, width)
  return [header(fitted), ...rows.map((row) => rowOf(fitted, row))]
}

/**
 * Names on the left, what they stand for on the right, in as many lines as it takes.
 *
 * @internal
 */
export const facts = (
  entries: ReadonlyArray<readonly [name: string, value: Line] | undefined>,
  width: number | undefined
): ReadonlyArray<Line> => {
  const shown = entries.filter((entry) => entry !== undefined)
  const column = Math.max(...shown.map(([name]) => name.length)) + gutter.length
  return shown.flatMap(([name, value]) =>
    (width === undefined ? [value] : wrap(value, Math.max(20, width - column))).map((line, index): Line => [
      ...spansOf(pad(bold(index === 0 ? name : ""), column)),
      ...spansOf(line)
    ])
  )
}
