/** Revision 2026-07-28: every request says for itself which era it belongs to, and a call may take several of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Layer, Redacted, type Scope } from "effect"
import { Agent, Governed } from "effect-vargate"
import type * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import * as HandOverClaims from "effect-vargate/mcp/HandOverClaims"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as Journal from "effect-vargate/workflow/Journal"
import { TestClock } from "effect/testing"
import { decide, gateway, waitingFor } from "../support/mcp.ts"
import { meta, modern, recorded, resultOf, start, toldBy, version } from "../support/mcpModern.ts"

type Services = Layer.Success<ReturnType<typeof GatewayMemory.layer>> | Scope.Scope

const live = (name: string, test: () => Effect.Effect<void, unknown, Services>) =>
  it.effect(name, () => Effect.provide(test(), GatewayMemory.layer(gateway)))

const errorOf = (message: Message) => message["error"] as { code: number; message: string; data?: unknown }

/** Asked for input, the server says this. */
const asks = (requestState?: string): Message => ({
  resultType: "input_required",
  inputRequests: { sure: { method: "elicitation/create", params: { mode: "form", message: "Sure?" } } },
  ...(requestState === undefined ? {} : { requestState })
})

const sure = { sure: { action: "accept", content: {} } }

/** The pending call has waited for its round. */
const waited = TestClock.adjust("25 seconds")

describe("a call of a modern client", () => {
  live("is governed under the name that a legacy one is, on the same connection", () =>
    Effect.gen(function*() {
      const { answerOf, call, client, serve, server } = yield* start()
      yield* client.says(modern("probe", "server/discover"))
      yield* serve("probe", {
        resultType: "complete",
        supportedVersions: [version],
        _meta: { "io.modelcontextprotocol/serverInfo": { name: "evil", version: "1" } }
      })
      yield* call(1, "hello")
      yield* serve(1)
      assert.strictEqual(resultOf(yield* answerOf(1)).resultType, "complete")
      yield* client.says({ jsonrpc: "2.0", id: 2, method: "initialize", params: { protocolVersion: "2025-06-18" } })
      yield* server.hears(({ id }) => id === 2)
      yield* server.says({ jsonrpc: "2.0", id: 2, result: { serverInfo: { name: "other", version: "1" } } })
      const params = { name: "echo", arguments: { message: "again" } }
      yield* client.says({ jsonrpc: "2.0", id: 3, method: "tools/call", params })
      yield* serve(3)
      yield* answerOf(3)
      assert.deepStrictEqual((yield* recorded).map(({ call }) => call), ["words/echo", "words/echo"])
    }))

  live("that is denied is a complete result, which the model reads", () =>
    Effect.gen(function*() {
      const { answerOf, call, callsOf } = yield* start()
      yield* call(1, "forbidden")
      const answer = yield* answerOf(1)
      assert.deepInclude(resultOf(answer), { resultType: "complete", isError: true })
      assert.match(toldBy(answer), /^NOT PERFORMED: the policy denied/)
      assert.deepStrictEqual(callsOf(), [])
    }))

  live("whose revision is not known is refused with those that are", () =>
    Effect.gen(function*() {
      const { answerOf, client, server } = yield* start()
      const params = { name: "echo", _meta: { ...meta(), "io.modelcontextprotocol/protocolVersion": "2099-01-01" } }
      yield* client.says({ jsonrpc: "2.0", id: 1, method: "tools/call", params })
      assert.deepInclude(errorOf(yield* answerOf(1)), {
        code: -32022,
        data: { supported: [version], requested: "2099-01-01" }
      })
      const { "io.modelcontextprotocol/clientCapabilities": _, ...without } = meta()
      yield* client.says({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "echo", _meta: without } })
      assert.strictEqual(errorOf(yield* answerOf(2)).code, -32602)
      yield* client.says({ jsonrpc: "2.0", id: 3, method: "server/discover" })
      assert.strictEqual(errorOf(yield* answerOf(3)).code, -32602)
      assert.deepStrictEqual(server.sent, [])
    }))

  live("hears of no revision that the proxy does not know", () =>
    Effect.gen(function*() {
      const { answerOf, client, serve, server } = yield* start()
      yield* client.says(modern(1, "server/discover"))
      yield* serve(1, { supportedVersions: [version, "2099-01-01", "2025-11-25"], ttlMs: 5 })
      assert.deepStrictEqual((yield* answerOf(1))["result"], {
        supportedVersions: [version, "2025-11-25"],
        ttlMs: 5
      })
      yield* client.says(modern(2, "resources/list"))
      yield* server.hears(({ id }) => id === 2)
      const data = { supported: ["2099-01-01"], requested: version }
      yield* server.says({ jsonrpc: "2.0", id: 2, error: { code: -32022, message: "no", data } })
      assert.deepStrictEqual(errorOf(yield* answerOf(2)).data, { supported: [], requested: version })
    }))

  live("finds the tool to ask after an approval in a list that is its own", () =>
    Effect.gen(function*() {
      const { answerOf, client, serve } = yield* start()
      yield* client.says(modern(1, "tools/list"))
      const kept = { resultType: "complete", ttlMs: 5000 }
      yield* serve(1, { ...kept, cacheScope: "public", tools: [{ name: "echo" }] })
      const { tools, ...rest } = (yield* answerOf(1))["result"] as Message & { tools: Array<{ name: string }> }
      assert.deepStrictEqual(rest, { ...kept, cacheScope: "private" })
      assert.deepStrictEqual(tools.map(({ name }) => name), ["echo", "vargate_check_approval"])
    }))
})

