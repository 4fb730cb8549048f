/** The package as it was at an earlier commit, to compare with in the same run. It is packed once and kept. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { cache } from "./cache.ts"

/** Before the work on the ways of a call: what the targets of the gateway are measured against. */
export const commitBefore = "5f86e14"

/**
 * The folder of its modules; undefined where it cannot be built here. Inside node_modules, so that it finds effect: both
 * states run on the same one.
 */
export const modulesBefore = (): string | undefined => {
  const folder = join(cache, `before-${commitBefore}`)
  const modules = join(folder, "package", "dist")
  if (existsSync(modules)) return modules
  try {
    mkdirSync(folder, { recursive: true })
    const pack = fileURLToPath(new URL("pack.ts", import.meta.url))
    const tarball = execFileSync(process.execPath, [pack, commitBefore, folder], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 300_000
    }).trim()
    execFileSync("tar", ["-xzf", tarball, "-C", folder])
    return modules
  } catch {
    return undefined
  }
}
