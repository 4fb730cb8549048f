/**
 * What a redaction leaves of the params of a pending action, for reviewers who read them elsewhere than behind a login.
 *
 * @internal
 */
import type { PendingAction } from "../../approvals/Approval.ts"
import { redactParams } from "../../export/internal/redactParams.ts"
import type { Redaction } from "../../export/Redaction.ts"
import { isDeeperThan } from "../../internal/jsonNesting.ts"
import { maxParamsDepth } from "../../internal/limits.ts"

/** @internal */
export const shownParams = ({ method, params, tool }: PendingAction, redact: Redaction): unknown =>
  // What the stack has no room for would end the channel.
  isDeeperThan(params, maxParamsDepth)
    ? null
    // A copy: a redaction may change what it gets, and the action is looked at again.
    : redactParams({ tool, method, params: structuredClone(params) }, redact)
