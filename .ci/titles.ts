/**
 * No test gets lost: every title that the tests had at a commit is still there, or is in `titles.json` with its new name
 * and the reason. Titles are compared without the files they stand in, and as often as they occur.
 *
 * Both trees are asked on this machine, one after the other, so that the same peers are there for both.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const commit = "5f86e14"
const root = fileURLToPath(new URL("..", import.meta.url))

interface Rename {
  readonly old: string
  readonly new: string
  readonly reason: string
}
const renames: ReadonlyArray<Rename> = JSON.parse(readFileSync(new URL("titles.json", import.meta.url), "utf8"))
const renamed = new Map(renames.map((rename) => [rename.old, rename.new]))

const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { cwd, stdio: ["ignore", "ignore", "inherit"] })

/** How often each title occurs. The files are run to find their tests, but the tests are not. */
const titlesIn = (tree: string, file: string): ReadonlyMap<string, number> => {
  run(tree, join(root, "node_modules/.bin/vitest"), "list", "--no-static-parse", "--no-isolate", `--json=${file}`)
  const titles = new Map<string, number>()
  const tests: ReadonlyArray<{ readonly name: string }> = JSON.parse(readFileSync(file, "utf8"))
  for (const { name } of tests) titles.set(name, (titles.get(name) ?? 0) + 1)
  return titles
}

const folder = mkdtempSync(join(tmpdir(), "effect-vargate-titles-"))
const base = join(folder, "base")
try {
  run(root, "git", "worktree", "add", "--quiet", "--detach", base, commit)
  symlinkSync(join(root, "node_modules"), join(base, "node_modules"))
  // The captures stand beside the repository.
  if (existsSync(join(root, "../shared"))) symlinkSync(join(root, "../shared"), join(folder, "shared"))

  const before = titlesIn(base, join(folder, "before.json"))
  const now = titlesIn(root, join(folder, "now.json"))

  const needed = new Map<string, number>()
  for (const [title, count] of before) {
    const name = renamed.get(title) ?? title
    needed.set(name, (needed.get(name) ?? 0) + count)
  }
  const lost = Array.from(needed).filter(([title, count]) => (now.get(title) ?? 0) < count)
  const unknown = renames.filter((rename) => !before.has(rename.old))

  for (const [title, count] of lost) console.error(`lost (${now.get(title) ?? 0} of ${count}): ${title}`)
  for (const rename of unknown) console.error(`titles.json: ${commit} has no test ${rename.old}`)
  const sum = (titles: ReadonlyMap<string, number>) => Array.from(titles.values()).reduce((a, b) => a + b, 0)
  console.log(`${sum(before)} titles at ${commit}, ${sum(now)} now, ${lost.length} lost`)
  if (lost.length + unknown.length > 0) process.exitCode = 1
} finally {
  execFileSync("git", ["worktree", "remove", "--force", base], { cwd: root, stdio: "ignore" })
  rmSync(folder, { recursive: true, force: true })
}
