/**
 * The screen of a Node process.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BrokenPipe, type Channel, Screen } from "./Screen.ts"

const columnsOf = (stream: NodeJS.WriteStream): number | undefined => {
  if (stream.isTTY) return stream.columns > 0 ? stream.columns : 80
  const columns = Number(process.env["COLUMNS"])
  return Number.isInteger(columns) && columns > 0 ? columns : undefined
}

const isOn = (variable: string | undefined) => variable !== undefined && variable !== ""

const isColored = (stream: NodeJS.WriteStream): boolean => {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env
  if (isOn(NO_COLOR) || TERM === "dumb") return false
  return stream.isTTY || (isOn(FORCE_COLOR) && FORCE_COLOR !== "0")
}

const channel = (stream: NodeJS.WriteStream): Channel => {
  // Without a listener, a reader that went away would end the process with a stack trace.
  stream.on("error", () => undefined)
  return {
    isTerminal: stream.isTTY === true,
    isColored: isColored(stream),
    columns: () => columnsOf(stream),
    rows: () => stream.isTTY ? stream.rows : undefined,
    write: (text) =>
      Effect.callback<void, BrokenPipe>((resume) => {
        stream.write(text, (error) => resume(error == null ? Effect.void : Effect.fail(new BrokenPipe())))
      }),
    writeUnsafe: (text) => void stream.write(text)
  }
}

/** @internal */
export const layer: Layer.Layer<Screen> = Layer.sync(
  Screen,
  () => Screen.of({ stdout: channel(process.stdout), stderr: channel(process.stderr) })
)
