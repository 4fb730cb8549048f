import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, SchemaGetter } from "effect"
import { Agent, Governed, Vargate, type VargateError } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { TestClock } from "effect/testing"

const gateway = GatewayMemory.layer({ tenants: [{ id: "t", apiKey: "test-key", burst: 1000 }] })

const scripted = (steps: ReadonlyArray<ScriptedTransport.Step>) =>
  Vargate.layer({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer(steps)))

const limited = ScriptedTransport.json(429, {
  detail: { error: "rate_limit_exceeded", tenant_id: "t", rate_limit_rps: 10, rate_limit_burst: 20 }
})
const allowed = ScriptedTransport.json(200, { status: "allowed", action_id: "a-1" })

const submitted = Effect.flatMap(
  ScriptedTransport.ScriptedTransport,
  ({ requests }) =>
    Effect.map(
      requests,
      (requests) =>
        requests.filter(({ method }) => method === "POST").map(({ body }) =>
          (body as { readonly params: unknown }).params
        )
    )
)

type AnyCodec = Schema.ConstraintCodec<unknown, unknown, never, never>

/** An object that says something else each time that it is read. */
const changing = () => {
  let reads = 0
  return {
    reads: () => reads,
    params: {
      get amount() {
        return ++reads === 1 ? 5 : 9000
      }
    }
  }
}

const cyclic = () => {
  const params: Record<string, unknown> = { a: 1 }
  params["self"] = params
  return params
}

const deep = (levels: number) => {
  let value: Record<string, unknown> = {}
  for (let i = 0; i < levels; i++) value = { next: value }
  return value
}

interface Chain {
  readonly next?: Chain | undefined
}
const Chain: Schema.Codec<Chain> = Schema.Struct({ next: Schema.optional(Schema.suspend(() => Chain)) })

class Link extends Schema.Class<Link>("test/Link")({
  next: Schema.optional(Schema.suspend((): Schema.Codec<Link, unknown> => Link as never))
}) {}

const isInvalid = (error: VargateError.SubmitError | { readonly _tag: string }) =>
  error._tag === "VargateError" && (error as VargateError.VargateError).reason._tag === "InvalidRequest"

describe("the agent of Governed.run", () => {
  it.effect("is the one that it was when the call was first submitted", () =>
    Effect.gen(function*() {
      const agent = { id: "careful", type: "assistant", version: "1.0.0" }
      const running = yield* Effect.forkChild(
        Effect.provideService(Governed.run({ tool: "fs", method: "remove" }, Effect.void), Agent.Agent, agent),
        { startImmediately: true }
      )
      yield* TestClock.adjust("500 millis")
      Object.assign(agent, { id: "trusted", type: "operator", version: "2.0.0" })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(running)
      const requests = yield* ScriptedTransport.ScriptedTransport.use(({ requests }) => requests)
      const agents = requests.map(({ body }) => {
        const { agent_id, agent_type, agent_version } = body as Readonly<Record<string, unknown>>
        return [agent_id, agent_type, agent_version]
      })
      assert.deepStrictEqual(agents, [["careful", "assistant", "1.0.0"], ["careful", "assistant", "1.0.0"]])
    }).pipe(Effect.provide(scripted([limited, allowed]))))
})

describe("params of Governed.run", () => {
  it.effect("are submitted again as they were, whatever became of the object", () =>
    Effect.gen(function*() {
      const params = { path: "/tmp/harmless", nested: { list: [1] } }
      const running = yield* Effect.forkChild(Governed.run({ tool: "fs", method: "remove", params }, Effect.void), {
        startImmediately: true
      })
      yield* TestClock.adjust("500 millis")
      params.path = "/etc"
      params.nested.list.push(2)
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(running)
      const first = { path: "/tmp/harmless", nested: { list: [1] } }
      assert.deepStrictEqual(yield* submitted, [first, first])
    }).pipe(Effect.provide(scripted([limited, allowed]))))

  it.effect("are looked up as they were", () =>
    Effect.gen(function*() {
      const params = { amount: 5 }
      const error = yield* Effect.flip(
        Governed.run({ tool: "bank", method: "pay", params, reconcile: false }, Effect.void).pipe(
          Effect.tapError(() => Effect.sync(() => params.amount = 9000))
        )
      )
      assert(error._tag === "OutcomeUnknown")
      assert.deepStrictEqual(error.request.params, { amount: 5 })
    }).pipe(Effect.provide(scripted([ScriptedTransport.disconnect]))))

  it.effect("are refused where they contain themselves or nest too deep", () =>
    Effect.gen(function*() {
      for (const params of [cyclic(), deep(20_000)]) {
        assert.isTrue(isInvalid(yield* Effect.flip(Governed.run({ tool: "a", method: "b", params }, Effect.void))))
      }
    }).pipe(Effect.provide(gateway)))
})

