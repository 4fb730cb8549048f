import { assert, describe, it } from "@effect/vitest"
import { ActionId, VargateError } from "effect-vargate"

const denied = (...violations: ReadonlyArray<string>) =>
  new VargateError.Denied({
    actionId: ActionId.ActionId.make("a-1"),
    violations,
    severity: "high",
    alertTier: "none"
  }).message

describe("Denied", () => {
  it("says what the gateway lacks where it denied the tool itself", () => {
    assert.match(denied("no_credential_registered_for_tool"), /no credential for this tool.*Credentials\.register/)
    assert.match(denied("unknown_tool_no_execution_handler"), /execute this tool itself, and does not know how/)
    assert.match(denied("other", "no_credential_registered_for_tool"), /no credential for this tool/)
  })

  it("says to change the call or the policy where a rule denied it", () => {
    for (const message of [denied(), denied("transaction_exceeds_limit"), denied("toString")]) {
      assert.match(message, /It was not executed: change the call or the policy before asking again\.$/)
    }
  })
})
