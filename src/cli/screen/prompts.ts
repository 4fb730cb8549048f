/**
 * Questions to the user at the terminal.
 *
 * @internal
 */
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Terminal from "effect/Terminal"
import { Printer } from "./Printer.ts"
import { Screen } from "./Screen.ts"

/**
 * Whether there is a user to ask.
 *
 * @internal
 */
export const canAsk = Effect.gen(function*() {
  const { isJson } = yield* Printer
  const { stderr } = yield* Screen
  const { stdinIsTerminal } = yield* Stdio.Stdio
  return !isJson && stderr.isTerminal && (yield* stdinIsTerminal)
})

/**
 * Asks on stderr: stdout is for results. Escape and Ctrl-C end the command.
 *
 * @internal
 */
export const ask = Effect.fnUntraced(function*<A>(prompt: Prompt.Prompt<A>) {
  const { stderr } = yield* Screen
  return yield* Prompt.run(prompt).pipe(
    Effect.updateService(Terminal.Terminal, (terminal) =>
      Terminal.make({
        ...terminal,
        columns: Effect.sync(() => stderr.columns() ?? 80),
        display: (text) => Effect.ignore(stderr.write(text))
      })),
    Effect.catchTag("QuitError", () => Effect.interrupt)
  )
})
