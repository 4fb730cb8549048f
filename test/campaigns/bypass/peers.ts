/** Clients of MCP servers in processes of their own, which write what they send letter by letter. */
import { Deferred, Effect } from "effect"
import { build } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { book } from "./story.ts"

interface Message {
  readonly id?: number
  readonly [key: string]: unknown
}

export interface Peer {
  /** Gets the answer to a message, as JSON; undefined where there will be none. */
  readonly ask: (id: number, text: string) => Effect.Effect<string | undefined>
  /** Asks for nothing, and lets the process end in order. */
  readonly end: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
}

// --- processes -------------------------------------------------------------------------------------------------------

const programs = fileURLToPath(new URL("./programs/", import.meta.url))

export const bank = join(programs, "bank.mjs")

/** Bundles the programs into a folder: they are started often, and so a start costs an eighth. */
export const bundle = (outdir: string) =>
  Effect.promise(() =>
    build({
      entryPoints: ["agent", "gateway", "mcp"].map((name) => join(programs, `${name}.ts`)),
      outdir,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      conditions: ["effect-vargate-source"],
      // Some dependencies are CommonJS.
      banner: {
        js: "import { createRequire as requireOf } from \"node:module\"\nconst require = requireOf(import.meta.url)"
      }
    })
  )

/** Starts a program that was bundled. It does not outlive the scope. */
export const program = (folder: string, name: string, args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(folder, `${name}.mjs`), ...args], {
        env: { ...process.env, VARGATE_BYPASS_PACE: String(book.pace) },
        stdio: ["pipe", "pipe", "inherit"]
      })
    ),
    (child) => killed(child)
  )

export const ended = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })

export const killed = (child: ChildProcess) =>
  Effect.suspend(() => {
    child.kill("SIGKILL")
    return ended(child)
  })

/** The first line that fits. */
export const said = (child: ChildProcess, line: RegExp) =>
  Effect.callback<string>((resume) => {
    const lines = createInterface({ input: child.stdout! })
    child.once("exit", (code, signal) => resume(Effect.die(new Error(`It ended with ${code ?? signal} first`))))
    lines.on("line", (text) => {
      const found = line.exec(text)
      if (found !== null) resume(Effect.succeed(found[1] ?? ""))
    })
  })

// --- the protocol ----------------------------------------------------------------------------------------------------

const protocolVersion = "2025-06-18"

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: { protocolVersion, capabilities: {}, clientInfo: { name: "test", version: "1" } }
})

const initialized = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" })

const cancelled = (id: number) =>
  JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } })

/** A call with its arguments as they are spelled. */
export const callOf = (id: number, name: string, given: string) =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":${JSON.stringify(name)},"arguments":${given}}}`

/** Over standard input and output. Answers to the same id are handed out in the order of the questions. */
export const overStdio = Effect.fnUntraced(function*(folder: string, args: object) {
  const child = yield* program(folder, "mcp", [JSON.stringify(args)])
  const waiting: Array<readonly [id: number, answer: Deferred.Deferred<string | undefined>]> = []
  let isOver = false
  const settle = (index: number, text: string | undefined) => {
    for (const [, answer] of waiting.splice(index, 1)) Deferred.doneUnsafe(answer, Effect.succeed(text))
  }
  createInterface({ input: child.stdout! }).on("line", (text) => {
    const { id } = JSON.parse(text) as Message
    const index = waiting.findIndex(([other]) => other === id)
    if (index >= 0) settle(index, text)
  }).on("close", () => {
    isOver = true
    while (waiting.length > 0) settle(0, undefined)
  })
  child.stdin!.on("error", () => {})
  const write = (text: string) => Effect.sync(() => void child.stdin!.write(`${text}\n`))
  const ask: Peer["ask"] = (id, text) =>
    Effect.suspend(() => {
      if (isOver) return Effect.succeed(undefined)
      const answer = Deferred.makeUnsafe<string | undefined>()
      waiting.push([id, answer])
      return write(text).pipe(
        Effect.andThen(Deferred.await(answer)),
        Effect.onInterrupt(() => write(cancelled(id)))
      )
    })
  yield* ask(0, initialize)
  yield* write(initialized)
  return {
    ask,
    end: Effect.andThen(Effect.sync(() => void child.stdin!.end()), ended(child)),
    kill: killed(child)
  } satisfies Peer
})

/** Over Streamable HTTP. */
export const overHttp = Effect.fnUntraced(function*(folder: string, args: object) {
  const child = yield* program(folder, "mcp", [JSON.stringify(args)])
  const url = `http://127.0.0.1:${yield* said(child, /^port (\d+)/)}/mcp`
  let session: string | undefined
  const post = async (text: string, signal?: AbortSignal) => {
    const response = await fetch(url, {
      method: "POST",
      body: text,
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...(session !== undefined && { "mcp-session-id": session, "mcp-protocol-version": protocolVersion })
      },
      ...(signal && { signal })
    })
    session ??= response.headers.get("mcp-session-id") ?? undefined
    return await response.text()
  }
  const send = (text: string) => Effect.ignore(Effect.tryPromise(() => post(text)))
  const ask: Peer["ask"] = (id, text) =>
    Effect.tryPromise((signal) => post(text, signal)).pipe(
      Effect.catch(() => Effect.succeed(undefined)),
      Effect.onInterrupt(() => send(cancelled(id)))
    )
  yield* ask(0, initialize)
  yield* send(initialized)
  return { ask, end: killed(child), kill: killed(child) } satisfies Peer
})
