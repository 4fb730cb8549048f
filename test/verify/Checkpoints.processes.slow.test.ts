import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Checkpoints from "../../src/verify/Checkpoints.ts"

const withFile = () => {
  const folder = mkdtempSync(join(tmpdir(), "checkpoints-"))
  const path = join(folder, "kept.json")
  return { folder, path, end: () => rmSync(folder, { recursive: true }) }
}

const program = fileURLToPath(new URL("../support/checkpointsProgram.ts", import.meta.url))

/** A process that keeps checkpoints `from` to `to` of a tenant; the counts that it was acknowledged. */
const keeper = (path: string, tenantId: string, from: number, to: number) => {
  const child = spawn(process.execPath, [
    "--conditions=effect-vargate-source",
    program,
    path,
    tenantId,
    String(from),
    String(to)
  ])
  let said = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text) => said += text)
  child.stderr.setEncoding("utf8").on("data", (text) => stderr += text)
  const ended = new Promise<ReadonlyArray<number>>((resolve, reject) =>
    child.once("close", (code, signal) =>
      code === 0 || signal === "SIGKILL"
        ? resolve(said.split("\n").slice(0, -1).map(Number))
        : reject(new Error(stderr)))
  )
  return { ended, kill: () => child.kill("SIGKILL"), hasSaid: () => said !== "" }
}

const countsIn = (path: string, tenantId: string) =>
  Effect.map(
    Checkpoints.fromJson(readFileSync(path, "utf8")),
    (kept) => kept.filter((checkpoint) => checkpoint.tenantId === tenantId).map(({ count }) => count)
  )

describe("a checkpoint file of several processes", () => {
  it.live("holds what each of them was acknowledged, and nothing else is left", () => {
    const { end, folder, path } = withFile()
    return Effect.gen(function*() {
      const tenants = ["a", "b", "c"]
      const kept = yield* Effect.promise(() => Promise.all(tenants.map((tenant) => keeper(path, tenant, 1, 40).ended)))
      for (const [index, tenant] of tenants.entries()) {
        assert.lengthOf(kept[index]!, 40)
        assert.deepStrictEqual(yield* countsIn(path, tenant), kept[index])
      }
      assert.deepStrictEqual(readdirSync(folder), ["kept.json"])
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }).pipe(Effect.ensuring(Effect.sync(end)))
  })

  it.live("holds all that was acknowledged when they are killed, and drafts do not pile up", () => {
    const { end, folder, path } = withFile()
    return Effect.gen(function*() {
      const acknowledged = new Map<string, number>()
      for (let round = 0; round < 3; round++) {
        const running = ["a", "b"].map((tenant) => ({
          tenant,
          ...keeper(path, tenant, (acknowledged.get(tenant) ?? 0) + 2, 1e6)
        }))
        yield* Effect.promise(async () => {
          while (!running.every(({ hasSaid }) => hasSaid())) await new Promise((resolve) => setTimeout(resolve, 5))
          for (const { kill } of running) kill()
          for (const { ended, tenant } of running) acknowledged.set(tenant, (await ended).at(-1)!)
        })
        for (const { tenant } of running) {
          const counts = yield* countsIn(path, tenant)
          assert.include(counts, acknowledged.get(tenant))
          assert.isAtMost(counts.at(-1)!, acknowledged.get(tenant)! + 1)
        }
      }
      yield* Effect.promise(() => keeper(path, "c", 1, 1).ended)
      assert.deepStrictEqual(readdirSync(folder), ["kept.json"])
    }).pipe(Effect.ensuring(Effect.sync(end)))
  })
})
