/**
 * MCP over standard input and output: one JSON message per line, at most 16 MB long. Messages are carried as they came; a
 * line break within one becomes a blank.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type { PlatformError } from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { Stdio } from "effect/Stdio"
import * as Stream from "effect/Stream"
import { LineFraming, maxMessageBytes } from "./internal/lineFraming.ts"
import { oneLine } from "./internal/rawMessage.ts"
import { windowsScript } from "./internal/windowsCommand.ts"
import { ChannelFailed, type McpChannel } from "./McpChannel.ts"

/**
 * The client that started this process and talks to it over its standard input and output.
 *
 * **Gotchas**
 *
 * Nothing else may be written to standard output: let loggers write to standard error. A client that reads nothing is
 * sent no more than some 32 million characters: then `send` waits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const client: Effect.Effect<McpChannel, never, Stdio | Scope.Scope> = Effect.gen(function*() {
  const stdio = yield* Stdio
  const { end, lines, send, stop } = yield* outgoing
  const writer = yield* Effect.forkScoped(Effect.ensuring(Stream.run(lines, stdio.stdout()), stop))
  return { incoming: framed(stdio.stdin), send, end: Effect.andThen(end, Effect.asVoid(Fiber.await(writer))) }
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
 * Starts a server as a child process, and stops it with the scope: its input ends, then it is sent SIGTERM, and a second
 * later SIGKILL. Its standard error is that of this process. Where this process is killed itself, so is the server, a moment
 * after its input has ended; on Windows its end is only the end of its input.
 *
 * @category constructors
 * @since 0.1.0
 */
export const server = Effect.fnUntraced(function*(
  { args = [], command, cwd, env }: Command
): Effect.fn.Return<McpChannel, ChannelFailed, ChildProcessSpawner.ChildProcessSpawner | Scope.Scope> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const { end, isFull, lines, send, stop } = yield* outgoing
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
      stdin: { stream: Stream.encodeText(lines) },
      stderr: "inherit",
      forceKillAfter: "1 second"
    })
  ).pipe(failed)
  if (!isWindows()) yield* guard(spawner, child.pid)
  const ended = Effect.matchEffect(child.exitCode, {
    // Of its command line nothing is shown.
    onFailure: () => Effect.fail(new ChannelFailed({ detail: "the server was ended by a signal" })),
    onSuccess: (code) =>
      code === 0 ? Effect.void : Effect.fail(new ChannelFailed({ detail: `the server ended with exit code ${code}` }))
  })
  // A process that it has started may keep its output open.
  const hasEnded = Effect.andThen(Effect.exit(child.exitCode), Effect.sleep("1 second"))
  yield* Effect.forkScoped(Effect.andThen(Effect.exit(child.exitCode), stop))
  return {
    incoming: Stream.concat(
      Stream.interruptWhen(framed(child.stdout), hasEnded),
      Stream.drain(Stream.fromEffect(ended))
    ),
    // To wait for it would keep the client from cancelling what waits.
    send: (message) => Effect.suspend(() => isFull() ? Effect.fail(unread) : send(message)),
    end
  }
})

/**
 * Kills the server's process group when this process has been killed, which can then do nothing itself: a shell waits for the
 * end of its input. Where there is no shell, a server that ignores the end of its own input outlives this process.
 */
const guard = (spawner: ChildProcessSpawner.ChildProcessSpawner["Service"], pid: number) =>
  Effect.ignore(
    spawner.spawn(
      ChildProcess.make("/bin/sh", ["-c", `read -r _; sleep 1; kill -9 -${pid} 2>/dev/null`], {
        env: { PATH: "/usr/bin:/bin" },
        extendEnv: false,
        stdin: { stream: Stream.never },
        stdout: "ignore",
        stderr: "ignore",
        forceKillAfter: "1 second"
      })
    )
  )

/** How many characters may wait to be written, beside the message that has been sent last. */
const maxUnread = 2 * maxMessageBytes

const unread = new ChannelFailed({
  detail: `the server has left messages of more than ${maxUnread} characters unread`,
  isUnsent: true
})

/** Lines on their way out. Where the other side leaves too much unread, a message waits to be sent. */
const outgoing = Effect.gen(function*() {
  const queue = yield* Queue.unbounded<string, Cause.Done>()
  const isFree = Latch.makeUnsafe(true)
  let waiting = 0
  const isFull = () => waiting > maxUnread
  const send = (message: string): Effect.Effect<void> =>
    Effect.flatMap(isFree.await, () => {
      // Another one may have come first.
      if (isFull()) return send(message)
      const line = `${oneLine(message)}\n`
      waiting += line.length
      if (isFull()) isFree.closeUnsafe()
      return Effect.asVoid(Queue.offer(queue, line))
    })
  const taken = (line: string) => {
    waiting -= line.length
    if (!isFull()) isFree.openUnsafe()
  }
  return {
    lines: Stream.tap(Stream.fromQueue(queue), (line) => Effect.sync(() => taken(line))),
    isFull,
    send,
    end: Effect.asVoid(Queue.end(queue)),
    /** Nothing is written any more: what is sent from now on is dropped. */
    stop: Effect.andThen(
      Queue.shutdown(queue),
      Effect.sync(() => {
        waiting = -Infinity
        isFree.openUnsafe()
      })
    )
  }
})

const failed = Effect.mapError((error: PlatformError) => new ChannelFailed({ detail: error.message }))

const framed = (bytes: Stream.Stream<Uint8Array, PlatformError>): McpChannel["incoming"] =>
  Stream.suspend(() => {
    const framing = new LineFraming()
    return bytes.pipe(
      Stream.mapError((error) => new ChannelFailed({ detail: error.message })),
      Stream.map((chunk) => framing.feed(chunk)),
      Stream.concat(Stream.sync(() => [...framing.end()])),
      Stream.flatMap((messages) => Stream.fromIterable(messages))
    )
  })
