/**
 * JSON that is only ever read again by this package.
 *
 * @since 0.2.0
 */
import { canonicalJson } from "../../internal/canonicalJson.ts"

/**
 * The text of a value. Nothing hashes it, so that the fastest writer will do; it gives up where values are nested too
 * deep.
 *
 * @category columns
 * @since 0.2.0
 */
export const writeJson = (value: object): string => {
  try {
    return JSON.stringify(value)
  } catch {
    return canonicalJson(Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)))
  }
}
