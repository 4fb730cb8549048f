/**
 * Writes `src/index.ts`: one namespace per public module of the core. With `--check` it only compares.
 *
 * What needs Node, or is for tests, has a path of its own (`effect-vargate/gateway/Gateway`) and stays out of the barrel.
 * So does what another namespace holds: every failure is in `VargateError`, and the models of `Approval` in `Approvals`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"

const modulesIn = (folder: string) =>
  readdirSync(new URL(`../src/${folder}`, import.meta.url))
    .filter((file) => /^[A-Z]\w*\.ts$/.test(file))
    .map((file) => ({ name: basename(file, ".ts"), path: `./${folder}${file}` }))

const sourceOf = (path: string) => readFileSync(new URL(`../src/${path}`, import.meta.url), "utf8")

const namespace = ({ name, path }: { readonly name: string; readonly path: string }) => {
  const comment = /^\/\*\*[\s\S]*?\*\//.exec(sourceOf(path))?.[0]
  if (comment === undefined) throw new Error(`${path} has no module comment`)
  return `${comment}\nexport * as ${name} from "${path}"\n`
}

const folders = [
  "",
  "model/",
  "errors/",
  "transport/",
  "audit/",
  "verify/",
  "verify/anchors/",
  "verify/witness/",
  "webhooks/",
  "calls/",
  "approvals/",
  "operator/",
  "export/",
  "reviews/",
  "governed/"
]

const modules = folders.flatMap(modulesIn).sort((a, b) => a.name.localeCompare(b.name))

/** Where the module is held by another one: names that differ by an s would be mistaken for each other. */
const holderOf = ({ name, path }: { readonly name: string; readonly path: string }) =>
  modules.find((module) => module.name === (path.startsWith("./errors/") ? "VargateError" : `${name}s`))

const isHeld = (module: { readonly name: string; readonly path: string }) => {
  const holder = holderOf(module)
  if (holder === undefined || holder === module) return false
  const reexport = new RegExp(`^export \\* from ".*/${module.name}\\.ts"$`, "m")
  if (!modules.some(({ path }) => reexport.test(sourceOf(path)))) throw new Error(`${holder.path} lacks ${module.path}`)
  return true
}
const text = modules.filter((module) => !isHeld(module)).map(namespace).join("\n")
const target = new URL("../src/index.ts", import.meta.url)

if (!process.argv.includes("--check")) {
  writeFileSync(target, text)
} else if (readFileSync(target, "utf8") !== text) {
  console.error("src/index.ts is not up to date: run `npm run codegen`")
  process.exit(1)
}
