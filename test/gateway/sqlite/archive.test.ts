/** Old records, taken out of a ledger into files that verify together with what stays. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer } from "effect"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import { HttpClient, HttpClientRequest } from "effect/http"
import { TestClock } from "effect/testing"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Reviews from "../../../src/approvals/Reviews.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Vargate from "../../../src/Vargate.ts"
import * as ChainVerifier from "../../../src/verify/ChainVerifier.ts"
import { Merkle } from "../../../src/verify/Merkle.ts"
import { folder } from "../../support/folder.ts"

const tenants = [
  { id: "t", apiKey: "test-key-1", burst: 1e6 },
  { id: "u/v", apiKey: "test-key-2", burst: 1e6 }
]
const apiKey = "test-key-1"

const running = <A, E>(
  filename: string,
  use: Effect.Effect<A, E, Vargate.Services | Reviews.Reviews | Ledger | HttpClient.HttpClient>
) =>
  Effect.provide(
    use,
    Layer.provideMerge(Reviews.layer, Vargate.layer({ apiKey })).pipe(
      Layer.provideMerge(Gateway.layerSqlite({ filename, tenants })),
      Layer.fresh
    ),
    { local: true }
  )

const calls = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }),
    (_, n) => ToolCalls.call({ tool: "slack", method: "post", params: { n, text: "ü" }, allowDuplicate: true }),
    { discard: true }
  )

/** So many calls an hour, and the hour after. */
const hours = (...counts: ReadonlyArray<number>) =>
  Effect.forEach(counts, (count) => Effect.andThen(calls(count), TestClock.adjust("1 hour")), { discard: true })

const shown = Effect.gen(function*() {
  const request = HttpClientRequest.get("http://localhost/audit/log?limit=1000", { headers: { "x-api-key": apiKey } })
  const response = yield* HttpClient.execute(request)
  return new Uint8Array(yield* response.arrayBuffer)
})

const at = (hour: number) => DateTime.makeUnsafe(hour * 3_600_000)
const problemOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as { readonly problem?: string }).problem)

const rowsIn = (filename: string, sql = "SELECT count(*) AS n FROM records") => {
  const db = new DatabaseSync(filename)
  try {
    return Number(db.prepare(sql).get()!.n)
  } finally {
    db.close()
  }
}

const test = (title: string, body: (root: string) => Effect.Effect<void, unknown>) =>
  it.effect(title, () => Effect.scoped(Effect.flatMap(folder, body)))

