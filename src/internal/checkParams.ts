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

interface Place {
  readonly value: unknown
  readonly path: ReadonlyArray<string | number>
}

/** @internal */
export const checkParams = (params: Readonly<Record<string, unknown>>): ReadonlyArray<FieldIssue> => {
  const root = ["body", "params"]
  const issues: Array<FieldIssue> = []
  const places: Array<Place> = [{ value: params, path: root }]
  let visited = 0
  for (let place = places.pop(); place !== undefined && issues.length < 10; place = places.pop()) {
    const { path, value } = place
    // Every value takes at least a character. Shared objects would otherwise be walked again and again.
    if (++visited > maxLength) return [{ path: root, message: tooLong }]
    const problem = path.length - root.length > maxDepth
      ? `Expected at most ${maxDepth} levels of nesting`
      : problemOf(value)
    if (problem !== undefined) {
      issues.push({ path, message: problem })
    } else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) places.push({ value: value[i], path: [...path, i] })
    } else if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) {
        if (!key.isWellFormed()) issues.push({ path, message: "Expected keys without lone surrogates" })
        // JSON leaves such keys out, and so do we.
        else if (inner !== undefined) places.push({ value: inner, path: [...path, key] })
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
