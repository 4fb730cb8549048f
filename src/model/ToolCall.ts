/**
 * A tool call: what an agent wants to do, before any decision.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { AgentIdentity } from "./Agent.ts"

/**
 * A tool call as a program states it. The agent is the ambient one unless given here.
 *
 * **Details**
 *
 * Limits of the gateway (POST /mcp/tools/call), checked before anything is sent: `tool` 1 to 256 characters of
 * `a-z A-Z 0-9 _ - . : /`; `method` 1 to 128 characters of `a-z A-Z 0-9 _ - .`; `params` a JSON object of at most
 * 65,536 characters in the gateway's own way of counting (Python's JSON text, non-ASCII as `\uXXXX`), nested at most
 * 200 deep (the gateway accepts deeper ones, and can then never show its audit page again).
 *
 * `isBusinessHours` overrides the gateway's own clock for policies that ask for business hours.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCallRequest {
  readonly tool: string
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>> | undefined
  readonly agent?: AgentIdentity | undefined
  readonly isBusinessHours?: boolean | undefined
  /**
   * `"params"` adds one key, `vargate_reference`, with a random id to the params, so that a lost answer is found in the
   * audit log even among identical calls. Its cost: policies and tools see the key.
   */
  readonly reference?: "params" | undefined
  /**
   * Submits the call although an identical one of the same fiber, or of the same retry, is pending or may have been
   * executed: a second action is meant. Otherwise that is `DuplicateSubmission`.
   */
  readonly allowDuplicate?: boolean | undefined
}

/**
 * A tool call that has been checked and is complete: exactly what is, or was, sent.
 *
 * @category models
 * @since 0.1.0
 */
export class ToolCall extends Schema.Class<ToolCall>("effect-vargate/ToolCall")({
  agentId: Schema.String,
  agentType: Schema.String,
  agentVersion: Schema.String,
  tool: Schema.String,
  method: Schema.String,
  params: Schema.Record(Schema.String, Schema.Unknown),
  isBusinessHours: Schema.optional(Schema.Boolean)
}) {}
