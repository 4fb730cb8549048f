/** What `npm install effect effect-vargate` brings, on the disk. */
import { execFileSync } from "node:child_process"
import { globSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { env, tarball } from "../.ci/tarball.ts"
import { cache } from "./support/cache.ts"
import { atMost, hand } from "./support/report.ts"

const folder = join(cache, "install")
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }))
execFileSync("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball()], {
  cwd: folder,
  env,
  stdio: ["ignore", "ignore", "inherit"]
})

const megabytes = new Map<string, number>()
for (const entry of globSync("node_modules/**", { cwd: folder, withFileTypes: true })) {
  if (!entry.isFile()) continue
  const path = join(entry.parentPath, entry.name)
  const [, name] = /node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(path.slice(folder.length)) ?? []
  if (name === undefined) continue
  megabytes.set(name, (megabytes.get(name) ?? 0) + statSync(path).size / 1e6)
}
const rows = [...megabytes].toSorted(([, a], [, b]) => b - a)
const total = rows.reduce((sum, [, size]) => sum + size, 0)

hand({
  title: "Size of an install",
  about: "By npm, from the packed package, with the peers that npm brings by itself. It was 98 MB while " +
    "`@effect/platform-node`, and with it redis, came along.",
  tables: [{ columns: ["package", "MB"], rows: [...rows, ["all", total]] }],
  targets: [atMost("install of effect and effect-vargate", 70, "MB", total)]
})
