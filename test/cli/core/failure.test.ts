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
})
