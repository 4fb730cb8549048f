/** `mcp-proxy` as the official client starts it. */
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { Effect, type Layer, type Scope } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import { environment, nodeArguments, runProcess, Served, served } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { gateway, published, textOf } from "../support/mcp.ts"

const world = served(gateway)

const live = (name: string, test: Effect.Effect<void, unknown, Layer.Success<typeof world> | Scope.Scope>) =>
  it.live(name, () => Effect.provide(Effect.scoped(test), world))

const filesystem = (path: string) => ["--", process.execPath, published("server-filesystem"), path]

/** The official client, with the command line in the server's place. */
const connect = Effect.fnUntraced(function*(args: ReadonlyArray<string>) {
  const { env } = yield* Served
  const client = new Client({ name: "test", version: "1.0.0" })
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: nodeArguments(["mcp-proxy", ...args]),
    env: environment(env) as Record<string, string>,
    stderr: "ignore"
  })
  yield* Effect.acquireRelease(
    Effect.promise(() => client.connect(transport)),
    () => Effect.promise(() => client.close())
  )
  return client
})

describe("effect-vargate mcp-proxy", () => {
  live(
    "stands before a server, under the names that the operator chose",
    Effect.gen(function*() {
      const path = yield* folder
      writeFileSync(join(path, "note.txt"), "hello")
      const client = yield* connect(["--tool", "files", "--agent", "desk", ...filesystem(path)])
      const noise: Array<Error> = []
      Object.assign(client, { onerror: (error: Error) => void noise.push(error) })
      const read = (file: string) =>
        Effect.promise(() => client.callTool({ name: "read_text_file", arguments: { path: join(path, file) } }))
      assert.strictEqual(textOf(yield* read("note.txt")), "hello")
      assert.match(textOf(yield* read("forbidden.txt")), /^NOT PERFORMED: the policy denied/)
      // The transport of the client hears of everything that is no message.
      assert.deepStrictEqual(noise, [])
      const records = yield* Ledger.use((ledger) => ledger.records("t"))
      assert.deepStrictEqual(records.map(({ agentId, decision, method, tool }) => [agentId, tool, method, decision]), [
        ["desk", "files", "read_text_file", "allow"],
        ["desk", "files", "read_text_file", "deny"]
      ])
    })
  )

  live(
    "offers what it is told to, and answers held calls at once where it is told to",
    Effect.gen(function*() {
      const path = yield* folder
      const client = yield* connect([
        "--tool",
        "files",
        "--allow",
        "read_text_file",
        "--allow",
        "create_directory",
        "--answer",
        ...filesystem(path)
      ])
      const { tools } = yield* Effect.promise(() => client.listTools())
      assert.deepStrictEqual(tools.map(({ name }) => name).sort(), [
        "create_directory",
        "read_text_file",
        "vargate_check_approval"
      ])
      const held = yield* Effect.promise(() =>
        client.callTool({ name: "create_directory", arguments: { path: join(path, "delicate") } })
      )
      assert.match(textOf(held), /NOT PERFORMED YET.*vargate_check_approval/s)
    })
  )

  live(
    "says on standard error why it does not start, and nothing on standard output",
    Effect.gen(function*() {
      const { env } = yield* Served
      const ends = Effect.fnUntraced(function*(args: ReadonlyArray<string>, code: number, words: RegExp, more = {}) {
        const ended = yield* runProcess(["mcp-proxy", ...args], { env: { ...env, ...more } })
        assert.deepStrictEqual([ended.code, ended.out], [code, ""])
        assert.match(ended.err, words)
        assert.notInclude(ended.err, env["VARGATE_API_KEY"]!)
      })
      yield* ends([], 2, /command/)
      yield* ends(["--", "some-server"], 2, /--tool/)
      yield* ends(["--tool", "x", "--wait", "soon", "--", "some-server"], 2, /--wait/)
      yield* ends(["--tool", "x", "--key-file", "-", "--", "some-server"], 2, /Standard input is the MCP client's/)
      yield* ends(["--tool", "x", "--", "some-server"], 2, /VARGATE_API_KEY is set, but to nothing/, {
        VARGATE_API_KEY: ""
      })
      yield* ends(["--tool", "x", "--", "no-such-server-at-all"], 9, /MCP connection failed/)
    })
  )

  live(
    "tells of itself in the help",
    Effect.gen(function*() {
      const { env } = yield* Served
      const all = yield* runProcess(["--help"], { env })
      assert.match(all.out, /mcp-proxy +Govern an MCP server/)
      const own = yield* runProcess(["mcp-proxy", "--help"], { env })
      for (
        const word of [
          "--tool",
          "--allow",
          "--wait",
          "--answer",
          "--govern",
          "--withhold",
          "--pins",
          "--inbox",
          "--agent",
          "<command...>"
        ]
      ) {
        assert.include(own.out, word)
      }
    })
  )
})
