/** The bundle in a published package, beside the modules that it is made of. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { apart, isBundled } from "../../src/cli/apart.ts"
import { commands } from "../../src/cli/commands.ts"
import { runProcess, Served, served } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const build = fileURLToPath(new URL("../../.ci/cli.ts", import.meta.url))

const bundle = Effect.map(folder, (folder) => {
  execFileSync(process.execPath, [build, folder])
  return join(folder, "cli/bundle")
})

/** Of two processes, one after the other, a gateway measures other times. */
const withoutTimes = (text: string) => text.replaceAll(/"healthMillis":\d+|"seconds":[\d.e-]+|\b\d+ ms\b/g, "some time")

const commandLines = [
  ["--help"],
  ["status"],
  ["status", "--json"],
  ["call", "bank", "pay", "-p", "{\"amount\":", "--json"],
  ["approvals", "--json"],
  ["audit", "--help"],
  ["verify", "--json"],
  ["settings", "get"],
  ["nothing-like-it"],
  ["doctor", "--no-such-flag"]
]

layer(served({ tenants: [{ id: "shop", apiKey: "vg-key-of-the-shop" }] }), { excludeTestServices: true })(
  "the bundle of the command line",
  (it) => {
    it.effect("says what the modules say", () =>
      Effect.gen(function*() {
        const file = join(yield* bundle, "start.js")
        const { env } = yield* Served
        for (const args of commandLines) {
          assert.isTrue(isBundled(args), args.join(" "))
          const [bundled, modules] = yield* Effect.all([
            runProcess(args, { env, file }),
            runProcess(args, { env })
          ], { concurrency: 2 })
          assert.deepStrictEqual(
            { ...bundled, out: withoutTimes(bundled.out) },
            { ...modules, out: withoutTimes(modules.out) },
            args.join(" ")
          )
          assert.notInclude(bundled.err, "fault")
        }
      }))

    it.effect("holds each command but those that are apart, and the licences of what it holds", () =>
      Effect.gen(function*() {
        const path = yield* bundle
        const files = readdirSync(path)
        for (const name of Object.keys(commands)) {
          if (["backup", "restore", "archive"].includes(name)) continue
          const module = name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
          assert.strictEqual(files.some((file) => file.startsWith(`${module}-`)), !apart.includes(name), name)
        }
        assert.isFalse(files.some((file) => file.startsWith("ledger-")))
        assert.include(readFileSync(join(path, "LICENSE.txt"), "utf8"), "effect\n\nMIT License")
      }))
  }
)
