/**
 * `node bench/support/pack.ts COMMIT FOLDER` packs the tarball of any commit, as it would have been published, to compare
 * with: `npm install FOLDER/effect-vargate-COMMIT.tgz` in a project of its own, under a name like `before@file:...`.
 *
 * The commit is built in a worktree with the dependencies that its own lock file names.
 */
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const [commit, target] = process.argv.slice(2)
if (commit === undefined || target === undefined) throw new Error("Say which commit, and the folder for its tarball.")

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "effect-vargate-pack-"))
const tree = join(folder, "tree")
// The scripts of a package are not run at its install, so the Node that runs this is the one that builds.
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}` }
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>) =>
  execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

try {
  run(root, "git", "worktree", "add", "--quiet", "--detach", tree, commit)
  run(tree, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
  run(tree, "npm", "run", "build")
  const name = run(tree, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder).trim()
  const tarball = join(resolve(target), `effect-vargate-${run(root, "git", "rev-parse", "--short", commit).trim()}.tgz`)
  copyFileSync(join(folder, name), tarball)
  console.log(tarball)
} finally {
  execFileSync("git", ["worktree", "remove", "--force", tree], { cwd: root, stdio: "ignore" })
  rmSync(folder, { recursive: true, force: true })
}
