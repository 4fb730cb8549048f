/**
 * The params of a call, read once: whatever checks, submits, shows, digests or executes a call does it from here, so that
 * nothing is executed but what was decided.
 *
 * Code that is handed params takes a snapshot before anything else ({@link snapshotParams}, or {@link snapshotText} where
 * they are JSON text already) and passes its `value` on as the params of the request, as often as that is submitted:
 * `ToolCalls` sends the snapshot's `text`.
 *
 * @internal
 */
import * as Result from "effect/Result"
import type { FieldIssue } from "../../errors/VargateError.ts"
import { canonicalJson } from "../../internal/canonicalJson.ts"
import { maxParamsDepth, maxParamsLength } from "../../internal/limits.ts"
import { pythonLengthOfText } from "../../internal/pythonLength.ts"
import { sha256 } from "../../internal/sha256.ts"
import { readParamsText } from "./paramsText.ts"

/** @internal */
export type Params = Readonly<Record<string, unknown>>

/**
 * Params that keep the gateway's limits.
 *
 * @internal
 */
export class ParamsSnapshot {
  /** The JSON as it is sent. */
  readonly text: string
  /** What the text says: plain objects and arrays, frozen in depth. */
  readonly value: Params
  private readonly source: Source | undefined
  private knownDigest: string | undefined
  private knownIdentity: string | undefined

  constructor(text: string, value: Params, source?: Source) {
    this.text = text
    this.value = value
    this.source = source
    // Any other value can be read again, and says the same.
    if (source !== undefined) this.remembered()
  }

  /** Spares a later submission of the value another reading. */
  remembered(): this {
    snapshots.set(this.value, this)
    return this
  }

  /** Lower-case hex SHA-256 of the params' canonical JSON, where the numbers of a text stand as it spells them. */
  get digest(): string {
    return this.knownDigest ??= sha256(this.source?.canonical ?? canonicalJson(this.value))
  }

  /**
   * A text that is the same for the same params. It does not depend on the order of keys, unless the params came as text,
   * and is a digest where they are long.
   */
  get identity(): string {
    return this.knownIdentity ??= identityOf(this.source?.canonical ?? sortedJson(this.value))
  }

  /** The same params and one more. */
  with(key: string, member: string): Taken {
    const { source, text, value } = this
    if (Object.hasOwn(value, key)) return refuse(`Expected no ${key} of the caller's own: the request adds one`, [key])
    const json = JSON.stringify({ [key]: member }).slice(1)
    const append = (object: string) => object.slice(0, -1) + (Object.keys(value).length === 0 ? "" : ",") + json
    return take(
      append(text),
      Object.freeze({ ...value, [key]: member }),
      source && { canonical: append(source.canonical), length: source.length + pythonLengthOfText(json) + 1 }
    )
  }
}

/** A digest takes longer than all else that is noted about a call, and short texts take no more memory. */
const longestIdentity = 256

const identityOf = (text: string): string => text.length <= longestIdentity ? text : sha256(text)

/** Of what a snapshot holds: as deep as params may be, and without anything that JSON does not know. */
const sortedJson = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`
  const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${sortedJson((value as Params)[key])}`)
  return `{${members.join(",")}}`
}

/** What a text of params says where `value` cannot: doubles do not hold every number. */
interface Source {
  readonly canonical: string
  /** As the gateway counts. */
  readonly length: number
}

/** @internal */
export type Taken = Result.Result<ParamsSnapshot, ReadonlyArray<FieldIssue>>

/** Those that came as text, or are about to be submitted, by their values: so they travel in a request. */
const snapshots = new WeakMap<object, ParamsSnapshot>()

/** Where params stand in a call, as the gateway's own 422 names it. */
const inBody = ["body", "params"]

const refuse = (message: string, path: FieldIssue["path"] = []): Taken =>
  Result.fail([{ path: [...inBody, ...path], message }])

const tooLong = `Expected at most ${maxParamsLength} characters as the gateway counts them (non-ASCII as \\uXXXX)`

const take = (text: string, value: Params, source?: Source): Taken =>
  // No character becomes more than `\uXXXX`, which spares most params the counting.
  6 * text.length > maxParamsLength && (source?.length ?? pythonLengthOfText(text)) > maxParamsLength
    ? refuse(tooLong)
    : Result.succeed(new ParamsSnapshot(text, value, source))

/**
 * Checks params while it reads each of their properties once. Never throws, and reads no more than the limits allow,
 * whatever it is given. The `value` of a snapshot has the same text again.
 *
 * @internal
 */
