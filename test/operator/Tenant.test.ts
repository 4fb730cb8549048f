/** Settings against gateways that show little, ignore much, and stop half-way. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Tenant, type TenantSettings, Vargate, type VargateError } from "effect-vargate"
import * as ScriptedTransport from "effect-vargate/testing/ScriptedTransport"

const { json } = ScriptedTransport

const me = (changes: object = {}) =>
  json(200, {
    tenant_id: "t",
    name: "Old",
    email: null,
    github_login: null,
    api_key_prefix: "vg-9f96cba27...",
    slug: null,
    public_dashboard: false,
    anchor_chain: "polygon",
    auto_approve_tools: ["a/b"],
    created_at: "2026-11-23T00:30:25.255700+00:00",
    activated: true,
    stats: { total_actions: 44, allowed: 19, denied: 24 },
    ...changes
  })

const updated = (changes: object = {}) => json(200, { status: "updated", tenant_id: "t", ...changes })

const over = (...script: ReadonlyArray<ScriptedTransport.Step>) =>
  Vargate.layerOperator({ apiKey: "test-key" }).pipe(Layer.provideMerge(ScriptedTransport.layer(script)))

const apply = (settings: TenantSettings.TenantSettings) => Tenant.Tenant.use((tenant) => tenant.apply(settings))
const plan = (settings: TenantSettings.TenantSettings) => Tenant.Tenant.use((tenant) => tenant.plan(settings))

const requests = ScriptedTransport.ScriptedTransport.use((wire) =>
  Effect.map(wire.requests, (requests) => requests.map(({ method }) => method))
)

describe("apply", () => {
  it.effect("says what a gateway showed, and what it keeps to itself", () =>
    Effect.gen(function*() {
      const receipt = yield* apply({
        name: "New",
        policy: { template: "financial", parameters: { transactionLimit: 100 } },
        failureModes: { opa: "fail_open" },
        webhookUrl: "https://hooks.example/a"
      })
      assert.deepStrictEqual(receipt.confirmed, ["name"])
      assert.deepStrictEqual(receipt.unconfirmed, ["policyTemplate", "policyParameters", "failureModes", "webhookUrl"])
      assert.strictEqual(receipt.profile.name, "New")
      assert.strictEqual(Redacted.value(receipt.webhookSecret!), "whsec")
      assert.deepStrictEqual(yield* requests, ["PATCH", "GET"])
    }).pipe(Effect.provide(over(updated({ webhook_secret: "whsec" }), me({ name: "New" })))))

  it.effect("fails when a value did not stick, and tells the rest", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(apply({ name: "New", anchorChain: "bitcoin", webhookEvents: [] }))
      assert(error._tag === "SettingNotApplied")
      assert.deepStrictEqual<object>(error.unmet, [{ setting: "anchorChain", wanted: "bitcoin", found: "polygon" }])
      assert.deepStrictEqual([error.confirmed, error.unconfirmed], [["name"], ["webhookEvents"]])
      assert.deepStrictEqual([error.sideEffect, error.isRetryable], ["possible", false])
      assert.include(error.message, "anchorChain should be \"bitcoin\" and is \"polygon\"")
      assert.include(error.message, "webhookEvents")
    }).pipe(Effect.provide(over(updated(), me({ name: "New" })))))

  it.effect("looks at what became of the others when one of several is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(apply({ name: "New", autoApproveTools: ["http/GET"], failureModes: {} }))
      assert(error._tag === "SettingNotApplied" && error.refusal?._tag === "InvalidRequest")
      assert.deepStrictEqual(error.confirmed, ["name"])
      assert.deepStrictEqual<object>(error.unmet, [{
        setting: "autoApproveTools",
        wanted: ["http/GET"],
        found: ["a/b"]
      }])
      assert.include(error.message, "Unknown tool/method: http/GET")
      assert.strictEqual(error.sideEffect, "possible")
    }).pipe(
      Effect.provide(over(json(400, { detail: "Unknown tool/method: http/GET. Valid: []" }), me({ name: "New" })))
    ))

  it.effect("passes the refusal of a single setting on: nothing was done", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(apply({ autoApproveTools: ["http/GET"] }))
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.strictEqual(error.sideEffect, "none")
      assert.deepStrictEqual(yield* requests, ["PATCH"])
    }).pipe(Effect.provide(over(json(400, { detail: "Unknown tool/method: http/GET" })))))

  it.effect("whose settings cannot be read back may have been done", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(apply({ name: "New" }))
      assert(error._tag === "VargateError" && error.reason._tag === "GatewayFault")
      assert.strictEqual(error.sideEffect, "possible")
    }).pipe(Effect.provide(over(updated(), json(503, { detail: "away" })))))

  it.effect("takes lists of tools and events as sets", () =>
    Effect.gen(function*() {
      const receipt = yield* apply({ autoApproveTools: ["b/c", "a/b", "b/c"], webhookEvents: ["action.denied"] })
      assert.deepStrictEqual(receipt.confirmed, ["autoApproveTools", "webhookEvents"])
    }).pipe(
      Effect.provide(over(updated(), me({ auto_approve_tools: ["a/b", "b/c"], webhook_events: ["action.denied"] })))
    ))

  it.effect("needs of parameters and failure modes only those that were wished", () =>
    Effect.gen(function*() {
      const receipt = yield* apply({
        policy: { template: "crm", parameters: { bulkThreshold: 5 } },
        failureModes: { opa: "fail_open" }
      })
      assert.deepStrictEqual(receipt.unconfirmed, [])
      assert.lengthOf(receipt.confirmed, 3)
    }).pipe(Effect.provide(over(
      updated(),
      me({
        policy_template: "crm",
        policy_config: { bulk_threshold: 5, export_approval: false },
        failure_config: { opa: "fail_open", redis: "fail_open", blockchain: "explode" }
      })
    ))))

  const senseless: Readonly<Record<string, readonly [unknown, ReadonlyArray<unknown>]>> = {
    "plain http": [{ webhookUrl: "http://hooks.example" }, ["settings", "webhookUrl"]],
    "another scheme": [{ webhookUrl: "ftp://x" }, ["settings", "webhookUrl"]],
    "no URL": [{ webhookUrl: "" }, ["settings", "webhookUrl"]],
    "an unknown template": [{ policy: { template: "nope" } }, ["settings", "policy"]],
    "another template's parameter": [
      { policy: { template: "crm", parameters: { currency: "EUR" } } },
      ["settings", "policy", "parameters", "currency"]
    ],
    "a negative limit": [
      { policy: { template: "financial", parameters: { transactionLimit: -1 } } },
      ["settings", "policy", "parameters", "transactionLimit"]
    ],
    "an infinite limit": [
      { policy: { template: "financial", parameters: { transactionLimit: Infinity } } },
      ["settings", "policy", "parameters", "transactionLimit"]
    ],
    "a threshold above 1": [
      { policy: { template: "general", parameters: { anomalyThreshold: 70 } } },
      ["settings", "policy", "parameters", "anomalyThreshold"]
    ],
    "an unknown mode": [{ failureModes: { opa: "explode" } }, ["settings", "failureModes", "opa"]],
    "an unknown dependency": [{ failureModes: { hsm: "fail_open" } }, ["settings", "failureModes", "hsm"]],
    "a pair without a slash": [{ autoApproveTools: ["a/b", "gmail.send"] }, ["settings", "autoApproveTools", 1]],
    "a pair with a blank": [{ autoApproveTools: ["a b/c"] }, ["settings", "autoApproveTools", 0]],
    "an unknown event": [{ webhookEvents: ["nope"] }, ["settings", "webhookEvents", 0]],
    "a misspelled setting": [{ webhookURL: "https://hooks.example" }, ["settings", "webhookURL"]],
    "an empty name": [{ name: "" }, ["settings", "name"]],
    "nothing at all": [undefined, ["settings"]]
  }

  it.effect.each(Object.entries(senseless))(
    "refuses %s before anything is sent",
    ([, [settings, path]]) =>
      Effect.gen(function*() {
        const given = settings as TenantSettings.TenantSettings
        const operations: ReadonlyArray<
          Effect.Effect<unknown, VargateError.SettingNotApplied | VargateError.OperationError, Tenant.Tenant>
        > = [apply(given), plan(given)]
        for (const operation of operations) {
          const error = yield* Effect.flip(operation)
          assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
          assert.deepStrictEqual<unknown>(error.reason.issues[0]?.path, path)
        }
      }).pipe(Effect.provide(over()))
  )
})

describe("plan", () => {
  it.effect("tells what would change, what would not, and what nobody can tell", () =>
    Effect.gen(function*() {
      const { changes, isEmpty, unchanged } = yield* plan({
        name: "Old",
        anchorChain: "ethereum",
        policy: { template: "crm" },
        webhookUrl: null
      })
      assert.deepStrictEqual(unchanged, ["name"])
      assert.deepStrictEqual(changes.map(String), [
        "anchorChain: \"polygon\" -> \"ethereum\"",
        "policyTemplate: ? -> \"crm\"",
        "webhookUrl: ? -> null"
      ])
      assert.isFalse(isEmpty)
      assert.deepStrictEqual(yield* requests, ["GET"])
    }).pipe(Effect.provide(over(me()))))

  it.effect("of nothing is empty", () =>
    Effect.gen(function*() {
      assert.isTrue((yield* plan({})).isEmpty)
    }).pipe(Effect.provide(over(me()))))
})

describe("settings", () => {
  it.effect("are those that the gateway shows and this package knows", () =>
    Effect.gen(function*() {
      const settings = yield* Tenant.Tenant.use((tenant) => tenant.settings)
      assert.deepStrictEqual<object>(settings, {
        name: "Old",
        publicDashboard: false,
        anchorChain: "polygon",
        autoApproveTools: ["a/b"]
      })
    }).pipe(Effect.provide(over(me({
      policy_template: "from_the_future",
      failure_config: { opa: "explode" },
      webhook_events: ["nope"]
    })))))

  it.effect("leave out parameters of another template", () =>
    Effect.gen(function*() {
      const { policy } = yield* Tenant.Tenant.use((tenant) => tenant.settings)
      assert.deepStrictEqual<unknown>(policy, { template: "crm", parameters: { bulkThreshold: 5 } })
    }).pipe(Effect.provide(over(me({
      policy_template: "crm",
      policy_config: { bulk_threshold: 5, transaction_limit: 100 }
    })))))
})
