import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Member, SessionOpened } from "../../src/cli/Output.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"
import { assertMode } from "../support/mode.ts"

describe("session", () => {
  it.effect("keeps its token in a file for its owner, and off the screen", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "token")
      const { code, err, out } = yield* run(["session", "--token-file", path, "--json"], { hasFiles: true })
      const token = readFileSync(path, "utf8").trim()
      assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/)
      assertMode(path, 0o600)
      assert.notInclude(out + err, token)
      assert.deepInclude({ ...decodeLines(SessionOpened, out)[0] }, { tenantId: "local", tokenFile: path })
      const shown = yield* run(["session"])
      assert.match(shown.out, /✓ opened\nTenant +local\nEnds +\d{4}[^]*not kept/)
      assert.notMatch(shown.out, /[\w-]{20,}\.[\w-]{20,}/)
      assert.deepStrictEqual([code, err, shown.code], [0, "", 0])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("gives its token to a pipe, and to no terminal", () =>
    Effect.gen(function*() {
      const piped = yield* run(["session", "--token-file", "-"])
      assert.match(piped.out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/)
      const terminal = yield* run(["session", "--token-file", "-"], { columns: 80 })
      assert.match(terminal.err, /The token is a secret/)
      assert.deepStrictEqual([piped.code, terminal.code, terminal.out], [0, 2, ""])
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("lists the tenants that one may act for", () =>
    Effect.gen(function*() {
      const [member] = decodeLines(Member, (yield* run(["session", "tenants", "--json"])).out)
      assert.deepInclude({ ...member }, { tenantId: "local", current: true })
      assert.match((yield* run(["session", "tenants"])).out, /✓ +local +Local/)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
