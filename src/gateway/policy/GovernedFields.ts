/**
 * Reads the params that a policy governs in whatever spelling they come.
 *
 * A rule that looks at `params.amount` alone is passed by `Amount`, by `{ payment: { amount } }` and by `"9000"`. These
 * functions find a field under every key that reads like its name, at any depth, and tell apart the values that a rule can
 * compare from those that it cannot. A policy denies the latter: what cannot be read cannot be allowed.
 *
 * **Gotchas**
 *
 * A text that holds JSON is a text: it is not looked into.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"

/** Invisible, or neither letter nor digit; letters and digits in circles and squares are symbols to Unicode. */
const padding = /[^\p{L}\p{N}\u{2460}-\u{24FF}\u{1F100}-\u{1F1FF}]|[\u{115F}\u{1160}\u{3164}\u{FFA0}]/gu

/** A name in which nothing is Latin, such as a Cyrillic word, resembles none of ours. */
const resemblesLatin =
  /[a-z0-9\u{2100}-\u{214F}\u{2460}-\u{24FF}\u{FF10}-\u{FF5A}\u{1D400}-\u{1D7FF}\u{1F100}-\u{1F1FF}]/u

const isPlain = (text: string) => /^[a-z0-9_]*$/.test(text)

const skeleton = (text: string): string => {
  const lower = text.toLowerCase()
  return isPlain(lower) ? lower.replaceAll("_", "") : lower.replace(padding, "")
}

/** A name, and what remains of it without case and padding. */
interface Name {
  readonly name: string
  readonly letters: string
}

const nameOf = (name: string): Name => ({ name, letters: skeleton(name) })

/** Rules ask for the same few fields with every call: their own names are read once. */
const knownNames = new Map<string, Name>()
const maxKnownNames = 1000

const wantedName = (name: string): Name => {
  const known = knownNames.get(name)
  if (known !== undefined) return known
  const read = nameOf(name)
  if (knownNames.size < maxKnownNames) knownNames.set(name, read)
  return read
}

const isLike = (text: Name, { letters: wanted, name }: Name): boolean => {
  const { letters } = text
  if (wanted === "") return text.name === name
  if (letters === wanted) return true
  if (letters.length > 2 * wanted.length || isPlain(letters) || !resemblesLatin.test(letters)) return false
  const points = [...letters]
  return points.length === wanted.length && points.every((point, index) => point > "\x7f" || point === wanted[index])
}

/**
 * Whether a text reads like a name: without case, punctuation, blanks and invisible characters, and with any letter that
 * is not ASCII in the place of any (`Amount`, `record-count`, `delete.`, `аmount` with a Cyrillic `а`). A name without letters
 * and digits is only like itself.
 *
 * @category predicates
 * @since 0.1.0
 */
export const readsLike = (text: string, name: string): boolean => isLike(nameOf(text), wantedName(name))

/** A key may be a path that stands for nested objects: `payment.amount`, `/payment/amount`, `payment[amount]`. */
const partsOf = (key: string): ReadonlyArray<Name> =>
  (/[./[\]]/.test(key) ? [key, ...new Set(key.split(/[./[\]]+/))] : [key]).map(nameOf)

const isKeyOf = (key: string, names: ReadonlyArray<Name>): boolean =>
  partsOf(key).some((part) => names.some((name) => isLike(part, name)))

/**
 * Every object within values, at any depth, the values themselves included, each once even where one value holds another.
 * It keeps a list of its own, since what comes over the wire may be nested deeper than a stack is.
 */
const objectsIn = (...values: ReadonlyArray<unknown>): ReadonlyArray<Readonly<Record<string, unknown>>> => {
  const objects: Array<Readonly<Record<string, unknown>>> = []
  const seen = new Set<object>()
  const open = values.slice()
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next !== "object" || next === null || seen.has(next)) continue
    seen.add(next)
    if (!Array.isArray(next)) objects.push(next as Readonly<Record<string, unknown>>)
    for (const item of Array.isArray(next) ? next : Object.values(next)) open.push(item)
  }
  return objects
}

/**
 * The values of a field: those under every key that reads like one of its names, at any depth, in no particular order.
 *
 * @category getters
 * @since 0.1.0
 */
export const valuesOf = (params: unknown, ...names: ReadonlyArray<string>): ReadonlyArray<unknown> => {
  const values: Array<unknown> = []
  const wanted = names.map(wantedName)
  for (const object of objectsIn(params)) {
    for (const key of Object.keys(object)) {
      if (object[key] !== undefined && isKeyOf(key, wanted)) values.push(object[key])
    }
  }
  return values
}

/**
 * The names of the fields that have a value of another shape than theirs, at any depth.
 *
 * @category getters
 * @since 0.1.0
 */
export const unexpectedIn = (params: unknown, fields: Readonly<Record<string, Shape>>): ReadonlyArray<string> => {
  const unexpected = new Set<string>()
  const expected = Object.entries(fields).map(([field, shape]) => ({ name: wantedName(field), shape }))
  for (const object of objectsIn(params)) {
    for (const key of Object.keys(object)) {
      const parts = partsOf(key)
      for (const { name, shape } of expected) {
        if (object[key] !== undefined && !hasShape(object[key], shape) && parts.some((part) => isLike(part, name))) {
          unexpected.add(name.name)
        }
      }
    }
  }
  return [...unexpected]
}

