import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { ToolCalls, Transport, Vargate } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { snapshotText } from "../../../src/calls/internal/paramsSnapshot.ts"

const answers = [
  ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" }),
  ScriptedTransport.json(202, { status: "pending_approval", action_id: "a-1" }),
  ScriptedTransport.json(403, { detail: { action_id: "a-1", violations: [] } }),
  ScriptedTransport.json(403, { detail: "Dashboard is not public" }),
  ScriptedTransport.json(422, { detail: [{ type: "missing", loc: ["body", "tool"], msg: "Field required" }] }),
  ScriptedTransport.json(429, { detail: { error: "rate_limit_exceeded" } }),
  ScriptedTransport.json(502, { detail: "OPA unreachable: no route" }),
  ScriptedTransport.json(502, { detail: "elsewhere" }),
  ScriptedTransport.text(200, "<html>")
]

const outcomes = (extra: (transport: Transport.Transport["Service"]) => Transport.Transport["Service"]) =>
  Effect.gen(function*() {
    const transport = extra(yield* Transport.Transport)
    const { call } = yield* Effect.provideService(ToolCalls.make, Transport.Transport, transport)
    const results = yield* Effect.forEach(
      answers,
      () => Effect.result(call({ tool: "t", method: "m", params: { n: 1 }, allowDuplicate: true }))
    )
    const { requests } = yield* ScriptedTransport.ScriptedTransport
    const bodies = (yield* requests).map(({ body }) => body)
    assert.lengthOf(bodies, answers.length)
    return { bodies, results: results.map((result) => JSON.stringify(Result.merge(result))) }
  }).pipe(
    Effect.provide(Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer(answers))))
  )

describe("the fast path", () => {
  it.effect("sends and concludes what the derived client does, which stands in where request is somebody else's", () =>
    Effect.gen(function*() {
      const operations: Array<string> = []
      const fast = yield* outcomes((transport) => transport)
      const derived = yield* outcomes((transport) => ({
        ...transport,
        request: (operation, call) => {
          operations.push(operation.name)
          return transport.request(operation, call)
        }
      }))
      assert.deepStrictEqual(operations, answers.map(() => "ToolCalls.call"))
      assert.deepStrictEqual(derived.bodies, fast.bodies)
      const timeless = (texts: ReadonlyArray<string>) => texts.map((text) => text.replace(/"sentAt":"[^"]*"/, ""))
      assert.deepStrictEqual(timeless(derived.results), timeless(fast.results))
    }))

  it.effect("never lets a transport write other numbers than were decided on", () =>
    Effect.gen(function*() {
      const transport = yield* Transport.Transport
      const wrapped: Transport.Transport["Service"] = { ...transport, request: (...args) => transport.request(...args) }
      const { call } = yield* Effect.provideService(ToolCalls.make, Transport.Transport, wrapped)
      const params = (text: string) => Result.getOrThrow(snapshotText(text)).value
      const error = yield* Effect.flip(call({ tool: "t", method: "m", params: params("{\"n\":9007199254740993}") }))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.strictEqual((yield* call({ tool: "t", method: "m", params: params("{\"n\":1}") })).actionId, "a-1")
    }).pipe(Effect.provide(
      Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer(answers.slice(0, 1))))
    )))
})
