import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as GatewayMemory from "../../../src/testing/GatewayMemory.ts"
import { run } from "../../support/cli.ts"
import { folder } from "../../support/folder.ts"

const written = {
  "UTF-8": (text: string) => Buffer.from(text),
  "UTF-8 with a mark": (text: string) => Buffer.from(`\u{feff}${text}`),
  "UTF-16, as Windows PowerShell writes it": (text: string) =>
    Buffer.from(`\u{feff}${text}`.replaceAll("\n", "\r\n"), "utf16le")
}

describe("a file of the user", () => {
  it.effect.each(Object.entries(written))("is read: %s", ([, bytes]) =>
    Effect.gen(function*() {
      const path = yield* folder
      const place = (name: string, text: string) => {
        writeFileSync(join(path, name), bytes(text))
        return join(path, name)
      }
      const key = place("key", "vargate-local-key\n")
      const settings = place("settings.json", "{\"name\": \"Käse\"}\n")
      const applied = yield* run(["settings", "apply", settings, "--key-file", key, "--json"], { hasFiles: true })
      assert.deepStrictEqual([applied.code, applied.err], [0, ""])
      const config = place("config.json", "{\"api_url\": \"http://localhost\", \"api_key\": \"vargate-local-key\"}\n")
      const params = place("params.json", "{\"text\": \"Käse\"}\n")
      const call = yield* run(
        ["call", "mail", "send", "--params", `@${params}`, "--config", config, "--json"],
        { hasFiles: true }
      )
      assert.include(call.out, "Allowed")
      const status = yield* run(["status", "--config", config, "--json"], { hasFiles: true })
      assert.include(status.out, "Käse")
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
