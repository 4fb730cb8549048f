/**
 * Compiles `src/verify/internal/wasm/`, which is AssemblyScript, into `src/verify/internal/scan/plainRecordsBinary.ts`. With `--check` it
 * only compares.
 */
import { main } from "assemblyscript/asc"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const target = new URL("../src/verify/internal/scan/plainRecordsBinary.ts", import.meta.url)

const options = {
  outFile: "plainRecord.wasm",
  baseDir: fileURLToPath(new URL("..", import.meta.url)),
  runtime: "stub",
  enable: "simd",
  optimizeLevel: "3",
  // Pages of 64 KiB, for what is in `layout.ts`.
  initialMemory: "3",
  maximumMemory: "3"
}

let binary = ""
const { error, stderr } = await main(
  [
    "src/verify/internal/wasm/plainRecord.ts",
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  ],
  {
    writeFile: (_, contents) => {
      binary = Buffer.from(contents).toString("base64")
    }
  }
)
if (error !== null) {
  console.error(stderr.toString())
  process.exit(1)
}

const text = `/**
 * The module that \`wasm/\` is the source of, in base64. Written by \`npm run build:wasm\`.
 *
 * @internal
 */
export const plainRecordsBinary =
  "${binary}"
`

if (!process.argv.includes("--check")) {
  writeFileSync(target, text)
} else if (readFileSync(target, "utf8") !== text) {
  console.error("src/verify/internal/scan/plainRecordsBinary.ts is not up to date: run `npm run build:wasm`")
  process.exit(1)
}
