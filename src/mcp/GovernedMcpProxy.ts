/**
 * Stands between any MCP client and any MCP server, and asks Vargate before each tool call. Neither of them has to know.
 *
 * **Example** (A server of files, governed)
 *
 * ```ts
 * import { NodeRuntime, NodeServices } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { Vargate } from "effect-vargate"
 * import * as GovernedMcpProxy from "effect-vargate/mcp/GovernedMcpProxy"
 * import { FetchHttpClient } from "effect/http"
 *
 * GovernedMcpProxy.stdio({
 *   command: "npx",
 *   args: ["@modelcontextprotocol/server-filesystem", "."],
 *   tool: "files"
 * }).pipe(
 *   Effect.provide([Vargate.layerConfig(), NodeServices.layer]),
 *   Effect.provide(FetchHttpClient.layer),
 *   NodeRuntime.runMain
 * )
 * ```
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { LogToStderr } from "effect/Logger"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { errorReported } from "effect/Runtime"
import type { Stdio } from "effect/Stdio"
import type { VargateError } from "../errors/VargateError.ts"
import type * as Clearance from "../governed/Clearance.ts"
import { makeShared } from "./internal/conversation.ts"
import { converse } from "./internal/converse.ts"
import type { ChannelFailed, McpChannel } from "./McpChannel.ts"
import * as McpStdio from "./McpStdio.ts"
import type { Answer, Options } from "./ProxyOptions.ts"

// --- options ---------------------------------------------------------------------------------------------------------

export type { Answer, Options, Rounds } from "./ProxyOptions.ts"

/**
 * Answers a pending call at once with the id of the action, instead of waiting, and offers one more tool, which takes
 * that id: it waits `patience` (default: 5 seconds) for the decision and, once the action is approved, performs the
 * call and returns its result. However often it is called, the call is performed once.
 *
 * **When to use**
 *
 * For clients that give up on a call before a reviewer has had time to decide and do not prolong it on progress.
 *
 * **Gotchas**
 *
 * Pending calls are remembered while the conversation lasts, the newest 1,000 of them.
 *
 * @category strategies
 * @since 0.1.0
 */
export const answer = (
  { checkTool = "vargate_check_approval", patience = "5 seconds" }: {
    readonly checkTool?: string | undefined
    readonly patience?: Duration.Input | undefined
  } = {}
): Answer => ({ _tag: "Answer", checkTool, patience })

// --- run -------------------------------------------------------------------------------------------------------------

/**
 * Passes messages between the two until one of them ends: succeeds when the client has ended, and fails when the server
 * has. Fails at once with `InvalidRequest` where `tool` is missing, or another option is not what it has to be.
 *
 * **Details**
 *
 * Each `tools/call` is submitted first, with its arguments as params, and handed to the server once when it is allowed or
 * approved; where the gateway executes it, the client gets the gateway's answer and the server nothing. A call that was
 * refused is a result with `isError` that says in plain words that it was not performed and why. When the server ends
 * before it has answered a call, the client is told that the outcome is unknown. A call that the client cancels is
 * forgotten while it waits, and cancelled at the server afterwards. Nothing is repeated.
 *
 * Both eras of the protocol may come over one connection; each request says which one it belongs to. A pending call of a
 * legacy client waits, or is answered at once (`onPending`). A modern one (revision 2026-07-28) waits for a while, then is
 * answered with `input_required`, so that the client asks again with a state that the proxy has sealed, and in the end the
 * model is told to ask later. However often a state comes back, it continues its action and begins none, and each hand-over
 * to the server happens once (`HandOverClaims`).
 *
 * Everything else passes as the text that it was, both ways: `tools/list` but for the allow-list and the tool to ask after
 * an approval, resources, prompts, sampling, elicitation, progress, logging. What is not passed: text that is not JSON,
 * messages of more than 16 MB, methods that the protocol does not have (`methods` allows more), calls without an id, members
 * that stand twice where something is decided on them, and a message with a member that a reader without regard to case
 * takes for another one (`Method` beside `method`). Batches are taken apart.
 *
 * Each call is a span, `execute_tool NAME` (see `Clearance`). The agent is the ambient one.
 *
 * @category running
 * @since 0.1.0
 */
export const run = (
  client: McpChannel,
  server: McpChannel,
  options: Options
): Effect.Effect<void, ChannelFailed | VargateError, Clearance.Services> =>
  Effect.flatMap(
    makeShared("GovernedMcpProxy.run", options),
    (shared) => converse(client, server, options, shared, null)
  )

/**
 * Starts a server as a child process and stands between it and the client that started this process: what an MCP client's
 * configuration names in the server's place. Logs are written to standard error.
 *
 * @category running
 * @since 0.1.0
 */
export const stdio = (
  { args, command, cwd, env, ...options }: Options & McpStdio.Command
): Effect.Effect<void, ChannelFailed | VargateError, Clearance.Services | ChildProcessSpawner | Stdio> =>
  Effect.gen(function*() {
    const server = yield* McpStdio.server({ command, args, env, cwd })
    return yield* run(yield* McpStdio.client, server, options)
  }).pipe(
    Effect.scoped,
    Effect.tapError((error) => Effect.logError(error.message)),
    // `runMain` would report it on standard output, in the middle of the conversation.
    Effect.mapError((error) => Object.assign(error, { [errorReported]: false })),
    Effect.provideService(LogToStderr, true)
  )
