/** A value in a few words: what a reviewer looks at before reading all of it. */
import { jsonText } from "./jsonText.ts"

const longest = 80

/** Not in the middle of a character. */
const cut = (text: string) =>
  text.length <= longest ? text : `${text.slice(0, longest).replace(/[\ud800-\udbff]$/, "")}…`

const count = (n: number, word: string) => `${n.toLocaleString()} ${word}${n === 1 ? "" : "s"}`

/** Plain values as JSON has them, cut where they are long; of others how much is in them. */
export const briefly = (value: unknown): string => {
  if (Array.isArray(value)) return value.length === 0 ? "[]" : `[${count(value.length, "item")}]`
  if (typeof value === "object" && value !== null) {
    const size = Object.keys(value).length
    return size === 0 ? "{}" : `{${count(size, "field")}}`
  }
  return cut(jsonText(value))
}

export interface Summary {
  readonly values: ReadonlyArray<readonly [name: string, value: string]>
  /** How many fields are not among them. */
  readonly more: number
}

const mostValues = 10

/** The top-level values; undefined where there are none. */
export const summaryOf = (params: unknown): Summary | undefined => {
  if (typeof params !== "object" || params === null || Array.isArray(params)) return undefined
  const entries = Object.entries(params)
  if (entries.length === 0) return undefined
  return {
    values: entries.slice(0, mostValues).map(([name, value]) => [cut(name), briefly(value)]),
    more: Math.max(0, entries.length - mostValues)
  }
}
