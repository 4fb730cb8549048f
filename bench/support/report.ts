/** What a benchmark hands over when it has ended: one JSON object on standard output. */

/** A number is shown with three significant digits; nothing, which JSON turns into null, as a dash. */
export type Cell = string | number | undefined | null

export interface Table {
  readonly title?: string | undefined
  readonly columns: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<Cell>>
}

export interface Target {
  readonly what: string
  readonly bound: "at most" | "at least"
  readonly limit: number
  readonly unit: string
  /** Undefined where it could not be measured here. */
  readonly measured: number | undefined
}

/** Longer bars are better ones. */
export interface Chart {
  readonly title: string
  readonly bars: ReadonlyArray<{ readonly name: string; readonly value: number; readonly isOurs: boolean }>
}

export interface Report {
  readonly title: string
  /** What was done, in Markdown. */
  readonly about: string
  readonly tables: ReadonlyArray<Table>
  readonly targets?: ReadonlyArray<Target> | undefined
  readonly charts?: ReadonlyArray<Chart> | undefined
  /** What was left out here, and why. */
  readonly skipped?: ReadonlyArray<string> | undefined
}

export const hand = (report: Report): void => console.log(JSON.stringify(report))

export const atMost = (what: string, limit: number, unit: string, measured: number | undefined): Target => ({
  what,
  bound: "at most",
  limit,
  unit,
  measured
})

export const atLeast = (what: string, limit: number, unit: string, measured: number | undefined): Target => ({
  what,
  bound: "at least",
  limit,
  unit,
  measured
})
