/** Gateway servers as processes. */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("./serverProgram.ts", import.meta.url))

export interface ServerProcess {
  /** What it said first. */
  readonly said: Readonly<Record<string, unknown>>
  readonly url: string
  readonly apiKey: string
  /** The next thing that it says. */
  readonly next: () => Promise<Readonly<Record<string, unknown>>>
  /** All that it wrote to stderr so far. */
  readonly stderr: () => string
  readonly send: (signal: NodeJS.Signals) => void
  /** How it ended: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

interface Limits {
  /** In bytes. A write beyond it fails, as on a full disk. Where there is no `sh`, there is no limit. */
  readonly maxFileSize?: number | undefined
}

const launch = async (options: object, { maxFileSize }: Limits): Promise<ServerProcess> => {
  const args = ["--conditions=effect-vargate-source", program, JSON.stringify(options)]
  // Blocks of `ulimit -f` have 512 bytes in a POSIX shell. Node ignores the signal that comes with the limit.
  const child = maxFileSize === undefined
    ? spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
    : spawn(
      "sh",
      ["-c", `ulimit -f ${Math.ceil(maxFileSize / 512)}; exec "$0" "$@"`, process.execPath, ...args],
      { stdio: ["ignore", "pipe", "pipe"] }
    )
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text) => stderr += text)
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once("close", (code, signal) => resolve(code ?? signal!))
  )
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const next = async () => {
    const line = await lines.next()
    if (line.done === true) throw new Error(`The server says no more and ended with ${await ended}: ${stderr}`)
    return JSON.parse(line.value)
  }
  const said = await next()
  return {
    said,
    url: said.url,
    apiKey: said.apiKey,
    next,
    stderr: () => stderr,
    send: (signal) => void child.kill(signal),
    ended
  }
}

/** Starts a server and waits for its first line. It does not outlive the scope. */
export const start = (options: object, limits: Limits = {}) =>
  Effect.acquireRelease(
    Effect.promise(() => launch(options, limits)),
    (server) => end(server, "SIGKILL")
  )

/** Sends a signal and waits for the end. */
export const end = (server: ServerProcess, signal: NodeJS.Signals) =>
  Effect.promise(() => {
    server.send(signal)
    return server.ended
  })
