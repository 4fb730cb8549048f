/**
 * `init --project`: a project to start from, copied from the folder `template` of the package.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { fileURLToPath } from "node:url"
import { version } from "../internal/version.ts"
import { FileFailed, Usage } from "./core/failure.ts"
import { ProjectCreated } from "./Output.ts"
import { Printer } from "./screen/Printer.ts"
import { facts } from "./screen/table.ts"
import { bold, green } from "./screen/text.ts"

/** The same place from `src` and from `dist`. */
const template = fileURLToPath(new URL("../../template/", import.meta.url))

/** What a registry and a shell take for a name. */
const nameOf = (folder: string): string =>
  folder.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-").replace(/^[._-]+/, "").slice(0, 214) || "starter"

/** In one line for every shell but that of Windows, whose PowerShell 5 knows no `&&`. */
const nextSteps = (folder: string): string =>
  [`cd ${/\s/.test(folder) ? `"${folder}"` : folder}`, "npm install", "npm test"].join(
    process.platform === "win32" ? "; " : " && "
  )

/** A package leaves out files of this name, so the template has it under another. */
const targetOf = (file: string): string => file === "gitignore" ? ".gitignore" : file

const contentOf = (file: string, text: string, name: string): string => {
  if (file !== "package.json") return text
  const { dependencies, ...manifest } = JSON.parse(text)
  return `${
    JSON.stringify(
      { ...manifest, name, dependencies: { ...dependencies, "effect-vargate": `^${version}` } },
      undefined,
      2
    )
  }\n`
}

/**
 * Writes the project into a folder that does not exist or is empty. Nothing is ever overwritten.
 *
 * @internal
 */
export const create = Effect.fnUntraced(function*(target: string) {
  const files = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const printer = yield* Printer
  const folder = paths.resolve(target)

  const present = yield* files.readDirectory(folder).pipe(
    Effect.catchIf(({ reason }) => reason._tag === "NotFound", () => Effect.succeed([])),
    Effect.mapError(FileFailed.of("read", folder))
  )
  if (present.length > 0) {
    return yield* new Usage({ message: `${folder} is not empty: name a folder that does not exist, or an empty one.` })
  }

  const written: Array<string> = []
  for (const file of (yield* Effect.orDie(files.readDirectory(template, { recursive: true }))).toSorted()) {
    const source = paths.join(template, file)
    const destination = paths.join(folder, targetOf(file))
    if ((yield* Effect.orDie(files.stat(source))).type !== "File") continue
    const content = contentOf(file, yield* Effect.orDie(files.readFileString(source)), nameOf(paths.basename(folder)))
    yield* Effect.mapError(
      Effect.andThen(
        files.makeDirectory(paths.dirname(destination), { recursive: true }),
        files.writeFileString(destination, content, { flag: "wx" })
      ),
      FileFailed.of("written", destination)
    )
    written.push(targetOf(file).replaceAll("\\", "/"))
  }
  yield* printer.print(
    ProjectCreated,
    { path: folder, files: written },
    (width) => [
      [green("✓ created"), `: ${folder}, ${written.length} files`],
      ...facts([
        ["Next", bold(nextSteps(target))],
        ["Then", [bold("npm start"), ": on a gateway inside the process; AGENTS.md and README.md say where things are"]]
      ], width)
    ]
  )
})
