/**
 * Copies of JSON values.
 *
 * @internal
 */

type JsonObject = Readonly<Record<string, unknown>>

/**
 * A copy without the undefined members, which JSON leaves out and a strict encoder would refuse. It is
 * frozen. Not by way of JSON text: some engines misread keys that end in a backslash.
 *
 * @internal
 */
export const copyJson = (value: JsonObject): JsonObject => {
  const copied: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const member = value[key]
    if (member === undefined) continue
    // An assignment would set the prototype.
    if (key === "__proto__") define(copied, key, copy(member))
    else copied[key] = copy(member)
  }
  return copied
}

const define = (target: object, key: string, value: unknown): void => {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}

const copy = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(copy)
  return typeof value === "object" && value !== null ? copyJson(value as JsonObject) : value
}
