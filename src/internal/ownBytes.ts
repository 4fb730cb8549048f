/**
 * Bytes of whatever realm they come from.
 *
 * @internal
 */

/** Which typed array a value is: an internal slot, which no other object has, and which every realm can read. */
const kindOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!

/**
 * The same bytes as a `Uint8Array` of this realm, uncopied, or undefined where the value is none. `instanceof` would
 * refuse those of a test runner's, an iframe's or a `vm` context's.
 *
 * @internal
 */
export const ownBytes = (value: unknown): Uint8Array | undefined => {
  if (value instanceof Uint8Array) return value
  if (kindOf.call(value) !== "Uint8Array") return undefined
  const { buffer, byteLength, byteOffset } = value as Uint8Array
  return new Uint8Array(buffer, byteOffset, byteLength)
}
