/**
 * The words that every screen uses for the same things.
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Predicate from "effect/Predicate"
import { alarm, dim, green, type Line, red, type Span, yellow } from "./text.ts"

/** @internal */
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString("en")} ${n === 1 ? one : many}`

/** @internal */
export const are = (n: number): string => n === 1 ? "is 1" : n === 0 ? "are none" : `are ${n.toLocaleString("en")}`

/**
 * A stretch of time, in two units at most.
 *
 * @internal
 */
export const stretch = (millis: number): string => {
  if (millis < 1000) return `${Math.max(0, Math.round(millis))} ms`
  const seconds = Math.floor(millis / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10 && seconds % 60 > 0) return `${minutes} min ${seconds % 60} s`
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return count(Math.floor(hours / 24), "day")
}

/**
 * The same for columns, in one unit.
 *
 * @internal
 */
export const shortStretch = (millis: number): string => {
  const seconds = Math.max(0, Math.floor(millis / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`
}

/** @internal */
export const ago = (time: DateTime.Utc, now: DateTime.Utc): string =>
  `${stretch(Math.max(0, now.epochMilliseconds - time.epochMilliseconds))} ago`

/**
 * A moment in UTC, without its day where that is today.
 *
 * @internal
 */
export const stamp = (time: DateTime.Utc, now?: DateTime.Utc): string => {
  const iso = DateTime.formatIso(time)
  const isToday = now !== undefined && iso.slice(0, 10) === DateTime.formatIso(now).slice(0, 10)
  return isToday ? iso.slice(11, 19) : iso.slice(5, 19).replace("T", " ")
}

/** @internal */
export const fullStamp = (time: DateTime.Utc): string =>
  `${DateTime.formatIso(time).replace("T", " ").slice(0, -1)} UTC`

const decisionStyles: Readonly<Record<string, (text: string) => Span>> = {
  allow: green,
  deny: red,
  pending_approval: yellow
}

const decisionNames: Readonly<Record<string, string>> = { pending_approval: "pending" }

/** @internal */
export const decision = (name: string): Line => (decisionStyles[name] ?? dim)(decisionNames[name] ?? name)

/**
 * A text in the colour of a severity.
 *
 * @internal
 */
export const severe = (severity: string, text = severity): Span =>
  (severity === "critical" ? alarm : severity === "high" ? red : severity === "medium" ? yellow : dim)(text)

const maxBrief = 500

/**
 * Params in one line, to read: `amount=50 charge=ch_1`. Cut well beyond any screen, since params may be long.
 *
 * @internal
 */
export const brief = (params: unknown): string => {
  if (!Predicate.isObject(params) || Array.isArray(params)) return plain(params)
  let text = ""
  for (const [key, value] of Object.entries(params)) {
    text += `${text === "" ? "" : " "}${key}=${plain(value)}`
    if (text.length > maxBrief) return text.slice(0, maxBrief)
  }
  return text
}

const plain = (value: unknown): string =>
  typeof value === "string" && /^[\w.@:/+-]+$/.test(value.slice(0, maxBrief))
    ? value.slice(0, maxBrief)
    : (JSON.stringify(value) ?? "").slice(0, maxBrief)

/** @internal */
export const yes: Span = green("✓")
/** @internal */
export const no: Span = red("✗")
/** @internal */
export const attention: Span = yellow("!")
