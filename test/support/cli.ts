/** The command line, inside this process and as one of its own. */
import { NodeFileSystem, NodeHttpServer, NodeServices } from "@effect/platform-node"
import {
  ConfigProvider,
  Context,
  Effect,
  FileSystem,
  Layer,
  Option,
  Queue,
  Schedule,
  Schema,
  Stdio,
  Stream,
  Terminal
} from "effect"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { HttpClient, HttpClientError, HttpClientResponse, HttpServer } from "effect/http"
import { spawn } from "node:child_process"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { commands } from "../../src/cli/commands.ts"
import { run as runMain } from "../../src/cli/main.ts"
import { BrokenPipe, type Channel, Screen } from "../../src/cli/screen/Screen.ts"

// --- in this process -------------------------------------------------------------------------------------------------

// A test clock does not wait for a command to be loaded.
await Promise.all(Object.values(commands).map(({ load }) => load()))

/** What a command line says, and with which code it ends. */
export interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Of both streams; left out, they are no terminals. */
  readonly columns?: number
  readonly isColored?: boolean
  /** Keys that the person at the terminal presses; stdin is a terminal then. */
  readonly keys?: ReadonlyArray<string>
  /** Nobody reads stdout beyond so many lines. */
  readonly reads?: number
  /** Reads and writes real files. Without them a test clock alone moves the command on. */
  readonly hasFiles?: boolean
}

const capture = ({ columns, isColored = false, reads = Infinity }: RunOptions) => {
  let text = ""
  let lines = 0
  const channel: Channel = {
    isTerminal: columns !== undefined,
    isColored,
    columns: () => columns,
    rows: () => columns === undefined ? undefined : 24,
    write: (part) =>
      Effect.suspend(() => {
        if (lines >= reads) return Effect.fail(new BrokenPipe())
        lines += part.split("\n").length - 1
        text += part
        return Effect.void
      }),
    writeUnsafe: (part) => void (text += part)
  }
  return { channel, text: () => text }
}

/** A terminal at which these keys are pressed, one after the other. */
const terminal = (keys: ReadonlyArray<string>) =>
  Layer.effect(
    Terminal.Terminal,
    Effect.gen(function*() {
      const pressed = yield* Queue.make<Terminal.UserInput>()
      for (const key of keys) {
        Queue.offerUnsafe(pressed, {
          input: Option.some(key),
          key: { name: key === "\r" ? "enter" : key, ctrl: false, meta: false, shift: false }
        })
      }
      return Terminal.make({
        columns: Effect.succeed(80),
        rows: Effect.succeed(24),
        size: Effect.die("not needed"),
        readLine: Effect.die("not needed"),
        display: () => Effect.die("stdout is for results"),
        readInput: Effect.succeed(pressed)
      })
    })
  )

/** What was said so far, by a command that goes on. */
export interface Running {
  readonly out: () => string
  readonly err: () => string
  readonly end: Effect.Effect<Result>
}

/** Prepares a command line over the gateway in context, with the key of its first tenant. */
export const prepare = (args: ReadonlyArray<string>, options: RunOptions = {}) => {
  const stdout = capture(options)
  const stderr = capture({ ...options, reads: Infinity })
  const { env = {}, hasFiles = false, keys, stdin = "" } = options
  const stdio = Stdio.layerTest({
    stdin: Stream.make(new TextEncoder().encode(stdin)),
    stdinIsTerminal: Effect.succeed(keys !== undefined)
  })
  const end = runMain(args).pipe(
    Effect.map((code): Result => ({ code, out: stdout.text(), err: stderr.text() })),
    Effect.provide([stdio, terminal(keys ?? []), hasFiles ? NodeFileSystem.layer : FileSystem.layerNoop({})]),
    Effect.provide(NodeServices.layer),
    Effect.provideService(Screen, { stdout: stdout.channel, stderr: stderr.channel }),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({
      preserveEmptyStrings: true,
      env: { VARGATE_API_KEY: String(Gateway.localTenant.apiKey), VARGATE_URL: "http://localhost", ...env }
    })))
  )
  return { out: stdout.text, err: stderr.text, end }
}

/** Runs a command line to its end. */
export const run = (args: ReadonlyArray<string>, options?: RunOptions) => prepare(args, options).end

