/**
 * Names of policy parameters: `transaction_limit` on the wire is `transactionLimit` here.
 *
 * @internal
 */

/** @internal */
export const toCamelCase = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase())

/** @internal */
export const toSnakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** @internal */
export const renameKeys = (
  record: Readonly<Record<string, unknown>>,
  rename: (name: string) => string
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [rename(key), value]))
