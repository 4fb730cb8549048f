import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"
import { VargateError } from "effect-vargate"
import * as Refusal from "effect-vargate/governed/Refusal"
import { ActionId } from "../../src/model/ActionId.ts"
import { ToolCall } from "../../src/model/ToolCall.ts"

const actionId = ActionId.make("a-1")
const timeout = new VargateError.Timeout({ after: Duration.seconds(1), sideEffect: "possible" })
const names = { agentId: "a", tool: "t", method: "m" }

const cases: ReadonlyArray<readonly [Refusal.Refused, type: Refusal.Refusal["type"], words: RegExp]> = [
  [
    new VargateError.Denied({ actionId, violations: ["r1", "r2"], severity: "high", alertTier: "none" }),
    "execution-denied",
    /^NOT PERFORMED: .*\(r1, r2\).*Do not report it as done.*a-1/
  ],
  [
    new VargateError.Denied({ actionId, violations: [], severity: "high", alertTier: "none" }),
    "execution-denied",
    /^NOT PERFORMED: .*no rule was named/
  ],
  [
    new VargateError.Rejected({ actionId, reviewer: "ann", note: null, reviewedAt: null }),
    "execution-denied",
    /^NOT PERFORMED: a reviewer rejected this action\. Do not report it as done/
  ],
  [new VargateError.Expired({ actionId, timeoutAt: null }), "execution-denied", /^NOT PERFORMED: .*anew only if/],
  [
    new VargateError.PendingApproval({ actionId, message: "" }),
    "execution-interrupted",
    /^NOT PERFORMED YET: .*as a-1.*Do not report it as done.*second action/
  ],
  [
    new VargateError.ApprovalTimeout({ actionId, waited: Duration.minutes(1) }),
    "execution-interrupted",
    /^NOT PERFORMED YET: .*as a-1/
  ],
  [new VargateError.RateLimited({ retryAfter: Duration.seconds(1) }), "execution-denied", /^NOT PERFORMED: too many/],
  [
    new VargateError.RateLimited({ source: "other", retryAfter: Duration.seconds(1) }),
    "execution-denied",
    /^NOT PERFORMED: a server before the gateway refused.*Do not try it again by yourself/
  ],
  [
    new VargateError.OpaUnavailable({ detail: "x" }),
    "execution-denied",
    /^NOT PERFORMED: this action could not be decided/
  ],
  [
    new VargateError.OutcomeUnknown({
      request: new ToolCall({ agentId: "a", agentType: "", agentVersion: "1.0.0", tool: "t", method: "m", params: {} }),
      sentAt: DateTime.makeUnsafe(0),
      cause: timeout
    }),
    "execution-interrupted",
    /^OUTCOME UNKNOWN: .*may or may not have been performed.*do not repeat it/
  ],
  [
    new VargateError.DuplicateSubmission({ ...names, first: "pending", sentAt: DateTime.makeUnsafe(0), actionId }),
    "execution-interrupted",
    /^NOT PERFORMED YET: this very action .*as a-1.*Do not report it as done.*second action/
  ],
  [
    new VargateError.DuplicateSubmission({ ...names, first: "interrupted", sentAt: DateTime.makeUnsafe(0) }),
    "execution-interrupted",
    /^OUTCOME UNKNOWN: this very action was asked for before, and .*do not repeat it/
  ],
  [
    new VargateError.ToolFailed({ actionId, error: { code: 7 } }),
    "execution-interrupted",
    /^FAILED: .*\{"code":7\}.*part of its work.*Do not report it as done/
  ],
  [
    new VargateError.ResultUnusable({ actionId, detail: "odd" }),
    "execution-interrupted",
    /^PERFORMED, RESULT UNKNOWN: .*\(odd\).*Do not repeat it/
  ],
  [
    new VargateError.StorageFailed({ operation: "o", detail: "d" }),
    "execution-denied",
    /^NOT PERFORMED: it could not be looked up/
  ],
  [
    new VargateError.VargateError({ operation: "o", reason: timeout }),
    "execution-interrupted",
    /^OUTCOME UNKNOWN: .*do not repeat it/
  ],
  [
    new VargateError.VargateError({
      operation: "o",
      reason: new VargateError.InvalidRequest({ issues: [{ path: ["body", "params"], message: "too long" }] })
    }),
    "execution-denied",
    /^NOT PERFORMED: .*cannot be submitted as it is.*body\.params: too long/
  ],
  [
    new VargateError.VargateError({ operation: "o", reason: new VargateError.Conflict({ detail: "begun as a-1" }) }),
    "execution-denied",
    /^NOT PERFORMED AGAIN: .*was begun before.*\(begun as a-1\)$/
  ],
  [
    new VargateError.VargateError({ operation: "o", reason: new VargateError.Unauthenticated({ detail: "no" }) }),
    "execution-denied",
    /^NOT PERFORMED: the gateway could not be asked/
  ]
]

describe("Refusal.make", () => {
  for (const [error, type, words] of cases) {
    it(`${error._tag}: ${words.source.slice(1, 40)}`, () => {
      const refusal = Refusal.make(error)
      assert.strictEqual(refusal.type, type)
      assert.match(refusal.reason, words)
    })
  }

  it("cuts a tool's long words short", () => {
    const { reason } = Refusal.make(new VargateError.ToolFailed({ actionId, error: "x".repeat(10_000) }))
    assert.isBelow(reason.length, 1000)
  })

  it("uses other words where they are given", () => {
    const { reason } = Refusal.make(
      new VargateError.Expired({ actionId, timeoutAt: null }),
      ({ _tag }) => `sorry: ${_tag}`
    )
    assert.strictEqual(reason, "sorry: Expired")
  })
})
