import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import type { Progress } from "@modelcontextprotocol/sdk/types.js"
import { Effect, Fiber, type Layer, type Scope, Stream } from "effect"
import { AuditLog } from "effect-vargate"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { decide, GatewayUrl, overSocket, published, textOf, waitingFor } from "../support/mcp.ts"

const program = fileURLToPath(new URL("../support/mcpProxy.ts", import.meta.url))

const node = (...args: ReadonlyArray<string>) => ({ command: process.execPath, args, tool: "everything" })

/** The official client, and a proxy that it has started in front of a server. */
const connect = Effect.fnUntraced(function*(options: Readonly<Record<string, unknown>>) {
  const url = yield* GatewayUrl
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ["--conditions=effect-vargate-source", program, JSON.stringify(options)],
    env: { PATH: process.env["PATH"]!, VARGATE_API_KEY: "test-key", VARGATE_URL: url },
    stderr: "pipe"
  })
  let stderr = ""
  transport.stderr!.on("data", (chunk) => {
    stderr += String(chunk)
  })
  const client = new Client({ name: "test", version: "1.0.0" })
  yield* Effect.acquireRelease(
    Effect.tryPromise({ try: () => client.connect(transport), catch: (error) => error as Error }),
    () => Effect.promise(() => client.close())
  )
  return {
    client,
    stderr: () => stderr,
    call: (
      name: string,
      args: Record<string, unknown>,
      signal?: AbortSignal,
      onprogress?: (progress: Progress) => void
    ) =>
      Effect.tryPromise({
        try: () =>
          client.callTool({ name, arguments: args }, undefined, {
            ...(signal && { signal }),
            ...(onprogress && { onprogress })
          }),
        catch: (error) => error as Error
      })
  }
})

/** Newest first. */
const asked = Effect.flatMap(AuditLog.AuditLog, (log) => Stream.runCollect(log.records())).pipe(
  Effect.map((records) =>
    Array.from(records).filter(({ tool }) => tool !== "approval_queue").map(({ decision, method, tool }) =>
      `${tool}/${method}: ${decision}`
    )
  )
)

const live = (name: string, test: () => Effect.Effect<void, unknown, Layer.Success<typeof overSocket> | Scope.Scope>) =>
  it.live(name, () => Effect.provide(Effect.scoped(test()), overSocket))

describe("GovernedMcpProxy over stdio, before @modelcontextprotocol/server-everything", () => {
  const everything = node(published("server-everything"), "stdio")

  live("passes tools, resources and prompts, and governs calls", () =>
    Effect.gen(function*() {
      const { call, client } = yield* connect(everything)
      assert.strictEqual(client.getServerVersion()?.name, "mcp-servers/everything")
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.includeMembers(tools.map(({ name }) => name), ["echo", "get-sum", "trigger-long-running-operation"])
      assert.isNotEmpty((yield* Effect.promise(() => client.listResources())).resources)
      assert.isNotEmpty((yield* Effect.promise(() => client.listPrompts())).prompts)
      yield* Effect.promise(() => client.ping())

      assert.match(textOf(yield* call("get-sum", { a: 2, b: 3 })), /sum of 2 and 3 is 5/)
      const denied = yield* call("echo", { message: "forbidden" })
      assert.isTrue(denied.isError)
      assert.match(textOf(denied), /^NOT PERFORMED: the policy denied this action \(forbidden_word\)/)
      assert.deepStrictEqual(yield* asked, [
        "everything/echo: deny",
        "everything/get-sum: allow"
      ])
    }))

  live("waits with progress, and performs what is approved and not what is rejected", () =>
    Effect.gen(function*() {
      const { call } = yield* connect(everything)
      const progress: Array<Progress> = []
      const approved = yield* Effect.forkChild(
        call("echo", { message: "delicate a" }, undefined, (step) => void progress.push(step))
      )
      const rejected = yield* Effect.forkChild(call("echo", { message: "delicate b" }))
      const actionId = yield* waitingFor("delicate a")
      yield* Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => progress.length > 2 }))
      assert.strictEqual(progress[0]!.message, `waiting for a reviewer's approval as ${actionId}`)
      yield* decide("approve", "delicate a")
      assert.strictEqual(textOf(yield* Fiber.join(approved)), "Echo: delicate a")
      yield* decide("reject", "delicate b", "not this one")
      assert.match(
        textOf(yield* Fiber.join(rejected)),
        /^NOT PERFORMED: a reviewer rejected this action \(not this one\)/
      )
    }))

  live("cancels what waits, and what the server is doing", () =>
    Effect.gen(function*() {
      const { call } = yield* connect(everything)
      const waiting = new AbortController()
      const one = yield* Effect.forkChild(Effect.flip(call("echo", { message: "delicate c" }, waiting.signal)))
      yield* waitingFor("delicate c")
      waiting.abort("enough")
      assert.match((yield* Fiber.join(one)).message, /enough/)
      yield* decide("approve", "delicate c")

      const doing = new AbortController()
      const steps: Array<Progress> = []
      const two = yield* Effect.forkChild(
        Effect.flip(
          call("trigger-long-running-operation", { duration: 60, steps: 600 }, doing.signal, (step) =>
            void steps.push(step))
        )
      )
      yield* Effect.sleep("10 millis").pipe(Effect.repeat({
        until: () =>
          steps.length > 1
      }))
      doing.abort("enough")
      assert.match((yield* Fiber.join(two)).message, /enough/)
      assert.match(textOf(yield* call("echo", { message: "still here" })), /still here/)
    }))

  live(
    "answers at once where it is told to, and performs the call when it is asked again",
    () =>
      Effect.gen(function*() {
        const { call, client } = yield* connect({ ...everything, isAnswering: true })
        const { tools } = yield* Effect.promise(() => client.listTools())
        assert.include(tools.map(({ name }) => name), "vargate_check_approval")
        assert.match(textOf(yield* call("get-sum", { a: 1, b: 1, note: "delicate d" })), /^NOT PERFORMED YET/)
        const action_id = yield* decide("approve", "delicate d")
        assert.match(textOf(yield* call("vargate_check_approval", { action_id })), /sum of 1 and 1 is 2/)
        assert.match(textOf(yield* call("vargate_check_approval", { action_id })), /^NOTHING DONE NOW/)
      })
  )

  live("keeps the key to itself", () =>
    Effect.gen(function*() {
      const { call, stderr } = yield* connect(everything)
      const env = textOf(yield* call("get-env", {}))
      assert.include(env, "PATH")
      assert.notInclude(env, "test-key")
      assert.notInclude(stderr(), "test-key")
    }))
})