describe("a pending call of a modern client", () => {
  const inbox = (actionId: string) => `https://inbox.example/${actionId}`

  live(
    "is one action, however often the client comes back, and performed once when it is approved",
    () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf, serve } = yield* start({ inbox })
        yield* call(1, "delicate a")
        const actionId = yield* waitingFor("delicate a")
        yield* waited
        const first = resultOf(yield* answerOf(1))
        assert.strictEqual(first.resultType, "input_required")
        assert.deepInclude(first.inputRequests!["vargate_approval"], { method: "elicitation/create" })
        assert.deepInclude(first.inputRequests!["vargate_approval"]!["params"], { mode: "url", url: inbox(actionId) })

        // Having opened the address is no approval.
        const accepted = { inputResponses: { vargate_approval: { action: "accept" } } }
        yield* call(2, "delicate a", { requestState: first.requestState, ...accepted })
        yield* TestClock.adjust("45 seconds")
        const second = resultOf(yield* answerOf(2))
        assert.deepInclude(second, { resultType: "input_required" })
        assert.isUndefined(second.inputRequests)
        assert.deepStrictEqual(callsOf(), [])

        yield* decide("approve", "delicate a")
        yield* call(3, "delicate a", { requestState: second.requestState, ...accepted })
        yield* TestClock.adjust("1 second")
        const given = yield* serve(3)
        assert.deepStrictEqual(given, { name: "echo", arguments: { message: "delicate a" }, _meta: meta() })
        assert.strictEqual(resultOf(yield* answerOf(3)).resultType, "complete")
        assert.strictEqual((yield* recorded).length, 1)

        // Every state of the action is used up: the client hears what was answered.
        for (const [id, requestState] of [[4, first.requestState], [5, second.requestState]] as const) {
          yield* call(id, "delicate a", { requestState })
          yield* TestClock.adjust("1 second")
          assert.deepStrictEqual(resultOf(yield* answerOf(id)), { resultType: "complete", content: [] } as never)
        }
        assert.strictEqual(callsOf().length, 1)
        assert.strictEqual((yield* recorded).length, 1)
      })
  )

  live(
    "is answered in words before the client gives up, and performed when the model asks after it",
    () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf, client, serve } = yield* start()
        yield* call(1, "delicate b")
        const actionId = yield* waitingFor("delicate b")
        yield* waited
        let { requestState } = resultOf(yield* answerOf(1))
        for (let id = 2; id <= 9; id++) {
          yield* call(id, "delicate b", { requestState })
          yield* TestClock.adjust("45 seconds")
          const result = resultOf(yield* answerOf(id))
          assert.strictEqual(result.resultType, id === 9 ? "complete" : "input_required")
          if (id < 9) requestState = result.requestState!
        }
        assert.match(toldBy(yield* answerOf(9)), /^NOT PERFORMED YET.*vargate_check_approval/)
        yield* decide("approve", "delicate b")
        const check = { name: "vargate_check_approval", arguments: { action_id: actionId } }
        yield* client.says(modern(10, "tools/call", check))
        yield* TestClock.adjust("1 second")
        const given = yield* serve(10)
        assert.deepStrictEqual(given, { name: "echo", arguments: { message: "delicate b" }, _meta: meta() })
        assert.strictEqual(resultOf(yield* answerOf(10)).resultType, "complete")
        yield* call(11, "delicate b", { requestState })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(resultOf(yield* answerOf(11)).resultType, "complete")
        assert.strictEqual(callsOf().length, 1)
        assert.strictEqual((yield* recorded).length, 1)
      })
  )

  live("is answered in words at once where the client declares nothing", () =>
    Effect.gen(function*() {
      const { answerOf, call } = yield* start({ inbox })
      yield* call(1, "delicate c", {}, {})
      yield* waitingFor("delicate c")
      yield* waited
      assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED YET.*vargate_check_approval/)
    }))

  live("that is rejected meanwhile was not performed", () =>
    Effect.gen(function*() {
      const { answerOf, call, callsOf } = yield* start()
      yield* call(1, "delicate d")
      yield* waitingFor("delicate d")
      yield* waited
      const { requestState } = resultOf(yield* answerOf(1))
      yield* decide("reject", "delicate d", "no")
      yield* call(2, "delicate d", { requestState })
      yield* TestClock.adjust("1 second")
      assert.match(toldBy(yield* answerOf(2)), /^NOT PERFORMED: a reviewer rejected this action \(no\)/)
      assert.deepStrictEqual(callsOf(), [])
    }))

  live("is no longer waited for when the user declines", () =>
    Effect.gen(function*() {
      const { answerOf, call } = yield* start({ inbox })
      yield* call(1, "delicate e")
      yield* waitingFor("delicate e")
      yield* waited
      const { requestState } = resultOf(yield* answerOf(1))
      yield* call(2, "delicate e", { requestState, inputResponses: { vargate_approval: { action: "decline" } } })
      assert.match(toldBy(yield* answerOf(2)), /^NOT PERFORMED YET/)
      yield* waitingFor("delicate e")
    }))

  live("waits no longer than it was told to", () =>
    Effect.gen(function*() {
      const { answerOf, call } = yield* start({ onPending: Governed.wait({ timeout: "40 seconds" }) })
      yield* call(1, "delicate f")
      yield* waitingFor("delicate f")
      yield* waited
      const { requestState } = resultOf(yield* answerOf(1))
      yield* call(2, "delicate f", { requestState })
      yield* TestClock.adjust("15 seconds")
      const answer = yield* answerOf(2)
      assert.strictEqual(resultOf(answer).resultType, "complete")
      assert.match(toldBy(answer), /^NOT PERFORMED YET/)
    }))

  live("tells of its wait while its request is open, under that request's token", () =>
    Effect.gen(function*() {
      const { answerOf, call, client } = yield* start()
      yield* call(1, "delicate g", { _meta: { progressToken: 9007199254740993n.toString() } })
      yield* waitingFor("delicate g")
      yield* waited
      const { requestState } = resultOf(yield* answerOf(1))
      const count = () => client.sent.filter(({ method }) => method === "notifications/progress").length
      assert.strictEqual(count(), 3)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(count(), 3)
      yield* call(2, "delicate g", { requestState, _meta: { progressToken: "second" } })
      yield* client.hears(({ params }) => (params as Message | undefined)?.["progressToken"] === "second")
    }))
})

