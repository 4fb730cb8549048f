import { assert, describe, it } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { gateway, scripted } from "../support/mcp.ts"

const start = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options> = {}) {
  const client = yield* scripted
  const server = yield* scripted
  yield* Effect.forkChild(GovernedMcpProxy.run(client.channel, server.channel, { tool: "words", ...options }), {
    startImmediately: true
  })
  const answerOf = (id: number | null) => client.hears((message) => message["id"] === id)
  return {
    client,
    server,
    answerOf,
    /** Everything before it has been read when this is answered. */
    isRead: Effect.gen(function*() {
      yield* client.says({ jsonrpc: "2.0", id: "last", method: "ping" })
      yield* server.hears(({ id }) => id === "last")
    })
  }
})

const codeOf = ({ error }: Message) => (error as { code: number }).code
const params = { name: "echo", arguments: { message: "hello" } }
const allowed = { jsonrpc: "2.0", id: 1, method: "tools/call", params }

const recorded = GatewayMemory.GatewayMemory.use(({ records }) => records())

type Services = Layer.Success<ReturnType<typeof GatewayMemory.layer>> | Scope.Scope

const live = (name: string, test: () => Effect.Effect<void, unknown, Services>) =>
  it.effect(name, () => Effect.provide(test(), GatewayMemory.layer(gateway)))

const ping = { jsonrpc: "2.0", id: 1, method: "ping", params: { name: "delete_all", arguments: {} } }

/** What a server that matches names without case, or cuts them at a NUL, reads as a call of another tool. */
const messages: Readonly<Record<string, unknown>> = {
  "Method beside method": { ...ping, Method: "tools/call" },
  "METHOD alone": { jsonrpc: "2.0", id: 1, METHOD: "tools/call", params: ping.params },
  "Params beside params": { ...allowed, Params: ping.params },
  "paramſ (U+017F)": { ...allowed, "param\u017f": ping.params },
  "a full-width name": { ...allowed, "\uff50arams": ping.params },
  "a name that goes on after a NUL": { ...ping, "method\0": "tools/call" },
  "ID beside id": { ...allowed, ID: 2 },
  "Result in an answer": { jsonrpc: "2.0", id: 1, result: {}, Result: { content: [] } },
  "a method that is a list": { ...ping, method: ["tools/call"] },
  "a method in other case": { ...ping, method: "Tools/Call" },
  "a method with a blank": { ...ping, method: "tools/call " },
  "a request that is an answer too": { ...ping, result: {} }
}

const calls: Readonly<Record<string, Message>> = {
  "Name beside name": { ...params, Name: "delete_all" },
  "Name alone": { Name: "delete_all", arguments: {} },
  "Arguments beside arguments": { ...params, Arguments: { message: "forbidden" } },
  "argumentſ (U+017F)": { ...params, "argument\u017f": { message: "forbidden" } },
  "taſK (U+017F, U+212A)": { ...params, "ta\u017f\u212a": {} },
  "_Meta": { ...params, _Meta: {} }
}

