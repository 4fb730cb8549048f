import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { SuspensionLine } from "../../src/cli/Output.ts"
import { KillSwitch, layerSwitch } from "../../src/governed/Suspension.ts"
import * as GovernedSql from "../../src/node/GovernedSql.ts"
import * as GatewayMemory from "../../src/testing/GatewayMemory.ts"
import { decodeLines, run } from "../support/cli.ts"
import { folder } from "../support/folder.ts"

const suspension = (args: ReadonlyArray<string>) => run(["suspension", ...args], { hasFiles: true, columns: 100 })

/** A store that an agent has open. */
const store = Effect.gen(function*() {
  const filename = join(yield* folder, "governed.db")
  const context = yield* Layer.build(Layer.provide(layerSwitch, GovernedSql.layerSqlite({ filename })))
  return { filename, kill: yield* Effect.provide(KillSwitch, context) }
})

describe("suspension", () => {
  it.effect("stops an agent for all processes on the file, lists it, and lifts it", () =>
    Effect.gen(function*() {
      const { filename, kill } = yield* store
      const stopped = yield* suspension([
        "stop",
        "--data",
        filename,
        "--agent",
        "refund-bot",
        "--tool",
        "stripe",
        "--by",
        "ann",
        "-n",
        "audit",
        "--json"
      ])
      const [entry] = decodeLines(SuspensionLine, stopped.out)
      assert.deepInclude(entry, { agentId: "refund-bot", tool: "stripe", by: "ann", note: "audit", liftedAt: null })
      assert.deepStrictEqual((yield* kill.active).map(({ id }) => id), [entry!.id])
      const listed = yield* suspension(["--data", filename, "list"])
      assert.match(listed.out, /tool stripe of agent refund-bot +holds +ann .*audit/)
      const lifted = yield* suspension(["lift", entry!.id.slice(0, 8), "--data", filename, "--by", "bob", "--json"])
      assert.deepInclude(decodeLines(SuspensionLine, lifted.out)[0], { id: entry!.id, liftedBy: "bob" })
      assert.deepStrictEqual(yield* kill.active, [])
      assert.match((yield* suspension(["list", "--data", filename])).err, /Nothing is suspended/)
      assert.match((yield* suspension(["list", "--all", "--data", filename])).out, /lifted by bob/)
    }).pipe(Effect.provide(GatewayMemory.layer())))

  it.effect("refuses a command line that does not say what to stop, or names none that holds", () =>
    Effect.gen(function*() {
      const { filename, kill } = yield* store
      for (const args of [[], ["--everything", "--agent", "a"]]) {
        const { code, err } = yield* suspension(["stop", "--data", filename, "--by", "ann", ...args])
        assert.strictEqual(code, 2)
        assert.match(err, /Pass --agent, --tool or both, or --everything alone/)
      }
      assert.deepStrictEqual(yield* kill.active, [])
      const everything = yield* suspension(["stop", "--data", filename, "--by", "ann", "--everything"])
      assert.match(everything.out, /holds everything/)
      const none = yield* suspension(["lift", "zzz", "--data", filename, "--by", "ann"])
      assert.strictEqual(none.code, 2)
      assert.match(none.err, /No suspension in force begins with zzz/)
      const missing = yield* suspension(["list", "--data", join(filename, "..", "none.db")])
      assert.match(missing.err, /there is no such file/)
    }).pipe(Effect.provide(GatewayMemory.layer())))
})