describe("Gateway.archive", () => {
  test("takes whole hours out, and the archive verifies with what stays", (root) =>
    Effect.gen(function*() {
      const filename = join(root, "v.db")
      const to = join(root, "archives")
      yield* running(filename, Effect.andThen(hours(5, 6, 7), calls(2)))
      const [archive, ...others] = yield* Gateway.archive({ filename, to, before: at(2.5) })
      assert.deepStrictEqual(others, [])
      assert.deepInclude(archive, { tenantId: "t", records: 11, filename: join(to, "t-1-12.json") })
      assert.strictEqual(archive!.checkpoint.count, 12)
      assert.strictEqual(rowsIn(filename), 9)
      assert.strictEqual(rowsIn(filename, "SELECT count(*) AS n FROM policy_inputs"), 9)
      const old = new Uint8Array(readFileSync(archive!.filename))

      const alone = yield* ChainVerifier.verifyFile(old)
      assert.deepInclude({ ...alone }, { valid: true, records: 12 })

      const rest = yield* running(
        filename,
        Effect.gen(function*() {
          // The gateway goes on, and vouches for all of it.
          yield* calls(3)
          const ledger = yield* Ledger
          assert.strictEqual((yield* ledger.nth("t", 23))!.prevHash, (yield* ledger.nth("t", 22))!.recordHash)
          const verdict = yield* HttpClient.execute(
            HttpClientRequest.get("http://localhost/audit/verify", { headers: { "x-api-key": apiKey } })
          )
          assert.deepInclude(yield* verdict.json as Effect.Effect<object>, { valid: true, record_count: 23 })
          // So does whoever keeps the checkpoint.
          const since = yield* ChainVerifier.verify({ since: archive!.checkpoint })
          assert.deepInclude({ ...since }, { valid: true })
          // Without it, what is missing is missing.
          const whole = yield* ChainVerifier.verify()
          assert.isFalse(whole.valid)
          assert.include(whole.findings.map(({ _tag }) => _tag), "DoesNotReachGenesis")
          assert.deepInclude({ ...yield* Merkle.use((merkle) => merkle.verify) }, { valid: true, trees: 3 })
          return yield* shown
        })
      )
      const together = yield* ChainVerifier.verifyPages([old, rest], { checkpoints: [archive!.checkpoint] })
      assert.deepInclude({ ...together }, { valid: true, records: 23, findings: [] })

      // What stays is no whole log, and an archive that was cut or changed does not pass.
      assert.isFalse((yield* ChainVerifier.verifyPages([rest])).valid)
      const page = JSON.parse(new TextDecoder().decode(old))
      const verifyChanged = (records: ReadonlyArray<unknown>) =>
        ChainVerifier.verifyPages([
          new TextEncoder().encode(JSON.stringify({ ...page, records, count: records.length })),
          rest
        ])
      assert.isTrue((yield* verifyChanged(page.records)).valid)
      assert.isFalse((yield* verifyChanged(page.records.filter((_: unknown, n: number) => n !== 5))).valid)
      assert.isFalse((yield* verifyChanged(page.records.slice(0, -1))).valid)
      const changed = page.records.map((record: object, n: number) => n === 3 ? { ...record, severity: "low" } : record)
      assert.isFalse((yield* verifyChanged(changed)).valid)
    }))

  test("goes on where the last one ended, and backups hold on to it", (root) =>
    Effect.gen(function*() {
      const filename = join(root, "v.db")
      const to = join(root, "archives")
      yield* running(filename, Effect.andThen(hours(4, 4, 4), calls(1)))
      const [first] = yield* Gateway.archive({ filename, to, before: at(1) })
      assert.deepStrictEqual(yield* Gateway.archive({ filename, to, before: at(1) }), [])
      const [second] = yield* Gateway.archive({ filename, to, before: at(3) })
      assert.deepStrictEqual([first!.records, second!.records], [4, 8])
      assert.deepStrictEqual(readdirSync(to).sort(), ["t-1-5.json", "t-5-13.json"])
      const backup = yield* Gateway.backup({ filename, to: join(root, "backup.db") })
      assert.deepStrictEqual(backup.tenants.map(({ records }) => records), [13])
      const rest = yield* running(filename, Effect.andThen(calls(1), shown))
      const files = [first!, second!].map(({ filename }) => new Uint8Array(readFileSync(filename)))
      const report = yield* ChainVerifier.verifyPages([rest, ...files])
      assert.deepInclude({ ...report }, { valid: true, records: 14 })
      assert.isFalse((yield* ChainVerifier.verifyPages([rest, files[1]!])).valid)
    }))

  test("leaves what is open, what is newest, and what is no whole hour", (root) =>
    Effect.gen(function*() {
      const filename = join(root, "v.db")
      const to = join(root, "archives")
      yield* running(
        filename,
        Effect.gen(function*() {
          yield* hours(3)
          yield* Effect.flip(ToolCalls.call({ tool: "files", method: "delete" }))
          yield* hours(2)
          yield* calls(1)
        })
      )
      assert.deepStrictEqual(yield* Gateway.archive({ filename, to, before: at(0.9) }), [])
      const [archive] = yield* Gateway.archive({ filename, to, before: at(100) })
      // Up to the pending action, which is the first record that stays.
      assert.deepInclude(archive, { records: 3 })
      yield* running(filename, TestClock.adjust("2 hours"))
      assert.deepStrictEqual(yield* Gateway.archive({ filename, to, before: at(1.5) }), [])
    }))

  test("has a file for each tenant, and needs the ledger for itself", (root) =>
    Effect.gen(function*() {
      const filename = join(root, "v.db")
      const to = join(root, "archives")
      yield* running(
        filename,
        Effect.gen(function*() {
          yield* calls(2)
          const theirs = Vargate.layer({ apiKey: "test-key-2" })
          yield* Effect.provide(calls(3), theirs, { local: true })
          yield* TestClock.adjust("1 hour")
          yield* calls(1)
          yield* Effect.provide(calls(1), theirs, { local: true })
          assert.strictEqual(yield* problemOf(Gateway.archive({ filename, to, before: at(1) })), "InUse")
        })
      )
      const archives = yield* Gateway.archive({ filename, to, before: at(1) })
      assert.deepStrictEqual(archives.map(({ records, tenantId }) => [tenantId, records]), [["t", 2], ["u/v", 3]])
      assert.deepStrictEqual(readdirSync(to).sort(), ["t-1-3.json", "u%2Fv-1-4.json"])
    }))

  test("takes nothing out of a ledger that is broken, and overwrites no archive", (root) =>
    Effect.gen(function*() {
      const filename = join(root, "v.db")
      const to = join(root, "archives")
      yield* running(filename, Effect.andThen(hours(3), calls(1)))
      const db = new DatabaseSync(filename)
      db.exec("UPDATE records SET severity = 'low' WHERE position = 2")
      assert.strictEqual(yield* problemOf(Gateway.archive({ filename, to, before: at(1) })), "Broken")
      assert.deepStrictEqual(readdirSync(to), [])
      db.exec("UPDATE records SET severity = 'none' WHERE position = 2")
      db.close()
      writeFileSync(join(to, "t-1-4.json"), "another log")
      assert.strictEqual(yield* problemOf(Gateway.archive({ filename, to, before: at(1) })), "Exists")
      assert.strictEqual(rowsIn(filename), 4)
      rmSync(join(to, "t-1-4.json"))
      yield* Gateway.archive({ filename, to, before: at(1) })
      assert.strictEqual(rowsIn(filename), 1)
    }))
})
