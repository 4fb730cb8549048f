/**
 * `settings`: the tenant's rules and switches, as a file.
 *
 * @internal
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { withoutUndefined } from "../internal/withoutUndefined.ts"
import type { TenantSettings } from "../model/TenantSettings.ts"
import { Tenant } from "../operator/Tenant.ts"
import { connectedAsOperator } from "./core/connected.ts"
import { Connection } from "./core/connection.ts"
import { Concluded, FileFailed } from "./core/failure.ts"
import { writeWhole } from "./core/writeWhole.ts"
import { readableBy } from "./environment.ts"
import { Applied, ExitCode, Plan, Settings, WebhookTested } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { ask, canAsk } from "./screen/prompts.ts"
import { dim, green, type Line } from "./screen/text.ts"
import { fileArgument, readSettings } from "./settings/file.ts"
import { planLines, settingsLines } from "./settings/screen.ts"

/**
 * JSON would turn what the gateway does not show into null, and to apply a webhook of null is to end all delivery.
 */
const shown = ({ failureModes, policy, ...settings }: TenantSettings): TenantSettings =>
  withoutUndefined({
    ...settings,
    failureModes: failureModes && withoutUndefined(failureModes),
    policy: policy &&
      withoutUndefined({ ...policy, parameters: policy.parameters && withoutUndefined(policy.parameters) })
  }) as TenantSettings

const get = Effect.gen(function*() {
  const printer = yield* Printer
  const settings = shown(yield* Tenant.use((tenant) => tenant.settings))
  yield* printer.print(Settings, settings, (width) => settingsLines(settings, width))
})

const plan = Effect.fnUntraced(function*(path: string, isCheck: boolean) {
  const printer = yield* Printer
  const settings = yield* readSettings(path)
  const plan = yield* Tenant.use((tenant) => tenant.plan(settings))
  yield* printer.print(Plan, plan, () => planLines(plan))
  if (isCheck && !plan.isEmpty) return yield* new Concluded({ exitCode: ExitCode.badVerdict })
})

const apply = Effect.fnUntraced(function*(path: string, isSure: boolean, secretFile: string | undefined) {
  const printer = yield* Printer
  const tenant = yield* Tenant
  const settings = yield* readSettings(path)
  if (!isSure && (yield* canAsk)) {
    const plan = yield* tenant.plan(settings)
    yield* Effect.forEach(planLines(plan), printer.note, { discard: true })
    if (!plan.isEmpty && !(yield* ask(Prompt.Confirm({ message: "Apply this?" })))) {
      yield* printer.note("Nothing was changed.")
      return yield* new Concluded({ exitCode: ExitCode.interrupted })
    }
  }
  const keeper = yield* secretKeeper(settings, secretFile)
  const { confirmed, profile, unconfirmed } = yield* Effect.tapError(
    tenant.apply(settings, { onWebhookSecret: keeper.keep }),
    () => keeper.report
  )
  const keptIn = keeper.place()
  yield* printer.print(
    Applied,
    { confirmed, unconfirmed, ...keptIn === undefined ? {} : { secretFile: keptIn } },
    (): ReadonlyArray<Line> => [
      [green("✓ applied"), confirmed.length === 0 ? "" : `, and read back: ${confirmed.join(", ")}`],
      ...unconfirmed.length === 0 ? [] : [dim(`The gateway does not show: ${unconfirmed.join(", ")}`)],
      ...keptIn === undefined || secretFile === undefined
        ? []
        : [`The secret that events are signed with is in ${keptIn}, ${readableBy()}.`]
    ]
  )
  if (secretFile === undefined) yield* keeper.report
  if (typeof settings.webhookUrl === "string" && profile.canSendWebhooks === false) {
    yield* printer.warn(
      "this gateway sends no webhooks, whatever the receiver is like: it was started without a client for them. Start it with `effect-vargate dev`, or with the option `webhooks`"
    )
  }
  yield* keeper.failure
})

/**
 * Keeps the secret that comes with a webhook, as soon as it is there: in the file that was named, or beside the
 * configuration. Where neither can be written it is shown, since the gateway may not tell it again.
 */
