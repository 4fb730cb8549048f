import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, type Layer, type Scope } from "effect"
import { Agent, Governed } from "effect-vargate"
import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
import type { Message } from "effect-vargate/mcp/JsonRpc"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import { TestClock } from "effect/testing"
import { decide, gateway, scripted, waitingFor } from "../support/mcp.ts"
import { recording, told } from "../support/recording.ts"

const start = Effect.fnUntraced(function*(options: Partial<GovernedMcpProxy.Options> = {}) {
  const client = yield* scripted
  const server = yield* scripted
  const proxy = yield* Effect.forkChild(
    GovernedMcpProxy.run(client.channel, server.channel, { tool: "words", ...options }),
    { startImmediately: true }
  )
  const callsOf = () => server.sent.filter(({ method }) => method === "tools/call")
  return {
    client,
    server,
    proxy,
    callsOf,
    call: (id: number, message: string, meta?: Message) =>
      client.says(request(id, "tools/call", { name: "echo", arguments: { message }, ...(meta && { _meta: meta }) })),
    answerOf: (id: number) => client.hears((message) => message["id"] === id),
    /** The server gets the call, and answers it. */
    serve: Effect.fnUntraced(function*(id: number) {
      yield* server.hears((message) => message["id"] === id)
      yield* server.says({ jsonrpc: "2.0", id, result: text(`echo ${id}`) })
    })
  }
})

const request = (id: number, method: string, params: unknown) => ({ jsonrpc: "2.0", id, method, params })
const text = (text: string) => ({ content: [{ type: "text", text }] })
const resultOf = (message: Message) =>
  message["result"] as { isError?: boolean; content: Array<{ text: string }>; structuredContent?: unknown }
const toldBy = (message: Message) => {
  const { content, isError } = resultOf(message)
  assert.isTrue(isError)
  return content[0]!.text
}

const records = Effect.map(
  GatewayMemory.GatewayMemory.use(({ records }) => records()),
  (records) =>
    records.filter(({ tool }) => tool !== "approval_queue").map(({ agentId, decision, method, params, tool }) => ({
      agentId,
      call: `${tool}/${method}`,
      decision,
      params
    }))
)

/** Each test has a gateway of its own. */
const live = (name: string, test: () => Effect.Effect<void, unknown, Services>) =>
  it.effect(name, () => Effect.provide(test(), GatewayMemory.layer(gateway)))
type Services = Layer.Success<ReturnType<typeof GatewayMemory.layer>> | Scope.Scope

