/**
 * Whether params can be sent, and will arrive as they are.
 *
 * @internal
 */
import type { FieldIssue } from "../VargateError.ts"
import { pythonLength } from "./pythonLength.ts"

/** The gateway's own limit, in characters of Python's JSON text. */
const maxLength = 65_536

/** The gateway accepts deeper ones, and then answers 500 to every audit page that holds the record. */
const maxDepth = 200

const tooLong = `Expected at most ${maxLength} characters as the gateway counts them (non-ASCII as \\uXXXX)`

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

/** @internal */
export const checkParams = (params: Readonly<Record<string, unknown>>): ReadonlyArray<FieldIssue> => {
  const issues: Array<FieldIssue> = []
  const places: Array<Place> = [{ value: params, key: "params", parent: undefined, depth: 0 }]
  let visited = 0
  for (let place = places.pop(); place !== undefined && issues.length < 10; place = places.pop()) {
    const { depth, value } = place
    // Every value takes at least a character. Shared objects would otherwise be walked again and again.
    if (++visited > maxLength) return [{ path: root, message: tooLong }]
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
        else if (inner !== undefined) places.push({ value: inner, key, parent: place, depth: depth + 1 })
      }
    }
  }
  if (issues.length === 0 && pythonLength(params) > maxLength) {
    issues.push({ path: root, message: tooLong })
  }
  return issues
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
