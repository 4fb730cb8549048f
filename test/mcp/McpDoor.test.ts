import { assert, describe, it, layer as sharing } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Exit, Fiber, Layer, Schema } from "effect"
import { Agent, RetryPolicy, Vargate } from "effect-vargate"
import * as McpDoor from "effect-vargate/mcp/McpDoor"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { TestClock } from "effect/testing"
import { answer, keyedWire } from "../support/keyedWire.ts"
import { recording, told } from "../support/recording.ts"

const door = McpDoor.McpDoor
const post = door.use((door) => door.call({ name: "vargate_post_slack", arguments: { channel: "#general" } }))

const withDoor = <E, R>(transport: Layer.Layer<Vargate.Services, E, R>) => Layer.provideMerge(McpDoor.layer, transport)

const layer = (script: Parameters<typeof ScriptedTransport.layer>[0]) =>
  Layer.provideMerge(withDoor(Vargate.layer({ apiKey: "test-key" })), ScriptedTransport.layer(script))

const idOf = ({ body }: ScriptedTransport.SentRequest) => (body as { readonly id: number }).id

/** Answers each request in its own name with the next body. */
const answering = (...bodies: ReadonlyArray<object>) =>
  layer((request, index) =>
    ScriptedTransport.json(200, { jsonrpc: "2.0", id: idOf(request), ...bodies[Math.min(index, bodies.length - 1)] })
  )

const verdict = (vargate: object, ...texts: ReadonlyArray<string>) => ({
  result: {
    content: texts.map((text) => ({ type: "text", text })),
    isError: false,
    _vargate: { action_id: "a-1", ...vargate }
  }
})

const requests = ScriptedTransport.ScriptedTransport.use(({ requests }) => requests)

describe("McpDoor.call", () => {
  it.effect("sends once, in the name of the ambient agent, which no argument changes", () =>
    Effect.gen(function*() {
      const service = yield* door
      const sessionId = Schema.decodeSync(Schema.String)("vs-1") as NonNullable<McpDoor.DoorCall["sessionId"]>
      yield* service.call({
        name: "post",
        arguments: { text: "hi", _vargate_agent_id: "boss", none: undefined },
        sessionId
      })
        .pipe(Effect.provideService(Agent.Agent, { id: "desk" }))
      assert.deepStrictEqual((yield* requests).map(({ body, method, path }) => ({ method, path, body })), [{
        method: "POST",
        path: "/api/mcp/server",
        body: {
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: {
            name: "post",
            arguments: { text: "hi", _vargate_agent_id: "desk", _vargate_session_id: "vs-1" }
          }
        }
      }])
    }).pipe(Effect.provide(answering(verdict({ decision: "allowed" })))))

  it.effect("sends the key as everywhere, although this route would take it as a bearer token", () => {
    const wire = keyedWire(() => Effect.succeed(answer(401, { detail: "Invalid API key" })))
    return Effect.gen(function*() {
      const error = yield* Effect.flip(post)
      assert(error._tag === "VargateError" && error.reason._tag === "Unauthenticated")
      assert.deepStrictEqual(wire.visits, [
        { method: "POST", path: "/mcp/server", key: "test-key", authorization: undefined }
      ])
    }).pipe(Effect.provide(Layer.provide(withDoor(Vargate.layer({ apiKey: "test-key" })), wire.layer)))
  })

  const brokered = { decision: "allowed", execution_mode: "vargate_brokered" }

  const answers: ReadonlyArray<readonly [vargate: object, text: string, execution: object]> = [
    [brokered, "{\"result\":{\"ok\":true},\"execution_ms\":3}", { _tag: "Executed", result: { ok: true } }],
    [brokered, "{\"result\":{\"error\":\"no_channel\"}}", { _tag: "ExecutionFailed", error: "no_channel" }],
    [brokered, "{\"result\":null,\"execution_ms\":null}", { _tag: "Executed", result: null }],
    [brokered, "{\"error\":\"not wrapped\"}", { _tag: "ExecutionFailed", error: "not wrapped" }],
    [brokered, "no JSON", { _tag: "Executed", result: "no JSON" }],
    [{ decision: "allowed" }, "{\"result\":1}", { _tag: "Executed", result: 1 }],
    [{ decision: "allowed" }, "{\"status\":\"allowed\"}", { _tag: "NotExecuted" }],
    [{ decision: "allowed", execution_mode: "agent_direct" }, "{\"result\":1}", { _tag: "NotExecuted" }]
  ]
  it.effect.each(answers)(
    "reads who acted and what the tool answered: %j %s",
    ([vargate, text, expected]) =>
      Effect.gen(function*() {
        const { execution } = yield* post
        assert.deepInclude<object>(execution, expected)
      }).pipe(Effect.provide(answering(verdict(vargate, text))))
  )

  it.effect("an answer without a text is no execution that anybody saw", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* post).execution._tag, "NotExecuted")
    }).pipe(Effect.provide(answering(verdict({ decision: "allowed" })))))

  it.effect("says that what is held can never be approved", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post)
      assert.deepInclude<object>(error, {
        _tag: "NeverQueued",
        actionId: "a-1",
        sideEffect: "none",
        isRetryable: false
      })
      assert.include(error.message, "ToolCalls")
    }).pipe(Effect.provide(answering(verdict({ decision: "pending_approval" })))))

  it.effect("is a span with the decision", () => {
    const { layer, spans } = recording()
    return Effect.gen(function*() {
      yield* Effect.exit(post)
      assert.deepInclude(spans.map(told).find(({ name }) => name === "McpDoor.call"), {
        "vargate.action_id": "a-1",
        "vargate.decision": "Denied"
      })
    }).pipe(Effect.provide([answering(verdict({ decision: "denied" })), layer]))
  })
})