export const snapshotParams = (params: unknown): Taken => {
  if (typeof params !== "object" || params === null) return refuse("Expected object")
  const snapshot = snapshots.get(params)
  if (snapshot !== undefined) return Result.succeed(snapshot)
  const reader = new Reader()
  const value = reader.readAll(params)
  return value === undefined ? Result.fail(reader.issues) : take(JSON.stringify(value), value)
}

/**
 * A snapshot of params that came as JSON text, which is sent as it came: numbers keep the digits that no double holds.
 *
 * @internal
 */
export const snapshotText = (text: string): Taken =>
  Result.match(readParamsText(text), {
    onFailure: ({ message, path }) => refuse(message, path),
    onSuccess: ({ value, ...source }) => take(text.trim(), value, source)
  })

// --- reading values --------------------------------------------------------------------------------------------------

const maxIssues = 10

/** Ends a reading whose issues are complete. */
const enough = Symbol()

class Reader {
  readonly issues: Array<FieldIssue> = []
  private readonly path: Array<string | number> = []
  /** The objects and arrays that the reader is in. */
  private readonly within: Array<object> = []
  private size = 0

  readAll(params: object): Params | undefined {
    try {
      // Not by way of JSON text: some engines misread keys that end in a backslash.
      const value = Array.isArray(params) ? this.report("Expected object") : this.readObject(params)
      return this.issues.length === 0 ? value as Params : undefined
    } catch (thrown) {
      // What a getter or a proxy throws may hold anything, so nothing of it is shown.
      if (thrown !== enough) this.issues.push(this.issue("Expected JSON, and reading this throws"))
      return undefined
    }
  }

  private read(value: unknown): unknown {
    // Shared objects would otherwise be read again and again, and long texts written for nothing.
    this.grow(typeof value === "string" ? 1 + value.length : 1)
    if (this.within.length > maxParamsDepth) return this.reportDepth(value)
    switch (typeof value) {
      case "boolean":
        return value
      case "number":
        if (!Number.isFinite(value)) return this.report("Expected a finite number: JSON has no NaN and no Infinity")
        // JSON has one zero.
        return value === 0 ? 0 : value
      case "string":
        return value.isWellFormed() ? value : this.report("Expected text without lone surrogates")
      case "object":
        return value === null ? null : Array.isArray(value) ? this.readArray(value) : this.readObject(value)
      default:
        return this.report(`Expected a JSON value, not ${typeof value}`)
    }
  }

  private readObject(object: object): unknown {
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && prototype !== null) {
      return this.report("Expected plain JSON: encode class instances (dates, ...) first, for instance with a Schema")
    }
    const copy: Record<string, unknown> = {}
    this.within.push(object)
    for (const key of Object.keys(object)) {
      if (!key.isWellFormed()) {
        this.report("Expected keys without lone surrogates")
        continue
      }
      this.path.push(key)
      const member = (object as Params)[key]
      // JSON leaves such keys out, and so do we.
      if (member !== undefined) {
        this.grow(key.length)
        const read = this.read(member)
        // An assignment would set the prototype.
        if (key === "__proto__") Object.defineProperty(copy, key, { value: read, enumerable: true })
        else copy[key] = read
      }
      this.path.pop()
    }
    this.within.pop()
    return Object.freeze(copy)
  }

  private readArray(array: ReadonlyArray<unknown>): unknown {
    const { length } = array
    // An array may be long and hold nothing.
    if (!(length <= maxParamsLength)) this.grow(length)
    const copy: Array<unknown> = []
    this.within.push(array)
    for (let i = 0; i < length; i++) {
      this.path.push(i)
      copy.push(this.read(array[i]))
      this.path.pop()
    }
    this.within.pop()
    return Object.freeze(copy)
  }

  private grow(by: number): void {
    this.size += by
    if (this.size <= maxParamsLength) return
    this.issues.splice(0, Infinity, { path: inBody, message: tooLong })
    throw enough
  }

  private issue(message: string): FieldIssue {
    return { path: [...inBody, ...this.path], message }
  }

  private report(message: string): undefined {
    this.issues.push(this.issue(message))
    if (this.issues.length === maxIssues) throw enough
  }

  private reportDepth(value: unknown): undefined {
    const chain = [...this.within, value]
    const again = chain.findIndex((object, i) => chain.indexOf(object) < i)
    if (again < 0) return this.report(`Expected at most ${maxParamsDepth} levels of nesting`)
    this.path.splice(again)
    this.report("Expected JSON, and this refers back to an object that it is in")
    throw enough
  }
}
