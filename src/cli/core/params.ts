/**
 * Params on the command line: JSON, `@file` that holds it, or `-` for stdin.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Words from "../screen/words.ts"
import { FileFailed, Usage } from "./failure.ts"
import { readText } from "./readText.ts"
import { readStdin } from "./stdin.ts"

type Params = Readonly<Record<string, unknown>>

/** @internal */
export const readParams = Effect.fnUntraced(function*(argument: string) {
  if (argument === "-") return yield* parseParams(yield* readStdin, "stdin")
  if (!argument.startsWith("@")) return yield* parseParams(argument, "--params")
  const path = argument.slice(1)
  return yield* parseParams(yield* Effect.mapError(readText(path), FileFailed.of("read", path)), path)
})

/**
 * Refuses numbers that would not be sent as they were written: the log is about what was really asked for.
 *
 * @internal
 */
export const parseParams = (text: string, from: string): Effect.Effect<Params, Usage> =>
  Effect.suspend(() => {
    const inexact: Array<string> = []
    try {
      const value: unknown = JSON.parse(text, (_, value: unknown, context?: { readonly source?: string }) => {
        const source = context?.source
        if (typeof value === "number" && source !== undefined && !isExact(value, source)) inexact.push(source)
        return value
      })
      if (!Predicate.isObject(value) || Array.isArray(value)) {
        return Effect.fail(new Usage({ message: `Params are a JSON object, like '{"amount": 50}': ${from} is none.` }))
      }
      if (inexact.length === 0) return Effect.succeed(value as Params)
      // What was typed may be shown; a file or a pipe may contain what must not be shown here.
      const numbers = from.startsWith("--") ? `: ${inexact.join(", ")}` : ` (${Words.count(inexact.length, "number")})`
      const message = `Numbers in ${from} cannot be kept exactly, so put quotes around them${numbers}.`
      return Effect.fail(new Usage({ message }))
    } catch (error) {
      const why = placeOf(error)
      return Effect.fail(
        new Usage({ message: `Params are a JSON object, like '{"amount": 50}': ${from} is none (${why}).` })
      )
    }
  })

/** Where a text stops being JSON. The engine's own message would quote the text. */
const placeOf = (error: unknown): string => {
  const place = error instanceof SyntaxError ? /\(line \d+ column \d+\)/.exec(error.message) : null
  return place === null ? "it is not JSON" : `it is not JSON from ${place[0].slice(1, -1)} on`
}

/** Integers beyond 2^53, and literals beyond the largest number. Decimal fractions are rounded alike by all parsers. */
const isExact = (value: number, source: string) =>
  Number.isFinite(value) && (Number.isSafeInteger(value) || !/^-?\d+$/.test(source))
