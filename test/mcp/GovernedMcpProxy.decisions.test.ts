import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Budgets, Decisions, Suspension } from "effect-vargate"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { TestClock } from "effect/testing"
import { decide, gateway, scripted, waitingFor } from "../support/mcp.ts"

const start = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options> = {}) {
  const client = yield* scripted
  const server = yield* scripted
  yield* Effect.forkChild(
    GovernedMcpProxy.run(client.channel, server.channel, { tool: "words", ...options }),
    { startImmediately: true }
  )
  const tool = (id: number, name: string, args: unknown) =>
    client.says({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: args } })
  return {
    server,
    tool,
    call: (id: number, message: string) => tool(id, "echo", { message }),
    toldBy: Effect.fnUntraced(function*(id: number) {
      const message: Message = yield* client.hears((message) => message["id"] === id)
      const { content } = message["result"] as { content: Array<{ text: string }> }
      return content[0]!.text
    }),
    serve: Effect.fnUntraced(function*(id: number) {
      yield* server.hears((message) => message["id"] === id)
      yield* server.says({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: `echo ${id}` }] } })
    }),
    callsOf: () => server.sent.filter(({ method }) => method === "tools/call").length
  }
})

const asked = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) => records.filter(({ tool }) => tool === "words").length
)

describe("an MCP proxy that remembers decisions", () => {
  it.effect("hands one call to the server, and tells the other one that it was performed", () =>
    Effect.gen(function*() {
      const { call, callsOf, serve, toldBy } = yield* start()
      yield* call(1, "delicate a")
      const actionId = yield* waitingFor("delicate a")
      yield* call(2, "delicate a")
      yield* TestClock.adjust("2 seconds")
      yield* decide("approve", "delicate a")
      yield* TestClock.adjust("2 seconds")
      yield* serve(1)
      assert.strictEqual(yield* toldBy(1), "echo 1")
      assert.match(yield* toldBy(2), new RegExp(`^PERFORMED BEFORE: .*${actionId}, once`))
      assert.strictEqual(callsOf(), 1)
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))

  it.effect("refuses what was rejected just now, with the note", () =>
    Effect.gen(function*() {
      const { call, callsOf, toldBy } = yield* start()
      yield* call(1, "delicate a")
      yield* decide("reject", "delicate a", "not today")
      yield* TestClock.adjust("2 seconds")
      assert.match(yield* toldBy(1), /^NOT PERFORMED: a reviewer rejected this action \(not today\)/)
      for (const id of [2, 3, 4, 5, 6]) {
        yield* call(id, "delicate a")
        assert.match(yield* toldBy(id), /^NOT PERFORMED: a reviewer rejected this very action .*\(not today\)/)
      }
      assert.strictEqual(callsOf(), 0)
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))

  it.effect("names the tool that asks after the first one", () =>
    Effect.gen(function*() {
      const { call, serve, tool, toldBy } = yield* start({ onPending: GovernedMcpProxy.answer() })
      yield* call(1, "delicate a")
      const actionId = yield* waitingFor("delicate a")
      for (const id of [1, 2, 3]) {
        if (id > 1) yield* call(id, "delicate a")
        assert.match(yield* toldBy(id), new RegExp(`Call vargate_check_approval with action_id "${actionId}"`))
      }
      assert.strictEqual(yield* asked, 1)
      yield* decide("approve", "delicate a")
      yield* tool(4, "vargate_check_approval", { action_id: actionId })
      yield* TestClock.adjust("2 seconds")
      yield* serve(4)
      assert.strictEqual(yield* toldBy(4), "echo 4")
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))
})

describe("an MCP proxy before which something stands", () => {
  it.effect("hands nothing over that is suspended, and ends waits", () =>
    Effect.gen(function*() {
      const { call, callsOf, toldBy } = yield* start()
      yield* call(1, "delicate a")
      yield* waitingFor("delicate a")
      yield* Suspension.KillSwitch.use(({ suspend }) => suspend({ tool: "words", by: "ann", note: "audit" }))
      yield* call(2, "hello")
      assert.match(yield* toldBy(2), /^NOT PERFORMED: an operator has suspended tool words \(audit\)/)
      yield* TestClock.adjust("2 seconds")
      assert.match(yield* toldBy(1), /^NOT PERFORMED YET: .*an operator has suspended tool words/)
      assert.strictEqual(callsOf(), 0)
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Suspension.layerMemory()])))

  it.effect("hands nothing over for which a budget has no room", () =>
    Effect.gen(function*() {
      const { call, callsOf, serve, toldBy } = yield* start()
      yield* call(1, "hello")
      yield* serve(1)
      assert.strictEqual(yield* toldBy(1), "echo 1")
      yield* call(2, "hello again")
      assert.match(yield* toldBy(2), /^NOT PERFORMED: there is no room .*1 calls per day/)
      assert.strictEqual(callsOf(), 1)
      assert.strictEqual(yield* asked, 1)
    }).pipe(
      Effect.provide([GatewayMemory.layer(gateway), Budgets.layerMemory([Budgets.limit({ per: "day", max: 1 })])])
    ))
})
