/**
 * Whether params can be sent, and will arrive as they are.
 *
 * @internal
 */
import type { FieldIssue } from "../../errors/VargateError.ts"
import { pythonLength } from "../../internal/pythonLength.ts"

/** The gateway's own limit, in characters of Python's JSON text. */
const maxLength = 65_536

/** The gateway accepts deeper ones, and then answers 500 to every audit page that holds the record. */
const maxDepth = 200

/** A value, and the way to it: a path of its own for each would cost more than looking at it. */
interface Place {
  readonly value: unknown
  readonly key: string | number
  readonly parent: Place | undefined
  readonly depth: number
}

const pathOf = (place: Place): ReadonlyArray<string | number> => {
  const path: Array<string | number> = []
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) path.push(at.key)
  return [...root, ...path.reverse().slice(1)]
}

const root = ["body", "params"]

const tooLong: FieldIssue = {
  path: root,
  message: `Expected at most ${maxLength} characters as the gateway counts them (non-ASCII as \\uXXXX)`
}

/**
 * Looks at the values, one by one.
 *
 * @internal
 */
export const checkValues = (params: Readonly<Record<string, unknown>>): ReadonlyArray<FieldIssue> => {
  const issues: Array<FieldIssue> = []
  const places: Array<Place> = [{ value: params, key: "params", parent: undefined, depth: 0 }]
  let size = 0
  for (let place = places.pop(); place !== undefined && issues.length < 10; place = places.pop()) {
    const { depth, value } = place
    // Shared objects would otherwise be walked again and again, and long texts written for nothing.
    size += typeof value === "string" ? 1 + value.length : 1
    if (size > maxLength) return [tooLong]
    const problem = depth > maxDepth ? `Expected at most ${maxDepth} levels of nesting` : problemOf(value)
    if (problem !== undefined) {
      issues.push({ path: pathOf(place), message: problem })
    } else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) places.push({ value: value[i], key: i, parent: place, depth: depth + 1 })
    } else if (typeof value === "object" && value !== null) {
      for (const key of Object.keys(value)) {
        const inner = (value as Readonly<Record<string, unknown>>)[key]
        if (!key.isWellFormed()) {
          issues.push({ path: pathOf(place), message: "Expected keys without lone surrogates" })
        } // JSON leaves such keys out, and so do we.
        else if (inner !== undefined) {
          size += key.length
          places.push({ value: inner, key, parent: place, depth: depth + 1 })
        }
      }
    }
  }
  return issues
}

/**
 * Looks at the length of sound params. `text` is a JSON text that they are a part of.
 *
 * @internal
 */
export const checkLength = (params: Readonly<Record<string, unknown>>, text: string): ReadonlyArray<FieldIssue> =>
  // No character becomes more than `\uXXXX`, which spares most params the counting.
  6 * text.length > maxLength && pythonLength(params) > maxLength ? [tooLong] : []

/**
 * Looks at both.
 *
 * @internal
 */
export const checkParams = (params: Readonly<Record<string, unknown>>): ReadonlyArray<FieldIssue> => {
  const issues = checkValues(params)
  return issues.length > 0 ? issues : checkLength(params, JSON.stringify(params))
}

const problemOf = (value: unknown): string | undefined => {
  switch (typeof value) {
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : "Expected a finite number: JSON has no NaN and no Infinity"
    case "string":
      return value.isWellFormed() ? undefined : "Expected text without lone surrogates"
    case "object": {
      if (value === null || Array.isArray(value)) return undefined
      const prototype: unknown = Object.getPrototypeOf(value)
      return prototype === Object.prototype || prototype === null
        ? undefined
        : "Expected plain JSON: encode class instances (dates, ...) first, for instance with a Schema"
    }
    default:
      return `Expected a JSON value, not ${typeof value}`
  }
}
