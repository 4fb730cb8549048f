/** `mcp-reviews` as the official client of a reviewer starts it. */
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js"
import { Effect, type Layer, type Scope } from "effect"
import { ToolCalls, Vargate } from "effect-vargate"
import { FetchHttpClient } from "effect/http"
import { Ledger } from "../../src/gateway/ledger/Ledger.ts"
import { environment, nodeArguments, runProcess, Served, served } from "../support/cli.ts"
import { textOf } from "../support/mcp.ts"

const world = served({
  tenants: [{
    id: "t",
    apiKey: "test-key",
    burst: 1000,
    keys: [
      { name: "agents", scopes: ["agent"], apiKey: "agents-key" },
      { name: "desk", scopes: ["reviewer"], apiKey: "desk-key" }
    ]
  }],
  policy: { approvals: [() => true] }
})

const live = (name: string, test: Effect.Effect<void, unknown, Layer.Success<typeof world> | Scope.Scope>) =>
  it.live(name, () => Effect.provide(Effect.scoped(test), world))

describe("effect-vargate mcp-reviews", () => {
  live(
    "approves what the reviewer confirms, under the name of the key",
    Effect.gen(function*() {
      const { env, url } = yield* Served
      const { actionId } = yield* ToolCalls.decide({ tool: "bank", method: "pay", params: { amount: 5 } }).pipe(
        Effect.provide(Vargate.layer({ apiKey: "agents-key", url })),
        Effect.provide(FetchHttpClient.layer)
      )
      const client = new Client({ name: "desk", version: "1.0.0" }, { capabilities: { elicitation: { form: {} } } })
      const asked: Array<string> = []
      client.setRequestHandler(ElicitRequestSchema, ({ params: { message } }) => {
        asked.push(message)
        return { action: "accept", content: { code: /enter the code (\d{4})/.exec(message)![1]! } }
      })
      const noise: Array<Error> = []
      Object.assign(client, { onerror: (error: Error) => void noise.push(error) })
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: nodeArguments(["mcp-reviews"]),
        env: environment({ ...env, VARGATE_API_KEY: "desk-key" }) as Record<string, string>,
        stderr: "ignore"
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => client.connect(transport)),
        () => Effect.promise(() => client.close())
      )
      const call = (name: string, args: Record<string, unknown> = {}) =>
        Effect.promise(() => client.callTool({ name, arguments: args }))
      assert.include(textOf(yield* call("list_pending")), actionId)
      const shown = yield* call("show_action", { action_id: actionId })
      const { digest } = shown.structuredContent as { readonly digest: string }
      assert.match(textOf(yield* call("approve_action", { action_id: actionId, digest })), /^APPROVED/)
      assert.lengthOf(asked, 1)
      assert.include(asked[0]!, "\"amount\": 5")
      assert.deepStrictEqual(noise, [])
      const records = yield* Ledger.use((ledger) => ledger.records("t"))
      assert.deepStrictEqual(records.map((record) => record.actionId), [actionId, `approval-${actionId}`])
    })
  )

  live(
    "does not start with the key of an agent, and ends well when the client leaves",
    Effect.gen(function*() {
      const { env } = yield* Served
      const refused = yield* runProcess(["mcp-reviews"], { env: { ...env, VARGATE_API_KEY: "agents-key" } })
      assert.deepStrictEqual([refused.code, refused.out], [7, ""])
      assert.match(refused.err, /Use a key with the scope reviewer/)
      assert.notInclude(refused.err, "agents-key")
      const stdin = yield* runProcess(["mcp-reviews", "--key-file", "-"], { env })
      assert.deepStrictEqual([stdin.code, stdin.out], [2, ""])
      const left = yield* runProcess(["mcp-reviews"], { env: { ...env, VARGATE_API_KEY: "desk-key" } })
      assert.deepStrictEqual([left.code, left.out, left.err], [0, "", ""])
    })
  )
})
