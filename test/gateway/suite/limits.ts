/** The limit on calls, and a policy engine that is away. */
import { assert, describe } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import { noRevision } from "../../../src/gateway/policy/PolicyEngine.ts"
import { PolicyOutage } from "../../../src/gateway/policy/PolicyOutage.ts"
import { type FailureMode, Tenants } from "../../../src/gateway/tenants/Tenants.ts"
import { allowed, destructive, log, newest, pending, upTo } from "./cases.ts"
import { acme, as, caseOf, type Door, globex, send, wireCall } from "./doors.ts"

const isLet = Effect.map(Effect.result(ToolCalls.call(allowed)), (result) => {
  if (result._tag === "Success") return true
  assert.strictEqual(result.failure._tag, "RateLimited")
  return false
})

const setOutage = (isOn: boolean) => PolicyOutage.use((outage) => outage.set(isOn))

export const limits = (door: Door) => {
  describe("the limit", () => {
    const test = caseOf(door, { tenants: [{ ...acme, burst: 3 }, globex] })

    test("lets a burst through in any sliding second", function*() {
      for (const _ of upTo(2)) assert.isTrue(yield* isLet)
      yield* TestClock.adjust("600 millis")
      assert.isTrue(yield* isLet)
      assert.isFalse(yield* isLet)
      yield* TestClock.adjust("400 millis")
      // The first two are a second old; the third and the rejected one still count.
      assert.isTrue(yield* isLet)
      assert.isFalse(yield* isLet)
    })

    test("counts rejected calls, so hammering keeps the door shut", function*() {
      for (const _ of upTo(3)) assert.isTrue(yield* isLet)
      for (const _ of upTo(30)) {
        yield* TestClock.adjust("200 millis")
        assert.isFalse(yield* isLet)
      }
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* isLet)
    })

    test("stays shut a millisecond short of a second", function*() {
      for (const _ of upTo(4)) yield* isLet
      yield* TestClock.adjust("999 millis")
      assert.isFalse(yield* isLet)
    })

    test("opens after the time that the error names", function*() {
      for (const _ of upTo(3)) yield* isLet
      const error = yield* Effect.flip(ToolCalls.call(allowed))
      assert(error._tag === "RateLimited")
      assert.deepStrictEqual([error.tenantId, error.burst], ["acme", 3])
      assert.isAtLeast(Duration.toMillis(error.retryAfter), 1000)
      yield* TestClock.adjust(error.retryAfter)
      assert.isTrue(yield* isLet)
    })

    test("records nothing for a rejected call", function*() {
      for (const _ of upTo(5)) yield* isLet
      assert.strictEqual((yield* log()).total, 3)
    })

    test("is each tenant's own, and about tool calls only", function*() {
      for (const _ of upTo(4)) yield* isLet
      assert.isTrue(yield* as(globex)(isLet))
      assert.strictEqual((yield* log()).total, 3)
    })

    test("shuts nobody out when the clock is set back", function*() {
      yield* TestClock.setTime(7_200_000)
      for (const _ of upTo(4)) yield* isLet
      yield* TestClock.setTime(3_600_000)
      assert.isFalse(yield* isLet)
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* isLet)
    })

    test("follows a change of the tenant", function*() {
      yield* Tenants.use((tenants) => tenants.put({ ...acme, burst: 0 }))
      assert.isFalse(yield* isLet)
    })

    test("answers 429 with the object of the gateway and without a Retry-After", function*() {
      for (const _ of upTo(3)) yield* isLet
      const answer = yield* send("POST", "/mcp/tools/call", { body: wireCall() })
      assert.strictEqual(answer.status, 429)
      assert.deepStrictEqual(JSON.parse(answer.text), {
        detail: { error: "rate_limit_exceeded", tenant_id: "acme", rate_limit_rps: 10, rate_limit_burst: 3 }
      })
    })
  })

  describe("without a policy engine", () => {
    const options = (opaFailure?: FailureMode) => ({
      tools: { "slack/post_message": () => Effect.succeed("posted") },
      tenants: [{ ...acme, opaFailure, autoApproveTools: ["slack/listed"] }]
    })
    const byDefault = caseOf(door, options())
    const open = caseOf(door, options("fail_open"))
    const queue = caseOf(door, options("fail_to_queue"))

    byDefault("nothing is executed or recorded, until the engine is back", function*() {
      yield* setOutage(true)
      const error = yield* Effect.flip(ToolCalls.call(allowed))
      assert(error._tag === "OpaUnavailable")
      assert.strictEqual(error.sideEffect, "none")
      const answer = yield* send("POST", "/mcp/tools/call", { body: wireCall() })
      assert.strictEqual(answer.status, 502)
      assert.deepStrictEqual(JSON.parse(answer.text), {
        detail: "OPA unreachable: All connection attempts failed"
      })
      assert.strictEqual((yield* log()).total, 0)
      yield* setOutage(false)
      assert.strictEqual((yield* ToolCalls.call(allowed)).execution._tag, "Executed")
      assert.strictEqual((yield* log()).total, 1)
    })

    byDefault("auto-approval does not open the door", function*() {
      yield* setOutage(true)
      assert.strictEqual(
        (yield* Effect.flip(ToolCalls.call({ tool: "slack", method: "listed" })))._tag,
        "OpaUnavailable"
      )
    })

    open("fail_open allows, and the record looks like any other", function*() {
      yield* setOutage(true)
      assert.strictEqual((yield* ToolCalls.call(allowed)).execution._tag, "Executed")
      assert.strictEqual((yield* ToolCalls.decide(destructive))._tag, "Allowed")
      const record = yield* newest
      assert.deepStrictEqual([record.decision, record.violations, record.severity], ["allow", [], "none"])
      assert.strictEqual(record.bundleRevision, noRevision)
    })

    queue("fail_to_queue holds what it would allow", function*() {
      yield* setOutage(true)
      const decision = yield* ToolCalls.decide(allowed)
      assert(decision._tag === "PendingApproval")
      const { pending: [action] } = yield* pending
      assert.strictEqual(action?.actionId, decision.actionId)
      assert.strictEqual((yield* newest).decision, "pending_approval")
    })

    queue("fail_to_queue is bypassed by auto-approval", function*() {
      yield* setOutage(true)
      assert.strictEqual((yield* ToolCalls.decide({ tool: "slack", method: "listed" }))._tag, "Allowed")
      assert.deepStrictEqual((yield* newest).violations, ["auto_approved"])
      assert.deepStrictEqual((yield* pending).pending, [])
    })
  })
}
