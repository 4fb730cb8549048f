/**
 * Reads the Prometheus text format (version 0.0.4).
 *
 * @internal
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { MetricFamily, type MetricSample } from "../MetricFamily.ts"

/**
 * Where a text stops being metrics, and why. Lines count from 1.
 *
 * @internal
 */
export interface NotMetrics {
  readonly line: number
  readonly message: string
}

/** A gateway's metrics have some thousand lines. Reading is not interrupted by a deadline, so it is bounded by this. */
const maxText = 16 * 1024 * 1024

type MetricType = MetricFamily["type"]

interface Family {
  readonly name: string
  type: MetricType | undefined
  help: string | undefined
  readonly samples: Array<MetricSample>
}

class Refused extends Error {}

/** Of a text that may be megabytes long, no more than fits into a message. */
const quoted = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)

const refuse = (message: string): never => {
  throw new Refused(message.slice(0, 300))
}

const metricName = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const labelName = /[a-zA-Z_][a-zA-Z0-9_]*/y
const blanks = /[ \t]*/y
const comma = /,/y
const word = /[^ \t]+/y

/** A place in one line. */
class Cursor {
  private at = 0
  private readonly line: string
  constructor(line: string) {
    this.line = line
  }
  /** What the pattern matches here, stepping over it and the blanks behind it. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.line)
    if (match === null) return undefined
    this.stepTo(this.at + match[0].length)
    return match[0]
  }
  /** What stands in quotes here, with its escapes. */
  takeQuoted(): string | undefined {
    if (!this.is("\"")) return undefined
    const start = this.at + 1
    // A pattern for the whole would overflow the stack where a value is millions of characters long.
    for (let end = start; end < this.line.length; end++) {
      if (this.line[end] === "\\") {
        end++
      } else if (this.line[end] === "\"") {
        this.stepTo(end + 1)
        return this.line.slice(start, end)
      }
    }
    return undefined
  }
  private stepTo(place: number) {
    blanks.lastIndex = place
    this.at = place + blanks.exec(this.line)![0].length
  }
  is(character: string): boolean {
    return this.line[this.at] === character
  }
  get isDone(): boolean {
    return this.at === this.line.length
  }
  get rest(): string {
    return this.line.slice(this.at)
  }
}

const unescape = (text: string, allowed: string): string =>
  text.replace(/\\(.?)/gs, (_, escaped: string) => {
    if (escaped === "" || !allowed.includes(escaped)) return refuse(`the escape \\${escaped} is unknown`)
    return escaped === "n" ? "\n" : escaped
  })

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i

const readValue = (text: string): number => {
  if (decimal.test(text)) return Number(text)
  if (/^nan$/i.test(text)) return NaN
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text)
  return infinite === null
    ? refuse(`${quoted(text)} is no value`)
    : infinite[1] === "-"
    ? -Infinity
    : Infinity
}

const readTimestamp = (text: string) => {
  const at = /^-?\d+$/.test(text) ? DateTime.make(Number(text)) : Option.none()
  return Option.isSome(at) ? DateTime.toUtc(at.value) : refuse(`${quoted(text)} is no time in milliseconds`)
}

const readLabels = (cursor: Cursor): Readonly<Record<string, string>> => {
  const labels = new Map<string, string>()
  const brace = /[{}]/y
  if (!cursor.is("{")) return {}
  cursor.take(brace)
  while (!cursor.is("}")) {
    const name = cursor.take(labelName) ?? refuse("a label's name was expected")
    if (cursor.take(/=/y) === undefined) refuse(`the label ${name} has no "="`)
    const value = cursor.takeQuoted() ?? refuse(`the label ${name} has no value in quotes`)
    if (labels.has(name)) refuse(`the label ${name} is there twice`)
    labels.set(name, unescape(value, "\\\"n"))
    if (cursor.take(comma) === undefined && !cursor.is("}")) refuse("a comma or a closing brace was expected")
  }
  cursor.take(brace)
  return Object.fromEntries(labels)
}

