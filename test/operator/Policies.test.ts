import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Policies, Tenant } from "effect-vargate"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"
import { answering } from "../support/operations.ts"

const policies = <A, E>(use: (policies: Policies.Policies["Service"]) => Effect.Effect<A, E>) =>
  Policies.Policies.use(use)

describe("Policies", () => {
  it.effect("lists templates, with their parameters as a settings update names them", () =>
    Effect.gen(function*() {
      const templates = yield* policies(({ templates }) => templates)
      assert.includeMembers(templates.map(({ id }) => id), ["general", "financial"])
      for (const { parameters } of templates) {
        for (const parameter of parameters) assert.match(parameter, /^[a-z][a-zA-Z0-9]*$/)
      }
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("shows the tools that the tenant approved in advance as a rule", () =>
    Effect.gen(function*() {
      const approvedTools = Effect.map(policies(({ rules }) => rules), ({ rules }) =>
        rules.filter(({ type }) => type === "auto_approved").flatMap(({ tools }) => tools))
      assert.deepStrictEqual(yield* approvedTools, [])
      yield* Tenant.Tenant.use((tenant) =>
        tenant.apply({ autoApproveTools: ["search/run"] })
      )
      assert.deepStrictEqual(yield* approvedTools, ["search/run"])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("reads a bundle without files or domains as one that has none", () =>
    Effect.gen(function*() {
      const bundle = yield* policies(({ bundle }) => bundle)
      assert.deepInclude(bundle, { revision: "r-1", ruleCount: 12, files: [], competitorDomains: [] })
    }).pipe(Effect.provide(answering(ScriptedTransport.json(200, { revision: "r-1", rule_count: 12 })))))

  it.effect("fails with a typed error where the bundle server is not reached", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(policies(({ bundle }) => bundle))
      assert.deepInclude(error, { _tag: "VargateError", operation: "Policies.bundle", sideEffect: "none" })
    }).pipe(Effect.provide(answering(ScriptedTransport.json(502, { detail: "Bundle server unreachable" })))))
})
