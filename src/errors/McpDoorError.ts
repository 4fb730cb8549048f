/**
 * Failures of calls through the gateway's own MCP door. They belong to the table in `VargateError`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import type { Verdict } from "./Verdict.ts"

/**
 * The call needs an approval, but the gateway's MCP endpoint (POST /mcp/server) never queues such calls: it can never
 * be approved, and will never be executed.
 *
 * @category errors
 * @since 0.1.0
 */
export class NeverQueued extends Schema.TaggedError<NeverQueued>("effect-vargate/NeverQueued")("NeverQueued", {
  actionId: ActionId
}) implements Verdict {
  readonly sideEffect = "none"
  readonly isRetryable = false
  readonly retryAfter = undefined
  override get message() {
    return `Action ${this.actionId} needs an approval, but was submitted to the gateway's MCP endpoint, which never queues such calls: it was not executed and can never be approved. Submit it with ToolCalls instead.`
  }
}
