/**
 * `mcp-reviews`: the approval queue as an MCP server, for the client of a reviewer.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { connectedAsOperator } from "./core/connected.ts"
import { Usage } from "./core/failure.ts"
import { KeyFile } from "./core/flags.ts"

/** @internal */
export const command = Command.make(
  "mcp-reviews",
  {},
  Effect.fnUntraced(function*() {
    if (Option.contains(yield* KeyFile, "-")) {
      return yield* new Usage({
        message: "Standard input is the MCP client's: pass a file to --key-file, or set VARGATE_API_KEY."
      })
    }
    // Loaded only here, since no other command speaks MCP.
    const { requireReviewer, stdio } = yield* Effect.promise(() => import("../mcp/ReviewMcpServer.ts"))
    yield* connectedAsOperator(Effect.andThen(requireReviewer, stdio()))
  })
).pipe(
  Command.withDescription("The approval queue as an MCP server, for a reviewer's client"),
  Command.withExamples([{ command: "effect-vargate mcp-reviews --key-file reviewer.key" }])
)
