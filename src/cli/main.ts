/**
 * The command line: all commands, and how each of them ends.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { version } from "../internal/version.ts"
import * as NodeHasher from "../node/NodeHasher.ts"
import { commandsFor } from "./commands.ts"
import { type CommandError, describe } from "./core/failure.ts"
import * as Flags from "./core/flags.ts"
import { isVerbose } from "./core/variables.ts"
import { ExitCode } from "./Output.ts"
import { foldHelp } from "./screen/help.ts"
import * as Printer from "./screen/Printer.ts"
import { Screen } from "./screen/Screen.ts"
import { dim } from "./screen/text.ts"

const rootFor = (args: ReadonlyArray<string>) =>
  Effect.map(commandsFor(args), (commands) =>
    Command.make("effect-vargate").pipe(
      Command.withDescription(
        "Vargate from the terminal: ask for calls, decide on them, verify the log."
      ),
      Command.withSubcommands(commands),
      Command.withGlobalFlags(Flags.all)
    ))

// --- what the parser says --------------------------------------------------------------------------------------------

/** On stdout, from places of the parser that know of no printer. */
const say = (text: string) =>
  Effect.flatMap(
    Effect.serviceOption(Printer.Printer),
    (printer) => Option.isNone(printer) ? Effect.void : Effect.ignore(printer.value.raw(`${text}\n`))
  )

const presenter = Layer.effect(
  CliOutput.Presenter,
  Effect.gen(function*() {
    const printer = yield* Printer.Printer
    const { stdout } = yield* Screen
    const formatter = CliOutput.defaultFormatter({ colors: stdout.isColored })
    return {
      present: Effect.fnUntraced(function*(event) {
        switch (event._tag) {
          case "Help":
            return yield* say(foldHelp(formatter.formatHelpDoc(event.helpDoc), stdout.columns() ?? 80))
          case "Version":
            return yield* say(`${event.name} ${event.version}`)
          case "InvalidInvocation": {
            const message = event.errors.map(({ message }) => message.replaceAll(/\s+/g, " ")).join(" ")
            yield* printer.fail({ error: "Usage", message, exitCode: ExitCode.usage })
            yield* printer.note(`usage: ${event.helpDoc.usage}`)
            return yield* printer.note(dim(`${event.commandPath.join(" ")} --help has more.`))
          }
        }
      })
    } satisfies CliOutput.Presenter
  })
)

const shells: ReadonlyArray<Completions.Shell> = ["bash", "zsh", "fish", "powershell"]

/** Like the built-in one, whose list of shells alone is as wide as a screen. */
const completions: typeof GlobalFlag.Completions = GlobalFlag.Action({
  flag: Flag.String("completions").pipe(
    Flag.withMetavar("<shell>"),
    Flag.withDescription("Completion script for bash, zsh, fish or powershell"),
    Flag.filterMap(
      (name) => Option.fromUndefinedOr(shells.find((shell) => shell === name)),
      () => "bash, zsh, fish or powershell"
    ),
    Flag.optional
  ),
  run: (shell, { command }) =>
    Option.match(shell, {
      onNone: () => Effect.void,
      onSome: (shell) => say(Completions.generate(command.name, shell, Completions.fromCommand(command)))
    })
})

const parser = Layer.merge(
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, completions] }),
  presenter
)

// --- how it ends -----------------------------------------------------------------------------------------------------

/** What services log is for the user to read, and must not get among the results. */
const logger = Layer.unwrap(Effect.map(Printer.Printer, (printer) =>
  Logger.layer([
    Logger.make(({ message }) => {
      Effect.runSync(printer.warn((Array.isArray(message) ? message : [message]).map(String).join(": ")))
    })
  ])))

const conclude = Effect.fnUntraced(function*(cause: Cause.Cause<CommandError | CliError.CliError>) {
  const printer = yield* Printer.Printer
  printer.progress()
  const error = Cause.findError(cause)
  if (Result.isSuccess(error)) {
    const { exitCode, failure } = describe(error.success)
    if (failure !== undefined) yield* printer.fail(failure)
    return exitCode
  }
  if (Cause.hasInterruptsOnly(cause)) return ExitCode.interrupted
  yield* printer.fail({
    error: "Fault",
    message: `This is a fault of effect-vargate itself: ${String(Cause.squash(cause))}. \
With VARGATE_DEBUG=1 it says where.`,
    exitCode: ExitCode.fault
  })
  if (yield* isVerbose) yield* Effect.forEach(Cause.pretty(cause).split("\n"), (line) => printer.note(dim(line)))
  return ExitCode.fault
})

/** Before the command line is parsed, since its errors are to be printed one way or the other as well. */
const wantsJson = (args: ReadonlyArray<string>) => {
  const end = args.indexOf("--")
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === "--json" || arg === "--json=true")
}

/**
 * Runs one command line, and says with which code the process is to end.
 *
 * @internal
 */
export const run = (args: ReadonlyArray<string>) =>
  Effect.flatMap(rootFor(args), (root) => Command.runWith(root, { version })(args)).pipe(
    Effect.as<number>(ExitCode.good),
    // The parser's own screens (help, version) cannot fail, so that it is looked at here.
    Effect.tap(Effect.flatMap(Printer.Printer, ({ broken }) => {
      const error = broken()
      return error === undefined ? Effect.void : Effect.fail(error)
    })),
    Effect.catchCause(conclude),
    Effect.provide([parser, logger, NodeHasher.layer]),
    Effect.provide(Printer.layer({ isJson: wantsJson(args) }))
  )
