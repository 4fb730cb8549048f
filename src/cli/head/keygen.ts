/**
 * `head keygen`: a key for signing heads.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import * as Note from "../../verify/witness/Note.ts"
import { Usage } from "../core/failure.ts"
import { writeWhole } from "../core/writeWhole.ts"
import { HeadKey } from "../Output.ts"
import { Printer } from "../screen/Printer.ts"
import { bold, dim, green } from "../screen/text.ts"
import { refuseExisting } from "./files.ts"

/** A public witness sees the name: by default it says nothing of whose log it is. */
const opaque = () => `vargate/${randomBytes(16).toString("hex")}`

/** @internal */
export const command = Command.make(
  "keygen",
  {
    path: Argument.String("file").pipe(Argument.withDescription("Where to; it will hold a secret")),
    name: Flag.String("name").pipe(
      Flag.withMetavar("<name>"),
      Flag.withDescription("The log's name for witnesses (a random one)"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ name, path }) {
    const printer = yield* Printer
    if (path === "-") return yield* new Usage({ message: "A secret is written into a file: name one." })
    yield* refuseExisting(path)
    const key = yield* Effect.mapError(
      Note.makeKey(Option.getOrElse(name, opaque)),
      () => new Usage({ message: "--name has no blank and no plus, and at most 255 characters." })
    )
    yield* writeWhole(path, `${Redacted.value(Note.formatSigner(key))}\n`)
    const verifier = Note.formatVerifier(key.verifier)
    yield* printer.print(HeadKey, { path, origin: key.verifier.name, verifier }, () => [
      [green("✓ written"), dim("; it is a secret. Witnesses and policies need this line:")],
      bold(`log ${verifier}`)
    ])
  })
).pipe(Command.withDescription("Make a key that signs heads"))
