/**
 * A request as it was when it was made. Nothing of it is read again, however often it is submitted.
 *
 * @internal
 */
import * as Result from "effect/Result"
import type { AgentIdentity } from "../../model/Agent.ts"
import type { ToolCallRequest } from "../../model/ToolCall.ts"
import { snapshotParams, type Taken } from "./paramsSnapshot.ts"

/** @internal */
export class CapturedRequest implements ToolCallRequest {
  readonly tool: string
  readonly method: string
  readonly agent: AgentIdentity | undefined
  readonly isBusinessHours: boolean | undefined
  readonly reference: ToolCallRequest["reference"]
  readonly allowDuplicate: boolean | undefined
  readonly params: ToolCallRequest["params"]
  readonly snapshot: Taken

  /** The call is `ambient`'s, unless the request names an agent of its own. */
  constructor(
    { agent, allowDuplicate, isBusinessHours, method, params, reference, tool }: ToolCallRequest,
    ambient?: AgentIdentity
  ) {
    const caller = agent ?? ambient
    this.tool = tool
    this.method = method
    this.agent = caller && { id: caller.id, type: caller.type, version: caller.version }
    this.isBusinessHours = isBusinessHours
    this.reference = reference
    this.allowDuplicate = allowDuplicate
    this.snapshot = snapshotParams(params ?? {})
    this.params = Result.isSuccess(this.snapshot) ? this.snapshot.success.value : params
  }
}

/**
 * Undefined where the request cannot be read: without types it may be anything, and its getters may throw.
 *
 * @internal
 */
export const capture = (request: ToolCallRequest, ambient?: AgentIdentity): CapturedRequest | undefined => {
  if (request instanceof CapturedRequest && (ambient === undefined || request.agent !== undefined)) return request
  try {
    return new CapturedRequest(request, ambient)
  } catch {
    return undefined
  }
}
