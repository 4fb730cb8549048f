/**
 * Whether recorded params are the ones that were sent.
 *
 * @internal
 */

/** A field that the gateway encrypted may have had any value. */
const encrypted = /^\[ENCRYPTED:[^\]]*\]$/

/** The gateway leaves such keys out of what it shows. */
const isHidden = (key: string) => key.startsWith("_sa")

/**
 * Compares by value: key order and the spelling of numbers are free, encrypted fields match anything unless told, and keys
 * whose value is `undefined` were never sent.
 *
 * @internal
 */
export const sameParams = (sent: unknown, recorded: unknown, matchesEncrypted = true): boolean => {
  if (matchesEncrypted && typeof recorded === "string" && encrypted.test(recorded)) return true
  if (typeof sent !== "object" || sent === null) return sent === recorded
  if (typeof recorded !== "object" || recorded === null) return false
  if (Array.isArray(sent) || Array.isArray(recorded)) {
    return Array.isArray(sent) && Array.isArray(recorded) && sent.length === recorded.length &&
      sent.every((item, i) => sameParams(item, recorded[i], matchesEncrypted))
  }
  const values = recorded as Readonly<Record<string, unknown>>
  const keys = Object.entries(sent).filter(([key, value]) => value !== undefined && !isHidden(key))
  return keys.length === Object.keys(values).length &&
    keys.every(([key, value]) => Object.hasOwn(values, key) && sameParams(value, values[key], matchesEncrypted))
}
