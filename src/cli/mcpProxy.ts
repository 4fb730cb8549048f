/**
 * `mcp-proxy`: an MCP server with Vargate before it, for the client that starts this in the server's place.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { version } from "../internal/version.ts"
import { Agent } from "../model/Agent.ts"
import { connected } from "./core/connection.ts"
import { Concluded, Usage } from "./core/failure.ts"
import { duration, KeyFile } from "./core/flags.ts"
import { wholeTime } from "./core/waiting.ts"
import { ExitCode } from "./Output.ts"

const flags = {
  command: Argument.String("command").pipe(
    Argument.withDescription("After --, how the MCP server is started"),
    Argument.variadic({ min: 1 })
  ),
  tool: Flag.String("tool").pipe(
    Flag.withMetavar("<name>"),
    Flag.withDescription("The server's name for policies (its own name)"),
    Flag.optional
  ),
  allow: Flag.String("allow").pipe(
    Flag.withMetavar("<tool>"),
    Flag.withDescription("Offer only this tool; may be given again (all)"),
    Flag.atLeast(0)
  ),
  wait: duration("wait").pipe(
    Flag.withDescription(`How long a pending call waits for the decision (${wholeTime})`),
    Flag.optional
  ),
  answer: Flag.Boolean("answer").pipe(
    Flag.withoutNegation,
    Flag.withDefault(false),
    Flag.withDescription("Answer pending calls at once, and offer a tool to ask again")
  ),
  agent: Flag.String("agent").pipe(
    Flag.withMetavar("<id>"),
    Flag.withDescription("The agent's id (mcp-agent)"),
    Flag.withDefault("mcp-agent")
  )
}

/** @internal */
export const command = Command.make(
  "mcp-proxy",
  flags,
  Effect.fnUntraced(function*({ agent, allow, answer, command: [command, ...args], tool, wait }) {
    if (Option.contains(yield* KeyFile, "-")) {
      return yield* new Usage({
        message: "Standard input is the MCP client's: pass a file to --key-file, or set VARGATE_API_KEY."
      })
    }
    // Loaded only here, since no other command speaks MCP.
    const GovernedMcpProxy = yield* Effect.promise(() => import("../mcp/GovernedMcpProxy.ts"))
    yield* connected(
      GovernedMcpProxy.stdio({
        command: command!,
        args,
        tool: Option.getOrUndefined(tool),
        allow: allow.length === 0 ? undefined : allow,
        onPending: answer
          ? GovernedMcpProxy.answer()
          : { _tag: "Wait", timeout: Option.getOrUndefined(wait) }
      }).pipe(
        Effect.provideService(Agent, { id: agent, type: "mcp", version }),
        // It is said already.
        Effect.mapError(() => new Concluded({ exitCode: ExitCode.toolFailed }))
      )
    )
  })
).pipe(
  Command.withDescription("Govern an MCP server: ask before each call"),
  Command.withExamples([
    { command: "effect-vargate mcp-proxy -- npx @modelcontextprotocol/server-filesystem ." },
    { command: "effect-vargate mcp-proxy --tool files --answer -- npx some-server" }
  ])
)