describe("a call in several rounds", () => {
  live("is one action, and the server gets back the state that it gave, byte by byte", () =>
    Effect.gen(function*() {
      const { answerOf, call, callsOf, client, serve, server } = yield* start()
      yield* call(1, "hello")
      yield* server.hears(({ id }) => id === 1)
      const up = String.raw`"st\u0061te \/ \ud83d\ude00"`
      const requests = JSON.stringify(asks()["inputRequests"])
      yield* server.saysText(
        `{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":${up},"inputRequests":${requests}}}`
      )
      const first = resultOf(yield* answerOf(1))
      assert.deepStrictEqual(first.inputRequests, asks()["inputRequests"] as never)
      assert.notInclude(first.requestState, "state")
      yield* call(2, "hello", { requestState: first.requestState, inputResponses: sure })
      const given = yield* serve(2, asks())
      assert.deepStrictEqual(given["inputResponses"], sure)
      assert.include(server.texts.at(-1), `"requestState":${up}`)
      // The second time it gave none.
      const second = resultOf(yield* answerOf(2))
      yield* call(3, "hello", { requestState: second.requestState, inputResponses: sure })
      assert.isFalse("requestState" in (yield* serve(3)))
      assert.deepStrictEqual(resultOf(yield* answerOf(3)), { resultType: "complete", content: [] } as never)
      assert.strictEqual((yield* recorded).length, 1)
      assert.strictEqual(callsOf().length, 3)
      assert.isTrue(client.sent.every(({ error }) => error === undefined))
    }))

  live(
    "hands each round over once, and the second to ask hears what the first was answered",
    () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf, serve, server } = yield* start()
        yield* call(1, "hello")
        yield* serve(1, asks("u"))
        const { requestState } = resultOf(yield* answerOf(1))
        yield* call(2, "hello", { requestState, inputResponses: sure })
        yield* call(3, "hello", { requestState, inputResponses: sure })
        assert.match(toldBy(yield* answerOf(3)), /^NOTHING DONE NOW: this very request was handed to the server before/)
        yield* serve(2)
        const done = resultOf(yield* answerOf(2))
        yield* call(4, "hello", { requestState, inputResponses: {} })
        assert.deepStrictEqual(resultOf(yield* answerOf(4)), done)
        assert.deepStrictEqual(callsOf().map(({ id }) => id), [1, 2])
        assert.strictEqual(server.sent.length, 2)
      })
  )

  live("is not repeated where the server's answer was lost", () =>
    Effect.gen(function*() {
      const { answerOf, call, callsOf, serve, server } = yield* start()
      yield* call(1, "hello")
      yield* serve(1, asks("u"))
      const { requestState } = resultOf(yield* answerOf(1))
      yield* call(2, "hello", { requestState, inputResponses: sure })
      yield* server.hears(({ id }) => id === 2)
      yield* server.says({ jsonrpc: "2.0", id: 2, ID: 3, result: {} })
      assert.match(toldBy(yield* answerOf(2)), /^OUTCOME UNKNOWN/)
      yield* call(3, "hello", { requestState, inputResponses: sure })
      assert.match(toldBy(yield* answerOf(3)), /^NOTHING DONE NOW/)
      assert.strictEqual(callsOf().length, 2)
    }))

  live("continues where the question after an approval began it, in another process too", () =>
    Effect.gen(function*() {
      const stateKeys = [Redacted.make("k".repeat(32))]
      const { answerOf, call, callsOf, client, serve, server } = yield* start({ rounds: { max: 0 }, stateKeys })
      yield* call(1, "delicate h", {}, { elicitation: {} })
      const actionId = yield* waitingFor("delicate h")
      yield* TestClock.adjust("25 seconds")
      assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED YET.*vargate_check_approval/)
      yield* decide("approve", "delicate h")
      const check = (id: number, more: Message = {}) =>
        modern(id, "tools/call", { name: "vargate_check_approval", arguments: { action_id: actionId }, ...more })
      yield* client.says(check(2))
      assert.deepInclude(yield* serve(2, asks("u")), { name: "echo", arguments: { message: "delicate h" } })
      const first = resultOf(yield* answerOf(2))
      assert.deepStrictEqual(first.inputRequests, asks()["inputRequests"] as never)
      yield* client.says(check(3, { requestState: first.requestState, inputResponses: sure }))
      const given = yield* serve(3, asks("v"))
      assert.deepInclude(given, {
        name: "echo",
        arguments: { message: "delicate h" },
        requestState: "u",
        inputResponses: sure
      })
      const second = resultOf(yield* answerOf(3))
      // It belongs to that question, and to no call.
      yield* call(4, "delicate h", { requestState: second.requestState, inputResponses: sure })
      assert.strictEqual(errorOf(yield* answerOf(4)).code, -32602)
      const other = yield* start({ stateKeys })
      yield* other.client.says(check(1, { requestState: second.requestState, inputResponses: sure }))
      assert.deepInclude(yield* other.serve(1), { name: "echo", requestState: "v" })
      assert.strictEqual(resultOf(yield* other.answerOf(1)).resultType, "complete")
      yield* client.says(check(5, { requestState: second.requestState, inputResponses: sure }))
      assert.strictEqual(resultOf(yield* answerOf(5)).resultType, "complete")
      assert.strictEqual(callsOf().length, 2)
      assert.strictEqual(server.sent.length, 2)
      assert.lengthOf(yield* recorded, 1)
    }))

  live("asks for nothing that is withheld from the server", () =>
    Effect.gen(function*() {
      const { answerOf, call, serve } = yield* start({ withhold: ["elicitation"] })
      yield* call(1, "hello", {}, { elicitation: { form: {} }, roots: {} })
      const { _meta } = yield* serve(1, asks("u"))
      assert.deepStrictEqual((_meta as Message)["io.modelcontextprotocol/clientCapabilities"], { roots: {} })
      assert.match(toldBy(yield* answerOf(1)), /^OUTCOME UNKNOWN/)
    }))
})

