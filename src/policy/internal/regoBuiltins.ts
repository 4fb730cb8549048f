/**
 * Functions of Rego that a compiled policy asks its host for. Those that OPA compiles into the policy are not here.
 *
 * A function that fails answers undefined, as in OPA, and so does the expression that it stands in. One that cannot answer
 * as OPA does throws: the policy then decides nothing.
 *
 * @internal
 */
import { matchesOf, replaceAll, split } from "./re2.ts"

/**
 * What a function knows besides its arguments.
 *
 * @internal
 */
export interface Moment {
  /** The time of the decision document, in nanoseconds: the same document is decided the same at any time. */
  readonly now: () => bigint
}

type Builtin = (moment: Moment, ...args: ReadonlyArray<unknown>) => unknown

const text = (value: unknown): string => {
  if (typeof value === "string") return value
  throw new TypeError("no text")
}

/** In OPA, an argument of another type makes the expression undefined. */
const ofTexts = (run: (...texts: ReadonlyArray<string>) => unknown): Builtin => (_, ...args) =>
  args.every((arg) => typeof arg === "string") ? run(...args) : undefined

// --- time ------------------------------------------------------------------------------------------------------------

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

const maxNanos = 2n ** 63n

/**
 * Nanoseconds since 1970, or undefined where the text is no time or lies outside the years 1677 to 2262.
 *
 * @internal
 */
export const parseRfc3339 = (value: string): bigint | undefined => {
  const found = rfc3339.exec(value)
  if (found === null) return undefined
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  const [fraction = "", sign, zoneHour = "0", zoneMinute = "0"] = found.slice(7)
  if (hour > 23 || minute > 59 || second > 59 || Number(zoneHour) > 24 || Number(zoneMinute) > 60) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (month < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second)
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === "-" ? -1 : 1)
  const nanos = (BigInt(date.getTime()) - BigInt(zone) * 60_000n) * 1_000_000n +
    BigInt(fraction.slice(0, 9).padEnd(9, "0"))
  return nanos >= -maxNanos && nanos < maxNanos ? nanos : undefined
}

/** A moment, alone or with a time zone, of which UTC is the only one here. */
const dateOf = (value: unknown): Date => {
  const [nanos, zone] = Array.isArray(value) ? value : [value, "UTC"]
  if (zone !== "UTC" && zone !== "") throw new Error("time zones other than UTC are not available")
  if (typeof nanos !== "bigint" && !Number.isSafeInteger(nanos)) throw new TypeError("no time in nanoseconds")
  const whole = BigInt(nanos as bigint | number)
  // towards the past, as a clock reads
  return new Date(Number((whole - ((whole % 1_000_000n) + 1_000_000n) % 1_000_000n) / 1_000_000n))
}

const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

// --- sprintf ---------------------------------------------------------------------------------------------------------

const cannotPrint = (detail: string): never => {
  throw new Error(`sprintf cannot write ${detail} as OPA does`)
}

/** Arrays and objects: a set cannot be told from an array here, and each is written differently. */
const plainText = (value: unknown): string => {
  if (typeof value === "string") return value
  if (typeof value === "boolean" || value === null) return String(value)
  return cannotPrint("sets, arrays and objects")
}

const number = (value: number | bigint): string => {
  if (typeof value === "bigint" || Number.isInteger(value)) {
    return typeof value === "bigint" || Number.isSafeInteger(value) ? String(value) : cannotPrint("large numbers")
  }
  const size = Math.abs(value)
  return size >= 1e-4 && size < 1e6 ? String(value) : cannotPrint("very small or large numbers")
}

const kindOf = (value: unknown): string =>
  typeof value === "bigint" || Number.isInteger(value) ? "int64" : typeof value === "number" ? "float64" : "string"

const written = (value: unknown): string =>
  typeof value === "number" || typeof value === "bigint" ? number(value) : plainText(value)

const verb = (name: string, value: unknown): string => {
  const kind = kindOf(value)
  if (name === "v" || (name === "s" && kind === "string") || (name === "d" && kind === "int64")) return written(value)
  return name === "s" || name === "d" ? `%!${name}(${kind}=${written(value)})` : cannotPrint(`%${name}`)
}

const sprintf = (format: string, values: ReadonlyArray<unknown>): string => {
  let next = 0
  const all = format.replace(/%([%a-z]?)/g, (_, name: string) => {
    if (name === "%") return "%"
    if (name === "") return cannotPrint(`what follows a % in ${JSON.stringify(format)}`)
    return next < values.length ? verb(name, values[next++]) : `%!${name}(MISSING)`
  })
  const extra = values.slice(next).map((value) => `${kindOf(value)}=${written(value)}`)
  return extra.length === 0 ? all : `${all}%!(EXTRA ${extra.join(", ")})`
}

// --- all -------------------------------------------------------------------------------------------------------------

const listOf = (value: unknown): ReadonlyArray<string> => (Array.isArray(value) ? value : [value]).map(text)

const anyPair = (
  test: (searched: string, base: string) => boolean
): Builtin =>
(_, search, base) => {
  const bases = listOf(base)
  return listOf(search).some((searched) => bases.some((base) => test(searched, base)))
}

const isJson = (value: string): boolean => {
  try {
    JSON.parse(value)
    return true
  } catch {
    return false
  }
}

/**
 * All of them by name.
 *
 * @internal
 */
export const builtins: Readonly<Record<string, Builtin>> = {
  "json.is_valid": ofTexts((value) => isJson(value!)),
  "regex.find_n": (_, pattern, value, most) =>
    matchesOf(text(pattern), text(value), Number(most) < 0 ? Infinity : Number(most)).map(({ groups }) => groups[0]),
  "regex.replace": ofTexts((value, pattern, template) => replaceAll(value!, pattern!, template!)),
  "regex.split": ofTexts((pattern, value) => split(pattern!, value!)),
  "sprintf": (_, format, values) => sprintf(text(format), values as ReadonlyArray<unknown>),
  "strings.any_prefix_match": anyPair((searched, base) => searched.startsWith(base)),
  "strings.any_suffix_match": anyPair((searched, base) => searched.endsWith(base)),
  "time.clock": (_, time) => {
    const date = dateOf(time)
    return [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
  },
  "time.date": (_, time) => {
    const date = dateOf(time)
    return [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
  },
  "time.now_ns": ({ now }) => now(),
  "time.parse_rfc3339_ns": ofTexts((value) => parseRfc3339(value!)),
  "time.weekday": (_, time) => weekdays[dateOf(time).getUTCDay()]
}
