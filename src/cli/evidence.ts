/**
 * `evidence`: parts of the log for others.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Export from "./evidence/export.ts"
import * as Verify from "./evidence/verify.ts"

/** @internal */
export const command = Command.make("evidence").pipe(
  Command.withDescription("A part of the log in a file that others can verify"),
  Command.withSubcommands([Export.command, Verify.command])
)
