/**
 * `init`: writes the configuration, or a project to start from.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Approvals } from "../approvals/Approvals.ts"
import { AuditLog } from "../audit/AuditLog.ts"
import { System } from "../operator/System.ts"
import * as Vargate from "../Vargate.ts"
import * as ConfigFile from "./core/configFile.ts"
import { configuration, layerOf, readKeyFile } from "./core/connection.ts"
import { Concluded, NotConfigured, Usage } from "./core/failure.ts"
import { readableBy } from "./environment.ts"
import { ExitCode, Initialized } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { ask, canAsk } from "./screen/prompts.ts"
import { facts } from "./screen/table.ts"
import { bold, dim, green } from "./screen/text.ts"
import * as Starter from "./starter.ts"

const askFor = Effect.fnUntraced(function*(url: string) {
  const answered = yield* ask(Prompt.String({ message: "Gateway", default: url }))
  const key = yield* ask(Prompt.Hidden({ message: "API key (not shown)" }))
  return { url: answered.trim(), key: Redacted.make(Redacted.value(key).trim()) }
})

/** The gateway must know the key, or nothing is written. */
const check = Effect.gen(function*() {
  const system = yield* System
  const approvals = yield* Approvals
  const auditLog = yield* AuditLog
  yield* system.health
  yield* approvals.pending
  const { tenantId } = yield* auditLog.page({ limit: 1 })
  return tenantId
})

/** A key that is there already is not thrown away by a slip. */
const mayWrite = Effect.fnUntraced(function*(path: string, key: Redacted.Redacted, isForced: boolean) {
  const old = yield* Effect.catchTag(ConfigFile.read(path), "NotConfigured", () => Effect.undefined)
  const isOther = old?.key !== undefined && Redacted.value(old.key) !== Redacted.value(key)
  if (!isOther || isForced) return
  if (!(yield* canAsk)) {
    return yield* new Usage({ message: `${path} holds another key already: pass --force to replace it.` })
  }
  if (yield* ask(Prompt.Confirm({ message: `${path} holds another key. Replace it?` }))) return
  return yield* new Concluded({ exitCode: ExitCode.interrupted })
})

const run = Effect.fnUntraced(function*(isChecked: boolean, isForced: boolean) {
  const printer = yield* Printer
  const { key: known, keyFrom, path, url: proposed } = yield* configuration
  if (path === undefined) {
    return yield* new NotConfigured({
      message: "There is no home folder to write to: give --config FILE, or set HOME."
    })
  }
  // The key of the file itself is what is to be replaced.
  const given = keyFrom === "file" ? undefined : known
  if (given !== undefined && keyFrom === "environment") yield* printer.note(dim("Taking the key from VARGATE_API_KEY."))
  const { key, url } = given !== undefined
    ? { key: given, url: proposed }
    : yield* (yield* canAsk)
      ? askFor(proposed)
      : Effect.map(readKeyFile("-"), (key) => ({ key, url: proposed }))
  if (Redacted.value(key) === "") return yield* new NotConfigured({ message: "No key, no configuration." })
  const layer = layerOf(Vargate.layer, { url, key, keyFrom: "key file", path })
  // Even where the gateway is not asked, an impossible URL or key is found out.
  const tenantId = yield* Effect.provide(isChecked ? check : Effect.undefined, layer)
  yield* mayWrite(path, key, isForced)
  yield* ConfigFile.write(path, url, key)
  yield* printer.print(
    Initialized,
    { path, url, isChecked, ...tenantId === undefined ? {} : { tenantId } },
    (width) => [
      [green("✓ written"), `: ${path}, ${readableBy()}`],
      ...facts([
        ["Gateway", url],
        ["Key", isChecked ? `accepted${tenantId === undefined ? "" : `, of tenant ${tenantId}`}` : dim("not tried")],
        ["Next", [bold("effect-vargate doctor"), dim(" looks whether all is well")]]
      ], width)
    ]
  )
})

/** @internal */
export const command = Command.make(
  "init",
  {
    check: Flag.Boolean("check").pipe(
      Flag.withDefault(true),
      Flag.withDescription("--no-check writes without asking the gateway")
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Replace another key without asking")
    ),
    project: Flag.String("project").pipe(
      Flag.withMetavar("<folder>"),
      Flag.withDescription("Write a project to start from instead, into a new folder"),
      Flag.optional
    )
  },
  ({ check, force, project }) => Option.isSome(project) ? Starter.create(project.value) : run(check, force)
).pipe(
  Command.withDescription(
    "Write ~/.vargate/config.json; asks for the key, or takes it from stdin"
  ),
  Command.withShortDescription("Write ~/.vargate/config.json, or a project"),
  Command.withExamples([
    { command: "effect-vargate init" },
    { command: "effect-vargate init --project my-agent" },
    { command: "pass show vargate | effect-vargate init --url https://vargate.ai/api" }
  ])
)
