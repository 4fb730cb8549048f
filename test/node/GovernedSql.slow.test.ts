import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Shadow } from "effect-vargate"
import * as GovernedSql from "effect-vargate/node/GovernedSql"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { folder } from "../support/folder.ts"

const programOf = (name: string) => fileURLToPath(new URL(`../governed/support/${name}.ts`, import.meta.url))

const start = <A>(program: string, ...args: ReadonlyArray<string>) =>
  Effect.callback<A, Error>((resume) => {
    execFile(
      process.execPath,
      ["--conditions=effect-vargate-source", programOf(program), ...args],
      (error, stdout, stderr) =>
        resume(
          error === null
            ? Effect.succeed(JSON.parse(stdout))
            : Effect.fail(new Error(`${error.message}\n${stdout}${stderr}`))
        )
    )
  })

const count = 60

describe("GovernedSql on a file", () => {
  it.live(`three processes claim ${count} calls at once: each is one process's, and all see the same one`, () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "governed.db")
      const processes = yield* Effect.all(
        ["p1", "p2", "p3"].map((name) =>
          start<{ won: Array<string>; seen: Array<string> }>("decisionsProgram", filename, name, String(count))
        ),
        { concurrency: 3 }
      )
      const won = processes.flatMap(({ won }) => won)
      assert.strictEqual(new Set(won).size, won.length, "two processes were told that they were first")
      assert.strictEqual(won.length, count)
      for (const { seen } of processes) assert.deepStrictEqual(seen, processes[0]!.seen)
    }))

  it.live("three processes draw on one budget at once: it is used to the end, and not overdrawn", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "governed.db")
      const processes = yield* Effect.all(
        ["1", "2", "3"].map((seed) => start<{ bought: number; used: number }>("budgetsProgram", filename, seed, "60")),
        { concurrency: 3 }
      )
      const bought = processes.reduce((sum, { bought }) => sum + bought, 0)
      assert.isAtMost(bought, 1000)
      assert.isAbove(bought, 960)
      assert.strictEqual(Math.max(...processes.map(({ used }) => used)), bought)
    }))

  it.live("three processes claim pending actions at once: each is begun by one, and every call is counted", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "governed.db")
      const processes = yield* Effect.all(
        ["shadow", "shadow", "approval"].map((by) =>
          start<{ won: Array<string> }>("shadowProgram", filename, by, String(count))
        ),
        { concurrency: 3 }
      )
      const won = processes.flatMap(({ won }) => won)
      assert.strictEqual(new Set(won).size, won.length, "two processes were told that it is theirs")
      assert.strictEqual(won.length, count)
      yield* Effect.gen(function*() {
        const store = yield* Shadow.ShadowStore
        assert.strictEqual((yield* store.observed(0))[0]!.calls, 3 * count)
        const open = yield* store.open({ limit: 1000 })
        assert.strictEqual(open.length, processes[0]!.won.length + processes[1]!.won.length)
      }).pipe(Effect.provide(GovernedSql.layerSqlite({ filename })))
    }))
})
