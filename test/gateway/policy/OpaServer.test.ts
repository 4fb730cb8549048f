/** The engine that asks an OPA server, on a real one that has the templates in Rego. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { execFileSync } from "node:child_process"
import * as OpaEngine from "../../../src/gateway/policy/OpaEngine.ts"
import { needsOpa, opa, OpaServer, opaServer, policies } from "../../support/opa.ts"
import { policySuite } from "./policySuite.ts"

const engine = Layer.unwrap(OpaServer.use(({ url }) => Effect.succeed(OpaEngine.layer({ url })))).pipe(
  Layer.provide(FetchHttpClient.layer)
)

describe.skipIf(opa === undefined)(`an OPA server${needsOpa}`, () => {
  layer(Layer.provideMerge(engine, opaServer()))("with the templates in Rego", policySuite)
})

describe.skipIf(opa === undefined)(`the templates in Rego${needsOpa}`, () => {
  it("pass their own tests, which reach every line", () => {
    const { coverage } = JSON.parse(execFileSync(opa!, ["test", "--coverage", policies], { encoding: "utf8" }))
    assert.strictEqual(coverage, 100)
  })

  it("are strict and well formatted", () => {
    assert.strictEqual(execFileSync(opa!, ["check", "--strict", policies], { encoding: "utf8" }), "")
    assert.strictEqual(execFileSync(opa!, ["fmt", "--list", policies], { encoding: "utf8" }), "")
  })
})
