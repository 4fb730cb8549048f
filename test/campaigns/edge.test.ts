/**
 * The core runs where there is no Node: everything outside `src/node`, `src/gateway`, `src/policy` and `src/cli`, and of
 * `src/testing` what needs neither gateway nor sockets.
 */
import { assert, describe, it } from "@effect/vitest"
import * as esbuild from "esbuild"
import { execFile } from "node:child_process"
import { globSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

const needsNode = /^src\/(?:node|gateway|policy|cli)\//
/** Tools for tests that need the gateway, or sockets. */
const testToolsOfNode = ["src/testing/GatewayMemory.ts", "src/testing/TcpFaults.ts"]

const modules = globSync("src/**/*.ts", { cwd: root })
  .filter((file) => !needsNode.test(file) && !/\/internal\//.test(file) && !testToolsOfNode.includes(file))
  .sort()

const builtin = new RegExp(`^(?:node:.*|${builtinModules.join("|")})$`)

/** Bundles for a browser, and tells who imported what there is none of there. */
const bundle = async (files: ReadonlyArray<string>) => {
  const refused: Array<string> = []
  const { metafile } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: [...files],
    outdir: "bundle",
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    conditions: ["effect-vargate-source"],
    logLevel: "silent",
    plugins: [{
      name: "no Node",
      setup: ({ onResolve }) =>
        onResolve({ filter: builtin }, ({ importer, path }) => {
          refused.push(`${importer.slice(root.length)} imports ${path}`)
          return { path, external: true }
        })
    }]
  })
  return { refused, inputs: Object.keys(metafile.inputs) }
}

/** Compiles with the types of the web alone. */
const compile = async (files: ReadonlyArray<string>) => {
  const folder = `${root}test/campaigns/.edge`
  mkdirSync(folder, { recursive: true })
  try {
    writeFileSync(
      `${folder}/tsconfig.json`,
      JSON.stringify({
        extends: "../../../tsconfig.json",
        compilerOptions: { types: [] },
        include: [],
        files: files.map((file) => `../../../${file}`)
      })
    )
    return await new Promise<string>((resolve) => {
      execFile(
        `${root}node_modules/.bin/tsc`,
        ["-p", folder],
        { cwd: root },
        (_, stdout, stderr) => resolve(stdout + stderr)
      )
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe("the core", () => {
  it("imports nothing of Node", async () => {
    assert.isAtLeast(modules.length, 50)
    const { inputs, refused } = await bundle(modules)
    assert.deepStrictEqual(refused, [])
    assert.deepStrictEqual(inputs.filter((file) => needsNode.test(file) || file.includes("platform-node")), [])
  })

  it("names nothing of Node: no Buffer, no process", async () => {
    assert.strictEqual(await compile(modules), "")
  })
})

describe("these tests", () => {
  it("would see an import, and a name", async () => {
    const { refused } = await bundle(["src/node/NodeHasher.ts"])
    assert.deepStrictEqual(refused, ["src/node/NodeHasher.ts imports node:crypto"])
    assert.match(await compile(["src/node/NodeHasher.ts"]), /Cannot find name 'Buffer'/)
  })
})
