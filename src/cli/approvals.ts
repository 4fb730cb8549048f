/**
 * `approvals`: pending actions, and decisions about them.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import { approveCommand, rejectCommand } from "./approvals/decide.ts"
import * as List from "./approvals/list.ts"
import * as Show from "./approvals/show.ts"
import * as Watch from "./approvals/watch.ts"

/** @internal */
export const command = Command.make("approvals").pipe(
  Command.withDescription("Pending actions, and decisions about them"),
  Command.withSubcommands([List.command, Watch.command, Show.command, approveCommand, rejectCommand])
)
