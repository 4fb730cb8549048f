/** The cases of `PolicyTest.test.ts` on a real OPA server. */
import { describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import * as OpaEngine from "../../src/gateway/policy/OpaEngine.ts"
import * as PolicyTest from "../../src/policy/PolicyTest.ts"
import { needsOpa, opa, OpaServer, opaServer } from "../support/opa.ts"
import { payments } from "../support/policyCases.ts"

const engine = Layer.unwrap(OpaServer.use(({ url }) => Effect.succeed(OpaEngine.layer({ url })))).pipe(
  Layer.provide([FetchHttpClient.layer, opaServer()])
)

describe.skipIf(opa === undefined)(`an OPA server${needsOpa}`, () => {
  layer(engine)("with the templates in Rego", (it) => PolicyTest.cases(it, payments))
})
