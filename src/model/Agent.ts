/**
 * Who acts. The gateway keeps history, anomaly scores and limits per agent id, so give each agent its own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * The identity that a tool call is submitted under (POST /mcp/tools/call).
 *
 * **Details**
 *
 * Limits of the gateway, checked before anything is sent: `id` 1 to 256 characters of `a-z A-Z 0-9 . _ -`; `type` at
 * most 64 characters; `version` at most 32 characters and beginning like `1.2.3`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentIdentity {
  readonly id: string
  readonly type?: string | undefined
  readonly version?: string | undefined
}

/**
 * The agent on whose behalf the current fiber submits tool calls.
 *
 * **When to use**
 *
 * Provide it once around a whole agent; a request's own `agent` field overrides it for one call.
 *
 * **Example** (Naming an agent)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Agent, ToolCalls } from "effect-vargate"
 *
 * const program = Effect.gen(function*() {
 *   const toolCalls = yield* ToolCalls.ToolCalls
 *   return yield* toolCalls.call({ tool: "http", method: "GET", params: { url: "https://example.com" } })
 * }).pipe(
 *   Effect.provideService(Agent.Agent, { id: "research-bot", type: "autonomous", version: "1.0.0" })
 * )
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Agent = Context.Reference<AgentIdentity>("effect-vargate/Agent", {
  defaultValue: () => ({ id: "effect-agent", type: "autonomous", version: "0.0.0" })
})
