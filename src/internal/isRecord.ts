/**
 * Objects as JSON has them.
 *
 * @internal
 */

/**
 * Whether a value is an object, and no array.
 *
 * @internal
 */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