describe("what is withheld from the server", () => {
  live("is asked for in the result of no other request either, however it is written", () =>
    Effect.gen(function*() {
      const { answerOf, client, server } = yield* start({ withhold: ["sampling"] })
      const sampling = `"method":"sampling/createMessage","params":{}`
      const elicit = `{"method":"elicitation/create","params":{}}`
      const results = [
        `{"resultType":"input_required","inputRequests":{"a":${elicit},"b":{${sampling}}}}`,
        `{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create",${sampling}}}}`,
        `{"resultType":"input_required","inputRequests":{"a":{${sampling},"method":"elicitation/create"}}}`,
        `{"resultType":"input_required","inputRequests":{"a":{${sampling}}},"inputRequests":{"a":${elicit}}}`,
        `{"status":"input_required","inputRequests":{"a":{"\\u006dethod":"sampling\\/createMessage"}}}`
      ]
      for (const [id, result] of results.entries()) {
        yield* client.says(modern(id, "resources/read", { uri: "a" }))
        yield* server.hears((message) => message["id"] === id)
        yield* server.saysText(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
        assert.strictEqual(errorOf(yield* answerOf(id)).code, -32603, result)
      }
      yield* client.says(modern(9, "resources/read", { uri: "a" }))
      yield* server.hears(({ id }) => id === 9)
      const asked = `{"resultType":"input_required","inputRequests":{"a":${elicit}}}`
      yield* server.saysText(`{"jsonrpc":"2.0","id":9,"result":${asked}}`)
      assert.strictEqual(JSON.stringify((yield* answerOf(9))["result"]), asked)
    }))
})

describe("a state that does not fit", () => {
  type Conversation = Effect.Success<ReturnType<typeof start>>

  /** A call that was asked for more, and its state. */
  const asked = Effect.fnUntraced(function*(options?: Partial<GovernedMcpProxy.Options>) {
    const one = yield* start(options)
    yield* one.call(1, "hello")
    yield* one.serve(1, asks("u"))
    const requestState = resultOf(yield* one.answerOf(1)).requestState!
    const isRefused = Effect.fnUntraced(function*(id: number, other: Conversation = one) {
      assert.strictEqual(errorOf(yield* other.answerOf(id)).code, -32602)
      assert.strictEqual(other.callsOf().length, other === one ? 1 : 0)
      assert.strictEqual((yield* recorded).length, 1)
    })
    return { ...one, requestState, isRefused }
  })

  live(
    "is refused, and submits nothing: changed, of other arguments, of another tool, missing, of a legacy request",
    () =>
      Effect.gen(function*() {
        const { call, client, isRefused, requestState } = yield* asked()
        const half = requestState.length >> 1
        const changed = requestState.slice(0, half) + (requestState[half] === "A" ? "B" : "A") +
          requestState.slice(half + 1)
        let id = 2
        for (const wrong of [changed, `${requestState}A`, requestState.slice(1), "", "v1..", "x", 5, null, {}]) {
          yield* call(id, "hello", { requestState: wrong, inputResponses: sure })
          yield* isRefused(id++)
        }
        yield* call(id, "hello!", { requestState, inputResponses: sure })
        yield* isRefused(id++)
        yield* call(id, "hello", { name: "other", requestState, inputResponses: sure })
        yield* isRefused(id++)
        yield* call(id, "hello", { inputResponses: sure })
        yield* isRefused(id++)
        const params = { name: "echo", arguments: { message: "hello" }, requestState }
        yield* client.says({ jsonrpc: "2.0", id, method: "tools/call", params })
        yield* isRefused(id)
      })
  )

  live("is refused when it has expired", () =>
    Effect.gen(function*() {
      const { call, isRefused, requestState } = yield* asked()
      yield* TestClock.adjust("61 minutes")
      yield* call(2, "hello", { requestState, inputResponses: sure })
      yield* isRefused(2)
    }))

  live(
    "is refused from another agent, and by another process whose keys are the same and whose claims are not",
    () =>
      Effect.gen(function*() {
        const stateKeys = [Redacted.make("k".repeat(32))]
        const { isRefused, requestState } = yield* asked({ stateKeys })
        const agent = yield* Effect.provideService(start({ stateKeys }), Agent.Agent, { id: "another" })
        yield* agent.call(2, "hello", { requestState, inputResponses: sure })
        yield* isRefused(2, agent)
        const process = yield* Effect.provideService(
          start({ stateKeys }),
          HandOverClaims.HandOverClaims,
          HandOverClaims.makeMemory()
        )
        yield* process.call(3, "hello", { requestState, inputResponses: sure })
        yield* isRefused(3, process)
      })
  )
})

describe("several processes", () => {
  it.effect("continue one another's calls where they share keys and claims, and exchange their keys one by one", () =>
    Effect.gen(function*() {
      const [old, young] = [Redacted.make("old".repeat(20)), Redacted.make("young".repeat(20))]
      const one = yield* start({ stateKeys: [old] })
      const two = yield* start({ stateKeys: [young, old] })
      const three = yield* start({ stateKeys: [young] })
      yield* one.call(1, "hello")
      yield* one.serve(1, asks("u"))
      const first = resultOf(yield* one.answerOf(1))
      yield* three.call(1, "hello", { requestState: first.requestState, inputResponses: sure })
      assert.strictEqual(errorOf(yield* three.answerOf(1)).code, -32602)
      yield* two.call(1, "hello", { requestState: first.requestState, inputResponses: sure })
      assert.strictEqual((yield* two.serve(1, asks("v")))["requestState"], "u")
      const second = resultOf(yield* two.answerOf(1))
      yield* three.call(2, "hello", { requestState: second.requestState, inputResponses: sure })
      assert.strictEqual((yield* three.serve(2))["requestState"], "v")
      // The first process hears of it too.
      yield* one.call(2, "hello", { requestState: first.requestState, inputResponses: sure })
      assert.deepStrictEqual(resultOf(yield* one.answerOf(2)), second)
      assert.strictEqual((yield* recorded).length, 1)
    }).pipe(
      Effect.provide(HandOverClaims.layerJournal),
      Effect.provide([GatewayMemory.layer(gateway), Journal.layerMemory])
    ))

  it.effect("perform one another's pending calls when their clients ask after them, once", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* start({ rounds: { max: 0 } }), yield* start()]
      const stranger = yield* Effect.provideService(start(), Agent.Agent, { id: "another" })
      yield* one.call(1, "delicate q", {}, {})
      const actionId = yield* waitingFor("delicate q")
      yield* TestClock.adjust("25 seconds")
      yield* one.answerOf(1)
      yield* decide("approve", "delicate q")
      const check = (id: number) =>
        modern(id, "tools/call", { name: "vargate_check_approval", arguments: { action_id: actionId } })
      yield* stranger.client.says(check(1))
      assert.match(toldBy(yield* stranger.answerOf(1)), /^NOTHING DONE NOW: no call waits/)
      yield* two.client.says(check(2))
      assert.deepInclude(yield* two.serve(2), { name: "echo", arguments: { message: "delicate q" } })
      const done = resultOf(yield* two.answerOf(2))
      for (const again of [one, two]) {
        yield* again.client.says(check(3))
        assert.deepStrictEqual(resultOf(yield* again.answerOf(3)), done)
      }
      assert.deepStrictEqual([one, two, stranger].map(({ callsOf }) => callsOf().length), [0, 1, 0])
      assert.lengthOf(yield* recorded, 1)
    }).pipe(
      Effect.provide(HandOverClaims.layerJournal),
      Effect.provide([GatewayMemory.layer(gateway), Journal.layerMemory])
    ))

  live("need keys that cannot be guessed", () =>
    Effect.gen(function*() {
      for (const stateKeys of [[], [Redacted.make("short")]]) {
        const { proxy } = yield* start({ stateKeys })
        const error = yield* Effect.flip(Fiber.join(proxy))
        assert.match(error.message, /stateKeys: Expected keys of at least 32 characters/)
        assert.notInclude(error.message, "short")
      }
    }))
})

