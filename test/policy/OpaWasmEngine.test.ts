/** The templates in Rego, compiled and evaluated in this process. */
import { describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as OpaWasmEngine from "../../src/policy/OpaWasmEngine.ts"
import * as RegoPolicy from "../../src/policy/RegoPolicy.ts"
import { policySuite } from "../gateway/policy/policySuite.ts"
import { needsOpa, opa, policies } from "../support/opa.ts"

const engine = Layer.unwrap(
  Effect.map(RegoPolicy.open(policies, { opa }), (policy) => OpaWasmEngine.layer({ policy }))
)

describe.skipIf(opa === undefined)(`a compiled policy${needsOpa}`, () => {
  layer(engine)("with the templates in Rego", policySuite)
})
