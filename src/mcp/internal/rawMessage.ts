/**
 * JSON as the text that it is: where its members stand, so that a part can be read, taken out or put in, while every other
 * character stays. Parsing and writing anew would change numbers beyond 2^53, escapes and the order of keys.
 *
 * @internal
 */
import { endOfString } from "../../internal/jsonNesting.ts"

/**
 * A member of an object: its name, where the name begins, and where its value stands.
 *
 * @internal
 */
export interface Member {
  readonly key: string
  readonly at: number
  readonly start: number
  readonly end: number
}

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

const skipBlanks = (text: string, at: number): number => {
  while (isBlank(text.charCodeAt(at))) at++
  return at
}

/** Behind the value that begins here. */
const endOfValue = (text: string, start: number): number => {
  let depth = 0
  let at = start
  do {
    switch (text.charCodeAt(at)) {
      case 0x22: // "
        at = endOfString(text, at)
        break
      case 0x5b: // [
      case 0x7b: // {
        depth++
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
      default:
        if (depth === 0) {
          while (at < text.length && !",]}".includes(text[at]!) && !isBlank(text.charCodeAt(at))) at++
          return at
        }
    }
    at++
  } while (depth > 0 && at < text.length)
  return at
}

/**
 * An object in a text that is JSON.
 *
 * @internal
 */
export class ObjectText {
  readonly text: string
  readonly members: ReadonlyArray<Member>
  /** A name that stands twice, over which two readers can disagree. */
  readonly repeated: string | undefined
  private readonly places: ReadonlyMap<string, Member>

  constructor(text: string, members: ReadonlyArray<Member>) {
    this.text = text
    this.members = members
    const places = new Map<string, Member>()
    let repeated: string | undefined
    for (const member of members) {
      if (places.has(member.key)) repeated ??= member.key
      places.set(member.key, member)
    }
    this.places = places
    this.repeated = repeated
  }

  /** The text of a member's value. */
  raw(key: string): string | undefined {
    const member = this.places.get(key)
    return member && this.text.slice(member.start, member.end)
  }

  /** The member's value, where that is an object. */
  object(key: string): ObjectText | undefined {
    const member = this.places.get(key)
    return member && objectAt(this.text, member.start)
  }

  /** The texts of the member's elements, where it is an array. */
  elements(key: string): ReadonlyArray<string> | undefined {
    const member = this.places.get(key)
    return member && elementsAt(this.text, member.start)
  }

  /** The same object with other values, or without those that are undefined; new members stand last. */
  with(changes: Readonly<Record<string, string | undefined>>): string {
    const kept = this.members.flatMap(({ at, end, key, start }) => {
      if (!Object.hasOwn(changes, key)) return [this.text.slice(at, end)]
      const value = changes[key]
      return value === undefined ? [] : [this.text.slice(at, start) + value]
    })
    const added = Object.entries(changes).flatMap(([key, value]) =>
      value === undefined || this.places.has(key) ? [] : [`${JSON.stringify(key)}:${value}`]
    )
    return `{${[...kept, ...added].join(",")}}`
  }
}

/**
 * The object that begins at a place of a text, after blanks; undefined where something else does.
 *
 * @internal
 */
export const objectAt = (text: string, start = 0): ObjectText | undefined => {
  let at = skipBlanks(text, start)
  if (text[at] !== "{") return undefined
  const members: Array<Member> = []
  at = skipBlanks(text, at + 1)
  while (text[at] === "\"") {
    const keyAt = at
    at = endOfString(text, at) + 1
    let key: string
    try {
      key = JSON.parse(text.slice(keyAt, at)) as string
    } catch {
      return undefined
    }
    at = skipBlanks(text, skipBlanks(text, at) + 1)
    const end = endOfValue(text, at)
    members.push({ key, at: keyAt, start: at, end })
    at = skipBlanks(text, end)
    if (text[at] !== ",") break
    at = skipBlanks(text, at + 1)
  }
  return new ObjectText(text, members)
}

/**
 * The texts of the elements of the array that begins at a place of a text; undefined where something else does.
 *
 * @internal
 */
export const elementsAt = (text: string, start = 0): ReadonlyArray<string> | undefined => {
  let at = skipBlanks(text, start)
  if (text[at] !== "[") return undefined
  const elements: Array<string> = []
  at = skipBlanks(text, at + 1)
  while (at < text.length && text[at] !== "]") {
    const end = endOfValue(text, at)
    elements.push(text.slice(at, end))
    at = skipBlanks(text, end)
    if (text[at] !== ",") break
    at = skipBlanks(text, at + 1)
  }
  return elements
}

/**
 * A message on one line. In JSON a line break stands only between tokens, where it means as much as a blank; to a reader of
 * lines it would be the end of one message and the beginning of another.
 *
 * @internal
 */
export const oneLine = (text: string): string => /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, " ") : text
