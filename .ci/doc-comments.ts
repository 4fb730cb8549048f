/**
 * Every name that users can import has a doc comment: a first paragraph, `@category` and `@since`. Every module
 * says what it is for.
 */
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const files = globSync("src/**/*.ts", {
  cwd: root,
  exclude: (path) =>
    /\binternal$/.test(path) || path === "src/gateway/inbox/page" || path === "src/index.ts" || path.endsWith(".d.ts")
})

const comment = String.raw`/\*\*(?:(?!\*/)[\s\S])*\*/`
const exported = new RegExp(
  String
    .raw`(${comment})?\n(?:@.*\n)*export (?:declare |abstract |async )*(?:const|class|interface|type|function\*?|enum|namespace) (\w+)`,
  "g"
)

const faultsOf = (text: string): ReadonlyArray<string> => {
  if (text.includes("@internal")) return []
  const paragraph = /^\/\*\*\s*\*?\s*([^@\s*][^\n]*)/.test(text) || /^\/\*\* [^@]/.test(text)
  return [
    ...(paragraph ? [] : ["a first paragraph"]),
    ...(/@category \S/.test(text) ? [] : ["@category"]),
    ...(/@since \d/.test(text) ? [] : ["@since"])
  ]
}

const faults = files.sort().flatMap((file) => {
  const source = readFileSync(`${root}${file}`, "utf8")
  const module = new RegExp(`^(?:(?://|#!).*\n)*${comment}`).exec(source)?.[0]
  return [
    ...(module !== undefined && /@since|@internal/.test(module)
      ? []
      : [`${file}: the module has no comment with @since`]),
    ...[...source.matchAll(exported)].flatMap(([, text = "", name]) =>
      faultsOf(text).map((fault) => `${file}: ${name} lacks ${fault}`)
    )
  ]
})

for (const fault of faults) console.error(fault)
console.log(`${files.length} modules, ${faults.length} faults`)
process.exit(faults.length === 0 ? 0 : 1)
