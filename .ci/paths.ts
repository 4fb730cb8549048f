/**
 * Which module of `src/` a user can import by its path: by this rule, and by `exports` in `package.json` as Node reads it.
 */
import { globSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/** Folders that are machinery throughout, but for the modules that are named. */
const machinery = ["internal", "wire", "gateway/http", "gateway/inbox", "gateway/reports", "gateway/sqlite", "cli"]
const exceptions = ["gateway/reports/PdfPrinter", "cli/Output"]

export interface Path {
  /** From `src/`, without the extension. */
  readonly path: string
  readonly isOpen: boolean
}

/** Every module but the barrel. Modules named in camel case are machinery wherever they stand. */
export const paths: ReadonlyArray<Path> = globSync("src/**/*.ts", {
  cwd: root,
  exclude: ["src/verify/internal/wasm/**", "src/gateway/inbox/page/**", "src/**/*.d.ts", "src/index.ts"]
}).map((file) => file.replaceAll("\\", "/").replace(/^src\/(.*)\.ts$/, "$1")).sort().map((path) => ({
  path,
  isOpen: exceptions.includes(path) ||
    (/(?:^|\/)[A-Z]\w*$/.test(path) && !machinery.some((folder) => `/${path}`.includes(`/${folder}/`)))
}))

/** A program that resolves what it is given as JSON in its first argument, and prints the paths that are not as said. */
export const resolver = `
const wrong = JSON.parse(process.argv[1]).filter(({ isOpen, path }) => {
  try {
    const found = process.getBuiltinModule("fs").existsSync(new URL(import.meta.resolve("effect-vargate/" + path)))
    return !(isOpen && found)
  } catch (error) {
    if (error.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw error
    return isOpen
  }
})
console.log(JSON.stringify(wrong))
`
