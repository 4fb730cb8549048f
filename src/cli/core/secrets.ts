/**
 * Secrets that a command takes: from a file, from stdin, or from the user at the terminal, and never from a flag.
 *
 * @internal
 */
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { ask, canAsk } from "../screen/prompts.ts"
import { FileFailed, Usage } from "./failure.ts"
import { readText } from "./readText.ts"
import { readStdin } from "./stdin.ts"

/** @internal */
export const valueFile = Flag.String("value-file").pipe(
  Flag.withMetavar("<file>"),
  Flag.withDescription("The file with the value; - is stdin. Default: you are asked"),
  Flag.optional
)

/**
 * The value, without the line end that files and shells put behind it.
 *
 * @internal
 */
export const readSecret = Effect.fnUntraced(function*(path: Option.Option<string>, question: string) {
  const text = Option.isSome(path) && path.value !== "-"
    ? yield* Effect.mapError(readText(path.value), FileFailed.of("read", path.value))
    : Option.isNone(path) && (yield* canAsk)
    ? Redacted.value(yield* ask(Prompt.Hidden({ message: question })))
    : yield* readStdin
  const value = text.replace(/\r?\n$/, "")
  if (value !== "") return Redacted.make(value)
  return yield* new Usage({ message: "The value is empty: pass it by --value-file or stdin, or type it when asked." })
})
