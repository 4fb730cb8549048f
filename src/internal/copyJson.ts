/**
 * Copies of JSON values.
 *
 * @internal
 */

type JsonObject = Readonly<Record<string, unknown>>

/**
 * A copy without the undefined members, which JSON leaves out and a strict encoder would refuse. Nobody can change it any
 * more. Not by way of JSON text: some engines misread keys that end in a backslash.
 *
 * @internal
 */
export const copyJson = (value: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined).map(([key, member]) => [key, copy(member)])
  )

const copy = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(copy)
  return typeof value === "object" && value !== null ? copyJson(value as JsonObject) : value
}
