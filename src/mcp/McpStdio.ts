/**
 * MCP over standard input and output: one JSON message per line.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { Stdio } from "effect/Stdio"
import * as Stream from "effect/Stream"
import { windowsScript } from "./internal/windowsCommand.ts"
import { ChannelFailed, type McpChannel } from "./McpChannel.ts"

/**
 * The client that started this process and talks to it over its standard input and output.
 *
 * **Gotchas**
 *
 * Nothing else may be written to standard output: let loggers write to standard error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const client: Effect.Effect<McpChannel, never, Stdio | Scope.Scope> = Effect.gen(function*() {
  const stdio = yield* Stdio
  const lines = yield* Queue.unbounded<string, Cause.Done>()
  const writer = yield* Effect.forkScoped(Stream.run(Stream.fromQueue(lines), stdio.stdout()))
  return {
    incoming: parsed(stdio.stdin),
    send: sendTo(lines),
    end: Effect.andThen(Queue.end(lines), Effect.asVoid(Fiber.await(writer)))
  }
})

/**
 * How a server is started.
 *
 * @category options
 * @since 0.1.0
 */
export interface Command {
  readonly command: string
  readonly args?: ReadonlyArray<string> | undefined
  /** Added to the environment of this process, of which the server gets everything but Vargate's secrets. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly cwd?: string | undefined
}

/** Where there is no Node, there are no child processes either. */
const isWindows = () =>
  (globalThis as { readonly process?: { readonly platform?: string } }).process?.platform === "win32"

/**
 * Starts a server as a child process, and stops it with the scope: its input ends, then it is sent SIGTERM, and two
 * seconds later SIGKILL. Its standard error is that of this process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const server = Effect.fnUntraced(function*(
  { args = [], command, cwd, env }: Command
): Effect.fn.Return<McpChannel, ChannelFailed, ChildProcessSpawner.ChildProcessSpawner | Scope.Scope> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const lines = yield* Queue.unbounded<string, Cause.Done>()
  const script = isWindows()
    ? yield* Effect.mapError(Effect.fromResult(windowsScript(command, args)), (detail) => new ChannelFailed({ detail }))
    : undefined
  const child = yield* spawner.spawn(
    ChildProcess.make(script ?? command, script === undefined ? args : [], {
      shell: script !== undefined,
      cwd,
      // The key is the proxy's: with it a server could ask for leave, and in the name of the agent.
      env: {
        VARGATE_API_KEY: undefined,
        VARGATE_WEBHOOK_SECRET: undefined,
        VARGATE_POSTGRES_URL: undefined,
        VARGATE_REDIS_URL: undefined,
        ...env
      },
      extendEnv: true,
      stdin: { stream: Stream.encodeText(Stream.fromQueue(lines)) },
      stderr: "inherit",
      forceKillAfter: "2 seconds"
    })
  ).pipe(failed)
  const ended = Effect.flatMap(
    failed(child.exitCode),
    (code) =>
      code === 0 ? Effect.void : Effect.fail(new ChannelFailed({ detail: `the server ended with exit code ${code}` }))
  )
  return {
    incoming: Stream.concat(parsed(child.stdout), Stream.drain(Stream.fromEffect(ended))),
    send: sendTo(lines),
    end: Effect.asVoid(Queue.end(lines))
  }
})

const sendTo = (lines: Queue.Queue<string, Cause.Done>): McpChannel["send"] => (message) =>
  Effect.flatMap(
    Effect.try({
      try: () => `${JSON.stringify(message)}\n`,
      catch: () => new ChannelFailed({ detail: "the message nests too deep, or contains itself, and has no JSON" })
    }),
    (line) => Effect.asVoid(Queue.offer(lines, line))
  )

const failed = Effect.mapError((error: PlatformError) => new ChannelFailed({ detail: error.message }))

const parsed = (bytes: Stream.Stream<Uint8Array, PlatformError>): McpChannel["incoming"] =>
  bytes.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((text) => text.trim() !== ""),
    Stream.map((text) => {
      try {
        return JSON.parse(text) as unknown
      } catch {
        return undefined
      }
    }),
    Stream.mapError((error) => new ChannelFailed({ detail: error.message }))
  )