const secretKeeper = Effect.fnUntraced(function*(settings: TenantSettings, secretFile: string | undefined) {
  const printer = yield* Printer
  const context = yield* Effect.context<FileSystem.FileSystem>()
  const target = typeof settings.webhookUrl !== "string" ? undefined : secretFile ?? (yield* defaultSecretFile)
  if (secretFile !== undefined) yield* checkFolder(secretFile)
  let place: string | undefined
  let failure: FileFailed | undefined
  return {
    place: () => place,
    keep: Effect.fnUntraced(function*(secret: Redacted.Redacted) {
      const written = target === undefined
        ? undefined
        : yield* Effect.result(Effect.provideContext(writeWhole(target, `${Redacted.value(secret)}\n`), context))
      if (written !== undefined && Result.isSuccess(written)) {
        place = target
        return
      }
      if (secretFile !== undefined) failure = written?.failure
      yield* printer.warn(
        `${
          written === undefined ? "there is no home folder for the secret" : written.failure.message.replace(/\.$/, "")
        }. Events are signed with ${Redacted.value(secret)}: keep it`
      )
    }),
    /** Where it is, said also where something fails afterwards. */
    report: Effect.suspend(() =>
      place === undefined
        ? Effect.void
        : printer.warn(
          `the gateway told the secret that events are signed with, and it was kept in ${place}${
            secretFile === undefined ? ": name another place with --secret-file FILE" : ""
          }`
        )
    ),
    failure: Effect.suspend(() => failure === undefined ? Effect.void : Effect.fail(failure))
  }
})

/** Beside the configuration, one for each tenant. */
const defaultSecretFile = Effect.gen(function*() {
  const { path } = yield* Connection
  if (path === undefined) return undefined
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const { tenantId } = yield* Tenant.use((tenant) => tenant.me)
  const folder = paths.dirname(path)
  yield* Effect.ignore(files.makeDirectory(folder, { recursive: true, mode: 0o700 }))
  return paths.join(folder, `webhook-secret-${tenantId.replaceAll(/[^\w-]/g, "_")}`)
})

/** Where the named file cannot be written, nothing is sent. */
const checkFolder = Effect.fnUntraced(function*(file: string) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  yield* Effect.mapError(files.access(paths.dirname(file), { writable: true }), FileFailed.of("written", file))
})

const testWebhook = Effect.gen(function*() {
  const printer = yield* Printer
  const url = yield* Tenant.use((tenant) => tenant.testWebhook)
  const { origin } = new URL(url)
  yield* printer.print(
    WebhookTested,
    { origin },
    () => [[green("✓ delivered"), `: a test event was taken by ${origin}`]]
  )
})

const getCommand = Command.make("get", {}, () => connectedAsOperator(get)).pipe(
  Command.withDescription("The settings; with --json as plan and apply take them")
)

const planCommand = Command.make(
  "plan",
  {
    file: fileArgument,
    check: Flag.Boolean("check").pipe(
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Exit with 1 where something would change")
    )
  },
  ({ check, file }) => connectedAsOperator(plan(file, check))
).pipe(Command.withDescription("What applying a file would change"))

const applyCommand = Command.make(
  "apply",
  {
    file: fileArgument,
    yes: Flag.Boolean("yes").pipe(
      Flag.withAlias("y"),
      Flag.withoutNegation,
      Flag.withDefault(false),
      Flag.withDescription("Do not ask")
    ),
    secretFile: Flag.String("secret-file").pipe(
      Flag.withMetavar("<file>"),
      Flag.withDescription("Where to keep the webhook's secret (beside the configuration)"),
      Flag.optional
    )
  },
  ({ file, secretFile, yes }) => connectedAsOperator(apply(file, yes, Option.getOrUndefined(secretFile)))
).pipe(Command.withDescription("Apply a file, and read the settings back"))

const testCommand = Command.make("test-webhook", {}, () => connectedAsOperator(testWebhook)).pipe(
  Command.withDescription("Have the gateway send a test event")
)

/** @internal */
export const command = Command.make("settings").pipe(
  Command.withDescription("The tenant's policy, switches and webhook, as a file"),
  Command.withSubcommands([getCommand, planCommand, applyCommand, testCommand]),
  Command.withExamples([
    { command: "effect-vargate settings get --json > settings.json" },
    { command: "effect-vargate settings plan settings.json --check" },
    { command: `echo '{"policy": {"template": "financial"}}' | effect-vargate settings apply -` }
  ])
)
