/**
 * Reads params that are JSON text, without losing what JavaScript's values cannot hold.
 *
 * @internal
 */
import * as Result from "effect/Result"
import type { FieldIssue } from "../../errors/VargateError.ts"
import { asciiString } from "../../internal/canonicalJson.ts"
import { endOfString, isNestedDeeper } from "../../internal/jsonNesting.ts"
import { maxParamsDepth } from "../../internal/limits.ts"
import { pythonNumberLength } from "../../internal/pythonLength.ts"

/**
 * What a text of params says.
 *
 * @internal
 */
export interface ParamsText {
  /** Frozen in depth. Numbers are the nearest doubles. */
  readonly value: Readonly<Record<string, unknown>>
  /** The text in ASCII and without blanks, its numbers as they were. */
  readonly canonical: string
  /** How long the gateway finds it. */
  readonly length: number
}

/**
 * The first issue of a text that cannot be sent has a path from the params on.
 *
 * @internal
 */
export const readParamsText = (text: string): Result.Result<ParamsText, FieldIssue> => {
  if (isNestedDeeper(text, maxParamsDepth)) {
    return Result.fail({ path: [], message: `Expected at most ${maxParamsDepth} levels of nesting` })
  }
  try {
    JSON.parse(text)
  } catch {
    return Result.fail({ path: [], message: "Expected JSON" })
  }
  return new TextReader(text).readAll()
}

/** Ends a reading with an issue. */
class Unfit {
  readonly issue: FieldIssue
  constructor(issue: FieldIssue) {
    this.issue = issue
  }
}

/** Of a text that is JSON. */
class TextReader {
  private readonly text: string
  private at = 0
  private readonly path: Array<string | number> = []
  private canonical = ""
  /** What Python writes beyond the canonical text. */
  private excess = 0

  constructor(text: string) {
    this.text = text
  }

  readAll(): Result.Result<ParamsText, FieldIssue> {
    try {
      if (this.next() !== "{") throw this.unfit("Expected object")
      const value = this.readObject()
      return Result.succeed({ value, canonical: this.canonical, length: this.canonical.length + this.excess })
    } catch (thrown) {
      if (thrown instanceof Unfit) return Result.fail(thrown.issue)
      throw thrown
    }
  }

  private unfit(message: string): Unfit {
    return new Unfit({ path: [...this.path], message })
  }

  /** The first character of the token that comes next. */
  private next(): string {
    while (" \t\n\r".includes(this.text[this.at]!)) this.at++
    return this.text[this.at]!
  }

  private punctuation(written: string): void {
    this.at++
    this.canonical += written
    // Python writes a blank behind each.
    if (written === "," || written === ":") this.excess++
  }

  private read(): unknown {
    switch (this.next()) {
      case "{":
        return this.readObject()
      case "[":
        return this.readArray()
      case "\"":
        return this.readString("text")
      default:
        return this.readScalar()
    }
  }

  private readObject(): Readonly<Record<string, unknown>> {
    const object: Record<string, unknown> = {}
    this.punctuation("{")
    for (let next = this.next(); next !== "}"; next = this.next()) {
      if (next === ",") this.punctuation(",")
      this.next()
      const key = this.readString("keys")
      this.path.push(key)
      if (Object.hasOwn(object, key)) throw this.unfit("Expected each key once: readers differ on which of two counts")
      this.next()
      this.punctuation(":")
      // An assignment to `__proto__` would set the prototype.
      Object.defineProperty(object, key, { value: this.read(), enumerable: true })
      this.path.pop()
    }
    this.punctuation("}")
    return Object.freeze(object)
  }

  private readArray(): ReadonlyArray<unknown> {
    const array: Array<unknown> = []
    this.punctuation("[")
    for (let next = this.next(); next !== "]"; next = this.next()) {
      if (next === ",") this.punctuation(",")
      this.path.push(array.length)
      array.push(this.read())
      this.path.pop()
    }
    this.punctuation("]")
    return Object.freeze(array)
  }

  private readString(what: "text" | "keys"): string {
    const start = this.at
    this.at = endOfString(this.text, start) + 1
    const value = JSON.parse(this.text.slice(start, this.at)) as string
    if (!value.isWellFormed()) throw this.unfit(`Expected ${what} without lone surrogates`)
    this.canonical += asciiString(value)
    return value
  }

  private readScalar(): unknown {
    const start = this.at
    while (this.at < this.text.length && !" \t\n\r,]}".includes(this.text[this.at]!)) this.at++
    const token = this.text.slice(start, this.at)
    const value = JSON.parse(token) as number | boolean | null
    this.canonical += token
    if (typeof value === "number") {
      if (!Number.isFinite(value)) throw this.unfit("Expected a number that a double can hold")
      this.excess += pythonNumberLength(token) - token.length
    }
    return value
  }
}
