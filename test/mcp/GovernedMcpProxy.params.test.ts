import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { TestClock } from "effect/testing"
import { decide, gateway, scripted, waitingFor } from "../support/mcp.ts"

const start = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options> = {}) {
  const client = yield* scripted
  const server = yield* scripted
  yield* Effect.forkChild(GovernedMcpProxy.run(client.channel, server.channel, { tool: "words", ...options }), {
    startImmediately: true
  })
  return {
    client,
    server,
    answerOf: (id: number) => client.hears((message) => message["id"] === id),
    callsOf: () => server.sent.filter(({ method }) => method === "tools/call").map(({ params }) => params)
  }
})

const call = (id: number, given: unknown) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "echo", arguments: given }
})

const recorded = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) => records.filter(({ tool }) => tool !== "approval_queue").map(({ params }) => params)
)

const cyclic = () => {
  const value: Record<string, unknown> = {}
  value["self"] = value
  return value
}

const deep = (levels: number) => {
  let value: unknown = []
  for (let i = 0; i < levels; i++) value = [value]
  return value
}

type Services = Layer.Success<ReturnType<typeof GatewayMemory.layer>> | Scope.Scope

const live = (name: string, test: () => Effect.Effect<void, unknown, Services>) =>
  it.effect(name, () => Effect.provide(test(), GatewayMemory.layer(gateway)))

describe("a message of a client in the same process", () => {
  live("cannot be changed while its call is pending", () =>
    Effect.gen(function*() {
      const { callsOf, client, server } = yield* start()
      const message = call(1, { message: "delicate harmless", nested: { list: [1] } })
      yield* client.says(message)
      yield* waitingFor("delicate harmless")
      const given = message.params.arguments as { message: string; nested: { list: Array<number> } }
      given.message = "/etc"
      given.nested.list.push(2)
      message.params.name = "remove"
      yield* decide("approve", "delicate harmless")
      yield* TestClock.adjust("2 seconds")
      yield* server.hears(({ method }) => method === "tools/call")
      const submitted = { message: "delicate harmless", nested: { list: [1] } }
      assert.deepStrictEqual(callsOf(), [{ name: "echo", arguments: submitted }])
      assert.deepStrictEqual(yield* recorded, [submitted])
    }))

  live("cannot be changed while it is answered and asked after", () =>
    Effect.gen(function*() {
      const { answerOf, callsOf, client, server } = yield* start({ onPending: GovernedMcpProxy.answer() })
      const message = call(1, { message: "delicate b" })
      yield* client.says(message)
      yield* answerOf(1)
      const actionId = yield* waitingFor("delicate b")
      message.params.arguments = { message: "forbidden" }
      yield* decide("approve", "delicate b")
      const check = { name: "vargate_check_approval", arguments: { action_id: actionId } }
      yield* client.says({ jsonrpc: "2.0", id: 2, method: "tools/call", params: check })
      yield* client.says({ jsonrpc: "2.0", id: 3, method: "tools/call", params: check })
      yield* TestClock.adjust("2 seconds")
      yield* server.hears(({ method }) => method === "tools/call")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(callsOf(), [{ name: "echo", arguments: { message: "delicate b" } }])
    }))

  live("is what it was when it was looked at", () =>
    Effect.gen(function*() {
      const { callsOf, client, server } = yield* start()
      let reads = 0
      yield* client.says({
        jsonrpc: "2.0",
        id: 1,
        params: { name: "echo", arguments: { message: "forbidden" } },
        get method() {
          return ++reads === 1 ? "ping" : "tools/call"
        }
      })
      yield* server.hears(({ id }) => id === 1)
      assert.deepStrictEqual(callsOf(), [])
      assert.strictEqual(server.sent[0]!["method"], "ping")

      let words = 0
      yield* client.says(call(2, {
        get message() {
          return ++words === 1 ? "hello" : "forbidden"
        }
      }))
      yield* server.hears(({ id }) => id === 2)
      assert.deepStrictEqual(callsOf(), [{ name: "echo", arguments: { message: "hello" } }])
      assert.deepStrictEqual(yield* recorded, [{ message: "hello" }])
    }))

  live("may be changed by the server that gets it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* start()
      yield* client.says(call(1, { message: "hello", nested: {} }))
      const { params } = yield* server.hears(({ id }) => id === 1)
      const given = (params as { arguments: { nested: Record<string, unknown> } }).arguments
      given.nested["defaulted"] = true
      assert.deepStrictEqual(yield* recorded, [{ message: "hello", nested: {} }])
    }))
})

describe("a message that no JSON can hold", () => {
  for (const [name, value] of [["contains itself", cyclic()], ["nests too deep", deep(20_000)]] as const) {
    live(`is refused, and the conversation goes on: a call that ${name}`, () =>
      Effect.gen(function*() {
        const { answerOf, callsOf, client, server } = yield* start()
        yield* client.says(call(1, { value }))
        assert.deepInclude((yield* answerOf(1))["error"], { code: -32600 })
        yield* client.says({ jsonrpc: "2.0", id: 2, method: "resources/read", params: { value } })
        assert.deepInclude((yield* answerOf(2))["error"], { code: -32600 })
        yield* client.says({ jsonrpc: "2.0", id: 3, method: "ping" })
        yield* server.hears(({ id }) => id === 3)
        assert.deepStrictEqual(callsOf(), [])
        assert.deepStrictEqual(yield* recorded, [])
      }))
  }

  live("is refused where the gateway's limit is what it passes", () =>
    Effect.gen(function*() {
      const { answerOf, callsOf, client } = yield* start()
      yield* client.says(call(1, { value: deep(300) }))
      assert.match(JSON.stringify(yield* answerOf(1)), /NOT PERFORMED: .*at most 200 levels/)
      assert.deepStrictEqual(callsOf(), [])
    }))

  live("is an unknown outcome or an error for the client, where the server answers so", () =>
    Effect.gen(function*() {
      const { answerOf, client, server } = yield* start()
      for (const [id, method, params] of [[1, "tools/call", { name: "echo" }], [2, "ping", {}]] as const) {
        yield* client.says({ jsonrpc: "2.0", id, method, params })
        yield* server.hears((message) => message["id"] === id)
        yield* server.says({ jsonrpc: "2.0", id, result: { value: deep(20_000) } })
      }
      assert.match(JSON.stringify(yield* answerOf(1)), /OUTCOME UNKNOWN/)
      assert.deepInclude((yield* answerOf(2))["error"], { code: -32603 })
    }))
})