describe("GovernedMcpProxy over stdio, before @modelcontextprotocol/server-filesystem", () => {
  live("offers only what is allowed, and writes only what is approved", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "governed-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const { call, client } = yield* connect({
        ...node(published("server-filesystem"), folder),
        tool: "files",
        allow: ["write_file", "read_text_file"]
      })
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.sameMembers(tools.map(({ name }) => name), ["write_file", "read_text_file"])
      assert.match(textOf(yield* call("list_directory", { path: folder })), /^NOT PERFORMED: there is no tool/)

      const path = join(folder, "a.txt")
      const writing = yield* Effect.forkChild(call("write_file", { path, content: "delicate" }))
      yield* waitingFor("delicate")
      assert.throws(() => readFileSync(path), /ENOENT/)
      yield* decide("approve", "delicate")
      assert.notStrictEqual((yield* Fiber.join(writing)).isError, true)
      assert.strictEqual(readFileSync(path, "utf8"), "delicate")
      assert.match(textOf(yield* call("write_file", { path, content: "forbidden" })), /^NOT PERFORMED/)
      assert.strictEqual(readFileSync(path, "utf8"), "delicate")
      assert.deepStrictEqual(yield* asked, ["files/write_file: deny", "files/write_file: pending_approval"])
    }))
})

describe("GovernedMcpProxy over stdio, before a server that fails", () => {
  /** Answers the initialization, then ends when it gets a call. */
  const dying = node(
    "-e",
    `require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { id, method, params } = JSON.parse(line)
      if (method === "tools/call") process.exit(3)
      if (method !== "initialize") return
      console.log("this is no message")
      console.log(JSON.stringify({ jsonrpc: "2.0", id, result: {
        protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "dying", version: "1" }
      } }))
    })`
  )

  live("says that the outcome is unknown, and ends", () =>
    Effect.gen(function*() {
      const { call, client, stderr } = yield* connect(dying)
      const closed = new Promise<void>((resolve) => {
        Object.assign(client, { onclose: resolve })
      })
      assert.match(textOf(yield* call("echo", { message: "hello" })), /^OUTCOME UNKNOWN/)
      yield* Effect.promise(() => closed)
      assert.match(stderr(), /the server ended with exit code 3/)
    }))

  live("ends when it cannot be started", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(connect({ command: "no-such-server", args: [], tool: "x" }))
      assert.match(error.message, /Connection closed/)
    }))
})
