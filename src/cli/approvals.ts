/**
 * `approvals`: what waits for people, and their decisions.
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
  Command.withDescription("What waits for people, and their decisions"),
  Command.withSubcommands([List.command, Watch.command, Show.command, approveCommand, rejectCommand])
)
