/**
 * Bundles `src/gateway/http/nodePlatform.ts` into the package: the few modules of `@effect/platform-node` that the server
 * and the command line use, with the licences that they stand under. `effect` stays an import. Runs in `npm run build`,
 * after the compiler; takes the folder that the compiler wrote to.
 */
import { build } from "esbuild"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { licencesOf } from "./licences.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const module = join(process.argv[2] ?? join(root, "dist"), "gateway/http/nodePlatform")

const { metafile } = await build({
  entryPoints: [join(root, "src/gateway/http/nodePlatform.ts")],
  outfile: `${module}.js`,
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node22",
  external: ["effect", "effect/*"],
  // `ws` is no module, and requires what Node has built in.
  banner: {
    js: `import { createRequire as requireFrom } from "node:module"\nconst require = requireFrom(import.meta.url)`
  },
  metafile: true,
  logLevel: "warning"
})

writeFileSync(`${module}.LICENSE.txt`, licencesOf(metafile))

// Its types are those of packages that need not be there, and no user can import it.
for (const extension of ["d.ts", "d.ts.map", "js.map"]) rmSync(`${module}.${extension}`, { force: true })
