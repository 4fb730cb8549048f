import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { platform } from "node:os"
import { processHolder } from "../../../src/node/internal/processHolder.ts"

describe.skipIf(platform() !== "linux")("processHolder (needs Linux)", () => {
  it.live("is certain of a process that has ended, and of no other", () =>
    Effect.gen(function*() {
      const { hasEnded, name } = processHolder
      const [pid, start, ...place] = name.split("/")
      assert.strictEqual(pid, String(process.pid))
      assert.isFalse(yield* hasEnded(name))
      const child = spawn(process.execPath, ["--eval", "setInterval(() => {}, 1000)"], { stdio: "ignore" })
      yield* Effect.promise(() => once(child, "spawn"))
      const named = (pid: number | undefined, at = start!) => [pid, at, ...place].join("/")
      const startOf = yield* Effect.promise(() =>
        new Promise<string>((done) =>
          execFile("cat", [`/proc/${child.pid}/stat`], (_, text) =>
            done(text.slice(text.lastIndexOf(")") + 2).split(" ")[19]!))
        )
      )
      assert.isFalse(yield* hasEnded(named(child.pid, startOf)))
      // The id is another process's now.
      assert.isTrue(yield* hasEnded(named(child.pid, String(Number(startOf) - 1))))
      child.kill("SIGKILL")
      yield* Effect.promise(() =>
        once(child, "exit")
      )
      assert.isTrue(yield* hasEnded(named(child.pid, startOf)))
      // On another machine, after another boot, in another container; of no name at all.
      const elsewhere = name.replace(/[0-9a-f]{8}-/, (part) => (part === "00000000-" ? "11111111-" : "00000000-"))
      for (const other of [`${child.pid}/${startOf}/1/${place[1]}`, elsewhere, "", "x", `${child.pid}/${startOf}`]) {
        assert.isFalse(yield* hasEnded(other), other)
      }
    }))
})