describe("what the door could not read", () => {
  const cyclic: Record<string, unknown> = {}
  cyclic["self"] = cyclic
  const inputs: Readonly<Record<string, unknown>> = {
    "no call": undefined,
    "no name": { arguments: {} },
    "an empty name": { name: "" },
    "arguments that are a list": { name: "x", arguments: [1] },
    "arguments that are null": { name: "x", arguments: null },
    "a big integer": { name: "x", arguments: { n: 1n } },
    "a class instance": { name: "x", arguments: { at: new Date(0) } },
    "a circle": { name: "x", arguments: cyclic },
    "a session that is none": { name: "x", sessionId: "../.." }
  }

  it.effect.each(Object.entries(inputs))("is not sent: %s", ([, input]) =>
    Effect.gen(function*() {
      const error = yield* door.use((door) => Effect.flip(door.call(input as McpDoor.DoorCall)))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.deepStrictEqual(error.reason.issues[0]!.path.slice(0, 2), ["body", "params"])
      assert.deepStrictEqual(yield* requests, [])
    }).pipe(Effect.provide(layer([]))))

  it.effect("is not sent: an agent whose name the gateway does not take", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post)
      assert.include(error.message, "_vargate_agent_id")
      assert.deepStrictEqual(yield* requests, [])
    }).pipe(Effect.provideService(Agent.Agent, { id: "a b" }), Effect.provide(layer([]))))
})

