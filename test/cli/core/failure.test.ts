import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { VargateError } from "effect-vargate"
import { describe as describeFailure } from "../../../src/cli/core/failure.ts"
import { ExitCode } from "../../../src/cli/Output.ts"
import { ActionId } from "../../../src/model/ActionId.ts"

describe("failure.describe", () => {
  const names = { agentId: "a", tool: "t", method: "m", sentAt: DateTime.makeUnsafe(0) }

  it("a call that repeats another names the first action, where it is known", () => {
    const pending = new VargateError.DuplicateSubmission({ ...names, first: "pending", actionId: ActionId.make("a-1") })
    const { exitCode, failure } = describeFailure(pending)
    assert.strictEqual(exitCode, ExitCode.unknown)
    assert.strictEqual(failure?.error, "DuplicateSubmission")
    assert.strictEqual(failure?.actionId, "a-1")
    assert.strictEqual(failure?.sideEffect, "possible")
    const lost = describeFailure(new VargateError.DuplicateSubmission({ ...names, first: "unknown" }))
    assert.notProperty(lost.failure, "actionId")
  })

  const failed = (reason: VargateError.Reason) =>
    describeFailure(new VargateError.VargateError({ operation: "o", reason }))
  const actionId = ActionId.make("a-1")

  it("a call that has joined another one ends as that did, and names it", () => {
    const codes = {
      pending: ExitCode.pending,
      approved: ExitCode.pending,
      performed: ExitCode.notFound,
      failed: ExitCode.toolFailed,
      rejected: ExitCode.denied,
      expired: ExitCode.denied
    } as const
    for (const [outcome, exitCode] of Object.entries(codes)) {
      const said = failed(new VargateError.Joined({ actionId, outcome: outcome as keyof typeof codes }))
      assert.strictEqual(said.exitCode, exitCode, outcome)
      assert.deepInclude(said.failure, { error: "Joined", actionId: "a-1" })
    }
  })

  it("what stands before the gateway has codes of its own", () => {
    const since = DateTime.makeUnsafe(0)
    const suspended = { scope: "everything", note: null, since, sideEffect: "none" } as const
    assert.strictEqual(failed(new VargateError.Suspended(suspended)).exitCode, ExitCode.denied)
    const waited = failed(new VargateError.Suspended({ ...suspended, sideEffect: "possible", actionId }))
    assert.strictEqual(waited.exitCode, ExitCode.pending)
    assert.deepInclude(waited.failure, { error: "Suspended", actionId: "a-1", sideEffect: "possible" })
    const over = new VargateError.OverBudget({ budget: "b", max: 1, problem: "exceeded", detail: "d" })
    assert.strictEqual(failed(over).exitCode, ExitCode.denied)
    const away = new VargateError.GuardUnavailable({ guard: "budgets", detail: "d" })
    assert.strictEqual(failed(away).exitCode, ExitCode.file)
  })

  it("a call that was rejected just now is denied", () => {
    const { exitCode, failure } = failed(
      new VargateError.RefusedAgain({ actionId, note: "no", until: DateTime.makeUnsafe(0) })
    )
    assert.strictEqual(exitCode, ExitCode.denied)
    assert.deepInclude(failure, { error: "RefusedAgain", actionId: "a-1", sideEffect: "none" })
  })
})
