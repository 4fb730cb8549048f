import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { ToolCalls, Vargate } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { snapshotText } from "../../src/calls/internal/paramsSnapshot.ts"
import { connectionFailure } from "../../src/transport/internal/connectionFailure.ts"

const vargate = (steps: ReadonlyArray<ScriptedTransport.Step>) =>
  Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer(steps)))

const reasonOf = (request: unknown) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(ToolCalls.call(request as Parameters<typeof ToolCalls.call>[0]))
    return error._tag === "VargateError" ? error.reason._tag : error._tag
  }).pipe(Effect.provide(vargate([])))

describe("ToolCalls, given what no type allows", () => {
  const shared = Array.from({ length: 30 }).reduce<unknown>((inner) => ({ a: inner, b: inner }), 1)
  const texts = Array.from({ length: 10 }, () => "x".repeat(100_000_000))
  const keys = texts.map((text) => ({ [text]: 1 }))
  for (
    const [title, request] of [
      ["nothing", undefined],
      ["null", null],
      ["a text", "call"],
      ["an array as params, with a reference", { tool: "t", method: "m", params: [1, 2], reference: "params" }],
      ["a date as params, with a reference", { tool: "t", method: "m", params: new Date(0), reference: "params" }],
      ["shared objects without end", { tool: "t", method: "m", params: { shared } }],
      ["more text than a string can hold", { tool: "t", method: "m", params: { texts } }],
      ["longer keys than a string can hold", { tool: "t", method: "m", params: { keys } }]
    ] as const
  ) {
    it.effect(`${title} is InvalidRequest, and nothing is sent`, () =>
      Effect.map(reasonOf(request), (reason) => assert.strictEqual(reason, "InvalidRequest")))
  }
})

describe("a request is read once", () => {
  const allowed = ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" })
  const limited = ScriptedTransport.json(429, { detail: { error: "rate_limit_exceeded" } })
  const sent = Effect.map(
    ScriptedTransport.ScriptedTransport.use(({ requests }) => requests),
    (requests) => requests.map(({ body }) => body as { readonly tool: string; readonly params: unknown })
  )

  for (const method of ["call", "decide"] as const) {
    it.effect(`ToolCalls.${method} submits again what it submitted first, whatever became of the object`, () =>
      Effect.gen(function*() {
        const request = { tool: "files", method: "delete", params: { target: { dir: "/tmp/harmless" } } }
        const service = yield* ToolCalls.ToolCalls
        for (const submit of [ToolCalls[method](request), service[method](request)]) {
          request.params.target.dir = "/etc"
          request.tool = "disk"
          assert.strictEqual((yield* Effect.flip(submit))._tag, "RateLimited")
          assert.strictEqual((yield* submit)._tag, "Allowed")
          request.params.target.dir = "/tmp/harmless"
          request.tool = "files"
        }
        const calls = yield* sent
        assert.deepStrictEqual(calls.map(({ tool }) => tool), Array.from({ length: 4 }, () => "files"))
        for (const { params } of calls) assert.deepStrictEqual(params, { target: { dir: "/tmp/harmless" } })
      }).pipe(Effect.provide(vargate([limited, allowed, limited, allowed]))))
  }

  it.effect("a getter is asked once, and what it throws is no defect", () =>
    Effect.gen(function*() {
      let asked = 0
      const request = {
        tool: "t",
        method: "m",
        get params() {
          return { asked: ++asked }
        }
      }
      yield* ToolCalls.call(request)
      assert.deepStrictEqual((yield* sent)[0]?.params, { asked: 1 })
      assert.strictEqual(asked, 1)
      const hostile = {
        tool: "t",
        method: "m",
        get agent(): never {
          throw new Error("secret")
        }
      }
      const error = yield* Effect.flip(ToolCalls.call(hostile))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.notInclude(JSON.stringify(error) + error.message, "secret")
    }).pipe(Effect.provide(vargate([allowed]))))

  it.effect("params that came as text are sent as they came", () =>
    Effect.gen(function*() {
      const text = "{ \"campaign\": 1915883588174806058, \"price\": 1.0 }"
      const bodies: Array<string> = []
      const wire = Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request) =>
          Effect.sync(() => {
            if (request.body._tag === "Uint8Array") bodies.push(new TextDecoder().decode(request.body.body))
            return HttpClientResponse.fromWeb(request, Response.json({ status: "allowed", action_id: "a-1" }))
          })
        )
      )
      const { value } = Result.getOrThrow(snapshotText(text))
      const call = ToolCalls.call({ tool: "t", method: "m", params: value, isBusinessHours: true })
      const referred = ToolCalls.call({ tool: "t", method: "m", params: value, reference: "params" })
      yield* Effect.all([call, referred]).pipe(
        Effect.provide(Layer.provide(Vargate.layer({ apiKey: "test-key" }), wire))
      )
      assert.isTrue(bodies[0]!.endsWith(`,"params":${text}}`), bodies[0])
      assert.include(bodies[0], "\"context_override\":{\"is_business_hours\":true}")
      assert.match(
        bodies[1]!,
        /,"params":\{ "campaign": 1915883588174806058, "price": 1.0 ,"vargate_reference":"[0-9a-f]{32}"\}\}$/
      )
    }))
})

