/**
 * The screen of a Node process.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Environment from "../environment.ts"
import { BrokenPipe, type Channel, Screen, type WriteError, WriteFailed } from "./Screen.ts"

const columnsOf = (stream: NodeJS.WriteStream): number | undefined => {
  if (stream.isTTY) return stream.columns > 0 ? stream.columns : 80
  return Environment.columns()
}

const failureOf = (error: NodeJS.ErrnoException): WriteError =>
  error.code === "EPIPE" ? new BrokenPipe() : new WriteFailed({ detail: detailOf(error) })

const detailOf = ({ code, message }: NodeJS.ErrnoException) =>
  code === "ENOSPC" ? "no space is left on the device" : message

const channel = (stream: NodeJS.WriteStream): Channel => {
  // Without a listener, a reader that went away would end the process with a stack trace.
  stream.on("error", () => undefined)
  return {
    isTerminal: stream.isTTY === true,
    isColored: Environment.wantsColors(stream.isTTY === true),
    columns: () => columnsOf(stream),
    rows: () => stream.isTTY ? stream.rows : undefined,
    write: (text) =>
      Effect.callback<void, WriteError>((resume) => {
        stream.write(text, (error) => resume(error == null ? Effect.void : Effect.fail(failureOf(error))))
      }),
    writeUnsafe: (text) => void stream.write(text)
  }
}

/** @internal */
export const layer: Layer.Layer<Screen> = Layer.sync(
  Screen,
  () => Screen.of({ stdout: channel(process.stdout), stderr: channel(process.stderr) })
)
