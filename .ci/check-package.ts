/**
 * Packs the package as it would be published and looks at it from outside: publint, the types as other
 * compilers resolve them, and a fresh project that installs the tarball, compiles against it and runs, and finds each
 * public module and none of the machinery.
 */
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { paths, resolver } from "./paths.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "effect-vargate-"))

const run = (command: string, args: ReadonlyArray<string>, cwd = root) =>
  execFileSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] })

const consumer = `
import { Effect } from "effect"
import { ToolCalls } from "effect-vargate"
import * as Output from "effect-vargate/cli/Output"
import * as ToolCallsByPath from "effect-vargate/calls/ToolCalls"
import * as GatewayMemory from "effect-vargate/testing/GatewayMemory"

const program: Effect.Effect<string, ToolCalls.Decision | unknown> = ToolCallsByPath.call({ tool: "http", method: "GET" }).pipe(
  Effect.map(({ execution }) => execution._tag),
  Effect.provide(GatewayMemory.layer())
)
console.log(await Effect.runPromise(program), Output.ExitCode.good)
`

try {
  run("npm", ["pack", "--silent", "--pack-destination", folder])
  const tarball = join(folder, "effect-vargate.tgz")
  run("bash", ["-c", `mv "${folder}"/*.tgz "${tarball}"`])
  // As a release would, up to the registry. What only the publisher can fill in is checked then.
  run("npm", ["publish", "--dry-run", "--ignore-scripts", "--silent"])
  run("node", [".ci/jsr.ts"])
  run("publint", ["--strict", tarball])
  run("attw", ["--profile", "esm-only", "--no-emoji", tarball])

  const project = join(folder, "project")
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }))
  run("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", tarball, "@types/node@24"], project)
  writeFileSync(join(project, "index.ts"), consumer)
  cpSync(join(root, ".ci", "consumer.tsconfig.json"), join(project, "tsconfig.json"))
  run(join(root, "node_modules", ".bin", "tsc"), ["-p", "."], project)
  run("node", ["index.js"], project)
  const wrong = execFileSync("node", ["--input-type=module", "--eval", resolver, JSON.stringify(paths)], {
    cwd: project,
    encoding: "utf8"
  })
  if (wrong.trim() !== "[]") throw new Error(`In the tarball, these are not open or closed as they should be: ${wrong}`)
  run("npx", ["--no-install", "effect-vargate", "--version"], project)
  // From the bundle, and from the modules.
  run("npx", ["--no-install", "effect-vargate", "status", "--help"], project)
  run("npx", ["--no-install", "effect-vargate", "dev", "--help"], project)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
