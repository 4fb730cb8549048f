import * as ToolCalls from "effect-vargate/calls/ToolCalls"
import * as Governed from "effect-vargate/governed/Governed"
import * as Vargate from "effect-vargate/Vargate"
import * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Schema from "effect/Schema"
import { apiKey, type Client, type Kind, requestOf } from "./client.ts"

export interface Options {
  readonly url: string
  readonly transport: Layer.Layer<HttpClient, unknown>
  /** Exports every span in JSON, to the gateway's own address. */
  readonly isTraced?: boolean
  /** `ToolCalls.call`, `Governed.run` or `Governed.tool`. Default: the first. */
  readonly way?: keyof typeof ways
}

const Params = Schema.Struct({
  charge: Schema.String,
  amount: Schema.Finite,
  reason: Schema.optionalKey(Schema.String)
})

/** One tool for each name, as a program has it. */
const governedTools = new Map<string, ReturnType<typeof newTool>>()

const newTool = (tool: string, method: string) =>
  Governed.tool({ tool, method, params: Params, run: () => Effect.void })

const governedTool = (tool: string, method: string) => {
  const known = governedTools.get(tool) ?? newTool(tool, method)
  governedTools.set(tool, known)
  return known
}

type Way = (kind: Kind) => Effect.Effect<unknown, { readonly _tag: string }, Vargate.Services>

const ways = {
  call: ((kind) => ToolCalls.call(requestOf(kind))) satisfies Way,
  run: ((kind) => Governed.run(requestOf(kind), Effect.void)) satisfies Way,
  tool: ((kind) => {
    const { method, params, tool } = requestOf(kind)
    return governedTool(tool, method)(params)
  }) satisfies Way
}

const tracerTo = (url: string) =>
  OtlpTracer.layer({ url: `${url}/v1/traces`, resource: { serviceName: "bench" } }).pipe(
    Layer.provide(OtlpSerialization.layerJson)
  )

/** The whole of what an agent does: checked input, decoded answer, typed errors. */
export const toolCallsClient = ({ isTraced = false, transport, url, way = "call" }: Options): Client => {
  const call: Way = ways[way]
  const services = Vargate.layer({ apiKey, url })
  const runtime = ManagedRuntime.make(
    (isTraced ? Layer.merge(services, tracerTo(url)) : services).pipe(Layer.provide(transport))
  )
  return {
    loop: (kind, inFlight, newLap) => {
      const one = Effect.suspend(() => {
        const lap = newLap()
        let goesOn = true
        return Effect.whileLoop({
          while: () => goesOn,
          body: () => settled(kind.tool, call(kind)),
          step: () => {
            goesOn = lap()
          }
        })
      })
      return runtime.runPromise(
        Effect.all(Array.from({ length: inFlight }, () => one), { concurrency: "unbounded", discard: true })
      )
    }
  }
}

/** A denial and a pending call are failures; nothing else may be one. */
const settled = <A, E extends { readonly _tag: string }, R>(tool: string, call: Effect.Effect<A, E, R>) => {
  const expected = { denied: "Denied", pending: "PendingApproval" }[tool]
  return expected === undefined ? call : Effect.catchIf(call, (error) => error._tag === expected, () => Effect.void)
}
