/**
 * `mcp-pins`: what tools of an MCP server were approved as, what they say of themselves now, and accepting that.
 *
 * @internal
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ToolPins from "../mcp/ToolPins.ts"
import { Concluded, FileFailed, Usage } from "./core/failure.ts"
import { ExitCode, McpPinAccepted, McpPinEntry } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { bold, dim, green, type Line, red, wrap, yellow } from "./screen/text.ts"
import * as Words from "./screen/words.ts"

const file = Argument.String("file").pipe(Argument.withDescription("The file that --pins of mcp-proxy names"))

/** How much of a digest names a change, at least. */
const shortDigest = 12

const open = Effect.fnUntraced(function*(path: string) {
  const files = yield* FileSystem.FileSystem
  if (!(yield* Effect.orElseSucceed(files.exists(path), () => false))) {
    return yield* new FileFailed({ message: `${path} cannot be read: there is no such file or folder.` })
  }
  return yield* ToolPins.fromFile(path)
})

/** A definition over several lines, so that what has changed in it stands out. */
const linesOf = (definition: string): ReadonlyArray<string> => {
  try {
    return JSON.stringify(JSON.parse(definition), undefined, 2).split("\n")
  } catch {
    return [definition]
  }
}

/** Beyond so many lines on both sides, lines are not paired. */
const maxPaired = 1000

/** The lines of both, those that only one of them has with a sign. */
const difference = (before: ReadonlyArray<string>, after: ReadonlyArray<string>): ReadonlyArray<Line> => {
  const taken = (line: string) => red(`- ${line}`)
  const added = (line: string) => green(`+ ${line}`)
  if (before.length * after.length > maxPaired * maxPaired) return [...before.map(taken), ...after.map(added)]
  // The longest common part of what stands from here on.
  const common = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1))
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i]![j] = before[i] === after[j]
        ? common[i + 1]![j + 1]! + 1
        : Math.max(common[i + 1]![j]!, common[i]![j + 1]!)
    }
  }
  const lines: Array<Line> = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(dim(`  ${before[i]}`))
      i++
      j++
    } else if (j >= after.length || (i < before.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      lines.push(taken(before[i++]!))
    } else lines.push(added(after[j++]!))
  }
  return lines
}

const unknown = "  (longer than 65,536 characters, and not kept: look at the server)"

const changeLines = (name: string, { changed, definition }: ToolPins.Pin): ReadonlyArray<Line> =>
  changed === undefined
    ? [[bold(name), dim("  as approved")]]
    : [
      [bold(name), "  ", yellow("changed"), `  ${changed.digest.slice(0, shortDigest)}`],
      ...changed.definition === undefined || definition === undefined
        ? [yellow(unknown)]
        : difference(linesOf(definition), linesOf(changed.definition))
    ]

const list = Effect.fnUntraced(function*(path: string, isAll: boolean) {
  const printer = yield* Printer
  const pins = yield* Effect.flatMap(open(path), ({ pins }) => pins)
  const changed = [...pins].filter(([, pin]) => pin.changed !== undefined)
  for (const [name, pin] of isAll ? pins : changed) {
    yield* printer.print(McpPinEntry, { name, ...pin }, (width) => {
      const lines = changeLines(name, pin)
      // Nothing of what is to be accepted may be cut off.
      return width === undefined ? lines : lines.flatMap((line) => wrap(line, width))
    })
  }
  if (changed.length === 0) {
    return yield* printer.note([green("✓ nothing has changed"), `: ${Words.count(pins.size, "pin")}`])
  }
  yield* printer.note([
    `To accept a change: `,
    bold(`effect-vargate mcp-pins accept ${path} ${changed[0]![1].changed!.digest.slice(0, shortDigest)}`)
  ])
  return yield* new Concluded({ exitCode: ExitCode.badVerdict })
})

const accept = Effect.fnUntraced(function*(path: string, digests: ReadonlyArray<string>) {
  const printer = yield* Printer
  const wrong = digests.find((digest) => !/^[0-9a-f]{12,64}$/.test(digest))
  if (wrong !== undefined) {
    return yield* new Usage({
      message: `${wrong} is no digest: name the 12 hexadecimal digits or more that mcp-pins list shows beside a change.`
    })
  }
  const { accept, pins: looking } = yield* open(path)
  const pins = yield* looking
  const found = digests.map((digest) => {
    const named = [...pins].filter(([, { changed }]) => changed?.digest.startsWith(digest) === true)
    return { digest, named }
  })
  // All of them, or none.
  for (const { digest, named } of found) {
    if (named.length === 0) {
      return yield* new Usage({
        message: `Nothing in ${path} has changed into ${digest}. It may have changed again: look at mcp-pins list.`
      })
    }
  }
  for (const { named } of found) {
    for (const [name, { changed }] of named) {
      if (!(yield* accept(name, changed!.digest))) {
        return yield* new Usage({ message: `${name} has changed again meanwhile: look at mcp-pins list.` })
      }
      yield* printer.print(
        McpPinAccepted,
        { name, digest: changed!.digest },
        () => [[green("✓ accepted"), `: ${name}`, dim(`  ${changed!.digest.slice(0, shortDigest)}`)]]
      )
    }
  }
})

/** @internal */
export const command = Command.make("mcp-pins").pipe(
  Command.withDescription("Tools of MCP servers that have changed: show and accept them"),
  Command.withSubcommands([
    Command.make(
      "list",
      {
        file,
        all: Flag.Boolean("all").pipe(
          Flag.withoutNegation,
          Flag.withDefault(false),
          Flag.withDescription("Also what is as it was approved")
        )
      },
      ({ all, file }) => list(file, all)
    ).pipe(
      Command.withDescription("What has changed since it was approved, line by line; ends with 1 where something has"),
      Command.withAlias("ls")
    ),
    Command.make(
      "accept",
      {
        file,
        digests: Argument.String("digest").pipe(
          Argument.withDescription("Of the change, as list shows it"),
          Argument.variadic({ min: 1 })
        )
      },
      ({ digests, file }) => accept(file, digests)
    ).pipe(Command.withDescription("Approve changes that were looked at, each by its digest"))
  ]),
  Command.withExamples([
    { command: "effect-vargate mcp-pins list pins.json" },
    { command: "effect-vargate mcp-pins accept pins.json 3f2a9c01bd77" }
  ])
)
