/** A tenant's settings: what can be set, what holds from the next call on, what the rules then are. */
import { assert, describe } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { PolicyEngine } from "../../../src/gateway/policy/PolicyEngine.ts"
import { PolicyOutage } from "../../../src/gateway/policy/PolicyOutage.ts"
import { Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import type { TenantSettings } from "../../../src/model/TenantSettings.ts"
import { Policies } from "../../../src/operator/Policies.ts"
import { Tenant } from "../../../src/operator/Tenant.ts"
import { allowed, denied, destructive, forbidding, hold, newest } from "./cases.ts"
import { as, caseOf, type Door, globex, send } from "./doors.ts"

const me = Tenant.use((tenant) => tenant.me)
const apply = (settings: TenantSettings) => Tenant.use((tenant) => tenant.apply(settings))
const plan = (settings: TenantSettings) => Tenant.use((tenant) => tenant.plan(settings))
const decide = (request: Parameters<typeof ToolCalls.decide>[0]) =>
  Effect.map(ToolCalls.decide({ ...request, allowDuplicate: true }), ({ _tag }) => _tag)

/** By another agent each time: no denial of one counts against the next. */
const charge = (amount: number, currency = "EUR") =>
  decide({
    tool: "stripe",
    method: "create_charge",
    params: { amount, currency },
    isBusinessHours: true,
    agent: { id: `${amount}-${currency}-${charges++}` }
  })
let charges = 0

export const settings = (door: Door) => {
  const test = caseOf(door, { policy: forbidding })

  describe("settings", () => {
    test("are shown with the tenant", function*() {
      yield* ToolCalls.call(allowed)
      yield* decide(denied)
      const profile = yield* me
      const { createdAt, ...others } = profile
      assert.deepStrictEqual<object>({ ...others }, {
        tenantId: "acme",
        name: "acme",
        email: null,
        githubLogin: null,
        keyPrefix: "ac...",
        slug: null,
        publicDashboard: false,
        anchorChain: "polygon",
        autoApproveTools: [],
        activated: true,
        stats: { totalActions: 2, allowed: 1, denied: 1 },
        policyTemplate: "general",
        policyParameters: {},
        failureModes: { opa: "fail_closed", redis: "fail_open", blockchain: "fail_open" },
        webhookUrl: null,
        webhookEvents: [],
        canSendWebhooks: false
      })
      assert.strictEqual(createdAt?.epochMilliseconds, 0)
      assert.isFalse((yield* as(globex)(me)).activated)
    })

    test("of the policy hold from the next call on", function*() {
      assert.strictEqual(yield* charge(900), "Allowed")
      yield* apply({
        policy: { template: "financial", parameters: { approvalThreshold: 500, transactionLimit: 2000 } }
      })
      assert.deepStrictEqual(
        [yield* charge(400), yield* charge(900), yield* charge(2000), yield* charge(1, "USD")],
        ["Allowed", "PendingApproval", "Denied", "Denied"]
      )
      yield* apply({ policy: { template: "financial", parameters: { currency: "USD" } } })
      assert.deepStrictEqual([yield* charge(900, "USD"), yield* charge(1500, "USD")], ["Allowed", "PendingApproval"])
      yield* apply({ policy: { template: "financial", parameters: {} } })
      assert.strictEqual(yield* charge(1, "USD"), "Denied")
      yield* apply({ policy: { template: "general" } })
      assert.strictEqual(yield* charge(9000, "USD"), "Allowed")
      assert.strictEqual(yield* as(globex)(decide(destructive)), "PendingApproval")
    })

    test("approve pairs in advance", function*() {
      yield* hold()
      const { confirmed } = yield* apply({ autoApproveTools: ["files/delete", "slack/post_message"] })
      assert.deepStrictEqual(confirmed, ["autoApproveTools"])
      assert.strictEqual(yield* decide(destructive), "Allowed")
      assert.deepStrictEqual((yield* newest).violations, ["auto_approved"])
      yield* apply({ autoApproveTools: [] })
      assert.strictEqual(yield* decide(destructive), "PendingApproval")
    })

    test("say what happens without a policy engine", function*() {
      yield* PolicyOutage.use((outage) => outage.set(true))
      assert.strictEqual((yield* Effect.flip(ToolCalls.call(allowed)))._tag, "OpaUnavailable")
      yield* apply({ failureModes: { opa: "fail_open" } })
      assert.strictEqual(yield* decide(allowed), "Allowed")
      yield* apply({ failureModes: { opa: "fail_to_queue", redis: "fail_closed" } })
      assert.strictEqual(yield* decide(allowed), "PendingApproval")
      const { failureModes } = yield* me
      assert.deepStrictEqual<object>({ ...failureModes }, {
        opa: "fail_to_queue",
        redis: "fail_closed",
        blockchain: "fail_open"
      })
    })

    test("of a webhook give its secret once asked, and keep it", function*() {
      const first = yield* apply({ webhookUrl: "https://hooks.example/a", webhookEvents: ["action.denied"] })
      assert.match(Redacted.value(first.webhookSecret!), /^[0-9a-f]{64}$/)
      assert.isUndefined((yield* apply({ webhookEvents: ["action.allowed", "action.denied"] })).webhookSecret)
      const cleared = yield* apply({ webhookUrl: null })
      assert.isNull(cleared.profile.webhookUrl)
      const again = yield* apply({ webhookUrl: "https://hooks.example/b" })
      for (const { webhookSecret } of [cleared, again]) {
        assert.strictEqual(Redacted.value(webhookSecret!), Redacted.value(first.webhookSecret!))
      }
      const stored = yield* Tenants.use((tenants) => tenants.byId("acme"))
      assert.deepInclude(stored, {
        webhookUrl: "https://hooks.example/b",
        webhookEvents: ["action.allowed", "action.denied"]
      })
    })

    test("that are as wished already plan nothing", function*() {
      const wished: TenantSettings = {
        name: "Acme",
        publicDashboard: true,
        anchorChain: "ethereum",
        policy: { template: "crm", parameters: { bulkThreshold: 5, restrictedFields: ["owner"] } },
        failureModes: { opa: "fail_open" },
        autoApproveTools: ["a/b", "c/d"],
        webhookUrl: "https://hooks.example/a",
        webhookEvents: ["action.denied"]
      }
      const before = yield* plan(wished)
      assert.deepStrictEqual(before.unchanged, [])
      assert.deepStrictEqual(before.changes.map(String), [
        "name: \"acme\" -> \"Acme\"",
        "publicDashboard: false -> true",
        "anchorChain: \"polygon\" -> \"ethereum\"",
        "policyTemplate: \"general\" -> \"crm\"",
        "policyParameters: {} -> {\"bulkThreshold\":5,\"restrictedFields\":[\"owner\"]}",
        "failureModes: {\"opa\":\"fail_closed\"} -> {\"opa\":\"fail_open\"}",
        "autoApproveTools: [] -> [\"a/b\",\"c/d\"]",
        "webhookUrl: null -> \"https://hooks.example/a\"",
        "webhookEvents: [] -> [\"action.denied\"]"
      ])
      assert.strictEqual((yield* me).name, "acme")
      const { confirmed, unconfirmed } = yield* apply(wished)
      assert.deepStrictEqual([confirmed.length, unconfirmed], [9, []])
      const after = yield* plan({ ...wished, autoApproveTools: ["c/d", "a/b"] })
      assert.isTrue(after.isEmpty)
      assert.lengthOf(after.unchanged, 9)
      // What is shown can be carried over to another tenant as it is.
      const shown = yield* Tenant.use((tenant) => tenant.settings)
      yield* as(globex)(apply(shown))
      assert.deepStrictEqual(yield* as(globex)(Tenant.use((tenant) => tenant.settings)), shown)
    })

    test("that the gateway ignores are SettingNotApplied, and the others are applied", function*() {
      const error = yield* Effect.flip(apply({ anchorChain: "bitcoin", name: "Acme" }))
      assert(error._tag === "SettingNotApplied")
      assert.deepStrictEqual<object>(error.unmet, [{ setting: "anchorChain", wanted: "bitcoin", found: "polygon" }])
      assert.deepStrictEqual(error.confirmed, ["name"])
      assert.strictEqual((yield* me).name, "Acme")
    })
  })

  describe("PATCH /dashboard/settings", () => {
    const refused: Readonly<Record<string, readonly [unknown, string]>> = {
      "a webhook without TLS": [{ name: "Renamed", webhook_url: "http://x" }, "Webhook URL must use HTTPS"],
      "a webhook that is no URL": [{ webhook_url: "ftp://x" }, "Webhook URL must use HTTPS"],
      "an unknown dependency": [
        { failure_config: { hsm: "fail_open" } },
        "Invalid dependency: hsm. Valid: {'opa', 'redis', 'blockchain'}"
      ],
      "an inherited dependency": [
        { failure_config: { toString: "fail_open" } },
        "Invalid dependency: toString. Valid: {'opa', 'redis', 'blockchain'}"
      ],
      "an unknown mode": [
        { failure_config: { opa: "explode" } },
        "Invalid mode: explode. Valid: {'fail_closed', 'fail_open', 'fail_to_queue'}"
      ],
      "a mode that is no text": [
        { failure_config: { opa: { toString: 1 } } },
        "Invalid mode: {\"toString\":1}. Valid: {'fail_closed', 'fail_open', 'fail_to_queue'}"
      ],
      "a pair without a slash": [
        { auto_approve_tools: ["gmail.send_email"] },
        "Invalid auto_approve entry: gmail.send_email. Must be 'tool/method'."
      ],
      "a pair that is a number": [
        { name: "Renamed", auto_approve_tools: [5] },
        "Invalid auto_approve entry: 5. Must be 'tool/method'."
      ]
    }

    for (const [name, [body, detail]] of Object.entries(refused)) {
      test(`${name} is 400, and nothing is changed`, function*() {
        const answer = yield* send("PATCH", "/dashboard/settings", { body })
        assert.deepStrictEqual([answer.status, JSON.parse(answer.text)], [400, { detail }])
        assert.strictEqual((yield* me).name, "acme")
      })
    }

    test("takes no more than can be kept in every record", function*() {
      const tooMuch: ReadonlyArray<readonly [string, object]> = [
        ["name", { name: "x".repeat(201) }],
        ["webhook_url", { webhook_url: `https://x.example/${"x".repeat(2048)}` }],
        ["policy_config", { policy_config: { allowed_domains: ["x".repeat(16_384)] } }],
        ["failure_config", {
          failure_config: Object.fromEntries(Array.from({ length: 501 }, (_, n) => [n, "fail_open"]))
        }],
        ["webhook_events", { webhook_events: Array.from({ length: 501 }, () => "x") }],
        ["webhook_events", { webhook_events: ["x".repeat(386)] }],
        ["auto_approve_tools", { auto_approve_tools: Array.from({ length: 501 }, () => "a/b") }],
        ["auto_approve_tools", { auto_approve_tools: [`${"x".repeat(384)}/y`] }]
      ]
      for (const [name, body] of tooMuch) {
        const { status, text } = yield* send("PATCH", "/dashboard/settings", { body })
        assert.strictEqual(status, 400, name)
        assert.include(JSON.parse(text).detail, `${name} is too long: at most `)
        assert.isBelow(text.length, 200)
      }
      assert.deepStrictEqual((yield* me).policyParameters, {})
    })

    test("takes null for absent, and ignores what it does not know", function*() {
      yield* apply({ name: "Acme", webhookUrl: "https://hooks.example/a" })
      const body = {
        name: null,
        webhook_url: null,
        policy_template: "nope",
        anchor_chain: "bitcoin",
        webhook_events: ["nope", 5],
        slug: "x",
        rate_limit_rps: 99
      }
      const answer = yield* send("PATCH", "/dashboard/settings", { body })
      assert.deepStrictEqual([answer.status, JSON.parse(answer.text)], [200, { status: "updated", tenant_id: "acme" }])
      const profile = yield* me
      assert.deepInclude(profile, {
        name: "Acme",
        webhookUrl: "https://hooks.example/a",
        policyTemplate: "general",
        anchorChain: "polygon",
        webhookEvents: ["nope"],
        slug: null
      })
      assert.notProperty(yield* Tenant.use((tenant) => tenant.settings), "webhookEvents")
    })

    test("that is no object is 422", function*() {
      const answer = yield* send("PATCH", "/dashboard/settings", { body: { failure_config: "x" } })
      assert.strictEqual(answer.status, 422)
      assert.deepStrictEqual(JSON.parse(answer.text).detail[0].loc, ["body", "failure_config"])
    })
  })

  describe("a webhook's test", () => {
    const testWebhook = Tenant.use((tenant) => tenant.testWebhook)

    test("needs a URL", function*() {
      const error = yield* Effect.flip(testWebhook)
      assert(error._tag === "VargateError" && error.reason._tag === "InvalidRequest")
      assert.include(error.message, "No webhook URL configured")
    })

    test("fails where nothing can be sent, and names no more than the origin", function*() {
      yield* apply({ webhookUrl: "https://hooks.example/S3CR3T" })
      const error = yield* Effect.flip(testWebhook)
      assert(error._tag === "VargateError" && error.reason._tag === "WebhookUndelivered")
      assert.strictEqual(error.reason.origin, "https://hooks.example")
      assert.deepStrictEqual([error.reason.isSent, error.sideEffect], [false, "none"])
      assert.notInclude(`${String(error)}${JSON.stringify(error)}`, "S3CR3T")
    })
  })

  describe("a webhook's test, where something can be sent", () => {
    const arrivals: Array<readonly [string, string | undefined]> = []
    let status = 200
    const client = Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) =>
        Effect.sync(() => {
          arrivals.push([request.url, request.headers["x-vargate-event"]])
          return HttpClientResponse.fromWeb(request, new Response(null, { status }))
        })
      )
    )
    const test = caseOf(door, { webhooks: { client } })
    const testWebhook = Tenant.use((tenant) => tenant.testWebhook)

    test("reaches the URL that was just set, whatever events were chosen", function*() {
      arrivals.length = 0
      status = 204
      yield* apply({ webhookUrl: "https://hooks.example/a" })
      assert.strictEqual(yield* testWebhook, "https://hooks.example/a")
      yield* apply({ webhookUrl: "https://hooks.example/b" })
      assert.strictEqual(yield* testWebhook, "https://hooks.example/b")
      assert.deepStrictEqual(arrivals, [
        ["https://hooks.example/a", "test.ping"],
        ["https://hooks.example/b", "test.ping"]
      ])
    })

    test("fails when the receiver does not take it", function*() {
      yield* apply({ webhookUrl: "https://hooks.example/a" })
      for (const refusal of [301, 404, 500]) {
        status = refusal
        const error = yield* Effect.flip(testWebhook)
        assert(error._tag === "VargateError" && error.reason._tag === "WebhookUndelivered")
        assert.deepStrictEqual([error.reason.isSent, error.sideEffect], [true, "possible"])
      }
    })
  })

  describe("policies", () => {
    test("templates are listed with their parameters", function*() {
      const templates = yield* Policies.use((policies) => policies.templates)
      assert.deepStrictEqual(templates.map(({ id }) => id), ["general", "financial", "email", "crm", "data_access"])
      assert.deepStrictEqual(templates[3]!.parameters, [
        "bulkThreshold",
        "allowDelete",
        "exportApproval",
        "restrictedFields"
      ])
    })

    test("rules are those that the tenant is under", function*() {
      yield* apply({ policy: { template: "crm" }, autoApproveTools: ["crm/export"] })
      const { revision, rules } = yield* Policies.use((policies) => policies.rules)
      assert.deepStrictEqual(rules.map(({ id, source, type }) => `${source} ${type} ${id}`), [
        "templates/crm deny unexpected_shape",
        "templates/crm deny crm_delete_not_allowed",
        "templates/crm deny restricted_field_modification",
        "templates/crm deny bulk_operation_exceeds_threshold",
        "templates/crm approval requires_human_approval:crm",
        "program deny tool_forbidden",
        "program deny and_seen",
        "settings auto_approved auto_approved:crm/export"
      ])
      assert.deepStrictEqual(rules.at(-1)!.tools, ["crm/export"])
      assert.strictEqual(rules[5]!.description, "Tool forbidden")
      yield* decide(allowed)
      assert.strictEqual((yield* newest).bundleRevision, revision)
    })

    const mute = Layer.succeed(PolicyEngine, { evaluate: () => Effect.die("not asked") })
    const silent = caseOf(door, { policy: mute })

    silent(
      "of an engine that cannot tell its rules are those of the settings, and its bundle a placeholder",
      function*() {
        yield* apply({ autoApproveTools: ["crm/export"] })
        const { revision, rules } = yield* Policies.use((policies) => policies.rules)
        assert.deepStrictEqual([revision, rules.map(({ type }) => type)], ["unknown", ["auto_approved"]])
        assert.isTrue((yield* Policies.use((policies) => policies.bundle)).isPlaceholder)
      }
    )

    test("the bundle says what is in force", function*() {
      const bundle = yield* Policies.use((policies) => policies.bundle)
      assert.isFalse(bundle.isPlaceholder)
      assert.deepInclude(bundle, { ruleCount: 6, files: ["templates/general", "program"], competitorDomains: [] })
      assert.strictEqual(bundle.updatedAt?.epochMilliseconds, 0)
    })
  })
}