/** The lines of `--json`, each decoded. */
export const decodeLines = <A>(schema: Schema.Codec<A, unknown>, text: string): ReadonlyArray<A> =>
  text.trimEnd().split("\n").filter((line) => line !== "").map((line) =>
    Schema.decodeUnknownSync(schema)(JSON.parse(line))
  )

/** Another answer of the gateway in context, where a path begins so. Gets its own answer, as text. */
export const answering = (path: string, answer: (own: Effect.Effect<string>) => Effect.Effect<Response>) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(
      HttpClient.HttpClient,
      (client) =>
        HttpClient.transform(client, (send, request) =>
          new URL(request.url).pathname.startsWith(path)
            ? answer(Effect.orDie(Effect.flatMap(send, ({ text }) => text))).pipe(
              Effect.map((response) => HttpClientResponse.fromWeb(request, response))
            )
            : send)
    )
  )

/** A gateway in context that can be away. */
export const outage: {
  isOn: boolean
  readonly layer: Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient>
} = {
  isOn: false,
  layer: Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.transform(client, (send, request) => {
        const cause = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })
        return outage.isOn
          ? Effect.fail(
            new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
          )
          : send
      }))
  )
}

// --- a process of its own --------------------------------------------------------------------------------------------

export const binary = fileURLToPath(new URL("../../src/cli/bin.ts", import.meta.url))

/** Nothing of the machine's own configuration. */
export const environment = (own: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: join(tmpdir(), "nobody"),
  XDG_CACHE_HOME: fileURLToPath(new URL("../../node_modules/.cache", import.meta.url)),
  ...own
})

export const nodeArguments = (args: ReadonlyArray<string>) => ["--conditions=effect-vargate-source", binary, ...args]

/** A process that has started. */
export interface Started {
  /** What it has said so far, on either stream. */
  readonly said: () => string
  readonly interrupt: Effect.Effect<void>
  readonly end: Effect.Effect<Result>
}

export interface ProcessOptions extends Pick<RunOptions, "env" | "stdin"> {
  /** The file to run, where it is not the program's source. */
  readonly file?: string
}

export const startProcess = (
  args: ReadonlyArray<string>,
  { env = {}, file, stdin = "" }: ProcessOptions = {}
): Effect.Effect<Started> =>
  Effect.sync(() => {
    const child = spawn(process.execPath, file === undefined ? nodeArguments(args) : [file, ...args], {
      env: environment(env),
      timeout: 50_000
    })
    let out = ""
    let err = ""
    child.stdout.on("data", (chunk) => void (out += chunk))
    child.stderr.on("data", (chunk) => void (err += chunk))
    child.stdin.end(stdin)
    const end = new Promise<Result>((resolve) =>
      child.on("close", (code, signal) =>
        resolve({ code: code ?? NaN, out, err: signal === null ? err : `${err}${signal}` }))
    )
    return {
      said: () =>
        out + err,
      interrupt: Effect.sync(() => void child.kill("SIGINT")),
      end: Effect.promise(() => end)
    }
  })

/** Starts a process, gives it its stdin, and waits for its end. */
export const runProcess = (args: ReadonlyArray<string>, options?: ProcessOptions) =>
  Effect.flatMap(startProcess(args, options), ({ end }) => end)

/** Waits for a process to have said something. */
export const untilSaid = ({ said }: Started, text: RegExp) =>
  Effect.suspend(() => text.test(said()) ? Effect.void : Effect.fail("not yet")).pipe(
    Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 2000 })))
  )

// --- surroundings ----------------------------------------------------------------------------------------------------

/** A gateway on a port of this machine, and the environment in which the command line finds it. */
export class Served extends Context.Service<Served, {
  readonly url: string
  readonly env: Readonly<Record<string, string>>
}>()("test/Served") {}

export const served = (options: Gateway.Options) => {
  const server = Gateway.serve(options).pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
    Layer.provideMerge(Gateway.layerParts(options))
  )
  return Layer.effect(
    Served,
    Effect.map(HttpServer.HttpServer, ({ address }) => {
      const url = `http://127.0.0.1:${"port" in address ? address.port : 0}`
      return {
        url,
        env: { VARGATE_URL: url, VARGATE_API_KEY: String((options.tenants?.[0] ?? Gateway.localTenant).apiKey) }
      }
    })
  ).pipe(Layer.provideMerge(server))
}