describe("ToolCalls, given what is nearly a call that was good", () => {
  const good = { tool: "t", method: "m", agent: { id: "a", type: "b", version: "1.0.0" }, params: { n: 1 } }
  const agent = good.agent
  it.effect.each(
    [
      ["method", { ...good, method: "m m" }],
      ["agent_id", { ...good, agent: { ...agent, id: "" } }],
      ["agent_type", { ...good, agent: { ...agent, type: 1 } }],
      ["agent_version", { ...good, agent: { ...agent, version: "one" } }],
      ["params", { ...good, params: [1] }],
      ["params", { ...good, params: "n" }],
      ["context_override", { ...good, isBusinessHours: "yes" }]
    ] as const
  )("finds a bad %s all the same", ([field, request]) =>
    Effect.gen(function*() {
      yield* ToolCalls.call(good)
      const error = yield* Effect.flip(ToolCalls.call(request as typeof good))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest", error.message)
      assert.deepStrictEqual(error.reason.issues[0]?.path.slice(0, 2), ["body", field])
    }).pipe(Effect.provide(vargate([ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" })]))))
})

describe("ToolCalls.call", () => {
  it.effect("agent_direct executed nothing, whatever stands beside it", () =>
    Effect.gen(function*() {
      const { execution } = yield* ToolCalls.call({ tool: "t", method: "m" })
      assert.strictEqual(execution._tag, "NotExecuted")
    }).pipe(Effect.provide(vargate([
      ScriptedTransport.json(200, {
        status: "allowed",
        action_id: "a-1",
        execution_mode: "agent_direct",
        execution_result: null
      })
    ]))))

  const referenceLength = `, "vargate_reference": "${"0".repeat(32)}"`.length
  it.effect.each(
    [
      ["a", 1, {}, 0],
      ["é", 6, {}, 0],
      ["😀", 12, {}, 0],
      ["a", 1, { reference: "params" }, referenceLength]
    ] as const
  )(
    "takes params up to the gateway's limit of 65,536 characters: %s",
    ([unit, width, options, more]) =>
      Effect.gen(function*() {
        const room = 65_536 - more - `{"t": "", "f": ""}`.length
        const call = (excess: number) =>
          ToolCalls.call({
            tool: "t",
            method: "m",
            params: { t: unit.repeat(Math.floor(room / width)), f: "f".repeat(room % width + excess) },
            ...options
          })
        yield* call(0)
        const error = yield* Effect.flip(call(1))
        assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
        assert.deepStrictEqual(error.reason.issues.map(({ path }) => path), [["body", "params"]])
        assert.include(error.message, "at most 65536 characters")
      }).pipe(Effect.provide(vargate([ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" })])))
  )

  it.effect("a reference is one key more, and another one each time", () =>
    Effect.gen(function*() {
      const call = ToolCalls.call({ tool: "t", method: "m", params: { a: 1 }, reference: "params" })
      yield* call
      yield* call
      const { requests } = yield* ScriptedTransport.ScriptedTransport
      const sent = (yield* requests).map(({ body }) => (body as { readonly params: Record<string, unknown> }).params)
      assert.deepStrictEqual(sent.map((params) => Object.keys(params)), [["a", "vargate_reference"], [
        "a",
        "vargate_reference"
      ]])
      assert.notStrictEqual(sent[0]!["vargate_reference"], sent[1]!["vargate_reference"])
    }).pipe(Effect.provide(vargate([
      ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" }),
      ScriptedTransport.json(200, { status: "allowed", action_id: "a-2" })
    ]))))
})

describe("a call is sent once, whatever the answer", () => {
  const answers = {
    "allowed": ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" }),
    "held": ScriptedTransport.json(202, { status: "pending_approval", action_id: "a-1" }),
    "denied": ScriptedTransport.json(403, { detail: { status: "blocked", action_id: "a-1", violations: [] } }),
    "allowed, but of no known shape": ScriptedTransport.json(200, { status: "allowed" }),
    "forbidden": ScriptedTransport.json(403, { detail: "not you" }),
    "a refused key": ScriptedTransport.json(401, { detail: "Invalid API key" }),
    "too many": ScriptedTransport.json(429, { detail: "Too many requests" }),
    "no policy engine": ScriptedTransport.json(502, { detail: "OPA unreachable: gone" }),
    "no JSON": ScriptedTransport.text(200, "<html>"),
    "nothing": ScriptedTransport.text(200, ""),
    "half of it": ScriptedTransport.cut(ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" }), 9)
  }

  it.effect.each(Object.entries(answers))("%s", ([, answer]) =>
    Effect.gen(function*() {
      yield* Effect.exit(ToolCalls.call({ tool: "t", method: "m" }))
      const { requests } = yield* ScriptedTransport.ScriptedTransport
      assert.lengthOf(yield* requests, 1)
    }).pipe(Effect.provide(vargate([answer, answer, answer]))))
})

describe("a broken connection", () => {
  const failure = (code: string, syscall: string) =>
    connectionFailure(Object.assign(new Error(code), { code, syscall }))

  it("proves that nothing was sent only where it never came about", () => {
    assert.isTrue(failure("EHOSTUNREACH", "connect").nothingSent)
    assert.isTrue(failure("ECONNREFUSED", "connect").nothingSent)
    for (const code of ["EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN", "ECONNRESET", "ETIMEDOUT", "EPIPE"]) {
      assert.isFalse(failure(code, "read").nothingSent, code)
      assert.isFalse(failure(code, "write").nothingSent, code)
    }
  })
})
