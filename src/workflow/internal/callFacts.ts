/**
 * The facts of the call that an execution was begun with: whatever code it wakes in, it makes no other call.
 *
 * @internal
 */
import * as Result from "effect/Result"
import { writeHead } from "../../calls/internal/callHead.ts"
import { sha256 } from "../../internal/sha256.ts"
import type { AgentIdentity } from "../../model/Agent.ts"
import type { ToolCallRequest } from "../../model/ToolCall.ts"
import type { GovernedExecution } from "../Journal.ts"

/**
 * What the gateway would say of a call with any params.
 *
 * @internal
 */
export const headIssues = (
  { isBusinessHours, method, tool }: Pick<ToolCallRequest, "tool" | "method" | "isBusinessHours">,
  { id, type = "unknown", version = "0.0.0" }: AgentIdentity
) =>
  Result.match(
    writeHead({
      agent_id: id,
      agent_type: type,
      agent_version: version,
      tool,
      method,
      ...(isBusinessHours === undefined ? {} : { context_override: { is_business_hours: isBusinessHours } })
    }),
    { onFailure: (issues) => issues, onSuccess: () => [] }
  )

/**
 * Business hours that an execution states are as much of the call as its params.
 *
 * @internal
 */
export const digestOf = (params: string, isBusinessHours: boolean | undefined) =>
  isBusinessHours === undefined ? params : sha256(JSON.stringify([params, isBusinessHours]))

/**
 * What tells calls apart, in words.
 *
 * @internal
 */
export const taken = {
  paramsDigest: "other params or business hours",
  agentId: "another agent",
  tool: "another tool",
  method: "another method"
}
const names = Object.keys(taken) as ReadonlyArray<keyof typeof taken>

type CallFacts = Pick<GovernedExecution, keyof typeof taken>

/**
 * The first fact in which a call differs from the one that an execution was begun with.
 *
 * @internal
 */
export const difference = (begun: CallFacts, call: CallFacts) => names.find((name) => begun[name] !== call[name])
