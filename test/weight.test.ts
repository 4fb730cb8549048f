/** What a module brings along: everything that it loads, however far away, and is neither ours nor `effect`. */
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { paths } from "../.ci/paths.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const open = paths.filter(({ isOpen }) => isOpen).map(({ path }) => path)

/** By module, what it loads from elsewhere at its start. What is imported once it is needed does not count. */
const loadedBy = async (modules: ReadonlyArray<string>) => {
  const { metafile } = await build({
    entryPoints: modules.map((path) => `${root}src/${path}.ts`),
    absWorkingDir: root,
    outdir: "nowhere",
    write: false,
    bundle: true,
    splitting: false,
    format: "esm",
    platform: "node",
    packages: "external",
    // A build step puts a bundle of these modules into the package.
    external: ["*/nodePlatform.ts"],
    metafile: true,
    logLevel: "warning"
  })
  return new Map(
    Object.values(metafile.outputs).map(({ entryPoint = "", imports }) =>
      [
        entryPoint.slice("src/".length, -".ts".length),
        [...new Set(imports.filter(({ kind }) => kind !== "dynamic-import").map(({ path }) => packageOf(path)))]
          .filter((name) => name !== "effect" && !name.startsWith(".")).sort()
      ] as const
    )
  )
}

const packageOf = (path: string) =>
  path.startsWith("node:")
    ? "Node"
    : path.startsWith(".")
    ? "."
    : path.split("/").slice(0, path.startsWith("@") ? 2 : 1).join("/")

const folderOf = (path: string) => path.split("/")[0]!

describe("what is loaded", () => {
  it("by the core is effect, and nothing of Node", async () => {
    const core = open.filter((path) => !["gateway", "policy", "node", "testing", "cli", "mcp"].includes(folderOf(path)))
    const loaded = await loadedBy(["index", ...core])
    assert.strictEqual(loaded.size, core.length + 1)
    for (const [path, packages] of loaded) assert.deepStrictEqual(packages, [], path)
  })

  it("by Vargate.layerOf are the services that it names", async () => {
    const { metafile } = await build({
      stdin: {
        contents: `
          import * as Approvals from "./src/approvals/Approvals.ts"
          import * as ToolCalls from "./src/calls/ToolCalls.ts"
          import * as Transport from "./src/transport/Transport.ts"
          import * as Vargate from "./src/Vargate.ts"
          console.log(Vargate.layerOf(Transport.layerConfig(), ToolCalls.layer, Approvals.layer))`,
        resolveDir: root
      },
      absWorkingDir: root,
      write: false,
      bundle: true,
      format: "esm",
      packages: "external",
      metafile: true
    })
    const folders = Object.values(metafile.outputs)
      .flatMap(({ inputs }) => Object.entries(inputs))
      .filter(([path, { bytesInOutput }]) => path.startsWith("src/") && bytesInOutput > 0)
      .map(([path]) => path.split("/")[1]!)
    assert.includeMembers(folders, ["calls", "approvals", "transport"])
    for (const other of ["operator", "verify", "governed", "webhooks"]) assert.notInclude(folders, other)
  })

  it("by every other module is as docs/runtimes.md says", async () => {
    const page = readFileSync(`${root}docs/runtimes.md`, "utf8")
    const documented = new Map(
      [...page.matchAll(/^\| `effect-vargate\/([\w/]+)` +\| ([^|]+?) +\|/gm)].map(([, path, needs]) =>
        [path!, [...needs!.matchAll(/`([^`]+)`|Node/g)].map(([all, name]) => name ?? all).sort()] as const
      )
    )
    const needy = [...await loadedBy(open)].filter(([, packages]) => packages.some((name) => name !== "Node"))
    assert.deepStrictEqual(new Map(needy), documented)
  })
})
