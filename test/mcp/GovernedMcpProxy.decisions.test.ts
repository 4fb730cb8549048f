import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Budgets, Decisions, Suspension } from "effect-vargate"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import { Unanswered } from "effect-vargate/mcp/McpChannel"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { TestClock } from "effect/testing"
import { makeShared } from "../../src/mcp/internal/conversation.ts"
import { converse } from "../../src/mcp/internal/converse.ts"
import { decide, gateway, scripted, waitingFor } from "../support/mcp.ts"
import { start as startModern, toldBy as toldByModern } from "../support/mcpModern.ts"

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
    client,
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
      assert.match(yield* toldBy(2), new RegExp(`^PERFORMED BEFORE: .*${actionId}, once.* Its result: .*echo 1`))
      assert.strictEqual(callsOf(), 1)
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))

  for (
    const [title, answer, told] of [
      ["an error", { error: { code: -32000, message: "down" } }, /^FAILED: this very action was asked for before/],
      ["a failed result", { result: { isError: true, content: [{ type: "text", text: "down" }] } }, /^FAILED: /],
      ["a task", { result: { task: { taskId: "t-1", status: "working" } } }, /^NOT PERFORMED AGAIN: /]
    ] as const
  ) {
    it.effect(`tells the other one how it ended, where the server answers with ${title}`, () =>
      Effect.gen(function*() {
        const { call, client, server, toldBy } = yield* start()
        yield* call(1, "delicate a")
        yield* waitingFor("delicate a")
        yield* call(2, "delicate a")
        yield* TestClock.adjust("2 seconds")
        yield* decide("approve", "delicate a")
        yield* TestClock.adjust("2 seconds")
        yield* server.hears((message) => message["id"] === 1)
        // The server may take longer than any wait for a reviewer.
        yield* TestClock.adjust("20 minutes")
        assert.isUndefined(client.sent.find(({ id }) => id === 2))
        yield* server.says({ jsonrpc: "2.0", id: 1, ...answer })
        assert.match(yield* toldBy(2), told)
        assert.strictEqual(yield* asked, 1)
      }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))
  }

  it.effect("tells the other one that it failed, where the server's answer is lost", () =>
    Effect.gen(function*() {
      const { call, server, toldBy } = yield* start()
      yield* call(1, "delicate a")
      yield* waitingFor("delicate a")
      yield* call(2, "delicate a")
      yield* TestClock.adjust("2 seconds")
      yield* decide("approve", "delicate a")
      yield* TestClock.adjust("2 seconds")
      yield* server.hears((message) => message["id"] === 1)
      yield* server.saysText(new Unanswered("1", "the connection is gone", false))
      assert.match(yield* toldBy(1), /^OUTCOME UNKNOWN/)
      assert.match(yield* toldBy(2), /^FAILED: this very action was asked for before/)
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))

  it.effect("says while the other one waits that it does, where its client asked for that", () =>
    Effect.gen(function*() {
      const { call, client, toldBy } = yield* start()
      yield* call(1, "delicate a")
      const actionId = yield* waitingFor("delicate a")
      yield* client.says({
        jsonrpc: "2.0",
        id: 2,
        method: "tools/call",
        params: { name: "echo", arguments: { message: "delicate a" }, _meta: { progressToken: "p" } }
      })
      yield* TestClock.adjust("25 seconds")
      const progress = client.sent.filter(({ method }) => method === "notifications/progress")
      assert.lengthOf(progress, 3)
      assert.include(JSON.stringify(progress), actionId)
      yield* decide("reject", "delicate a")
      yield* TestClock.adjust("2 seconds")
      assert.match(yield* toldBy(2), /^NOT PERFORMED: a reviewer rejected/)
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(client.sent.filter(({ method }) => method === "notifications/progress"), 3)
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))

  it.effect("hands no client the result of another one's call, though they have one agent", () =>
    Effect.gen(function*() {
      const options = { tool: "words" }
      const shared = yield* makeShared("test", options)
      const begin = Effect.fnUntraced(function*(principal: string) {
        const client = yield* scripted
        const server = yield* scripted
        yield* Effect.forkChild(converse(client.channel, server.channel, options, shared, principal), {
          startImmediately: true
        })
        return { client, server }
      })
      const [first, second] = yield* Effect.all([begin("ann"), begin("bob")])
      const own = yield* begin("ann")
      const params = { name: "echo", arguments: { message: "delicate a" } }
      const asks = (of: typeof first) => of.client.says({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
      yield* asks(first)
      yield* waitingFor("delicate a")
      yield* asks(second)
      yield* asks(own)
      yield* TestClock.adjust("2 seconds")
      yield* decide("approve", "delicate a")
      yield* TestClock.adjust("2 seconds")
      yield* first.server.hears((message) => message["id"] === 1)
      yield* first.server.says({ jsonrpc: "2.0", id: 1, result: { content: [{ type: "text", text: "a secret" }] } })
      const told = (of: typeof first) =>
        Effect.map(of.client.hears((message) => message["id"] === 1), (message) => JSON.stringify(message))
      assert.match(yield* told(own), /PERFORMED BEFORE: .*a secret/)
      const other = yield* told(second)
      assert.match(other, /PERFORMED BEFORE: /)
      assert.notInclude(other, "a secret")
      assert.strictEqual(yield* asked, 1)
    }).pipe(Effect.provide([GatewayMemory.layer(gateway), Decisions.layerMemory()])))

  it.effect("lets a client that comes in rounds hear the result in its first round, and not wait longer", () =>
    Effect.gen(function*() {
      const { answerOf, call, client, proxy, serve } = yield* startModern()
      yield* call(1, "delicate a")
      yield* waitingFor("delicate a")
      yield* call(2, "delicate a")
      yield* TestClock.adjust("2 seconds")
      yield* decide("approve", "delicate a")
      yield* TestClock.adjust("2 seconds")
      yield* serve(1, { resultType: "complete", content: [{ type: "text", text: "echo 1" }] })
      assert.match(toldByModern(yield* answerOf(2)), /^PERFORMED BEFORE: .*echo 1/)

      yield* call(3, "delicate b")
      yield* waitingFor("delicate b")
      yield* call(4, "delicate b")
      yield* TestClock.adjust("24 seconds")
      assert.isUndefined(client.sent.find(({ id }) => id === 4))
      yield* TestClock.adjust("1 second")
      assert.match(toldByModern(yield* answerOf(4)), /^NOT PERFORMED YET: /)
      assert.strictEqual(yield* asked, 2)
      yield* Fiber.interrupt(proxy)
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
