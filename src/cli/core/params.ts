/**
 * Params on the command line: JSON, `@file` that holds it, or `-` for stdin.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import { FileFailed, Usage } from "./failure.ts"
import { readStdin } from "./stdin.ts"

type Params = Readonly<Record<string, unknown>>

/** @internal */
export const readParams = Effect.fnUntraced(function*(argument: string) {
  const files = yield* FileSystem.FileSystem
  if (argument === "-") return yield* parseParams(yield* readStdin, "stdin")
  if (!argument.startsWith("@")) return yield* parseParams(argument, "--params")
  const path = argument.slice(1)
  return yield* parseParams(yield* Effect.mapError(files.readFileString(path), FileFailed.of("read", path)), path)
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
      return inexact.length === 0 ? Effect.succeed(value as Params) : Effect.fail(
        new Usage({
          message: `These numbers in ${from} cannot be kept exactly, so put quotes around them: ${inexact.join(", ")}.`
        })
      )
    } catch (error) {
      const why = error instanceof Error ? error.message : "not JSON"
      return Effect.fail(
        new Usage({ message: `Params are a JSON object, like '{"amount": 50}': ${from} is none (${why}).` })
      )
    }
  })

/** Integers beyond 2^53, and literals beyond the largest number. Decimal fractions are rounded alike by all parsers. */
const isExact = (value: number, source: string) =>
  Number.isFinite(value) && (Number.isSafeInteger(value) || !/^-?\d+$/.test(source))
