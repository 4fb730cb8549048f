/**
 * How commands speak: results are written to stdout, as lines to read or as one JSON object a line; everything else to
 * stderr.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Failure, Notice } from "../Output.ts"
import { Screen, type WriteError } from "./Screen.ts"
import { cut, jsonLine, type Line, red, render, wrap, yellow } from "./text.ts"

/** @internal */
export class Printer extends Context.Service<Printer, {
  readonly isJson: boolean
  /** Whether stdout is a terminal that can be drawn on again. */
  readonly isLive: boolean
  /** Whether stderr is a terminal on which progress is shown. */
  readonly hasProgress: boolean
  /** Of stdout; undefined where lines may be of any length. */
  readonly width: () => number | undefined
  readonly height: () => number | undefined
  /** One result: its JSON by the schema, or the lines to read. */
  readonly print: <A>(
    schema: Schema.Codec<A, unknown>,
    value: NoInfer<A>,
    lines: (width: number | undefined) => ReadonlyArray<Line>
  ) => Effect.Effect<void, WriteError>
  /** Lines to read only, on stdout. */
  readonly show: (lines: ReadonlyArray<Line>) => Effect.Effect<void, WriteError>
  /** Puts lines in the place of those drawn before. Only where `isLive`. */
  readonly draw: (lines: ReadonlyArray<Line>) => Effect.Effect<void, WriteError>
  /** Why nothing more can be written to stdout, once that has happened. */
  readonly broken: () => WriteError | undefined
  /** Text as it is, on stdout. */
  readonly raw: (text: string) => Effect.Effect<void, WriteError>
  /** What a user should know meanwhile, on stderr. Not printed for scripts. */
  readonly note: (line: Line) => Effect.Effect<void>
  /** What scripts should know too, on stderr. */
  readonly warn: (message: string) => Effect.Effect<void>
  /** Why the command ends, on stderr. */
  readonly fail: (failure: typeof Failure.Type) => Effect.Effect<void>
  /** One line on stderr that the next one takes the place of; none clears it. Only on terminals. */
  readonly progress: (line?: Line) => void
}>()("effect-vargate/cli/Printer") {}

const upAndClear = (lines: number) => lines === 0 ? "" : `\x1b[${lines}A\x1b[0J`

const encodeNotice = Schema.encodeSync(Notice)
const encodeFailure = Schema.encodeSync(Failure)

/** @internal */
export const make = (
  { stderr, stdout }: Screen["Service"],
  { isJson }: { readonly isJson: boolean }
): Printer["Service"] => {
  const isLive = stdout.isTerminal && !isJson
  const hasProgress = stderr.isTerminal && !isJson
  let drawn = 0
  let isInProgress = false
  let broken: WriteError | undefined

  const clearProgress = () => {
    if (!isInProgress) return ""
    isInProgress = false
    return "\r\x1b[2K"
  }

  const out = (text: string) =>
    Effect.suspend(() => {
      const clear = clearProgress()
      if (clear !== "") stderr.writeUnsafe(clear)
      return Effect.tapError(stdout.write(text), (error) => Effect.sync(() => void (broken ??= error)))
    })

  const err = (text: string) => stderr.writeUnsafe(clearProgress() + text)

  const linesOf = (lines: ReadonlyArray<Line>) => lines.map((line) => `${render(line, stdout.isColored)}\n`).join("")

  const paragraph = (line: Line) => {
    const columns = stderr.columns()
    const lines = columns === undefined ? [line] : wrap(line, columns)
    err(lines.map((part) => `${render(part, stderr.isColored)}\n`).join(""))
  }

  return Printer.of({
    isJson,
    isLive,
    hasProgress,
    width: stdout.columns,
    height: stdout.rows,
    print: (schema, value, lines) =>
      Effect.suspend(() =>
        out(isJson ? `${jsonLine(Schema.encodeSync(schema)(value))}\n` : linesOf(lines(stdout.columns())))
      ),
    show: (lines) => isJson ? Effect.void : out(linesOf(lines)),
    draw: (lines) =>
      Effect.suspend(() => {
        const width = stdout.columns() ?? 80
        const text = upAndClear(drawn) + linesOf(lines.map((line) => cut(line, width)))
        drawn = lines.length
        return out(text)
      }),
    broken: () => broken,
    raw: out,
    note: (line) => Effect.sync(() => isJson ? undefined : paragraph(line)),
    warn: (message) =>
      Effect.sync(() =>
        isJson
          ? err(`${jsonLine(encodeNotice({ warning: message }))}\n`)
          : paragraph([yellow("warning:"), ` ${message}`])
      ),
    fail: (failure) =>
      Effect.sync(() =>
        isJson ? err(`${jsonLine(encodeFailure(failure))}\n`) : paragraph([red("error:"), ` ${failure.message}`])
      ),
    progress: (line) => {
      if (!hasProgress) return
      const clear = clearProgress()
      if (line === undefined) return stderr.writeUnsafe(clear)
      isInProgress = true
      stderr.writeUnsafe(`\r\x1b[2K${render(cut(line, (stderr.columns() ?? 80) - 1), stderr.isColored)}`)
    }
  })
}

/** @internal */
export const layer = (options: { readonly isJson: boolean }): Layer.Layer<Printer, never, Screen> =>
  Layer.effect(Printer, Effect.map(Screen, (screen) => make(screen, options)))
