/**
 * Whether recorded params are the ones that were sent.
 *
 * @internal
 */

/** A field that the gateway encrypted may have had any value. */
const encrypted = /^\[ENCRYPTED:[^\]]*\]$/

/** The measured gateway leaves such keys out of what it shows; the embedded one shows them. */
const isHidden = (key: string) => key.startsWith("_sa")

/**
 * Compares by value: key order and the spelling of numbers are free, and keys whose value is `undefined` were never sent.
 * What a record does not show (encrypted fields, hidden keys) matches anything, and where `matchesUnseen` is false nothing.
 *
 * @internal
 */
export const sameParams = (sent: unknown, recorded: unknown, matchesUnseen = true): boolean => {
  if (matchesUnseen && typeof recorded === "string" && encrypted.test(recorded)) return true
  if (typeof sent !== "object" || sent === null) return sent === recorded
  if (typeof recorded !== "object" || recorded === null) return false
  if (Array.isArray(sent) || Array.isArray(recorded)) {
    return Array.isArray(sent) && Array.isArray(recorded) && sent.length === recorded.length &&
      sent.every((item, i) => sameParams(item, recorded[i], matchesUnseen))
  }
  const values = recorded as Readonly<Record<string, unknown>>
  const isSeen = (key: string) => !(matchesUnseen && isHidden(key))
  const keys = Object.entries(sent).filter(([key, value]) => value !== undefined && isSeen(key))
  return keys.length === Object.keys(values).filter(isSeen).length &&
    keys.every(([key, value]) => Object.hasOwn(values, key) && sameParams(value, values[key], matchesUnseen))
}
