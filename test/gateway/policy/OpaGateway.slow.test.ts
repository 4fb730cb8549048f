/** A gateway in this process whose policies are those of a real OPA server. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, type Scope } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Approvals } from "../../../src/approvals/Approvals.ts"
import { Reviews } from "../../../src/approvals/Reviews.ts"
import { Replay } from "../../../src/audit/Replay.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as OpaEngine from "../../../src/gateway/policy/OpaEngine.ts"
import { noRevision } from "../../../src/gateway/policy/PolicyEngine.ts"
import type { PolicyInput } from "../../../src/gateway/policy/PolicyInput.ts"
import type { TenantOptions } from "../../../src/gateway/tenants/Tenants.ts"
import { Credentials } from "../../../src/operator/Credentials.ts"
import * as GatewayMemory from "../../../src/testing/GatewayMemory.ts"
import { fromFiles, needsOpa, opa, OpaServer, opaServer, policies } from "../../support/opa.ts"

const tenant: TenantOptions = { id: "shop", apiKey: "shop-key", policyTemplate: "financial", burst: 1000 }

const gateway = Layer.unwrap(OpaServer.use(({ url }) =>
  Effect.succeed(GatewayMemory.layer({
    tenants: [tenant],
    policy: OpaEngine.layer({ url }).pipe(Layer.provide(FetchHttpClient.layer), Layer.orDie)
  }))
))

const pay = (amount: number) => ({ tool: "stripe", method: "charge", params: { amount }, isBusinessHours: true })

const newest = GatewayMemory.GatewayMemory.use((gateway) => Effect.map(gateway.records(), (records) => records.at(-1)!))

const replay = (actionId: ToolCalls.Decision["actionId"]) => Replay.use((replays) => replays.replay(actionId))

const replayFailure = (actionId: ToolCalls.Decision["actionId"]) =>
  Effect.map(Effect.flip(replay(actionId)), ({ message }) => message)

/** What the wire answers to a call. */
const send = Effect.gen(function*() {
  const response = yield* HttpClient.execute(HttpClientRequest.post("https://vargate.ai/api/mcp/tools/call", {
    headers: { "x-api-key": "shop-key" },
    body: HttpBody.jsonUnsafe({ agent_id: "a", tool: "stripe", method: "charge", params: { amount: 1 } })
  }))
  return { status: response.status, text: yield* response.text }
})

const withOpa = (opaFailure: TenantOptions["opaFailure"]) =>
  GatewayMemory.GatewayMemory.use((gateway) => gateway.putTenant({ ...tenant, opaFailure }))

/** A folder that goes with the test. */
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "opa-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const policyOf = Effect.fnUntraced(function*(rego: string) {
  const path = yield* folder
  writeFileSync(join(path, "policy.rego"), `package vargate.policy\n\n${rego}\n`)
  return [path]
})

const bundleOf = Effect.fnUntraced(function*(revision: string) {
  const file = join(yield* folder, "policies.tar.gz")
  execFileSync(opa!, [
    "build",
    "--bundle",
    policies,
    "--ignore",
    "*_test.rego",
    "--revision",
    revision,
    "--output",
    file
  ])
  return ["--bundle", file]
})

