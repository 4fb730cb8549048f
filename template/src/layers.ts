/**
 * Which gateway decides: the hosted one where VARGATE_API_KEY is set, otherwise one inside this process. Policies are in
 * `policy/`, for an OPA server whose address is in OPA_URL; without one, those of `rules.ts` decide the same.
 */
import { Config, Effect, Layer, Option } from "effect"
import { Agent, Reviews, Vargate } from "effect-vargate"
import * as Gateway from "effect-vargate/gateway/Gateway"
import * as OpaEngine from "effect-vargate/gateway/policy/OpaEngine"
import { FetchHttpClient } from "effect/http"
import { rules } from "./rules.ts"

export const agent = Layer.succeed(Agent.Agent, { id: "support", type: "autonomous", version: "1.0.0" })

export { rules }

const apiKey = Gateway.localTenant.apiKey

const policy = Config.String("OPA_URL").pipe(
  Config.option,
  Effect.map(Option.match({
    onNone: () => rules,
    onSome: (url) => OpaEngine.layer({ url }).pipe(Layer.provide(FetchHttpClient.layer), Layer.orDie)
  }))
)

/** The gateway in this process; a reviewer's service is there too, so that the program can play one. */
export const embedded = Layer.unwrap(
  Effect.map(policy, (policy) =>
    Layer.provideMerge(Reviews.layer, Vargate.layer({ apiKey })).pipe(
      Layer.provide(Gateway.layerMemory({ policy }))
    ))
)

export const hosted = Vargate.layerConfig().pipe(Layer.provide(FetchHttpClient.layer))