describe("params of Governed.tool", () => {
  const seen = (params: AnyCodec) => {
    const runs: Array<unknown> = []
    return {
      runs,
      call: Governed.tool({
        tool: "bank",
        method: "read",
        params,
        run: (params) => Effect.sync(() => runs.push(params))
      })
    }
  }

  const recorded = Effect.map(
    GatewayMemory.GatewayMemory.use(({ records }) => records()),
    (records) => records.map(({ params }) => params)
  )

  for (
    const [name, schema] of [
      ["named fields", Schema.Struct({ amount: Schema.Number })],
      ["any fields", Schema.Record(Schema.String, Schema.Unknown)],
      ["JSON", Schema.Json]
    ] as const
  ) {
    it.effect(`are read once: ${name}`, () =>
      Effect.gen(function*() {
        const { call, runs } = seen(schema)
        const { params, reads } = changing()
        yield* call(params)
        assert.strictEqual(reads(), 1)
        assert.deepStrictEqual(runs, [{ amount: 5 }])
        assert.deepStrictEqual(yield* recorded, [{ amount: 5 }])
      }).pipe(Effect.provide(gateway)))
  }

  it.effect("are those of the start where the schema takes its time", () =>
    Effect.gen(function*() {
      const Slow = Schema.Finite.pipe(Schema.decodeTo(Schema.Finite, {
        decode: SchemaGetter.passthrough(),
        encode: SchemaGetter.transformEffect((n: number) => Effect.delay(Effect.succeed(n), "1 second"))
      }))
      const { call, runs } = seen(Schema.Struct({ amount: Slow, note: Schema.Struct({ to: Schema.String }) }))
      const params = { amount: 5, note: { to: "ann" } }
      const running = yield* Effect.forkChild(call(params), { startImmediately: true })
      params.amount = 9000
      params.note.to = "eve"
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(running)
      assert.deepStrictEqual(runs, [{ amount: 5, note: { to: "ann" } }])
      assert.deepStrictEqual(yield* recorded, [{ amount: 5, note: { to: "ann" } }])
    }).pipe(Effect.provide(gateway)))

  let chain: Link | undefined
  for (let i = 0; i < 20_000; i++) chain = new Link(chain === undefined ? {} : { next: chain }, { disableChecks: true })

  const unfit: ReadonlyArray<readonly [string, AnyCodec, unknown]> = [
    ["cyclic, any fields", Schema.Record(Schema.String, Schema.Unknown), cyclic()],
    ["cyclic, a schema that refers to itself", Chain, Object.assign({}, { next: cyclic() })],
    ["20,000 levels, any fields", Schema.Record(Schema.String, Schema.Unknown), deep(20_000)],
    ["20,000 levels, a schema that refers to itself", Chain, deep(20_000)],
    ["20,000 levels of class instances", Link, chain],
    [
      "a getter that throws",
      Schema.Record(Schema.String, Schema.Unknown),
      Object.defineProperty({}, "a", {
        enumerable: true,
        get: () => {
          throw new Error("secret")
        }
      })
    ]
  ]
  for (const [name, schema, params] of unfit) {
    it.effect(`are refused: ${name}`, () =>
      Effect.gen(function*() {
        const { call, runs } = seen(schema)
        const error = yield* Effect.flip(call(params))
        assert.isTrue(isInvalid(error))
        assert.notInclude(error.message, "secret")
        assert.deepStrictEqual(runs, [])
        assert.deepStrictEqual(yield* recorded, [])
      }).pipe(Effect.provide(gateway)))
  }
})
