import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"
import { VargateError } from "effect-vargate"
import * as Refusal from "effect-vargate/governed/Refusal"
import { ActionId } from "../../src/model/ActionId.ts"
import { ToolCall } from "../../src/model/ToolCall.ts"

const actionId = ActionId.make("a-1")
const timeout = new VargateError.Timeout({ after: Duration.seconds(1), sideEffect: "possible" })
const names = { agentId: "a", tool: "t", method: "m" }

const joinedAs = (
  outcome: VargateError.Joined["outcome"],
  type: Refusal.Refusal["type"],
  words: RegExp,
  more: { readonly note?: string; readonly result?: unknown } = {}
) => {
  const reason = new VargateError.Joined({ actionId, outcome, ...more })
  return [new VargateError.VargateError({ operation: "o", reason }), type, words] as const
}

const joined = [
  joinedAs("pending", "execution-interrupted", /^NOT PERFORMED YET: this very action .*as a-1.*second action/),
  joinedAs("approved", "execution-interrupted", /^NOT PERFORMED AGAIN: .*approved as a-1.*do not repeat it/),
  joinedAs("performed", "execution-interrupted", /^PERFORMED BEFORE: .*as a-1, once.*Do not repeat it\.$/),
  joinedAs("performed", "execution-interrupted", /^PERFORMED BEFORE: .*Its result: \{"paid":5\}$/, {
    result: { paid: 5 }
  }),
  joinedAs("failed", "execution-interrupted", /^FAILED: .*as a-1.*part of its work.*Do not report it as done/),
  joinedAs("rejected", "execution-denied", /^NOT PERFORMED: a reviewer rejected this action \(no\).*a-1/, {
    note: "no"
  }),
  joinedAs("expired", "execution-denied", /^NOT PERFORMED: no reviewer approved.*a-1/),
  [
    new VargateError.VargateError({
      operation: "o",
      reason: new VargateError.RefusedAgain({ actionId, note: "ask finance", until: DateTime.makeUnsafe(0) })
    }),
    "execution-denied",
    /^NOT PERFORMED: a reviewer rejected this very action a short time ago \(ask finance\).*Do not try the same again.*a-1/
  ]
] as const

const since = DateTime.makeUnsafe(0)
const failed = (reason: VargateError.Reason, type: Refusal.Refusal["type"], words: RegExp) =>
  [new VargateError.VargateError({ operation: "o", reason }), type, words] as const

const stopped = [
  failed(
    new VargateError.Suspended({ scope: "agent a", note: "why", since, sideEffect: "none" }),
    "execution-denied",
    /^NOT PERFORMED: an operator has suspended agent a \(why\)\..*Do not try it again by yourself/
  ),
  failed(
    new VargateError.Suspended({ scope: "everything", note: null, since, sideEffect: "possible", actionId }),
    "execution-interrupted",
    /^NOT PERFORMED YET: .*as a-1, and an operator has suspended everything\..*second action/
  ),
  failed(
    new VargateError.OverBudget({ budget: "5 calls per day", max: 5, problem: "exceeded", detail: "5 is spent" }),
    "execution-denied",
    /^NOT PERFORMED: there is no room .*5 calls per day \(5 is spent\).*do not split it/
  ),
  failed(
    new VargateError.OverBudget({ budget: "5 of x per day", max: 5, problem: "unreadable", detail: "x is none" }),
    "execution-denied",
    /^NOT PERFORMED: this action cannot be counted .*x is none/
  ),
  failed(
    new VargateError.GuardUnavailable({ guard: "budgets", detail: "away" }),
    "execution-denied",
    /^NOT PERFORMED: it could not be looked up whether this action may be asked for now/
  )
]

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
  ],
  ...joined,
  ...stopped
]

describe("Refusal.make", () => {
  for (const [error, type, words] of cases) {
    it(`${error._tag}: ${words.source.slice(1, 40)}`, () => {
      const refusal = Refusal.make(error)
      assert.strictEqual(refusal.type, type)
      assert.match(refusal.reason, words)
    })
  }

  it("names the action that an error is about, also where a reason has it", () => {
    for (const [error] of joined) assert.strictEqual(Refusal.actionIdOf(error), actionId)
  })

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
