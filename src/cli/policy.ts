/**
 * `policy`: a policy on the past.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Explain from "./policy/explain.ts"
import * as Try from "./policy/try.ts"

/** @internal */
export const command = Command.make("policy").pipe(
  Command.withDescription("Try a policy on the past, and explain decisions"),
  Command.withSubcommands([Try.command, Explain.command])
)
