import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration } from "effect"
import { ActionId, VargateError } from "effect-vargate"
import { ToolCall } from "effect-vargate/model/ToolCall"

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

const unknown = (found: Partial<Pick<VargateError.OutcomeUnknown, "evidence" | "waited" | "candidates">>) =>
  new VargateError.OutcomeUnknown({
    request: new ToolCall({
      agentId: "a",
      agentType: "autonomous",
      agentVersion: "1.0.0",
      tool: "stripe",
      method: "refund",
      params: {}
    }),
    sentAt: DateTime.makeUnsafe(0),
    cause: new VargateError.ConnectionLost({ detail: "ECONNRESET", sideEffect: "possible" }),
    ...found
  }).message

const ids = [ActionId.ActionId.make("a-1"), ActionId.ActionId.make("a-2")]

describe("OutcomeUnknown", () => {
  it("says what the look-up found, and does not send to a log that has said all", () => {
    const texts = {
      "before a look-up": unknown({}),
      "no record": unknown({ evidence: "not recorded", waited: Duration.seconds(30) }),
      "no record, at once": unknown({ evidence: "not recorded" }),
      "several records": unknown({ evidence: "ambiguous", candidates: ids }),
      "records of others": unknown({ evidence: "ambiguous" }),
      "an unreadable log": unknown({ evidence: "log unreadable" })
    }
    const start = "The outcome of stripe/refund is unknown: "
    for (const text of Object.values(texts)) assert.isTrue(text.startsWith(start), text)
    const endings = {
      "before a look-up": "Do not resend it; look it up in the audit log.",
      "no record": "The audit log had no record of it after 30s, which proves nothing while the gateway may still be " +
        "executing it. Do not resend it; look again later.",
      "no record, at once": "The audit log had no record of it, which proves nothing while the gateway may still be " +
        "executing it. Do not resend it; look again later.",
      "several records": "The audit log has records that fit it (a-1, a-2), and does not tell which one is its own. " +
        "Do not resend it; have an operator compare them.",
      "records of others": "The audit log has records that fit it (none of them certain), and does not tell which " +
        "one is its own. Do not resend it; have an operator compare them.",
      "an unreadable log":
        "The audit log could not be read far enough to tell. Do not resend it; look it up once the " +
        "log can be read."
    }
    for (const [found, ending] of Object.entries(endings)) {
      assert.isTrue(texts[found as keyof typeof texts].endsWith(` ${ending}`), texts[found as keyof typeof texts])
    }
  })
})
