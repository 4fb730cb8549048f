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
import { connected } from "./core/connected.ts"
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
    Flag.withDescription("The server's name for policies")
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
  govern: Flag.Literals("govern", ["resources/read", "prompts/get", "completion/complete"]).pipe(
    Flag.withDescription("Ask for this too; may be given again"),
    Flag.atLeast(0)
  ),
  withhold: Flag.Literals("withhold", ["sampling", "elicitation", "roots"]).pipe(
    Flag.withDescription("Hide this capability of the client from the server; may be given again"),
    Flag.atLeast(0)
  ),
  pins: Flag.String("pins").pipe(
    Flag.withMetavar("<file>"),
    Flag.withDescription("Remember the tools here, and refuse one that changes what it says of itself"),
    Flag.optional
  ),
  pinAlso: Flag.Literals("pin", ["instructions", "prompts"]).pipe(
    Flag.withDescription("Remember this too, with --pins; may be given again"),
    Flag.atLeast(0)
  ),
  inbox: Flag.String("inbox").pipe(
    Flag.withMetavar("<url>"),
    Flag.withDescription("Where reviewers decide, to show to users of clients that can open addresses"),
    Flag.optional
  ),
  agent: Flag.String("agent").pipe(
    Flag.withMetavar("<id>"),
    Flag.withDescription("The agent's id (mcp-agent)"),
    Flag.withDefault("mcp-agent")
  )
}

/** The client may keep its ends of the pipes open, and read nothing: the process ends all the same. */
const leave = () => {
  process.stdin.destroy()
  setTimeout(() => process.exit(), 2000).unref()
}

/** @internal */
export const command = Command.make(
  "mcp-proxy",
  flags,
  Effect.fnUntraced(
    function*(
      { agent, allow, answer, command: [command, ...args], govern, inbox, pinAlso, pins, tool, wait, withhold }
    ) {
      if (Option.contains(yield* KeyFile, "-")) {
        return yield* new Usage({
          message: "Standard input is the MCP client's: pass a file to --key-file, or set VARGATE_API_KEY."
        })
      }
      if (pinAlso.length > 0 && Option.isNone(pins)) {
        return yield* new Usage({ message: "--pin remembers in the file that --pins names: pass that as well." })
      }
      // Loaded only here, since no other command speaks MCP.
      const GovernedMcpProxy = yield* Effect.promise(() => import("../mcp/GovernedMcpProxy.ts"))
      const ToolPins = yield* Effect.promise(() => import("../mcp/ToolPins.ts"))
      yield* connected(
        GovernedMcpProxy.stdio({
          command: command!,
          args,
          tool,
          allow: allow.length === 0 ? undefined : allow,
          govern,
          withhold,
          pinAlso,
          pins: Option.isSome(pins) ? yield* ToolPins.fromFile(pins.value) : undefined,
          ...Option.match(inbox, { onNone: () => ({}), onSome: (url) => ({ inbox: () => url }) }),
          onPending: answer
            ? GovernedMcpProxy.answer()
            : { _tag: "Wait", timeout: Option.getOrUndefined(wait) }
        }).pipe(
          Effect.provideService(Agent, { id: agent, type: "mcp", version }),
          // It is said already.
          Effect.mapError(() => new Concluded({ exitCode: ExitCode.toolFailed })),
          Effect.ensuring(Effect.sync(leave))
        )
      )
    }
  )
).pipe(
  Command.withDescription("Govern an MCP server: ask before each call"),
  Command.withExamples([
    { command: "effect-vargate mcp-proxy --tool files -- npx server-of-files ." },
    { command: "effect-vargate mcp-proxy --tool notes --answer -- npx some-server" }
  ])
)
