/**
 * Commands on Windows. What npm installs (`npx`, the servers of `.bin`) are scripts for `cmd.exe` there, which Node neither
 * finds nor starts by itself. The quoting is that of `cross-spawn`, which the MCP SDK uses.
 *
 * @internal
 */
import * as Result from "effect/Result"

/** Characters that `cmd.exe` reads itself. */
const meta = /[()\][%!^"`<>&|;, *?]/g

const escaped = (text: string) => text.replaceAll(meta, "^$&")

/** Its backslashes at the end twice, so that a quote behind them is one. */
const doubled = (text: string) => {
  let end = text.length
  while (text[end - 1] === "\\") end--
  return text + text.slice(end)
}

/** In quotes for the program, with its backslashes doubled before a quote, and in carets for `cmd.exe`. */
const argument = (text: string, isTwice: boolean) => {
  const quoted = `"${text.split("\"").map(doubled).join("\\\"")}"`
  return isTwice ? escaped(escaped(quoted)) : escaped(quoted)
}

/**
 * The script for `cmd.exe` that starts a command, or undefined where Windows starts it by itself. Fails where an argument
 * has a line break, after which `cmd.exe` would read no further.
 *
 * @internal
 */
export const windowsScript = (
  command: string,
  args: ReadonlyArray<string>
): Result.Result<string | undefined, string> => {
  if (/\.(?:exe|com)$/i.test(command)) return Result.succeed(undefined)
  if ([command, ...args].some((text) => /[\r\n\0]/.test(text))) {
    return Result.fail("a command of Windows cannot be given an argument with a line break")
  }
  // The scripts of `.bin` hand their arguments to `cmd.exe` once more.
  const isTwice = /node_modules[\\/]\.bin[\\/][^\\/]+$/i.test(command)
  const words = args.map((text) => argument(text, isTwice))
  return Result.succeed([escaped(command.replaceAll("/", "\\")), ...words].join(" "))
}
