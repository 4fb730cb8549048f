/**
 * The package as JSR would take it, up to the registry: by Deno, which `jsr publish` runs. Its types are inferred from
 * schemas, which JSR calls slow, and accepts.
 */
import { execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { paths } from "./paths.ts"
import { runtimes } from "./runtimes.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const { dependencies, license, name, peerDependencies, version } = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8")
)

/** A registry of its own scope: `OWNER` in `package.json` is who that is. */
const manifest = {
  name: `@owner/${name}`,
  version,
  license,
  exports: Object.fromEntries([
    [".", "./src/index.ts"],
    ...paths.filter(({ isOpen }) => isOpen).map(({ path }) => [`./${path}`, `./src/${path}.ts`])
  ]),
  imports: Object.fromEntries(
    Object.entries<string>({ ...dependencies, ...peerDependencies }).flatMap(([name, range]) => [
      [name, `npm:${name}@${range}`],
      [`${name}/`, `npm:/${name}@${range}/`]
    ])
  ),
  publish: { include: ["src", "README.md", "LICENSE", "jsr.json"] }
}

const deno = join(runtimes, "node_modules", "deno", process.platform === "win32" ? "deno.exe" : "deno")

if (existsSync(deno)) {
  const folder = mkdtempSync(join(tmpdir(), "effect-vargate-jsr-"))
  try {
    for (const part of ["src", "README.md", "LICENSE"]) {
      cpSync(join(root, part), join(folder, part), { recursive: true })
    }
    writeFileSync(join(folder, "jsr.json"), JSON.stringify(manifest))
    const options = ["--dry-run", "--allow-dirty", "--allow-slow-types", "--no-check", "--quiet"]
    execFileSync(deno, ["publish", ...options], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] })
    console.log(`JSR would take ${Object.keys(manifest.exports).length} modules.`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
} else {
  console.log("Not tried on JSR: Deno is not installed (`npm run runtimes`).")
}
