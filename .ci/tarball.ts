/** The package as npm would publish it, packed once for each state of the sources. */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const cache = join(root, "node_modules/.cache/effect-vargate")

/** What a user's shell has: no condition of this repository, no gateway, and the Node that runs this. */
export const env = (() => {
  const { NODE_OPTIONS: _, OPA_URL: __, VARGATE_API_KEY: ___, VARGATE_URL: ____, VITEST: _____, ...env } = process.env
  return { ...env, NO_COLOR: "1", CI: "true", PATH: `${dirname(process.execPath)}${delimiter}${env["PATH"]}` }
})()

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

const stateOf = (files: ReadonlyArray<string>) => {
  const hash = createHash("sha256")
  for (const file of files) hash.update(file).update("\0").update(readFileSync(join(root, file)))
  return hash.digest("hex").slice(0, 16)
}

const parts = ["src", "docs", "template", "AGENTS.md", "CHANGELOG.md", "LICENSE", "README.md", "llms.txt"]

/** The path of the tarball. */
export const tarball = (): string => {
  const sources = globSync(["src/**", "docs/**", "template/**"], { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
  const target = join(
    cache,
    `package-${stateOf([...sources, ".ci/platform.ts", "package.json", "tsconfig.build.json"].sort())}.tgz`
  )
  if (existsSync(target)) return target

  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, "packing-"))
  try {
    const build = ["-p", join(root, "tsconfig.build.json"), "--outDir", join(folder, "dist")]
    run(root, process.execPath, join(root, "node_modules/typescript/bin/tsc"), ...build)
    run(root, process.execPath, join(root, ".ci/platform.ts"), join(folder, "dist"))
    // The tests bundle the page at their start.
    cpSync(join(root, "dist/gateway/inbox/page"), join(folder, "dist/gateway/inbox/page"), { recursive: true })
    for (const part of parts) cpSync(join(root, part), join(folder, part), { recursive: true })
    writeFileSync(join(folder, "package.json"), readFileSync(join(root, "package.json")))
    const name = run(folder, "npm", "pack", "--silent", "--ignore-scripts").trim()
    renameSync(join(folder, name), target)
    return target
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
