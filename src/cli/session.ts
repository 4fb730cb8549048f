/**
 * `session`: a token that stands in for the key, and the tenants of its account.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Account } from "../operator/Account.ts"
import type { Session } from "../operator/Session.ts"
import { connectedAsOperator } from "./core/connected.ts"
import { Usage } from "./core/failure.ts"
import { writeWhole } from "./core/writeWhole.ts"
import { Member, SessionOpened } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts, table } from "./screen/table.ts"
import { dim, green } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

/** A token is a key for as long as it lasts, so it is written to the given file, and never to a screen. */
const open = Effect.fnUntraced(function*(path: string | undefined) {
  const printer = yield* Printer
  if (path === "-" && printer.isLive) {
    return yield* new Usage({ message: "The token is a secret: pass a file to --token-file, or - in a pipe." })
  }
  const session = yield* Account.use((account) => account.session)
  if (path === "-") return yield* printer.raw(`${Redacted.value(session.token)}\n`)
  if (path !== undefined) yield* writeWhole(path, `${Redacted.value(session.token)}\n`)
  yield* show(session, path)
})

const show = Effect.fnUntraced(function*({ expiresAt, tenantId }: Session, tokenFile: string | undefined) {
  const printer = yield* Printer
  const now = yield* DateTime.now
  yield* printer.print(
    SessionOpened,
    {
      tenantId,
      ...expiresAt === undefined ? {} : { expiresAt },
      ...tokenFile === undefined ? {} : { tokenFile }
    },
    (width) => [
      green("✓ opened"),
      ...facts([
        ["Tenant", tenantId],
        expiresAt === undefined
          ? undefined
          : ["Ends", [
            Words.fullStamp(expiresAt),
            dim(`, in ${Words.stretch(expiresAt.epochMilliseconds - now.epochMilliseconds)}`)
          ]],
        ["Token", tokenFile ?? dim("not kept: --token-file FILE keeps it")]
      ], width)
    ]
  )
})

const tenants = Effect.gen(function*() {
  const printer = yield* Printer
  const members = yield* Account.use((account) => account.tenants())
  if (printer.isJson) {
    return yield* Effect.forEach(members, (member) => printer.print(Member, member, () => []), { discard: true })
  }
  yield* printer.show(table(
    [{ title: "" }, { title: "TENANT", min: 12 }, { title: "NAME", min: 12 }],
    members.map(({ current, name, tenantId }) => [current ? green("✓") : "", tenantId, name]),
    printer.width()
  ))
})

/** @internal */
export const command = Command.make(
  "session",
  {
    tokenFile: Flag.String("token-file").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Where to keep the token; - is stdout, in a pipe"),
      Flag.optional
    )
  },
  ({ tokenFile }) => connectedAsOperator(open(Option.getOrUndefined(tokenFile)))
).pipe(
  Command.withDescription("Open a session, whose token can be used in place of the key"),
  Command.withSubcommands([
    Command.make("tenants", {}, () => connectedAsOperator(tenants)).pipe(
      Command.withDescription("The tenants that you may act for")
    )
  ])
)
