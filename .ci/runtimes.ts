/**
 * Installs the runtimes that `test/campaigns/runtimes.test.ts` tries the package on, and prints the folder. They stand
 * outside the repository: their native parts are for this machine alone, and no install of the package needs them. Where
 * they cannot be had it says so, and those tests are skipped.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"

export const runtimes = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "effect-vargate", "runtimes")

const manifest = JSON.stringify({
  private: true,
  dependencies: {
    bun: "^1.4.4",
    deno: "^2.9.6",
    miniflare: "^4.20260730.0",
    node22: "npm:node@^22.19.0",
    node24: "npm:node@^24.0.0",
    vite: "8.3.8"
  },
  allowScripts: {
    bun: true,
    deno: true,
    esbuild: true,
    node: true,
    node22: true,
    node24: true,
    sharp: true,
    workerd: true
  }
})

const install = () => {
  const path = join(runtimes, "package.json")
  if (existsSync(path) && readFileSync(path, "utf8") === manifest) return
  mkdirSync(runtimes, { recursive: true })
  writeFileSync(path, manifest)
  try {
    execFileSync("npm", ["install", "--no-audit", "--no-fund"], {
      cwd: runtimes,
      stdio: ["ignore", "ignore", "inherit"],
      shell: process.platform === "win32"
    })
  } catch {
    writeFileSync(path, "{}")
    console.error("The runtimes cannot be installed here: the tests that need them are skipped.")
  }
}

if (import.meta.main) {
  install()
  console.log(runtimes)
}
