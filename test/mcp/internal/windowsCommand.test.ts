import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { createRequire } from "node:module"
import { windowsScript } from "../../../src/mcp/internal/windowsCommand.ts"

/** The quoting of the package that the MCP SDK starts its servers with. */
const oracle: {
  readonly command: (text: string) => string
  readonly argument: (text: string, isTwice: boolean) => string
} = createRequire(import.meta.url)("cross-spawn/lib/util/escape")

const script = (command: string, ...args: ReadonlyArray<string>) => Result.getOrThrow(windowsScript(command, args))

describe("windowsScript", () => {
  it("starts by itself what Windows starts by itself", () => {
    for (const command of ["C:\\node\\node.exe", "server.EXE", "tool.com"]) assert.isUndefined(script(command, "a b"))
  })

  it("gives everything else to cmd.exe, which finds it", () => {
    assert.strictEqual(script("npx"), "npx")
    assert.strictEqual(script("npx", "-y"), "npx ^\"-y^\"")
    assert.strictEqual(script("./bin/server", "a\\"), ".\\bin\\server ^\"a\\\\^\"")
  })

  it.prop(
    "quotes as cross-spawn does",
    [Schema.Array(Schema.String), Schema.Boolean],
    ([texts, isShim]) => {
      const args = texts.flatMap((text) => /[\r\n\0]/.test(text) ? [] : [text, `${text}"\\`, `%PATH%&${text}|^!`])
      const command = isShim ? "node_modules\\.bin\\server.cmd" : "C:\\Program Files\\server.cmd"
      assert.strictEqual(
        script(command, ...args),
        [oracle.command(command), ...args.map((text) => oracle.argument(text, isShim))].join(" ")
      )
    }
  )

  it("passes no argument of which cmd.exe would read a part only", () => {
    for (const text of ["a\nb", "a\rb", "a\0b"]) {
      assert.isTrue(Result.isFailure(windowsScript("npx", [text])))
      assert.isTrue(Result.isFailure(windowsScript(text, [])))
    }
  })
})
