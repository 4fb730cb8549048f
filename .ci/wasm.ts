/**
 * Compiles the modules in `src/verify/internal/wasm/`, which are AssemblyScript, each into a file that has it in base64.
 * With `--check` it only compares.
 */
import { main } from "assemblyscript/asc"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const internal = "src/verify/internal"

interface Module {
  readonly source: string
  readonly target: string
  readonly name: string
}

const modules: ReadonlyArray<Module> = [
  { source: "wasm/scan/plainRecord.ts", target: "scan/plainRecordsBinary.ts", name: "plainRecordsBinary" },
  { source: "wasm/merkle/treeRow.ts", target: "merkle/treeRowBinary.ts", name: "treeRowBinary" }
]

const options = {
  outFile: "module.wasm",
  baseDir: fileURLToPath(new URL("..", import.meta.url)),
  runtime: "stub",
  enable: "simd",
  optimizeLevel: "3",
  // Pages of 64 KiB, for what is in each `layout.ts`.
  initialMemory: "3",
  maximumMemory: "3"
}

const compile = async ({ source }: Module): Promise<string> => {
  let binary = ""
  const { error, stderr } = await main(
    [
      `${internal}/${source}`,
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
    ],
    {
      writeFile: (_, contents) => {
        binary = Buffer.from(contents).toString("base64")
      }
    }
  )
  if (error === null) return binary
  console.error(stderr.toString())
  process.exit(1)
}

for (const module of modules) {
  const target = `${internal}/${module.target}`
  const text = `/**
 * The module that \`${module.source}\` is the source of, in base64. Written by \`npm run build:wasm\`.
 *
 * @internal
 */
export const ${module.name} =
  "${await compile(module)}"
`
  const file = new URL(`../${target}`, import.meta.url)
  if (!process.argv.includes("--check")) {
    writeFileSync(file, text)
  } else if (readFileSync(file, "utf8") !== text) {
    console.error(`${target} is not up to date: run \`npm run build:wasm\``)
    process.exit(1)
  }
}