describe("GovernedMcpProxy", () => {
  describe("tools/call", () => {
    live(
      "hands what is allowed to the server, as it came, and the answer to the client, as it came",
      () =>
        Effect.gen(function*() {
          const { answerOf, call, server, serve } = yield* start()
          yield* call(1, "hello", { progressToken: "p", "example.com/x": [1] })
          yield* serve(1)
          assert.deepStrictEqual(yield* answerOf(1), { jsonrpc: "2.0", id: 1, result: text("echo 1") })
          assert.deepStrictEqual(server.sent, [
            request(1, "tools/call", {
              name: "echo",
              arguments: { message: "hello" },
              _meta: { progressToken: "p", "example.com/x": [1] }
            })
          ])
          assert.deepStrictEqual((yield* records).at(-1), {
            agentId: "scribe",
            call: "words/echo",
            decision: "allow",
            params: { message: "hello" }
          })
        }).pipe(Effect.provideService(Agent.Agent, { id: "scribe" }))
    )

    live("says of what is denied that it was not performed, and why", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf } = yield* start()
        yield* call(1, "forbidden")
        assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED: the policy denied this action \(forbidden_word\)/)
        assert.deepStrictEqual(callsOf(), [])
      }))

    live("waits for a person, reports progress, and performs once what is approved", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf, client, serve } = yield* start()
        yield* call(1, "delicate a", { progressToken: 7 })
        const actionId = yield* waitingFor("delicate a")
        const progress = () => client.sent.filter(({ method }) => method === "notifications/progress")
        yield* client.hears(({ method }) => method === "notifications/progress")
        yield* TestClock.adjust("25 seconds")
        assert.deepStrictEqual(
          progress().map(({ params }) => params),
          [1, 2, 3].map((step) => ({
            progressToken: 7,
            progress: step / 1e6,
            message: `waiting for a reviewer's approval as ${actionId}`
          }))
        )
        assert.deepStrictEqual(callsOf(), [])
        yield* decide("approve", "delicate a")
        yield* TestClock.adjust("1 second")
        yield* serve(1)
        assert.strictEqual(resultOf(yield* answerOf(1)).content[0]!.text, "echo 1")
        assert.strictEqual(callsOf().length, 1)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(progress().length, 3)
      }))

    live("is a span with the decision and the wait", () => {
      const { layer, spans } = recording()
      return Effect.gen(function*() {
        const { answerOf, call, serve } = yield* start()
        yield* call(1, "forbidden")
        yield* answerOf(1)
        yield* call(2, "delicate a")
        const actionId = yield* waitingFor("delicate a")
        yield* TestClock.adjust("20 seconds")
        yield* decide("reject", "delicate a")
        yield* TestClock.adjust("10 seconds")
        yield* answerOf(2)
        yield* call(3, "hello")
        yield* serve(3)
        yield* answerOf(3)
        const [denied, rejected, allowed] = spans.filter(({ name }) => name === "execute_tool echo")
        const common = (id: string) => ({
          kind: "internal",
          "gen_ai.operation.name": "execute_tool",
          "gen_ai.tool.name": "echo",
          "gen_ai.tool.call.id": id,
          "gen_ai.agent.id": "scribe"
        })
        assert.deepInclude(told(denied!), { ...common("1"), "vargate.decision": "Denied", "error.type": "Denied" })
        assert.deepInclude(told(rejected!), {
          ...common("2"),
          "vargate.action_id": actionId,
          "vargate.decision": "PendingApproval",
          "vargate.approval.outcome": "Rejected",
          "error.type": "Rejected"
        })
        assert.isAtLeast(told(rejected!)["vargate.approval.wait_ms"] as number, 20_000)
        assert.deepInclude(told(allowed!), { ...common("3"), "vargate.decision": "Allowed" })
        for (const span of [denied, rejected, allowed]) assert.strictEqual(span!.status._tag, "Ended")
      }).pipe(Effect.provideService(Agent.Agent, { id: "scribe" }), Effect.provide(layer))
    })

    live("says of what is rejected that it was not performed, and the reviewer's note", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf } = yield* start()
        yield* call(1, "delicate b")
        yield* decide("reject", "delicate b", "not today")
        yield* TestClock.adjust("1 second")
        assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED: a reviewer rejected this action \(not today\)/)
        assert.deepStrictEqual(callsOf(), [])
      }))

    live("says of what nobody decides that it was not performed", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf } = yield* start()
        yield* call(1, "delicate c")
        yield* waitingFor("delicate c")
        yield* TestClock.adjust("66 minutes")
        assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED: no reviewer approved this action in time/)
        assert.deepStrictEqual(callsOf(), [])
      }))

    live("gives up waiting when it was told to, and leaves the action queued", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf } = yield* start({ onPending: Governed.wait({ timeout: "1 minute" }) })
        yield* call(1, "delicate d")
        yield* waitingFor("delicate d")
        yield* TestClock.adjust("1 minute")
        assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED YET/)
        yield* waitingFor("delicate d")
        assert.deepStrictEqual(callsOf(), [])
      }))

    live("gives the gateway's answer where the gateway executes, and the server nothing", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf } = yield* start({ tool: "brokered" })
        yield* call(1, "hello")
        const result = resultOf(yield* answerOf(1))
        assert.deepStrictEqual(result.structuredContent, { echo: "hello" })
        assert.strictEqual(result.content[0]!.text, `{"echo":"hello"}`)
        assert.deepStrictEqual(callsOf(), [])
      }))

    live("forgets a call that is cancelled while it waits, and never performs it", () =>
      Effect.gen(function*() {
        const { call, callsOf, client, server } = yield* start()
        yield* call(1, "delicate e")
        yield* waitingFor("delicate e")
        yield* client.says({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } })
        yield* client.says({ jsonrpc: "2.0", method: "notifications/roots/list_changed" })
        yield* server.hears(({ method }) => method === "notifications/roots/list_changed")
        yield* decide("approve", "delicate e")
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(callsOf(), [])
        assert.deepStrictEqual(client.sent, [])
        assert.strictEqual(server.sent.length, 1)
      }))

    live("passes a cancellation on where the server has the call", () =>
      Effect.gen(function*() {
        const { call, client, server } = yield* start()
        yield* call(1, "hello")
        yield* server.hears(({ id }) => id === 1)
        const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1, reason: "no" } }
        yield* client.says(cancelled)
        assert.deepStrictEqual(yield* server.hears(({ method }) => method !== "tools/call"), cancelled)
      }))

    live("does what was asked for at once, even when one of many is held", () =>
      Effect.gen(function*() {
        const { answerOf, call, serve } = yield* start()
        yield* call(1, "delicate f")
        yield* call(2, "hello")
        yield* call(3, "forbidden")
        yield* serve(2)
        assert.strictEqual(resultOf(yield* answerOf(2)).content[0]!.text, "echo 2")
        assert.match(toldBy(yield* answerOf(3)), /^NOT PERFORMED/)
      }))

    live("asks and calls nobody for what cannot be a call", () =>
      Effect.gen(function*() {
        const before = (yield* records).length
        const { answerOf, call, client, server } = yield* start()
        yield* client.says(request(1, "tools/call", { name: "echo", arguments: [1] }))
        yield* client.says(request(2, "tools/call", {}))
        yield* client.says({ jsonrpc: "2.0", method: "tools/call", params: { name: "echo", arguments: {} } })
        yield* client.says("tools/call")
        yield* client.says(undefined)
        assert.deepInclude((yield* answerOf(1))["error"], { code: -32602, message: "arguments: Expected object" })
        assert.deepInclude((yield* answerOf(2))["error"], { code: -32602, message: "name: Expected string" })
        yield* client.hears(({ error }) => (error as { code: number }).code === -32700)
        assert.strictEqual(client.sent.filter(({ id }) => id === null).length, 3)
        yield* call(4, "delicate g")
        yield* waitingFor("delicate g")
        yield* call(4, "hello")
        assert.deepInclude((yield* answerOf(4))["error"], { code: -32600 })
        assert.deepStrictEqual(server.sent, [])
        assert.strictEqual((yield* records).length, before + 1)
      }))

    live("takes batches apart", () =>
      Effect.gen(function*() {
        const { answerOf, client, server, serve } = yield* start()
        yield* client.says([
          request(1, "tools/call", { name: "echo", arguments: { message: "forbidden" } }),
          request(2, "tools/call", { name: "echo", arguments: { message: "hello" } }),
          { jsonrpc: "2.0", method: "notifications/initialized" }
        ])
        assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED/)
        yield* serve(2)
        yield* answerOf(2)
        assert.sameDeepMembers(server.sent.map(({ id, method }) => [id, method]), [
          [2, "tools/call"],
          [undefined, "notifications/initialized"]
        ])
      }))

    live("refuses a task in the words of an error", () =>
      Effect.gen(function*() {
        const { answerOf, client } = yield* start()
        yield* client.says(
          request(1, "tools/call", { name: "echo", arguments: { message: "forbidden" }, task: { ttl: 60000 } })
        )
        assert.match(
          ((yield* answerOf(1))["error"] as { message: string }).message,
          /^NOT PERFORMED: the policy denied/
        )
      }))

    live("does not leave the client waiting for a fault in the program's options", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf } = yield* start({
          action: () => {
            throw new Error("a slip")
          }
        })
        yield* call(1, "hello")
        assert.match(toldBy(yield* answerOf(1)), /^OUTCOME UNKNOWN: the proxy/)
        assert.deepStrictEqual(callsOf(), [])
      }))

    live("submits under names of the program's choice", () =>
      Effect.gen(function*() {
        const { call, serve } = yield* start({
          action: (name, server) => ({ tool: `mcp:${server}`, method: `do_${name}` })
        })
        yield* call(1, "named")
        yield* serve(1)
        assert.strictEqual((yield* records).at(-1)!.call, "mcp:words/do_echo")
      }))

    live("says that it could not ask when the gateway is out of reach", () =>
      Effect.gen(function*() {
        yield* GatewayMemory.GatewayMemory.use(({ setOpaOutage }) => setOpaOutage(true))
        const { answerOf, call, callsOf, client } = yield* start()
        yield* call(1, "hello")
        yield* Effect.repeat(TestClock.adjust("10 seconds"), { until: () => client.sent.length > 0, times: 1000 })
        assert.match(toldBy(yield* answerOf(1)), /^NOT PERFORMED: this action could not be decided/)
        assert.deepStrictEqual(callsOf(), [])
      }))
  })

  describe("answering at once", () => {
    const check = (id: number, action_id: unknown) =>
      request(id, "tools/call", { name: "vargate_check_approval", arguments: { action_id } })

    live(
      "gives the id of the action, and performs the call once when somebody asks after it",
      () =>
        Effect.gen(function*() {
          const { answerOf, call, callsOf, client, serve } = yield* start({ onPending: GovernedMcpProxy.answer() })
          yield* call(1, "delicate a")
          const told = toldBy(yield* answerOf(1))
          const actionId = yield* waitingFor("delicate a")
          assert.match(told, /^NOT PERFORMED YET/)
          assert.include(told, `vargate_check_approval with action_id "${actionId}"`)

          yield* client.says(check(2, actionId))
          yield* TestClock.adjust("5 seconds")
          assert.match(toldBy(yield* answerOf(2)), /^NOT PERFORMED YET/)

          yield* decide("approve", "delicate a")
          yield* TestClock.adjust("1 minute")
          assert.deepStrictEqual(callsOf(), [])

          yield* client.says(check(3, actionId))
          yield* client.says(check(4, actionId))
          yield* TestClock.adjust("1 second")
          yield* serve(3)
          assert.strictEqual(resultOf(yield* answerOf(3)).content[0]!.text, "echo 3")
          assert.match(toldBy(yield* answerOf(4)), /^NOTHING DONE NOW/)
          yield* client.says(check(5, actionId))
          assert.match(toldBy(yield* answerOf(5)), /^NOTHING DONE NOW/)
          assert.deepStrictEqual(callsOf().map(({ id, params }) => [id, (params as Message)["arguments"]]), [
            [3, { message: "delicate a" }]
          ])
        })
    )

    live("performs nothing that the program has resumed by its id", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf, client } = yield* start({ onPending: GovernedMcpProxy.answer() })
        yield* call(1, "delicate c")
        yield* answerOf(1)
        const actionId = yield* waitingFor("delicate c")
        yield* decide("approve", "delicate c")
        let resumed = 0
        const resuming = yield* Effect.forkChild(Governed.resume(actionId, Effect.sync(() => resumed++)))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(resuming)
        yield* client.says(check(2, actionId))
        yield* TestClock.adjust("1 second")
        assert.include(toldBy(yield* answerOf(2)), "this process has begun")
        assert.deepStrictEqual([callsOf().length, resumed], [0, 1])
      }))

    live("says when it was rejected, and knows nothing of ids that it never gave", () =>
      Effect.gen(function*() {
        const { answerOf, call, callsOf, client } = yield* start({ onPending: GovernedMcpProxy.answer() })
        yield* call(1, "delicate b")
        yield* answerOf(1)
        const actionId = yield* waitingFor("delicate b")
        yield* decide("reject", "delicate b", "no")
        yield* client.says(check(2, actionId))
        yield* TestClock.adjust("1 second")
        assert.match(toldBy(yield* answerOf(2)), /^NOT PERFORMED: a reviewer rejected this action \(no\)/)
        for (const [id, action] of [[3, actionId], [4, "other"], [5, 1], [6, undefined]] as const) {
          yield* client.says(check(id, action))
          assert.match(toldBy(yield* answerOf(id)), /^NOTHING DONE NOW/)
        }
        assert.deepStrictEqual(callsOf(), [])
      }))

    live("offers the tool on the last page of the list", () =>
      Effect.gen(function*() {
        const { answerOf, client, server } = yield* start({ onPending: GovernedMcpProxy.answer({ checkTool: "ask" }) })
        yield* client.says(request(1, "tools/list", {}))
        yield* client.says(request(2, "tools/list", { cursor: "c" }))
        yield* server.hears(({ id }) => id === 2)
        yield* server.says({ jsonrpc: "2.0", id: 1, result: { tools: [{ name: "echo" }], nextCursor: "c" } })
        yield* server.says({ jsonrpc: "2.0", id: 2, result: { tools: [{ name: "sum" }, { name: "ask" }] } })
        const names = (message: Message) =>
          (message["result"] as { tools: Array<{ name: string }> }).tools.map(({ name }) => name)
        assert.deepStrictEqual(names(yield* answerOf(1)), ["echo"])
        assert.deepStrictEqual(names(yield* answerOf(2)), ["sum", "ask"])
      }))
  })

  describe("the allow-list", () => {
    live("hides what is not on it, and calls it neither", () =>
      Effect.gen(function*() {
        const before = (yield* records).length
        const { answerOf, call, client, server } = yield* start({ allow: ["sum"] })
        yield* client.says(request(1, "tools/list", {}))
        yield* server.hears(({ id }) => id === 1)
        yield* server.says({
          jsonrpc: "2.0",
          id: 1,
          result: { tools: [{ name: "echo" }, { name: "sum", x: 1 }], y: 2 }
        })
        assert.deepStrictEqual((yield* answerOf(1))["result"], { tools: [{ name: "sum", x: 1 }], y: 2 })
        yield* call(2, "hello")
        assert.match(toldBy(yield* answerOf(2)), /^NOT PERFORMED: there is no tool echo here/)
        assert.strictEqual(server.sent.length, 1)
        assert.strictEqual((yield* records).length, before)
      }))
  })

  describe("everything else", () => {
    live("passes unchanged, both ways", () =>
      Effect.gen(function*() {
        const { client, server } = yield* start({ methods: ["future/method"] })
        const fromClient = [
          request(1, "resources/read", { uri: "x", odd: { deep: [null] } }),
          { jsonrpc: "2.0", method: "notifications/initialized" },
          { jsonrpc: "2.0", id: "s1", result: { roots: [] } },
          request(2, "future/method", { tools: [] })
        ]
        for (const message of fromClient) yield* client.says(message)
        yield* server.hears(({ id }) => id === 2)
        assert.deepStrictEqual(server.sent, fromClient)
        const fromServer = [
          { jsonrpc: "2.0", id: "s1", method: "roots/list" },
          { jsonrpc: "2.0", method: "notifications/tools/list_changed" },
          { jsonrpc: "2.0", id: 1, result: { contents: [], extra: true } },
          { jsonrpc: "2.0", id: 2, error: { code: -32601, message: "no", data: 1 } }
        ]
        for (const message of fromServer) yield* server.says(message)
        yield* client.hears(({ id }) => id === 2)
        assert.deepStrictEqual(client.sent, fromServer)
      }))

    live(
      "does not include methods that the protocol does not have, unless they are allowed",
      () =>
        Effect.gen(function*() {
          const { answerOf, client, server } = yield* start({ methods: ["notifications/own"] })
          yield* client.says(request(1, "future/method", {}))
          yield* client.says({ jsonrpc: "2.0", method: "notifications/future" })
          yield* client.says({ jsonrpc: "2.0", method: "notifications/own" })
          assert.deepInclude((yield* answerOf(1))["error"], { code: -32601 })
          yield* server.hears(({ method }) => method === "notifications/own")
          assert.strictEqual(server.sent.length, 1)
        })
    )
  })

  describe("the name", () => {
    live("is the operator's, whatever the server calls itself", () =>
      Effect.gen(function*() {
        const { client, server, serve, call } = yield* start()
        yield* client.says(request(1, "initialize", {}))
        yield* server.hears(({ id }) => id === 1)
        const serverInfo = { name: "other", version: "1" }
        yield* server.says({ jsonrpc: "2.0", id: 1, result: { serverInfo } })
        assert.deepInclude((yield* client.hears(({ id }) => id === 1))["result"], { serverInfo })
        yield* call(2, "hello")
        yield* serve(2)
        assert.strictEqual((yield* records).at(-1)!.call, "words/echo")
      }))

    live("is required", () =>
      Effect.gen(function*() {
        for (const tool of [undefined, "", "a name", 5]) {
          const { client, proxy, server } = yield* start({ tool: tool as string })
          const error = yield* Effect.flip(Fiber.join(proxy))
          assert.match(error.message, /tool: Expected the name that policies know the server by/)
          assert.deepStrictEqual([client.sent, server.sent], [[], []])
        }
      }))
  })

  describe("ends", () => {
    live(
      "says that the outcome is unknown when the server breaks off with a call in hand",
      () =>
        Effect.gen(function*() {
          const { answerOf, call, client, proxy, server } = yield* start()
          yield* client.says(request(9, "resources/list", {}))
          yield* call(1, "hello")
          yield* call(2, "delicate a")
          yield* waitingFor("delicate a")
          yield* server.hears(({ id }) => id === 1)
          yield* server.breaks("the server ended with exit code 3")
          const told = toldBy(yield* answerOf(1))
          assert.match(told, /^OUTCOME UNKNOWN/)
          assert.match(told, /may or may not have been performed/)
          assert.match(toldBy(yield* answerOf(2)), /^NOT PERFORMED/)
          assert.deepInclude((yield* answerOf(9))["error"], { code: -32000 })
          const error = yield* Effect.flip(Fiber.join(proxy))
          assert.match(error.message, /exit code 3/)
          assert.isTrue(client.isEnded())
          yield* decide("approve", "delicate a")
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(server.sent.filter(({ method }) => method === "tools/call").length, 1)
        })
    )

    live("lets go of everything when the client leaves", () =>
      Effect.gen(function*() {
        const { call, callsOf, client, proxy, server } = yield* start()
        yield* call(1, "delicate b")
        yield* waitingFor("delicate b")
        yield* client.leaves
        yield* TestClock.adjust("1 second")
        yield* TestClock.adjust("2 seconds")
        assert.isTrue(Exit.isSuccess(yield* Fiber.await(proxy)))
        assert.isTrue(server.isEnded())
        yield* decide("approve", "delicate b")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(callsOf(), [])
      }))
  })
})
