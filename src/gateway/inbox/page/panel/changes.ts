/** What differs between two calls of a kind, value by value. */
import { jsonText } from "../jsonText.ts"

export interface Change {
  /** Like `order.items[2].price`. */
  readonly path: string
  /** Absent where there was nothing. */
  readonly before?: unknown
  /** Absent where there is nothing any more. */
  readonly after?: unknown
}

export interface Changes {
  /** The first ones; those that are near the top come first. */
  readonly changes: ReadonlyArray<Change>
  /** How many more there are; many are not counted to their end. */
  readonly more: number
  /** Paths of personal data, which the log keeps encrypted: what is there now can be compared with nothing. */
  readonly sealed: ReadonlyArray<string>
}

const mostShown = 12
const mostCounted = 200
/** Values are compared to this depth one by one, and below it as a whole. */
const deepest = 32

type Container = Readonly<Record<string, unknown>>

const isContainer = (value: unknown): value is Container => typeof value === "object" && value !== null

const isSame = (before: unknown, after: unknown) => {
  if (!isContainer(before) || !isContainer(after)) return Object.is(before, after)
  return jsonText(before) === jsonText(after)
}

export const isSealed = (value: unknown): boolean =>
  typeof value === "string" && /^\[(?:ENCRYPTED|ERASED)\b/.test(value)

const pathOf = (path: string, key: string, isList: boolean) =>
  isList ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`

export const changesBetween = (before: unknown, after: unknown): Changes => {
  const found: Array<{ readonly change: Change; readonly depth: number }> = []
  const sealed: Array<string> = []
  const note = (change: Change, depth: number) => void found.push({ change, depth })
  const walk = (before: unknown, after: unknown, path: string, depth: number): void => {
    if (found.length >= mostCounted) return
    if (isSealed(before)) return void sealed.push(path)
    // Of lists that have become longer or shorter, places say nothing.
    const areAlike = isContainer(before) && isContainer(after) && Array.isArray(before) === Array.isArray(after) &&
      (!Array.isArray(before) || Object.keys(before).length === Object.keys(after).length)
    if (!areAlike || depth >= deepest) {
      if (!isSame(before, after)) note({ path, before, after }, depth)
      return
    }
    const isList = Array.isArray(after)
    for (const key of Object.keys(after)) {
      const inner = pathOf(path, key, isList)
      if (Object.hasOwn(before, key)) walk(before[key], after[key], inner, depth + 1)
      else note({ path: inner, after: after[key] }, depth + 1)
    }
    for (const key of Object.keys(before)) {
      if (!Object.hasOwn(after, key)) note({ path: pathOf(path, key, isList), before: before[key] }, depth + 1)
    }
  }
  walk(before, after, "", 0)
  const changes = found.toSorted((a, b) => a.depth - b.depth).map(({ change }) => change)
  return {
    changes: changes.slice(0, mostShown),
    more: Math.max(0, changes.length - mostShown),
    sealed: sealed.slice(0, mostShown)
  }
}
