/**
 * How deep JSON nests, told from its text: to find that out by parsing takes as much stack as there are levels.
 *
 * @internal
 */

const quote = 0x22
const backslash = 0x5c

/**
 * The closing quote of the string that begins at `start`, or a place behind the text where there is none.
 *
 * @internal
 */
export const endOfString = (text: string, start: number): number => {
  let i = start + 1
  while (i < text.length && text.charCodeAt(i) !== quote) i += text.charCodeAt(i) === backslash ? 2 : 1
  return i
}

/**
 * Whether objects and arrays stand in one another more than `levels` deep. Of a text that is no JSON it tells something
 * too, and never throws.
 *
 * @internal
 */
export const isNestedDeeper = (text: string, levels: number): boolean => {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case quote:
        i = endOfString(text, i)
        break
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > levels) return true
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
    }
  }
  return false
}

/**
 * The same of a value that was parsed.
 *
 * @internal
 */
export const isDeeperThan = (value: unknown, levels: number): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (levels === 0) return true
  for (const inner of Object.values(value)) if (isDeeperThan(inner, levels - 1)) return true
  return false
}
