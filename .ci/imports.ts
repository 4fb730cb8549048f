/**
 * Holds the order of imports: a folder of `src/` imports only from folders above it in this list, types included, and no
 * file imports itself by way of others.
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript-6"

/** Folders in one row do not import each other. */
const order = [
  ["internal"],
  ["model"],
  ["errors"],
  ["transport"],
  ["audit"],
  ["webhooks", "verify", "calls"],
  ["approvals", "operator", "export"],
  ["reviews"],
  ["governed", "VargateApi.ts", "Vargate.ts"],
  ["gateway", "ai", "workflow"],
  ["http", "policy"],
  ["mcp", "node", "gateway/inbox/page"],
  ["testing"],
  ["cli"],
  ["index.ts"]
]

const root = fileURLToPath(new URL("..", import.meta.url))
const files = globSync("src/**/*.ts", { cwd: root, exclude: ["src/verify/internal/wasm/**"] })
  .map((file) => file.replaceAll("\\", "/")).sort()
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]))

const importsOf = (file: string): ReadonlyArray<string> =>
  ts.preProcessFile(sources.get(file) ?? "", true, true).importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith("."))
    .map((name) => posix.join(dirname(file), name))
const imports = new Map(files.map((file) => [file, importsOf(file)]))

/** The inbox page is a client of the gateway or the panel that serves it, in a program of its own. */
const page = "gateway/inbox/page"

const folderOf = (file: string): string => file.startsWith(`src/${page}/`) ? page : file.split("/")[1] ?? ""
const rowOf = (file: string): number => order.findIndex((row) => row.includes(folderOf(file)))
const isWithin = (file: string, folder: string) => file.startsWith(`src/${folder}/`)
const isClosed = (file: string) => /\/(?:internal|wire)\//.test(file)
/** A capability's service, as opposed to its models. */
const isService = (file: string) => !isClosed(file) && /\bContext\.Service</.test(sources.get(file) ?? "")

const faultOf = (from: string, to: string): string | undefined => {
  if (!sources.has(to)) return undefined
  if (rowOf(to) > rowOf(from)) return "stands below it"
  if (rowOf(to) === rowOf(from) && folderOf(to) !== folderOf(from)) return "stands beside it"
  const isGateway = isWithin(from, "gateway") && !isWithin(from, page)
  if (isGateway && !isWithin(to, "gateway") && isService(to)) return "is a client's service"
  if (/\/wire\//.test(from) && folderOf(from) === folderOf(to) && isService(to)) return "is the service over that wire"
  return undefined
}

/** Every file that is reached from itself, with the way back to it. */
const circles = (): ReadonlyArray<string> => {
  const done = new Set<string>()
  const found: Array<string> = []
  const visit = (file: string, way: ReadonlyArray<string>) => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(" -> "))
    if (done.has(file)) return
    done.add(file)
    for (const next of imports.get(file) ?? []) visit(next, [...way, file])
  }
  for (const file of files) visit(file, [])
  return found
}

const internals = files.filter((file) => isWithin(file, "internal"))
const faults = [
  ...files.filter((file) => rowOf(file) < 0).map((file) => `${file}: its place in the order of imports is not known`),
  ...files.flatMap((from) =>
    (imports.get(from) ?? []).flatMap((to) => {
      const fault = faultOf(from, to)
      return fault === undefined ? [] : [`${from} imports ${to}, which ${fault}`]
    })
  ),
  ...circles().map((circle) => `a circle: ${circle}`),
  ...(internals.length > 30 ? [`src/internal holds ${internals.length} files; 30 are the most`] : [])
]

for (const fault of faults) console.error(fault)
console.log(`${files.length} files, ${[...imports.values()].flat().length} imports, ${faults.length} faults`)
process.exit(faults.length === 0 ? 0 : 1)
