/**
 * Formats every file of the repository that a plugin of dprint knows, by the options in `dprint.json`. With `--check` it
 * only names the files that are not formatted.
 *
 * The plugins are WebAssembly and run on any system that Node runs on; dprint's own command is a native binary for each.
 */
import { createContext } from "@dprint/formatter"
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { matchesGlob } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const { $schema: _, excludes, markdown, plugins, typescript, ...global } = JSON.parse(
  readFileSync(`${root}dprint.json`, "utf8")
)
const options: Readonly<Record<string, Record<string, unknown>>> = { markdown, typescript }

const context = createContext(global)
for (const plugin of plugins) {
  const name = /@dprint\/(\w+)/.exec(plugin)?.[1] ?? ""
  context.addPlugin(readFileSync(`${root}${plugin}`), options[name] ?? {})
}
for (const { message, propertyName } of context.getConfigDiagnostics()) {
  console.error(`dprint.json: ${propertyName}: ${message}`)
  process.exitCode = 1
}

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"], {
  cwd: root,
  encoding: "utf8"
})
  .split("\0")
  .filter((file) => /\.(?:[cm]?[jt]s|json|md)$/.test(file) && existsSync(`${root}${file}`))
  .filter((file) => !excludes.some((pattern: string) => matchesGlob(file, pattern)))

for (const file of files) {
  const path = `${root}${file}`
  const text = readFileSync(path, "utf8")
  const formatted = context.formatText({ filePath: path, fileText: text })
  if (formatted === text) continue
  console.error(file)
  if (process.argv.includes("--check")) process.exitCode = 1
  else writeFileSync(path, formatted)
}
