/**
 * The hash that an export carries over itself.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import { asciiString } from "../internal/canonicalJson.ts"

/** JSON with sorted keys, as Python writes it. */
const sortedJson = (value: unknown, comma: string, colon: string): string => {
  if (Array.isArray(value)) return `[${value.map((element) => sortedJson(element, comma, colon)).join(comma)}]`
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)
    return `{${fields.map(([key, inner]) => asciiString(key) + colon + sortedJson(inner, comma, colon)).join(comma)}}`
  }
  return typeof value === "string" ? asciiString(value) : JSON.stringify(value)
}

/**
 * Lower-case hex SHA-256 of a body, over its keys in order: `spaced` as Python separates them by default, or `compact`.
 *
 * @category hashing
 * @since 0.1.0
 */
export const exportHash = (body: unknown, style: "spaced" | "compact"): string =>
  hash("sha256", style === "spaced" ? sortedJson(body, ", ", ": ") : sortedJson(body, ",", ":"), "hex")
