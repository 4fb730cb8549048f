/** The gateway executed a call, and its result nests deeper than anything can write: performed, and it cannot be used. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { Governed, ToolCalls, Vargate } from "effect-vargate"
import * as GovernedToolkit from "effect-vargate/ai/GovernedToolkit"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { Tool, Toolkit } from "effect/ai"
import { readApprovedExecution } from "../../src/approvals/wire/ApprovalsApi.ts"
import { isDeeperThan } from "../../src/internal/jsonNesting.ts"
import { ActionId } from "../../src/model/ActionId.ts"
import { run } from "../support/cli.ts"
import { scripted } from "../support/mcp.ts"

const id = ActionId.make("11111111-1111-4111-8111-111111111111")
const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`
const deep = nested(200_000)

const answering = (result: string) =>
  ScriptedTransport.layer(() =>
    ScriptedTransport.text(
      200,
      `{"status":"allowed","action_id":"${id}","execution_mode":"vargate_brokered","execution_result":${result}}`,
      { "content-type": "application/json" }
    )
  )

const gateway = (result: string) => Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(answering(result)))

const call = { tool: "t", method: "m" }

describe("a result that nests too deep", () => {
  it.effect("is an execution without a result", () =>
    Effect.gen(function*() {
      const { execution } = yield* ToolCalls.call(call)
      assert.deepInclude(execution, { _tag: "ExecutedUnseen", isTooDeep: true })
      const done = yield* Governed.run(call, Effect.die("acted"))
      assert.deepInclude(done, { executedBy: "gateway", isResultLost: true, result: undefined })
    }).pipe(Effect.provide(gateway(deep))))

  it.effect("is a result like any other up to a thousand levels", () =>
    Effect.gen(function*() {
      const { execution } = yield* ToolCalls.call(call)
      assert(execution._tag === "Executed")
      assert.isFalse(isDeeperThan(execution.result, 1000))
    }).pipe(Effect.provide(gateway(nested(1000)))))

  it.effect("is a failure whose error cannot be shown, where the tool failed", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Governed.run(call, Effect.die("acted")))
      assert(error._tag === "ToolFailed")
      assert.match(String(error.error), /nests more than 1000 levels deep/)
    }).pipe(Effect.provide(gateway(`{"error":${deep}}`))))

  it("is read so after an approval too", () => {
    const executed = readApprovedExecution({ status: "success", result: { result: JSON.parse(deep), execution_ms: 1 } })
    assert.deepInclude(executed, { _tag: "ExecutedUnseen", isTooDeep: true })
    const failed = readApprovedExecution({ status: "error", error: JSON.parse(deep) })
    assert(failed._tag === "ExecutionFailed" && typeof failed.error === "string")
  })

  for (const [name, success] of Object.entries({ unknown: Schema.Unknown, text: Schema.String, json: Schema.Json })) {
    it.effect(`is told to the model as performed: a toolkit, ${name}`, () =>
      Effect.gen(function*() {
        const tools = Toolkit.make(
          Tool.make("t__m", { parameters: Schema.Struct({}), success, failureMode: "return" })
        )
        const toolkit = yield* GovernedToolkit.govern(tools).pipe(
          Effect.provide(tools.toLayer({ t__m: () => Effect.die("acted") }))
        )
        const results = yield* Effect.flatMap(toolkit.handle("t__m", {}), Stream.runCollect)
        assert.match(JSON.stringify(results.at(-1)?.encodedResult), /PERFORMED, RESULT UNKNOWN: /)
      }).pipe(Effect.provide(gateway(deep))))
  }

  it.effect("is told to the model as performed: an MCP server", () =>
    Effect.gen(function*() {
      const client = yield* scripted
      const server = yield* scripted
      yield* Effect.forkScoped(GovernedMcpProxy.run(client.channel, server.channel, { tool: "t" }))
      yield* client.says({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "m", arguments: {} } })
      const answer = yield* client.hears((message) => message["id"] === 1)
      assert.match(JSON.stringify(answer), /PERFORMED, RESULT UNKNOWN: /)
      assert.deepStrictEqual(server.sent, [])
    }).pipe(Effect.provide(gateway(deep))))

  it.effect("is shown by the command line as executed", () =>
    Effect.gen(function*() {
      const human = yield* run(["call", "t", "m"])
      assert.match(human.out, /executed by the gateway; its result nests too deep/)
      const json = yield* run(["call", "t", "m", "--json"])
      assert.deepInclude(JSON.parse(json.out).execution, { _tag: "ExecutedUnseen", isTooDeep: true })
      assert.deepStrictEqual([human.code, json.code], [0, 0])
    }).pipe(Effect.provide(answering(deep))))
})
