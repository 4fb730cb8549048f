import * as ToolCalls from "effect-vargate/calls/ToolCalls"
import * as Vargate from "effect-vargate/Vargate"
import * as Effect from "effect/Effect"
import type { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import { apiKey, type Client, requestOf } from "./client.ts"

export interface Options {
  readonly url: string
  readonly transport: Layer.Layer<HttpClient, unknown>
  /** Exports every span in JSON, to the gateway's own address. */
  readonly isTraced?: boolean
}

const tracerTo = (url: string) =>
  OtlpTracer.layer({ url: `${url}/v1/traces`, resource: { serviceName: "bench" } }).pipe(
    Layer.provide(OtlpSerialization.layerJson)
  )

/** The whole of what an agent does: checked input, decoded answer, typed errors. */
export const toolCallsClient = ({ isTraced = false, transport, url }: Options): Client => {
  const services = Vargate.layer({ apiKey, url })
  const runtime = ManagedRuntime.make(
    (isTraced ? Layer.merge(services, tracerTo(url)) : services).pipe(Layer.provide(transport))
  )
  return {
    loop: (tool, inFlight, newLap) => {
      const one = ToolCalls.ToolCalls.use((toolCalls) => {
        const lap = newLap()
        let goesOn = true
        return Effect.whileLoop({
          while: () => goesOn,
          body: () => settled(tool, toolCalls.call(requestOf(tool))),
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
const settled = <A, E extends { readonly _tag: string }>(tool: string, call: Effect.Effect<A, E>) => {
  const expected = { denied: "Denied", pending: "PendingApproval" }[tool]
  return expected === undefined ? call : Effect.catchIf(call, (error) => error._tag === expected, () => Effect.void)
}
