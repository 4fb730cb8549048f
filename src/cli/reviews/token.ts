/**
 * `reviews token`: a new token for a reviewer, whose hash the panel's file gets.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Authenticator from "../../reviews/Authenticator.ts"
import { ReviewerToken } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { facts } from "../screen/table.ts"
import { dim } from "../screen/text.ts"

const make = Effect.gen(function*() {
  const printer = yield* Printer
  const token = yield* Authenticator.makeToken
  const tokenHash = Authenticator.hashToken(token)
  yield* printer.print(ReviewerToken, { token: Redacted.value(token), tokenHash }, (width) =>
    facts([
      ["Token", [Redacted.value(token), dim(", for the reviewer alone")]],
      ["Hash", [tokenHash, dim(", for the panel's file")]]
    ], width))
  yield* printer.note(dim("The token is shown once, and kept nowhere."))
})

/** @internal */
export const tokenCommand = Command.make("token", {}, () => make).pipe(
  Command.withDescription("A new token for a reviewer, and the hash of it for the panel's file")
)
