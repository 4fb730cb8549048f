import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { paths, resolver } from "../.ci/paths.ts"

const root = fileURLToPath(new URL("..", import.meta.url))

const node = (...args: ReadonlyArray<string>) =>
  JSON.parse(
    execFileSync(process.execPath, ["--conditions=effect-vargate-source", ...args], { cwd: root, encoding: "utf8" })
  )

describe("exports", () => {
  it("opens every module for users and no machinery", () => {
    assert.deepStrictEqual(node("--input-type=module", "--eval", resolver, JSON.stringify(paths)), [])
  })

  it("has an open module in every folder, and a closed one in every folder that holds machinery", () => {
    const folders = (isOpen: boolean) =>
      new Set(paths.filter((path) => path.isOpen === isOpen).map(({ path }) => path.split("/")[0]))
    const expected = [
      "model",
      "errors",
      "transport",
      "audit",
      "verify",
      "webhooks",
      "calls",
      "approvals",
      "operator",
      "export",
      "reviews"
    ]
    for (
      const folder of [
        ...expected,
        "governed",
        "gateway",
        "ai",
        "workflow",
        "http",
        "policy",
        "mcp",
        "node",
        "testing",
        "cli"
      ]
    ) {
      assert.isTrue(folders(true).has(folder), folder)
    }
    for (const folder of [...expected.slice(1), "gateway", "workflow", "policy", "mcp", "node", "cli", "internal"]) {
      assert.isTrue(folders(false).has(folder), folder)
    }
  })
})
