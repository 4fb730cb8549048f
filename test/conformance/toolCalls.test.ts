import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { ToolCalls } from "../../src/calls/ToolCalls.ts"
import * as ScriptedTransport from "../../src/testing/ScriptedTransport.ts"
import { answering, request } from "../support/operations.ts"
import { type Capture, hasCaptures, plain, reason, routes } from "./captures.ts"
import { checkReason, checkRefusal } from "./refusals.ts"

const services = ({ headers, status, text }: Capture) => answering(ScriptedTransport.text(status, text, headers))

const decide = (capture: Capture) =>
  ToolCalls.use((toolCalls) => toolCalls.decide(request)).pipe(Effect.provide(services(capture)))

const call = (capture: Capture) =>
  ToolCalls.use((toolCalls) => toolCalls.call(request)).pipe(Effect.provide(services(capture)))

const expectedExecution = (body: Record<string, never>): unknown => {
  if (!("execution_mode" in body)) return { _tag: "NotExecuted" }
  const { execution_result, latency: raw } = body as Record<string, Record<string, unknown>>
  const latency = {
    policyMs: raw?.["opa_eval_ms"],
    credentialMs: raw?.["hsm_fetch_ms"],
    executionMs: raw?.["execution_ms"],
    totalMs: raw?.["total_ms"]
  }
  const error = execution_result?.["error"] ?? execution_result?.["detail"]
  return error === undefined
    ? { _tag: "Executed", result: execution_result, latency }
    : { _tag: "ExecutionFailed", error, latency }
}

const expectedDecision = ({ status, text }: Capture): unknown => {
  const body = JSON.parse(text)
  if (status === 200) return { _tag: "Allowed", actionId: body.action_id, execution: expectedExecution(body) }
  if (status === 202) return { _tag: "PendingApproval", actionId: body.action_id }
  const { action_id, alert_tier, severity, violations } = body.detail
  return { _tag: "Denied", actionId: action_id, violations, severity, alertTier: alert_tier }
}

const isDecision = ({ status, text }: Capture) =>
  status === 200 || status === 202 || (status === 403 && typeof JSON.parse(text).detail === "object")

const all = routes["POST /mcp/tools/call"]
const decisions = all.filter(isDecision)
const limits = all.filter(({ status }) => status === 429)
const policyOutages = all.filter(({ status, text }) => status === 502 && JSON.parse(text).detail.startsWith("OPA"))
const redirects = all.filter(({ status }) => status === 307)
const faults = all.filter((capture) => capture.status >= 500 && !policyOutages.includes(capture))
const refusals = all.filter((capture) =>
  ![decisions, limits, policyOutages, redirects, faults].some((group) => group.includes(capture))
)

describe.skipIf(!hasCaptures)(`POST /mcp/tools/call (${reason})`, () => {
  it("the groups below hold every case", () => {
    const groups = { decisions, limits, policyOutages, redirects, faults, refusals }
    assert.deepStrictEqual(
      Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, group.length])),
      { decisions: 40, limits: 2, policyOutages: 3, redirects: 1, faults: 2, refusals: 32 }
    )
  })

  it.effect.each(decisions)("decides $status $file", (capture) =>
    Effect.gen(function*() {
      const decision = yield* decide(capture)
      const expected = expectedDecision(capture) as Record<string, unknown>
      const actual = plain(decision) as Record<string, unknown>
      for (const [key, value] of Object.entries(expected)) assert.deepStrictEqual(actual[key], plain(value), key)
      if (decision._tag === "PendingApproval") assert.include(decision.message, JSON.parse(capture.text).message)

      const called = yield* Effect.result(call(capture))
      if (decision._tag === "Allowed") {
        assert(called._tag === "Success")
        assert.deepStrictEqual(plain(called.success), actual)
      } else {
        assert(called._tag === "Failure")
        assert.strictEqual(called.failure._tag, decision._tag)
      }
    }))

  it.effect.each(limits)("is limited $file", (capture) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(call(capture))
      const { rate_limit_burst, rate_limit_rps, tenant_id } = JSON.parse(capture.text).detail
      assert(error._tag === "RateLimited")
      assert.strictEqual(error.tenantId, tenant_id)
      assert.strictEqual(error.limit, rate_limit_rps)
      assert.strictEqual(error.burst, rate_limit_burst)
      assert.isAtLeast(Duration.toMillis(error.retryAfter), 1000)
      assert.strictEqual(error.sideEffect, "none")
    }))

  it.effect.each(policyOutages)("cannot be evaluated $file", (capture) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(call(capture))
      assert(error._tag === "OpaUnavailable")
      assert.strictEqual(error.detail, JSON.parse(capture.text).detail)
    }))

  it.effect.each(redirects)("does not follow $file", (capture) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(call(capture))
      assert(error._tag === "VargateError" && error.reason._tag === "UnexpectedResponse")
      assert.strictEqual(error.reason.status, capture.status)
      assert.include(error.reason.detail, "redirect")
      assert.strictEqual(error.sideEffect, "none")
    }))

  it.effect.each(faults)("may have happened $status $file", (capture) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(call(capture))
      assert(error._tag === "OutcomeUnknown")
      checkReason(capture, error.cause, "possible")
      assert.strictEqual(error.request.tool, request.tool)
    }))

  it.effect.each(refusals)("is refused $status $file", (capture) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(call(capture))
      checkRefusal(capture, error, "ToolCalls.call")
    }))
})
