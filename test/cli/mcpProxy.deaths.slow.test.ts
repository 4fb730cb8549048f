/** `mcp-proxy` and its server as processes that die, or refuse to. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import type { Readable, Writable } from "node:stream"
import { environment, nodeArguments, Served, served } from "../support/cli.ts"
import { gateway } from "../support/mcp.ts"

const world = served(gateway)

const live = (name: string, test: Effect.Effect<void, unknown, Layer.Success<typeof world> | Scope.Scope>) =>
  it.live(name, () => Effect.provide(Effect.scoped(test), world))

/** Says its process id when it is asked to begin, and answers no call. */
const server = (more = "") => [
  "--",
  process.execPath,
  "-e",
  `${more};
  require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method } = JSON.parse(line)
    if (method === "initialize") console.log(JSON.stringify({ jsonrpc: "2.0", id, result: { pid: process.pid } }))
  })`
]

/** Ignores the end of its input, and SIGTERM. */
const stubborn = `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)`

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const isGone = (pid: number) =>
  Effect.sync(() => isAlive(pid)).pipe(
    Effect.tap((alive) => alive ? Effect.sleep("20 millis") : Effect.void),
    Effect.repeat({ until: (alive) => !alive })
  )

const start = Effect.fnUntraced(function*(command: ReadonlyArray<string>) {
  const { env } = yield* Served
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(
    process.execPath,
    nodeArguments(["mcp-proxy", "--tool", "words", ...command]),
    { env: environment(env) as Record<string, string>, stdio: ["pipe", "pipe", "pipe"] }
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => child.kill("SIGKILL")))
  let out = ""
  let err = ""
  child.stdout.on("data", (part) => (out += String(part)))
  child.stderr.on("data", (part) => (err += String(part)))
  child.stdin.on("error", () => {})
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.on("exit", (code, signal) => resolve({ code, signal }))
  )
  child.stdin.write(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}\n`)
  const hears = (words: RegExp) =>
    Effect.sync(() => words.exec(out)).pipe(
      Effect.tap((found) => found === null ? Effect.sleep("20 millis") : Effect.void),
      Effect.repeat({ until: (found) => found !== null }),
      Effect.map((found) => found!)
    )
  const [, pid] = yield* hears(/"pid":(\d+)/)
  return {
    child,
    pid: Number(pid),
    hears,
    out: () => out,
    err: () => err,
    ended: Effect.promise(() => ended),
    says: (text: string) => child.stdin.write(`${text}\n`)
  }
})

const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}`

describe("a server that dies", () => {
  live(
    "ends the proxy with a code of its own, after what was open is answered, whatever stdin does",
    Effect.gen(function*() {
      const proxy = yield* start(server())
      proxy.says(`{"jsonrpc":"2.0","id":2,"method":"resources/list"}`)
      proxy.says(call)
      // The gateway has allowed it once the record is there.
      yield* Effect.sleep("500 millis")
      process.kill(proxy.pid, "SIGKILL")
      const { code, signal } = yield* proxy.ended
      assert.deepStrictEqual([code, signal], [9, null])
      yield* proxy.hears(/"id":1.*(OUTCOME UNKNOWN|NOT PERFORMED by its server)/)
      yield* proxy.hears(/"id":2,"error":{"code":-32000/)
    })
  )

  live(
    "ends the proxy although a process that it has started keeps its output open",
    Effect.gen(function*() {
      const leaving = `const child = require("node:child_process").spawn(process.execPath,
        ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit", detached: true });
        setTimeout(() => { console.log(JSON.stringify({ child: child.pid })); process.exit(3) }, 1500)`
      const proxy = yield* start(server(leaving))
      const { code } = yield* proxy.ended
      assert.strictEqual(code, 9)
      const [, child] = /"child":(\d+)/.exec(proxy.out() + proxy.err()) ?? []
      if (child !== undefined && isAlive(Number(child))) process.kill(Number(child), "SIGKILL")
    })
  )
})

describe("a server that refuses to end", () => {
  live(
    "is ended with the proxy, when its client closes stdin",
    Effect.gen(function*() {
      const proxy = yield* start(server(stubborn))
      proxy.child.stdin.end()
      const { signal } = yield* proxy.ended
      assert.isNull(signal)
      assert.isFalse(isAlive(proxy.pid))
    })
  )

  live(
    "is ended with the proxy, when that is sent SIGTERM",
    Effect.gen(function*() {
      const proxy = yield* start(server(stubborn))
      proxy.child.kill("SIGTERM")
      yield* proxy.ended
      assert.isFalse(isAlive(proxy.pid))
    })
  )

  live(
    "is ended a moment after the proxy, when that is killed",
    Effect.gen(function*() {
      const proxy = yield* start(server(stubborn))
      proxy.child.kill("SIGKILL")
      yield* isGone(proxy.pid)
    })
  )
})