describe.skipIf(opa === undefined)(`a gateway with an OPA server${needsOpa}`, () => {
  layer(opaServer())((it) => {
    type House = Layer.Success<typeof gateway> | OpaServer | Scope.Scope
    const test = (name: string, body: () => Effect.fn.Return<void, unknown, House>) =>
      it.effect(name, () =>
        OpaServer.use((server) => server.restart(fromFiles)).pipe(
          Effect.andThen(Effect.gen(body)),
          Effect.provide(gateway, { local: true })
        ))

    test("allows, denies and holds as OPA says", function*() {
      const allowed = yield* ToolCalls.decide(pay(50))
      assert.strictEqual(allowed._tag, "Allowed")
      const record = yield* newest
      assert.strictEqual(record.decision, "allow")
      assert.match(record.bundleRevision!, /^modules-[0-9a-f]{16}$/)

      const denied = yield* ToolCalls.decide({ ...pay(9000), params: { amount: 9000, currency: "USD" } })
      assert(denied._tag === "Denied")
      assert.deepStrictEqual(denied.violations, ["currency_mismatch", "transaction_exceeds_limit"])
      assert.deepStrictEqual([denied.severity, denied.alertTier], ["high", "soc_ticket"])

      const held = yield* ToolCalls.decide(pay(2000))
      assert.strictEqual(held._tag, "PendingApproval")
      const { pending: [action] } = yield* Approvals.use((approvals) => approvals.pending)
      assert.strictEqual(action?.actionId, held.actionId)
    })

    test("obeys the tenant's parameters", function*() {
      yield* GatewayMemory.GatewayMemory.use((gateway) =>
        gateway.putTenant({ ...tenant, policyConfig: { approvalThreshold: 3000, transactionLimit: "1" as never } })
      )
      assert.strictEqual((yield* ToolCalls.decide(pay(2000)))._tag, "Allowed")
      assert.strictEqual((yield* ToolCalls.decide(pay(3000)))._tag, "PendingApproval")
    })

    test("replays decisions, and those of a person do not match", function*() {
      for (const amount of [50, 9000]) {
        const { actionId } = yield* ToolCalls.decide(pay(amount))
        const report = yield* replay(actionId)
        assert.isTrue(report.consistent)
        assert.strictEqual(report.replayed.bundleRevision, report.original.bundleRevision)
      }
      assert.isFalse((yield* replay((yield* ToolCalls.decide(pay(2000))).actionId)).consistent)
    })

    test("records the revision of the bundle, and replays under no other", function*() {
      const server = yield* OpaServer
      yield* server.restart(yield* bundleOf("r1"))
      const first = yield* ToolCalls.call(pay(50))
      assert.strictEqual((yield* newest).bundleRevision, "r1")
      assert.isTrue((yield* replay(first.actionId)).consistent)

      yield* server.restart(yield* bundleOf("r2"))
      assert.include(yield* replayFailure(first.actionId), "Archived bundle r1 not found (HTTP 404)")
      const second = yield* ToolCalls.call(pay(50))
      assert.strictEqual((yield* newest).bundleRevision, "r2")
      assert.isTrue((yield* replay(second.actionId)).consistent)
    })

    test("notices modules that change while OPA runs", function*() {
      const first = yield* ToolCalls.call(pay(50))
      const { bundleRevision } = yield* newest
      const { url } = yield* OpaServer
      const put = HttpClientRequest.put(`${url}/v1/policies/another`, { body: HttpBody.text("package another") })
      yield* Effect.provide(HttpClient.execute(put), FetchHttpClient.layer, { local: true })
      assert.include(yield* replayFailure(first.actionId), `Archived bundle ${bundleRevision} not found`)
      yield* ToolCalls.call(pay(50))
      assert.notStrictEqual((yield* newest).bundleRevision, bundleRevision)
    })

    test("fails closed without OPA, until it is back", function*() {
      const server = yield* OpaServer
      const gateway = yield* GatewayMemory.GatewayMemory
      const { actionId } = yield* ToolCalls.call(pay(50))
      yield* server.kill
      const error = yield* Effect.flip(ToolCalls.call(pay(50)))
      assert.strictEqual(error._tag, "OpaUnavailable")
      const { status, text } = yield* send
      assert.strictEqual(status, 502)
      assert.match(text, /^\{"detail":"OPA unreachable: .*ECONNREFUSED.*; see that OPA runs and can be reached"\}$/)
      assert.match(yield* replayFailure(actionId), /OPA unreachable: .*ECONNREFUSED/)
      assert.strictEqual((yield* gateway.records()).length, 1)

      yield* server.restart()
      assert.strictEqual((yield* ToolCalls.call(pay(50)))._tag, "Allowed")
      assert.isTrue((yield* replay(actionId)).consistent)
    })

    test("fails open without OPA where the tenant wants it", function*() {
      const server = yield* OpaServer
      yield* withOpa("fail_open")
      yield* server.kill
      const { actionId } = yield* ToolCalls.call(pay(9000))
      assert.strictEqual((yield* newest).bundleRevision, noRevision)
      yield* server.restart()
      assert.include(yield* replayFailure(actionId), "Archived bundle none not found")
      assert.strictEqual((yield* ToolCalls.decide(pay(9000)))._tag, "Denied")
    })

    test("queues without OPA where the tenant wants it, and people decide meanwhile", function*() {
      const server = yield* OpaServer
      yield* withOpa("fail_to_queue")
      yield* server.kill
      const { _tag, actionId } = yield* ToolCalls.decide(pay(9000))
      assert.strictEqual(_tag, "PendingApproval")
      yield* Reviews.use((reviews) => reviews.approve(actionId))
      assert.deepStrictEqual([(yield* newest).method, (yield* newest).bundleRevision], ["approve", noRevision])
      yield* server.restart()
      assert.strictEqual((yield* ToolCalls.decide({ ...pay(9000), allowDuplicate: true }))._tag, "Denied")
    })

    test("gives up an OPA that does not answer in time", function*() {
      const server = yield* OpaServer
      yield* server.freeze
      const call = yield* Effect.forkChild(Effect.flip(ToolCalls.call(pay(50))))
      // The clock starts with the request, which nobody sees from here.
      while (call.pollUnsafe() === undefined) {
        yield* TestClock.adjust("1 second")
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      const error = yield* Fiber.join(call)
      assert(error._tag === "OpaUnavailable")
      assert.include(error.message, "no answer within 3s")
      yield* server.thaw
      assert.strictEqual((yield* ToolCalls.call(pay(50)))._tag, "Allowed")
    })

    test("does not take an OPA without policies for a yes", function*() {
      const server = yield* OpaServer
      yield* server.restart(yield* policyOf("something_else := true"))
      const { status, text } = yield* send
      assert.strictEqual(status, 502)
      assert.include(text, "data.vargate.policy.decision is undefined")
    })

    test("says what OPA says of a policy that contradicts itself", function*() {
      const server = yield* OpaServer
      yield* server.restart(yield* policyOf(`decision := {"allow": x} if some x in [true, false]`))
      const { status, text } = yield* send
      assert.strictEqual(status, 502)
      assert.match(text, /OPA answered 500 \(internal_error: .*its log says more/)
    })

    /** Rules over the fields that the measured gateway's own rules read. */
    const likeTheGateways = policyOf(`
      decision := {
        "allow": count(violations) == 0,
        "requires_human": false,
        "violations": violations,
        "severity": object.get({0: "none"}, count(violations), "high"),
        "alert_tier": "none",
      }

      violations contains "no_credential_registered_for_tool" if {
        input.vault.brokered_execution
        not input.action.tool in input.vault.credentials_registered
      }

      violations contains "violation_cooldown_active" if input.history.cooldown_active
      violations contains "agent_flagged" if input.history.flagged
      violations contains "too_many_actions" if input.history.last_10min.action_count > 5
      violations contains "too_many_denials" if input.history.last_10min.denied_count > 2
      violations contains "too_many_high_values" if input.history.last_24h.high_value_transactions > 1

      violations contains "high_value_transaction_unapproved" if {
        input.action.params.amount >= 7000
        not input.context.approval.granted
      }

      violations contains "gdpr_pii_residency_violation" if {
        input.data.contains_pii
        input.data.residency_required == "EU"
        not input.data.destination.approved
      }

      violations contains "classification_too_high" if input.data.classification == "secret"
      violations contains "wrong_jurisdiction" if input.agent.jurisdiction != "EU"
      violations contains "role_missing" if not "payer" in input.agent.roles
      violations contains "enclave_required" if input.agent.enclave_verified == false
      violations contains "not_deployed_here" if input.agent.deployment != "bridge"
    `)

    const trusted = {
      ...tenant,
      agentDefaults: { roles: ["payer"], jurisdiction: "EU", deployment: "bridge", enclaveVerified: true },
      dataHandling: {
        classification: "internal",
        residencyRequired: "EU",
        destinations: { stripe: { type: "external_saas", approved: true }, mail: { type: "mail", approved: false } }
      },
      agents: {
        stranger: { roles: [], jurisdiction: "US", enclaveVerified: false, deployment: "laptop" },
        suspect: { flagged: true }
      }
    } satisfies TenantOptions

    const violationsOf = (call: Parameters<typeof ToolCalls.decide>[0]) =>
      Effect.map(
        ToolCalls.decide(call),
        (decision) => decision._tag === "Denied" ? decision.violations : decision._tag
      )

    test("fires rules about credentials, the agent, its data and its past", function*() {
      const server = yield* OpaServer
      const gateway = yield* GatewayMemory.GatewayMemory
      yield* gateway.putTenant(trusted)
      yield* server.restart(yield* likeTheGateways)
      assert.deepStrictEqual(yield* violationsOf(pay(50)), ["no_credential_registered_for_tool"])
      const register = (toolId: string) =>
        Credentials.use((credentials) =>
          credentials.register({ toolId, name: "key", value: Redacted.make("secret-value") })
        )
      yield* register("stripe")
      yield* register("mail")
      assert.strictEqual(yield* violationsOf(pay(50)), "Allowed")
      assert.deepStrictEqual(yield* violationsOf(pay(7000)), ["high_value_transaction_unapproved"])

      const by = (id: string) => ({ ...pay(50), agent: { id } })
      assert.deepStrictEqual(yield* violationsOf(by("suspect")), ["agent_flagged"])
      const all = ["enclave_required", "not_deployed_here", "role_missing", "wrong_jurisdiction"]
      assert.deepStrictEqual(yield* violationsOf(by("stranger")), all)
      // an agent is not registered by being called like what every object has
      assert.strictEqual(yield* violationsOf(by("constructor")), "Allowed")

      const mail = { tool: "mail", method: "send", params: { message: { to: "ann@corp.example" } } }
      assert.deepStrictEqual(yield* violationsOf({ ...mail, agent: { id: "writer" } }), [
        "gdpr_pii_residency_violation"
      ])

      const rich = { ...pay(6000), agent: { id: "rich" } }
      assert.strictEqual(yield* violationsOf(rich), "Allowed")
      assert.strictEqual(yield* violationsOf({ ...rich, params: { Amount: "6000" } }), "Allowed")
      assert.deepStrictEqual(yield* violationsOf(rich), ["too_many_high_values"])

      const bad = { ...pay(7000), agent: { id: "bad" } }
      for (let n = 0; n < 3; n++) yield* violationsOf(bad)
      assert.deepStrictEqual(yield* violationsOf({ ...bad, params: {} }), [
        "too_many_denials",
        "violation_cooldown_active"
      ])
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(yield* violationsOf({ ...bad, params: {} }), ["violation_cooldown_active"])
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* violationsOf({ ...bad, params: {} }), "Allowed")

      for (let n = 0; n < 6; n++) yield* violationsOf(by("busy"))
      assert.deepStrictEqual(yield* violationsOf(by("busy")), ["too_many_actions"])

      yield* gateway.putTenant({ ...trusted, dataHandling: { classification: "secret" } })
      assert.deepStrictEqual(yield* violationsOf(by("other")), ["classification_too_high"])
    })

    test("takes nothing of trust from the caller", function*() {
      yield* (yield* OpaServer).restart(
        yield* policyOf(`required_fields := ["agent.roles", "agent.enclave_verified", "agent.deployment",
        "agent.jurisdiction", "data.classification"]

        decision := {"allow": true, "requires_human": false, "violations": [], "severity": "none",
        "alert_tier": "none"}`)
      )
      const trust = { roles: ["admin"], enclave_verified: true, deployment: "bridge", jurisdiction: "EU" }
      const response = yield* HttpClient.execute(HttpClientRequest.post("https://vargate.ai/api/mcp/tools/call", {
        headers: { "x-api-key": "shop-key" },
        body: HttpBody.jsonUnsafe({
          agent_id: "a",
          tool: "stripe",
          method: "charge",
          ...trust,
          agent: trust,
          params: { amount: 1, agent: trust },
          data: { classification: "public" },
          context_override: { is_business_hours: true, approval: { granted: true } }
        })
      }))
      assert.strictEqual(response.status, 403)
      const { detail } = JSON.parse(yield* response.text)
      assert.strictEqual(detail.violations.length, 5)
      const { actionId } = yield* newest
      const { input } = yield* replay(actionId)
      assert.deepStrictEqual((input as PolicyInput).agent, { id: "a", type: "unknown", version: "0.0.0" })
      assert.deepStrictEqual((input as PolicyInput).context.approval, {
        required: false,
        granted: false,
        approver: null
      })
    })

    test("denies a call whose document lacks what the policy requires, although the tenant fails open", function*() {
      const server = yield* OpaServer
      yield* withOpa("fail_open")
      yield* server.restart(
        yield* policyOf(`required_fields := ["agent.id", "agent.clearance"]

        decision := {"allow": true, "requires_human": false, "violations": [], "severity": "none",
        "alert_tier": "none"} if input.agent.clearance == "high"`)
      )
      const decision = yield* ToolCalls.decide(pay(1))
      assert(decision._tag === "Denied")
      assert.deepStrictEqual(decision.violations, ["required_field_absent_agent.clearance"])
      assert.isTrue((yield* replay(decision.actionId)).consistent)
    })

    test("denies what it cannot read, although the tenant fails open", function*() {
      const server = yield* OpaServer
      yield* withOpa("fail_open")
      yield* server.restart(
        yield* policyOf(`decision := {"allow": false, "requires_human": false, "violations": ["x"],
        "severity": "dreadful", "alert_tier": "soc_page"}`)
      )
      const decision = yield* ToolCalls.decide(pay(1))
      assert(decision._tag === "Denied")
      assert.deepStrictEqual(decision.violations, ["policy_decision_unreadable"])
      assert.isTrue((yield* replay(decision.actionId)).consistent)
    })
  })
})