describe("a message that may be read in two ways", () => {
  for (const [name, message] of Object.entries(messages)) {
    live(`is refused, and the server does not hear of it: ${name}`, () =>
      Effect.gen(function*() {
        const { answerOf, client, isRead, server } = yield* start()
        yield* client.says(message)
        assert.strictEqual(codeOf(yield* answerOf((message as Message)["id"] as number)), -32600)
        yield* isRead
        assert.deepStrictEqual(server.sent.map(({ id }) => id), ["last"])
        assert.deepStrictEqual(yield* recorded, [])
      }))
  }

  for (const [name, params] of Object.entries(calls)) {
    live(`is refused as a call: ${name}`, () =>
      Effect.gen(function*() {
        const { answerOf, client, isRead, server } = yield* start()
        yield* client.says({ ...allowed, params })
        assert.strictEqual(codeOf(yield* answerOf(1)), -32602)
        yield* isRead
        assert.deepStrictEqual(server.sent.map(({ id }) => id), ["last"])
        assert.deepStrictEqual(yield* recorded, [])
      }))
  }

  live("is refused in a batch, of which the rest is served", () =>
    Effect.gen(function*() {
      const { answerOf, client, isRead, server } = yield* start()
      yield* client.says([{ ...ping, Method: "tools/call" }, { ...allowed, id: 2, params: calls["Name alone"] }, {
        ...allowed,
        id: 3
      }])
      assert.strictEqual(codeOf(yield* answerOf(1)), -32600)
      assert.strictEqual(codeOf(yield* answerOf(2)), -32602)
      yield* server.hears(({ id }) => id === 3)
      yield* isRead
      assert.deepStrictEqual(server.sent.map(({ id }) => id).sort(), [3, "last"])
    }))

  live("cancels nothing at the server behind the proxy's back", () =>
    Effect.gen(function*() {
      const { client, isRead, server } = yield* start()
      const cancelled = { requestId: 9, RequestId: 1 }
      yield* client.says({ jsonrpc: "2.0", method: "notifications/cancelled", params: cancelled })
      yield* isRead
      assert.deepStrictEqual(server.sent.map(({ id }) => id), ["last"])
    }))

  live("leaves other names alone", () =>
    Effect.gen(function*() {
      const { client, server } = yield* start()
      const call = { ...allowed, params: { ...params, "x-trace": 1, Label: "a" }, extra: true }
      yield* client.says(call)
      const { params: given } = yield* server.hears(({ id }) => id === 1)
      assert.deepStrictEqual(given, call.params)
    }))
})

describe("an answer of the server that may be read in two ways", () => {
  live("does not pass for the answer to another call", () =>
    Effect.gen(function*() {
      const { answerOf, client, server } = yield* start()
      yield* client.says(allowed)
      yield* server.hears(({ id }) => id === 1)
      yield* server.says({ jsonrpc: "2.0", id: 1, ID: 2, result: { content: [] } })
      const told = (yield* answerOf(1))["result"] as { isError: boolean; content: Array<{ text: string }> }
      assert.isTrue(told.isError)
      assert.match(told.content[0]!.text, /^OUTCOME UNKNOWN/)
      assert.strictEqual(client.sent.length, 1)
    }))

  live("is an error for a request, and no request of its own", () =>
    Effect.gen(function*() {
      const { answerOf, client, server } = yield* start()
      yield* client.says({ jsonrpc: "2.0", id: 1, method: "resources/list" })
      yield* server.hears(({ id }) => id === 1)
      yield* server.says({ jsonrpc: "2.0", id: 7, method: "ping", Method: "sampling/createMessage" })
      assert.strictEqual(codeOf(yield* server.hears(({ id }) => id === 7)), -32600)
      yield* server.says({ jsonrpc: "2.0", id: 1, result: {}, Error: {} })
      assert.strictEqual(codeOf(yield* answerOf(1)), -32603)
      assert.strictEqual(client.sent.length, 1)
    }))

  live("lists no tool that is not offered", () =>
    Effect.gen(function*() {
      const { answerOf, client, server } = yield* start({ allow: ["echo"] })
      for (const id of [1, 2]) {
        yield* client.says({ jsonrpc: "2.0", id, method: "tools/list" })
        yield* server.hears((message) => message["id"] === id)
      }
      const tools = [{ name: "echo" }, { name: "echo", Name: "delete_all" }]
      yield* server.says({ jsonrpc: "2.0", id: 1, result: { tools } })
      assert.deepStrictEqual((yield* answerOf(1))["result"], { tools: [{ name: "echo" }] })
      yield* server.says({ jsonrpc: "2.0", id: 2, result: { tools: [], Tools: [{ name: "delete_all" }] } })
      assert.strictEqual(codeOf(yield* answerOf(2)), -32603)
    }))
})
