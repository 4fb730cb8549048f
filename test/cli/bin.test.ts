import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const bin = fileURLToPath(new URL("../../src/cli/bin.ts", import.meta.url))

/** Starts the command line in a process that takes itself for another version of Node. */
const runAs = (node: string) =>
  spawnSync(
    process.execPath,
    [
      "--conditions=effect-vargate-source",
      `--import=data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"${node}"}})`,
      bin,
      "--version"
    ],
    { encoding: "utf8" }
  )

describe("bin", () => {
  it("says in one line what an old Node is too old for", () => {
    for (const node of ["18.20.8", "22.18.0"]) {
      const { status, stderr, stdout } = runAs(node)
      assert.strictEqual(stderr, `effect-vargate needs Node 22.19 or newer; this is Node ${node}.\n`)
      assert.deepStrictEqual([status, stdout], [1, ""])
    }
  })

  it("starts on one that is new enough", () => {
    const { status, stdout } = runAs("22.19.0")
    assert.strictEqual(status, 0)
    assert.match(stdout, /\d+\.\d+\.\d+/)
  })
})
