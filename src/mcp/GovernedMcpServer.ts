/**
 * A toolkit of Effect AI as an MCP server whose every call asks Vargate first.
 *
 * **Example** (A server over standard input and output)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import * as GovernedMcpServer from "effect-vargate/mcp/GovernedMcpServer"
 * import { McpProtocol, McpServer, Tool, Toolkit } from "effect/ai"
 *
 * const Tools = Toolkit.make(
 *   Tool.make("bank__pay", { parameters: Schema.Struct({ amount: Schema.Finite }), success: Schema.Struct({ paid: Schema.Finite }) })
 * )
 *
 * const server = McpServer.layerStdio({
 *   name: "bank",
 *   version: "1.0.0",
 *   protocols: [McpProtocol.v2025_06_18],
 *   registrations: GovernedMcpServer.toolkit(Tools)
 * }).pipe(Layer.provide(Tools.toLayer({ bank__pay: ({ amount }) => Effect.succeed({ paid: amount }) })))
 * ```
 *
 * @since 0.1.0
 */
import * as McpServer from "effect/ai/McpServer"
import type * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as GovernedToolkit from "../ai/GovernedToolkit.ts"
import type * as Approvals from "../approvals/Approvals.ts"
import type * as AuditLog from "../audit/AuditLog.ts"
import type * as ToolCalls from "../calls/ToolCalls.ts"
import type * as Governed from "../governed/Governed.ts"

/**
 * Registers a toolkit with Effect's `McpServer`, as `McpServer.toolkit` does, under the governance of
 * `GovernedToolkit.govern`. Pass it to a transport of `McpServer` as `registrations`.
 *
 * **Details**
 *
 * The tools are listed as they are. A call that is refused is a result with `isError` that says that it was not performed
 * and why. A client that cancels a call ends its wait. The agent is that of the context of the layer. Each call is a span,
 * `execute_tool NAME` (see `Clearance`), without `gen_ai.tool.call.id`, since Effect's server does not tell it.
 *
 * Building the layer fails with an `AiError` where the toolkit holds a tool that a provider executes itself.
 *
 * @category layers
 * @since 0.1.0
 */
export const toolkit = <Tools extends Record<string, Tool.Any>>(
  toolkit: Toolkit.Toolkit<Tools>,
  options: GovernedToolkit.Options<NoInfer<Tools>, Governed.Wait | Governed.Fail> = {}
): Layer.Layer<
  never,
  GovernedToolkit.Refusable<Tools>,
  // By name, as `GovernedToolkit.govern` has them.
  | McpServer.ToolkitRequirements<Tools>
  | ToolCalls.ToolCalls
  | Approvals.Approvals
  | AuditLog.AuditLog
  | GovernedToolkit.SchemaServices<Tools>
> =>
  Layer.effectDiscard(Effect.suspend(() => {
    const governed = GovernedToolkit.govern(toolkit as never, options as never)
    // The server reads the tools of a toolkit, and then yields it for its handlers: these are the governed ones.
    return McpServer.registerToolkit(Object.assign(governed, { tools: toolkit.tools }) as never)
  })) as never
