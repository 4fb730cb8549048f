/** A text that counts how often somebody looks at it: linear work looks twice as often at a text twice as long. */
export const countedText = (text: string) => {
  let looks = 0
  const counted = new Proxy(new String(text), {
    get: (target, key) => {
      looks++
      const value: unknown = Reflect.get(target, key)
      return typeof value === "function" ? value.bind(target) : value
    }
  })
  return { text: counted as unknown as string, looks: () => looks }
}

/** How many looks a text of `n` and one of `2n` take. */
export const looksAt = (read: (text: string) => unknown, textOf: (n: number) => string, n: number) =>
  [n, 2 * n].map((length) => {
    const { looks, text } = countedText(textOf(length))
    read(text)
    return looks()
  }) as [number, number]
