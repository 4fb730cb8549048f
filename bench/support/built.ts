/** The package as it is published, without its types: bundlers are told there what they may leave out. */
import { execFileSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Into a folder inside node_modules, so that what is built finds effect and undici; its modules are `#dist/...` there. */
export const buildInto = (folder: string): void => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ type: "module", sideEffects: false, imports: { "#dist/*": "./dist/*" } })
  )
  const light = ["--noCheck", "--declaration", "false", "--declarationMap", "false", "--sourceMap", "false"]
  const project = ["-p", join(root, "tsconfig.build.json"), "--outDir", join(folder, "dist")]
  execFileSync(join(root, "node_modules/.bin/tsc"), [...project, ...light], { stdio: ["ignore", "inherit", "inherit"] })
  for (const step of ["pure", "platform", "cli"]) {
    execFileSync(process.execPath, [join(root, `.ci/${step}.ts`), join(folder, "dist")])
  }
}
