/** A gateway in this process whose policies are those of a real OPA server. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, type Scope } from "effect"
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
import type { TenantOptions } from "../../../src/gateway/tenants/Tenants.ts"
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
        gateway.putTenant({ ...tenant, policyConfig: { approval_threshold: 3000, transaction_limit: "1" } })
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
      assert.strictEqual((yield* ToolCalls.decide(pay(9000)))._tag, "Denied")
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

    test("denies a document that is nested too deep for OPA, although the tenant fails open", function*() {
      yield* withOpa("fail_open")
      const depth = 11_000
      const response = yield* HttpClient.execute(HttpClientRequest.post("https://vargate.ai/api/mcp/tools/call", {
        headers: { "x-api-key": "shop-key" },
        body: HttpBody.text(
          `{"agent_id":"a","tool":"stripe","method":"charge","params":{"amount":9000,"x":${"[".repeat(depth)}${
            "]".repeat(depth)
          }}}`,
          "application/json"
        )
      }))
      assert.strictEqual(response.status, 403)
      assert.include(yield* response.text, "policy_document_refused")
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
