/**
 * `credentials`: what the gateway needs to act on tools itself.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Credential, CredentialAccess } from "../operator/Credential.ts"
import { Credentials } from "../operator/Credentials.ts"
import { connectedAsOperator } from "./core/connected.ts"
import { shortId } from "./core/outcome.ts"
import { readSecret, valueFile } from "./core/secrets.ts"
import { CredentialChanged, CredentialEntry, CredentialUse } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { table } from "./screen/table.ts"
import { dim, green } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const list = Effect.gen(function*() {
  const printer = yield* Printer
  const credentials = yield* Credentials.use((credentials) => credentials.list)
  const now = yield* DateTime.now
  if (printer.isJson) {
    return yield* Effect.forEach(credentials, (entry) => printer.print(CredentialEntry, entry, () => []), {
      discard: true
    })
  }
  if (credentials.length === 0) return yield* printer.note(dim("The gateway holds no credential."))
  const row = ({ createdAt, name, toolId }: Credential) => [
    toolId,
    name,
    createdAt === undefined ? "" : dim(Words.ago(createdAt, now))
  ]
  yield* printer.show(
    table(
      [{ title: "TOOL", min: 12 }, { title: "NAME", min: 12 }, { title: "SINCE" }],
      credentials.map(row),
      printer.width()
    )
  )
})

const register = Effect.fnUntraced(function*(toolId: string, name: string, path: Option.Option<string>) {
  const printer = yield* Printer
  const value = yield* readSecret(path, `Value of ${toolId}/${name} (not shown)`)
  yield* Credentials.use((credentials) => credentials.register({ toolId, name, value }))
  yield* printer.print(
    CredentialChanged,
    { change: "registered", toolId, name },
    () => [[green("✓ registered"), `: ${toolId}/${name}. The gateway never shows it again.`]]
  )
})

const remove = Effect.fnUntraced(function*(toolId: string, name: string) {
  const printer = yield* Printer
  yield* Credentials.use((credentials) => credentials.remove({ toolId, name }))
  yield* printer.print(
    CredentialChanged,
    { change: "removed", toolId, name },
    () => [[green("✓ removed"), `: ${toolId}/${name}`]]
  )
})

const log = Effect.gen(function*() {
  const printer = yield* Printer
  const uses = yield* Credentials.use((credentials) => credentials.accessLog)
  const now = yield* DateTime.now
  if (printer.isJson) {
    return yield* Effect.forEach(uses, (use) => printer.print(CredentialUse, use, () => []), { discard: true })
  }
  if (uses.length === 0) return yield* printer.note(dim("No credential was used yet."))
  const row = ({ accessedAt, actionId, agentId, name, toolId }: CredentialAccess) => [
    dim(Words.stamp(accessedAt, now)),
    `${toolId}/${name}`,
    agentId ?? "",
    actionId === null ? "" : shortId(actionId)
  ]
  const columns = [
    { title: "UTC", align: "right" },
    { title: "CREDENTIAL", min: 16 },
    { title: "AGENT", min: 8 },
    { title: "ACTION", min: 8 }
  ] as const
  yield* printer.show(table(columns, uses.map(row), printer.width()))
})

const credential = {
  tool: Argument.String("tool").pipe(Argument.withDescription("The tool of the calls that need it")),
  name: Argument.String("name").pipe(Argument.withDescription("Of the credential, like api_key"))
}

/** @internal */
export const command = Command.make("credentials").pipe(
  Command.withDescription("What the gateway needs to execute tools itself"),
  Command.withSubcommands([
    Command.make("list", {}, () => connectedAsOperator(list)).pipe(
      Command.withDescription("The stored credentials, without the values"),
      Command.withAlias("ls")
    ),
    Command.make(
      "register",
      { ...credential, valueFile },
      ({ name, tool, valueFile }) => connectedAsOperator(register(tool, name, valueFile))
    ).pipe(Command.withDescription("Store a value in the gateway; it is never shown again")),
    Command.make("remove", credential, ({ name, tool }) => connectedAsOperator(remove(tool, name))).pipe(
      Command.withDescription("Remove a value"),
      Command.withAlias("rm")
    ),
    Command.make("log", {}, () => connectedAsOperator(log)).pipe(
      Command.withDescription("What the gateway used its values for")
    )
  ])
)
