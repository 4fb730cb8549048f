/**
 * Bundles the command line into the package, with what it needs of `effect` and `@effect/platform-node` and their
 * licences: all but the commands of `src/cli/apart.ts`, which run from the modules. Runs in `npm run build`, after the
 * compiler; takes the folder that the compiler wrote to.
 */
import { build } from "esbuild"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { apart } from "../src/cli/apart.ts"
import { licencesOf } from "./licences.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = join(process.argv[2] ?? join(root, "dist"), "cli/bundle")

/** `mcp-proxy` is in `mcpProxy.ts`; the three commands of the ledger share a module. */
const modules = new Set(
  apart.map((name) =>
    ["backup", "restore", "archive"].includes(name)
      ? "./ledger.ts"
      : `./${name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())}.ts`
  )
)

const { metafile } = await build({
  entryPoints: [join(root, "src/cli/start.ts")],
  outdir: folder,
  absWorkingDir: root,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node22",
  minifySyntax: true,
  minifyWhitespace: true,
  plugins: [{
    name: "apart",
    setup: ({ onResolve }) =>
      onResolve(
        { filter: /^\.\/\w+\.ts$/ },
        ({ importer, path }) =>
          /(?:commands|doctor)\.ts$/.test(importer) && modules.has(path)
            // No command line that starts the bundle names them.
            ? { path: `.${path.replace(/ts$/, "js")}`, external: true }
            : undefined
      )
  }],
  // `ws` is no module, and requires what Node has built in.
  banner: {
    js: `import { createRequire as requireFrom } from "node:module"\nconst require = requireFrom(import.meta.url)`
  },
  metafile: true,
  logLevel: "warning"
})

writeFileSync(join(folder, "LICENSE.txt"), licencesOf(metafile))