/**
 * The finite numbers among the values of a field, negative ones and those beyond 2^53 included.
 *
 * @category getters
 * @since 0.1.0
 */
export const numbersOf = (params: unknown, ...names: ReadonlyArray<string>): ReadonlyArray<number> =>
  valuesOf(params, ...names).filter((value): value is number => Number.isFinite(value))

/**
 * The names of all keys within the values of a field, each once, for a field that holds what is to be changed.
 *
 * @category getters
 * @since 0.1.0
 */
export const keysOf = (params: unknown, ...names: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(objectsIn(...valuesOf(params, ...names)).flatMap(Object.keys))
]

/**
 * Whether one of these keys reads like a name, or is a path with a part that does.
 *
 * @category predicates
 * @since 0.1.0
 */
export const includesKey = (keys: ReadonlyArray<string>, name: string): boolean => namesAmong(keys, [name]).length > 0

/**
 * Those of the names that one of these keys reads like, or is a path with a part that does. Each key is read once, however
 * many names there are.
 *
 * @category getters
 * @since 0.2.0
 */
export const namesAmong = (keys: ReadonlyArray<string>, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const parts = new Map(keys.flatMap((key) => partsOf(key).map((part) => [part.name, part])))
  const letters = new Set<string>()
  /** Those that may stand for other letters, by their length. */
  const veiled = new Map<number, Array<Name>>()
  for (const part of parts.values()) {
    letters.add(part.letters)
    if (isPlain(part.letters)) continue
    const { length } = [...part.letters]
    const alike = veiled.get(length)
    if (alike === undefined) veiled.set(length, [part])
    else alike.push(part)
  }
  return names.filter((name) => {
    const wanted = nameOf(name)
    if (wanted.letters === "") return parts.has(name)
    return letters.has(wanted.letters) ||
      (veiled.get(wanted.letters.length) ?? []).some((part) => isLike(part, wanted))
  })
}

/**
 * The shape in which a field is expected. See {@link hasShape}.
 *
 * @category models
 * @since 0.1.0
 */
export type Shape = "quantity" | "recipients" | "object"

/**
 * Whether a value can be compared with what a rule knows.
 *
 * **Details**
 *
 * - `quantity`: a number from 0 to 2^53 - 1. Texts are none, whatever they spell, and neither is null, which is how NaN and
 *   infinity arrive in JSON.
 * - `recipients`: a text of addresses, or a flat list of such texts (see {@link addressesIn}); null is no recipient.
 * - `object`: an object; null is none.
 *
 * @category predicates
 * @since 0.1.0
 */
export const hasShape = (value: unknown, shape: Shape): boolean => {
  switch (shape) {
    case "quantity":
      return Predicate.isNumber(value) && value >= 0 && value <= Number.MAX_SAFE_INTEGER
    case "recipients":
      return isNone(value) || (Array.isArray(value) ? value : [value]).every(isAddressText)
    case "object":
      return isNone(value) || Predicate.isObject(value)
  }
}

/** A number that is not finite is stored as null, and must be judged alike before and after. */
const isNone = (value: unknown): boolean => value === null || (Predicate.isNumber(value) && !Number.isFinite(value))

/** Blanks around a dot or an @ mean nothing to a mail server (RFC 5322, 4.4). */
const words = (text: string): ReadonlyArray<string> =>
  text.replace(/[\t\n\v\f\r ]+/g, " ").replace(/ ?([.@]) ?/g, "$1").split(/[ ,;:<>"]+/).filter((word) => word !== "")

/** Every step takes a character that the next cannot take, so a search is linear in the length of the text. */
const address = /^[A-Za-z0-9.#$&'*+/=?^_{|}~-]+@([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*\.?$/

const isAddressText = (text: unknown): boolean => {
  if (!Predicate.isString(text)) return false
  const all = words(text)
  const addresses = all.filter((word) => word.includes("@"))
  return all.length === 0 || (addresses.length > 0 && addresses.every((word) => address.test(word)) &&
    !/[\uFF20\uFE6B]/.test(text))
}

/**
 * The mail addresses in a text, or in the texts of a flat list, in lower case and each once. A text may hold several, and
 * display names: `"Ann <ann@a.example>, bob@b.example"`.
 *
 * **Gotchas**
 *
 * An address within a display name counts: reading too many is the safe error. Any other value has none.
 *
 * @category getters
 * @since 0.1.0
 */
export const addressesIn = (value: unknown): ReadonlyArray<string> => {
  const texts = (Array.isArray(value) ? value : [value]).filter(Predicate.isString)
  const addresses = texts.flatMap((text) => words(text.toLowerCase())).flatMap((word) => word.split(/[()[\]]+/))
  return [...new Set(addresses.filter((word) => word.includes("@")))]
}

/**
 * The domain of an address, in lower case. It may be written with the root's dot (`gmail.com.`) and is the same domain.
 *
 * @category getters
 * @since 0.1.0
 */
export const domainOf = (address: string): string =>
  address.slice(address.lastIndexOf("@") + 1).toLowerCase().replace(/\.$/, "")
