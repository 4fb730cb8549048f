/** Bytes that count how often one of them is looked at. What is copied out of them in one go is not counted. */
export const countedBytes = (bytes: Uint8Array) => {
  let looks = 0
  const counted = new Proxy(bytes, {
    get: (target, key) => {
      if (typeof key === "string" && key.charCodeAt(0) <= 0x39) looks++
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === "function" ? value.bind(target) : value
    }
  })
  return { bytes: counted, looks: () => looks }
}
