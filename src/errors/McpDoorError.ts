/**
 * Failures of calls through the gateway's own MCP door. They belong to the table in `VargateError`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ActionId } from "../model/ActionId.ts"
import type { Verdict } from "./Verdict.ts"

/**
 * The policy holds the call for a human, but the gateway's MCP door (POST /mcp/server) never queues what it holds: nobody
 * can approve it, and nothing will be done.
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
    return `Action ${this.actionId} needs a human's approval, but came through the gateway's MCP door, which never queues what it holds: it can never be approved, and nothing was done. Submit it with ToolCalls instead.`
  }
}