/** @internal */
export const readSample = (line: string): MetricSample => {
  const cursor = new Cursor(line)
  const name = cursor.take(metricName) ?? refuse("a metric's name was expected")
  const labels = readLabels(cursor)
  const value = readValue(cursor.take(word) ?? refuse(`${name} has no value`))
  const time = cursor.take(word)
  if (!cursor.isDone) refuse(`something stands behind the time: ${quoted(cursor.rest)}`)
  return time === undefined ? { name, labels, value } : { name, labels, value, at: readTimestamp(time) }
}

const isBlank = (character: string | undefined) => character === " " || character === "\t"

/**
 * A line without the blanks around it. A pattern for those at the end would look for it from each blank.
 *
 * @internal
 */
export const trimmed = (line: string): string => {
  let start = 0
  while (start < line.length && isBlank(line[start])) start++
  let end = line.length
  while (end > start && (isBlank(line[end - 1]) || line[end - 1] === "\r")) end--
  return line.slice(start, end)
}

const isType = (text: string): text is MetricType => /^(?:counter|gauge|histogram|summary|untyped)$/.test(text)

/** The parts of histograms and summaries have names of their own. */
const parts: Partial<Record<MetricType, RegExp>> = { histogram: /_(?:bucket|sum|count)$/, summary: /_(?:sum|count)$/ }

class Reader {
  private readonly families = new Map<string, Family>()
  private readonly seen = new Set<string>()

  private family(name: string): Family {
    const family = this.families.get(name) ?? { name, type: undefined, help: undefined, samples: [] }
    this.families.set(name, family)
    return family
  }

  private comment(text: string) {
    const cursor = new Cursor(text)
    const kind = cursor.take(word)
    if (kind !== "HELP" && kind !== "TYPE") return
    const family = this.family(cursor.take(metricName) ?? refuse(`${kind} names no metric`))
    const { rest } = cursor
    if (kind === "HELP") {
      if (family.help !== undefined) refuse(`${family.name} has a second HELP`)
      family.help = unescape(rest, "\\n")
    } else {
      if (family.type !== undefined) refuse(`${family.name} has a second TYPE`)
      if (family.samples.length > 0) refuse(`the TYPE of ${family.name} comes after its samples`)
      family.type = isType(rest) ? rest : refuse(`${quoted(rest)} is no type`)
    }
  }

  private sample(line: string) {
    const sample = readSample(line)
    const labels = Object.entries(sample.labels).sort(([a], [b]) => a < b ? -1 : 1)
    const key = JSON.stringify([sample.name, labels])
    if (this.seen.has(key)) refuse(`${sample.name} is there twice with the same labels`)
    this.seen.add(key)
    this.familyOf(sample.name).samples.push(sample)
  }

  private familyOf(name: string): Family {
    for (const type of ["histogram", "summary"] as const) {
      const family = this.families.get(name.replace(parts[type]!, ""))
      if (family?.type === type) return family
    }
    return this.family(name)
  }

  line(text: string) {
    const line = trimmed(text)
    if (line.startsWith("#")) this.comment(line.slice(1).trimStart())
    else if (line !== "") this.sample(line)
  }

  get result(): ReadonlyArray<MetricFamily> {
    return [...this.families.values()].map(({ help, name, samples, type }) =>
      new MetricFamily({ name, type: type ?? "untyped", help, samples })
    )
  }
}

/**
 * Reads a whole text into families, in the order of their first mention. Samples without a TYPE are `untyped`.
 *
 * @internal
 */
export const readMetrics = (text: string): Result.Result<ReadonlyArray<MetricFamily>, NotMetrics> => {
  if (text.length > maxText) {
    return Result.fail({ line: 1, message: `the text has ${text.length} characters, more than ${maxText}` })
  }
  const reader = new Reader()
  for (const [index, line] of text.split("\n").entries()) {
    try {
      reader.line(line)
    } catch (error) {
      if (error instanceof Refused) return Result.fail({ line: index + 1, message: error.message })
      throw error
    }
  }
  return Result.succeed(reader.result)
}
