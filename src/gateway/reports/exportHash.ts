/**
 * The hash that an export carries over itself.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import { canonicalJson, pythonSeparators } from "../../internal/canonicalJson.ts"

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  return typeof value === "object" && value !== null
    ? Object.fromEntries(
      Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, inner]) => [key, sorted(inner)])
    )
    : value
}

/**
 * Lower-case hex SHA-256 of a body, over its JSON as Python writes it with sorted keys: `spaced`, as by default, or
 * `compact`.
 *
 * @category hashing
 * @since 0.1.0
 */
export const exportHash = (body: unknown, style: "spaced" | "compact"): string =>
  hash("sha256", canonicalJson(sorted(body), style === "spaced" ? pythonSeparators : undefined), "hex")
