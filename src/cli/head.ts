/**
 * `head`: heads of the log, signed, cosigned and proved.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Keygen from "./head/keygen.ts"
import * as Prove from "./head/prove.ts"
import * as Sign from "./head/sign.ts"
import * as Verify from "./head/verify.ts"

/** @internal */
export const command = Command.make("head").pipe(
  Command.withDescription("Signed heads of the log, which witnesses cosign"),
  Command.withSubcommands([Keygen.command, Sign.sign, Sign.cosign, Prove.command, Verify.command])
)
