/**
 * Writes `src/index.ts`: one namespace per public module of the core. With `--check` it only compares.
 *
 * What needs Node, or is for tests, has a path of its own (`effect-vargate/gateway/Gateway`) and stays out of the barrel.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { basename } from "node:path"

const modulesIn = (folder: string) =>
  readdirSync(new URL(`../src/${folder}`, import.meta.url))
    .filter((file) => /^[A-Z]\w*\.ts$/.test(file))
    .map((file) => ({ name: basename(file, ".ts"), path: `./${folder}${file}` }))

const namespace = ({ name, path }: { readonly name: string; readonly path: string }) => {
  const source = readFileSync(new URL(`../src/${path}`, import.meta.url), "utf8")
  const comment = /^\/\*\*[\s\S]*?\*\//.exec(source)?.[0]
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
  "webhooks/",
  "calls/",
  "approvals/",
  "operator/",
  "governed/"
]

const modules = folders.flatMap(modulesIn).sort((a, b) => a.name.localeCompare(b.name))
const text = modules.map(namespace).join("\n")
const target = new URL("../src/index.ts", import.meta.url)

if (!process.argv.includes("--check")) {
  writeFileSync(target, text)
} else if (readFileSync(target, "utf8") !== text) {
  console.error("src/index.ts is not up to date: run `npm run codegen`")
  process.exit(1)
}
