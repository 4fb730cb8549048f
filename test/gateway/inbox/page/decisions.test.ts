/** What the inbox says of each outcome of a decision. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { ActionId, Execution, VargateError } from "effect-vargate"
import * as Approval from "effect-vargate/approvals/Approval"
import * as Decisions from "../../../../src/gateway/inbox/page/decisions.ts"

const actionId = ActionId.ActionId.make("a-1")
const action = { actionId } as Approval.PendingAction
const reviewedAt = DateTime.makeUnsafe(0)

type Session = Parameters<typeof Decisions.lookUp>[0]

const executions = {
  "The agent may act now.": new Execution.NotExecuted(),
  "The gateway has carried it out.": new Execution.Executed({ result: 1, latency: {} }),
  "Whether it was carried out is unknown: the gateway stopped during the execution.": new Execution.ExecutedUnseen({
    isCutOff: true
  }),
  "but the tool failed: \"no funds\"": new Execution.ExecutionFailed({ error: "no funds", latency: {} })
}

const approvedWith = (execution: Approval.Approved["execution"]) =>
  new Approval.Approved({ actionId, reviewer: null, note: null, reviewedAt, execution })

const session = (outcome: Effect.Effect<unknown, unknown>, approve: Effect.Effect<unknown, unknown> = outcome) =>
  ({ approvals: { outcome: () => outcome }, reviews: { approve: () => approve } }) as unknown as Session

const late = new VargateError.VargateError({
  operation: "Reviews.approve",
  reason: new VargateError.Conflict({ detail: "decided" })
})

describe("the inbox's word for what became of an action", () => {
  for (const [sentence, execution] of Object.entries(executions)) {
    it.effect(`approved here: ${sentence}`, () =>
      Effect.gen(function*() {
        const outcome = yield* Decisions.carryOut(
          session(Effect.die("asked"), Effect.succeed(approvedWith(execution))),
          action,
          "approve",
          undefined
        )
        assert.include(outcome.sentence, sentence)
        const hasFailed = execution._tag === "ExecutionFailed" || execution._tag === "ExecutedUnseen"
        assert.strictEqual(outcome.kind, hasFailed ? "failed" : "approved")
      }))
  }

  it.effect("an execution that nobody saw the result of was carried out", () =>
    Effect.gen(function*() {
      for (const execution of [new Execution.ExecutedUnseen({}), new Execution.ExecutedUnseen({ isTooDeep: true })]) {
        const outcome = yield* Decisions.lookUp(session(Effect.succeed(approvedWith(execution))), action)
        assert.deepStrictEqual(outcome, {
          kind: "approved",
          sentence: "Approved elsewhere. The gateway has carried it out."
        })
      }
    }))

  it.effect("another reviewer, or the expiry, was faster", () =>
    Effect.gen(function*() {
      const faster = {
        "Too late. Rejected elsewhere.": new VargateError.Rejected({
          actionId,
          reviewer: "ann",
          note: null,
          reviewedAt: null
        }),
        "Too late. Expired: no reviewer decided in time.": new VargateError.Expired({ actionId, timeoutAt: null }),
        "Too late. Approved elsewhere.": new Approval.Waiting({ actionId, isApproved: true, timeoutAt: null })
      }
      for (const [sentence, outcome] of Object.entries(faster)) {
        const seen = yield* Decisions.carryOut(
          session(Effect.succeed(outcome), Effect.fail(late)),
          action,
          "approve",
          undefined
        )
        assert.strictEqual(seen.sentence, sentence)
      }
      const waiting = new Approval.Waiting({ actionId, isApproved: false, timeoutAt: null })
      assert.isUndefined(yield* Decisions.lookUp(session(Effect.succeed(waiting)), action))
    }))
})
