/**
 * What made an action pending, as the gateway tells it.
 *
 * @internal
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { PendingAction } from "../../approvals/Approval.ts"

const Decision = Schema.Struct({
  risk_indicators: Schema.optionalKey(Schema.Array(Schema.String)),
  failure_mode: Schema.optionalKey(Schema.String)
})

const decode = Schema.decodeUnknownOption(Decision)

const most = 50

/**
 * The violations of the policy; where it names none, what it saw as a risk, or that it could not be asked.
 *
 * @internal
 */
export const reasonsOf = (
  { policyDecision, violations }: Pick<PendingAction, "policyDecision" | "violations">
): ReadonlyArray<string> => {
  const { failure_mode, risk_indicators = [] } = Option.getOrElse(
    decode(policyDecision),
    () => ({} as typeof Decision.Type)
  )
  const unasked = failure_mode === "fail_to_queue" ? ["the policy engine could not be asked"] : []
  return [...new Set([...violations, ...risk_indicators, ...unasked])].slice(0, most)
}