describe("what the door leaves open", () => {
  it.effect("comes back after the limit, and after nothing that may have been done", () =>
    Effect.gen(function*() {
      const calling = yield* Effect.forkChild(Effect.flip(Effect.retry(post, RetryPolicy.standard)), {
        startImmediately: true
      })
      yield* TestClock.adjust("999 millis")
      assert.lengthOf(yield* requests, 1)
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* Fiber.join(calling), {
        _tag: "VargateError",
        sideEffect: "possible",
        isRetryable: false
      })
      assert.lengthOf(yield* requests, 2)
    }).pipe(Effect.provide(layer((request, index) =>
      index > 0
        ? ScriptedTransport.disconnect
        : ScriptedTransport.json(200, {
          jsonrpc: "2.0",
          id: idOf(request),
          error: { code: -32000, message: "Rate limit exceeded" }
        })
    ))))

  const answers: ReadonlyArray<readonly [what: string, body: object]> = [
    ["another request's answer", { id: 7, ...verdict({ decision: "allowed" }) }],
    ["an answer to nobody", { id: null, result: {} }],
    ["a decision that is new", verdict({ decision: "observed" })],
    ["no verdict", { result: { content: [] } }],
    ["no result", {}],
    ["a fault", { error: { code: -32603, message: "test-key is odd" } }],
    ["a fault with the code of the limit", { error: { code: -32000, message: "test-key broke" } }],
    ["a limit that another request met", { id: 7, error: { code: -32000, message: "Rate limit exceeded" } }]
  ]
  it.effect.each(answers)("anything may have happened after %s", ([, body]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post)
      assert.deepInclude(error, { _tag: "VargateError", sideEffect: "possible", isRetryable: false })
      assert.notInclude(error.message, "test-key")
    }).pipe(Effect.provide(answering(body))))

  it.effect("a gateway without a door says so", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post)
      assert(error._tag === "VargateError" && error.reason._tag === "NotFound")
      assert.strictEqual(error.sideEffect, "none")
    }).pipe(Effect.provide(layer([ScriptedTransport.json(404, { detail: "Not Found" })]))))
})

describe("the key", () => {
  const denied = { decision: "denied", violations: ["test-key", "v"], severity: "test-key", alert_tier: "x test-key" }

  it.effect("is in nothing that the door echoes", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(post)
      assert(error._tag === "Denied")
      assert.notInclude(JSON.stringify(error) + error.message, "test-key")
      assert.strictEqual(error.violations[1], "v")
    }).pipe(Effect.provide(answering(verdict(denied)))))
})

describe("any answer", () => {
  const word = Arbitrary.schema(Schema.Literals([
    "allowed",
    "denied",
    "pending_approval",
    "vargate_brokered",
    "agent_direct",
    "_vargate",
    "{\"result\":1}",
    ""
  ]))
  const any = Arbitrary.schema(Schema.Json)
  const coin = Arbitrary.schema(Schema.Int)
  const mostly = (usual: Arbitrary.Arbitrary<unknown>) =>
    Arbitrary.map(Arbitrary.all({ any, usual, coin }), ({ any, coin, usual }) => coin % 5 === 0 ? any : usual)
  const answers = Arbitrary.all({
    result: Arbitrary.all({
      content: Arbitrary.all({ type: word, text: mostly(word) }).pipe(Arbitrary.map((one) => [one])),
      _vargate: Arbitrary.all({
        action_id: mostly(Arbitrary.schema(Schema.Literals(["a-1"]))),
        decision: mostly(word),
        violations: mostly(Arbitrary.array(word)),
        execution_mode: mostly(word)
      })
    }),
    error: any,
    coin
  }).pipe(Arbitrary.map(({ coin, error, result }) => coin % 5 === 0 ? { result, error } : { result }))

  let next: object = {}
  const services = layer((request) => ScriptedTransport.json(200, { jsonrpc: "2.0", id: idOf(request), ...next }))

  sharing(services)("of the door", (it) => {
    it.effect.prop(
      "is the decision that stands in it, or a typed error",
      { answers },
      ({ answers }) =>
        Effect.gen(function*() {
          next = answers
          const exit = yield* Effect.exit(post)
          const { decision } = answers.result._vargate
          if (Exit.isSuccess(exit)) return assert.strictEqual(decision, "allowed")
          assert.isFalse(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
          const error = Cause.squash(exit.cause) as McpDoor.DoorCallError
          if (error._tag === "Denied") assert.strictEqual(decision, "denied")
          else if (error._tag === "NeverQueued") assert.strictEqual(decision, "pending_approval")
          else assert.strictEqual(error._tag, "VargateError")
        }),
      { arbitrary: { runs: 1000 } }
    )
  })
})