describe("other requests", () => {
  live("are passed on with their own state, unless they are governed", () =>
    Effect.gen(function*() {
      const { answerOf, client, serve } = yield* start({ govern: ["resources/read"] })
      yield* client.says(modern(1, "prompts/get", { name: "p", requestState: "own" }))
      assert.strictEqual((yield* serve(1, { ...asks("next") }))["requestState"], "own")
      assert.strictEqual(resultOf(yield* answerOf(1)).requestState, "next")

      yield* client.says(modern(2, "resources/read", { uri: "file:///forbidden" }))
      assert.match(errorOf(yield* answerOf(2)).message, /^NOT PERFORMED: the policy denied/)
      yield* client.says(modern(3, "resources/read", { uri: "file:///a" }))
      yield* serve(3, asks("own"))
      const { requestState } = resultOf(yield* answerOf(3))
      assert.notStrictEqual(requestState, "own")
      yield* client.says(modern(4, "resources/read", { uri: "file:///b", requestState, inputResponses: sure }))
      assert.strictEqual(errorOf(yield* answerOf(4)).code, -32602)
      yield* client.says(modern(5, "resources/read", { uri: "file:///a", requestState, inputResponses: sure }))
      assert.strictEqual((yield* serve(5, { contents: [] }))["requestState"], "own")
      assert.deepStrictEqual((yield* answerOf(5))["result"], { contents: [] })
      assert.deepStrictEqual((yield* recorded).map(({ call, decision, params }) => [call, decision, params]), [
        ["words/resources.read", "deny", { uri: "file:///forbidden" }],
        ["words/resources.read", "allow", { uri: "file:///a" }]
      ])
    }))
})
