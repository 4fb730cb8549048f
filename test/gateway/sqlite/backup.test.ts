/** Backups of a gateway's file, and ledgers that are put back from them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, References } from "effect"
import * as Gateway from "effect-vargate/gateway/Gateway"
import { Ledger } from "effect-vargate/gateway/ledger/Ledger"
import { execFile } from "node:child_process"
import { copyFileSync, existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { AuditLog } from "../../../src/audit/AuditLog.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Vargate from "../../../src/Vargate.ts"
import { folder } from "../../support/folder.ts"
import { hasPython } from "../../support/python.ts"

// How many calls a copy lets through depends on the machine.
const policyConfig = { dailyActionLimit: 1e9 }
const tenants = ["t", "u"].map((id, i) => ({ id, apiKey: `test-key-${i + 1}`, burst: 1e6, policyConfig }))

/** Runs something with a gateway over the file. */
const running = <A, E>(
  filename: string,
  use: Effect.Effect<A, E, ToolCalls.ToolCalls | AuditLog | Ledger>
) =>
  Effect.provide(
    use,
    Vargate.layer({ apiKey: "test-key-1" }).pipe(
      Layer.provideMerge(Gateway.layerSqlite({ filename, tenants })),
      Layer.fresh
    ),
    { local: true }
  )

const call = (n: number) => ToolCalls.call({ tool: "slack", method: "post", params: { n }, allowDuplicate: true })
const calls = (count: number) => Effect.forEach(Array.from({ length: count }), (_, n) => call(n), { discard: true })
const verified = AuditLog.use((log) => log.verify)

/** What `sqlite3 FROM ".backup TO"` does. */
const python = `
import sqlite3, sys
source, target = (sqlite3.connect(name) for name in sys.argv[1:3])
source.backup(target, pages=8)
target.close()
`

const problemOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as { readonly problem?: string }).problem)

const rowsIn = (filename: string) => {
  const db = new DatabaseSync(filename, { readOnly: true })
  try {
    return Number(db.prepare("SELECT count(*) AS n FROM records").get()!.n)
  } finally {
    db.close()
  }
}

const test = (title: string, body: (root: string) => Effect.Effect<void, unknown>) =>
  it.live(title, () => Effect.scoped(Effect.flatMap(folder, body)))

describe("Gateway.backup", () => {
  test("copies and verifies the ledger of a gateway that runs, and names its key", (root) => {
    const data = join(root, "v.db")
    const to = join(root, "backup.db")
    return running(
      data,
      Effect.gen(function*() {
        yield* calls(20)
        const backup = yield* Gateway.backup({ filename: data, to })
        yield* calls(5)
        const head = (yield* Ledger.use((ledger) => ledger.nth("t", 20)))!.recordHash
        assert.deepStrictEqual(backup, {
          filename: to,
          keyFile: `${data}.key`,
          tenants: [{ id: "t", records: 20, head }]
        })
        assert.strictEqual(rowsIn(to), 20)
        // One file and its head, for this user alone; and no key.
        const files = readdirSync(root).filter((name) => name.startsWith("backup"))
        assert.deepStrictEqual(files.sort(), ["backup.db", "backup.db.head"])
        assert.strictEqual(statSync(to).mode & 0o777, 0o600)
        // The gateway has noticed nothing.
        assert.deepInclude(yield* verified, { valid: true, records: 25 })
      })
    )
  })

  it.live.skipIf(!hasPython)(
    "is not the only way: a copy by SQLite's own backup restores too (needs python3)",
    () =>
      Effect.scoped(Effect.gen(function*() {
        const root = yield* folder
        const data = join(root, "v.db")
        const copy = join(root, "copy.db")
        const records = yield* running(
          data,
          Effect.gen(function*() {
            yield* calls(20)
            // Calls are made while it is copied: some of their records are in the copy, and none by half.
            const copying = yield* Effect.forkChild(Effect.callback<void, Error>((resume) => {
              execFile(
                "python3",
                ["-c", python, data, copy],
                (error) => resume(error ? Effect.fail(error) : Effect.void)
              )
            }))
            while (copying.pollUnsafe() === undefined) {
              yield* calls(1)
            }
            yield* Fiber.join(copying)
            return (yield* verified).records!
          })
        )
        const copied = rowsIn(copy)
        assert(copied >= 20 && copied <= records, `${copied} of ${records}`)
        // It has no head of its own, so that the chain says whether it is whole.
        const restored = join(root, "restored.db")
        copyFileSync(`${data}.key`, `${restored}.key`)
        const { tenants } = yield* Gateway.restore({ from: copy, filename: restored })
        assert.deepStrictEqual(tenants.map(({ id, records }) => [id, records]), [["t", copied]])
        yield* running(restored, Effect.andThen(calls(1), verified)).pipe(
          Effect.tap((status) => Effect.sync(() => assert.deepInclude(status, { valid: true, records: copied + 1 })))
        )
      }))
  )

  test("copies the ledger of a gateway that has ended", (root) =>
    Effect.gen(function*() {
      const data = join(root, "v.db")
      yield* running(data, calls(3))
      const { tenants } = yield* Gateway.backup({ filename: data, to: join(root, "b.db") })
      assert.deepStrictEqual(tenants.map(({ id, records }) => [id, records]), [["t", 3]])
    }))

  test("overwrites nothing, and says what is missing or is no ledger", (root) =>
    Effect.gen(function*() {
      const data = join(root, "v.db")
      yield* running(data, calls(1))
      writeFileSync(join(root, "there.db"), "mine")
      writeFileSync(join(root, "other.db.head"), "mine")
      assert.strictEqual(yield* problemOf(Gateway.backup({ filename: data, to: join(root, "there.db") })), "Exists")
      assert.strictEqual(yield* problemOf(Gateway.backup({ filename: data, to: join(root, "other.db") })), "Exists")
      assert.strictEqual(yield* problemOf(Gateway.backup({ filename: data, to: data })), "Exists")
      const nothing = { filename: join(root, "none.db"), to: join(root, "x.db") }
      assert.strictEqual(yield* problemOf(Gateway.backup(nothing)), "Inaccessible")
      const elsewhere = { filename: data, to: join(root, "no", "such", "x.db") }
      assert.strictEqual(yield* problemOf(Gateway.backup(elsewhere)), "Inaccessible")
      const foreign = new DatabaseSync(join(root, "foreign.db"))
      foreign.exec("CREATE TABLE t (x)")
      foreign.close()
      const other = { filename: join(root, "foreign.db"), to: join(root, "x.db") }
      assert.strictEqual(yield* problemOf(Gateway.backup(other)), "Foreign")
      assert.isFalse(existsSync(join(root, "x.db")))
      assert.deepStrictEqual(readdirSync(root).filter((name) => name.includes(".part")), [])
    }))

  test("makes no backup of a ledger that is broken, or lacks records", (root) =>
    Effect.gen(function*() {
      const data = join(root, "v.db")
      yield* running(data, calls(9))
      const db = new DatabaseSync(data)
      db.exec("UPDATE records SET severity = 'low' WHERE position = 4")
      db.close()
      const to = join(root, "b.db")
      const error = yield* Effect.flip(Gateway.backup({ filename: data, to }))
      assert.strictEqual(error.problem, "Broken")
      assert.match(error.message, /broken chain of tenant t at .*record_hash mismatch/)
      const again = new DatabaseSync(data)
      again.exec("UPDATE records SET severity = 'none' WHERE position = 4; DELETE FROM records WHERE position > 7")
      again.close()
      assert.strictEqual(yield* problemOf(Gateway.backup({ filename: data, to })), "Incomplete")
      assert.isFalse(existsSync(to))
    }))
})

describe("Gateway.restore", () => {
  /** A ledger of 7 records, backed up when it had 5. */
  const lost = Effect.fnUntraced(function*(root: string) {
    const data = join(root, "v.db")
    const from = join(root, "backup.db")
    yield* running(
      data,
      Effect.gen(function*() {
        yield* calls(5)
        yield* Gateway.backup({ filename: data, to: from })
        yield* calls(2)
      })
    )
    return { data, from }
  })

  const remove = (data: string) => {
    for (const file of ["", "-wal", "-shm"]) rmSync(data + file, { force: true })
  }

  test("puts a ledger back whose chain goes on, with its tenants and keys", (root) =>
    Effect.gen(function*() {
      const { data, from } = yield* lost(root)
      const filename = join(root, "w.db")
      copyFileSync(`${data}.key`, `${filename}.key`)
      remove(data)
      const restored = yield* Gateway.restore({ from, filename })
      assert.deepStrictEqual(restored.tenants.map(({ id, records }) => [id, records]), [["t", 5]])
      assert.strictEqual(restored.keyFile, `${filename}.key`)
      yield* running(
        filename,
        Effect.gen(function*() {
          yield* calls(3)
          assert.deepInclude(yield* verified, { valid: true, records: 8 })
        })
      )
      // And the backup is as it was.
      assert.strictEqual(rowsIn(from), 5)
    }))

  test("gives no records up that the head of the lost file names, unless it is told to", (root) =>
    Effect.gen(function*() {
      const { data, from } = yield* lost(root)
      remove(data)
      const error = yield* Effect.flip(Gateway.restore({ from, filename: data }))
      assert.strictEqual(error.problem, "Incomplete")
      assert.match(error.message, /tenant t had 7, of which it holds 5/)
      assert.isFalse(existsSync(data))
      yield* Gateway.restore({ from, filename: data, acceptLoss: true })
      yield* running(data, Effect.map(verified, (status) => assert.deepInclude(status, { valid: true, records: 5 })))
    }))

  test("needs the key, the right one, and overwrites nothing", (root) =>
    Effect.gen(function*() {
      const { data, from } = yield* lost(root)
      assert.strictEqual(yield* problemOf(Gateway.restore({ from, filename: data, acceptLoss: true })), "Exists")
      const filename = join(root, "w.db")
      assert.strictEqual(yield* problemOf(Gateway.restore({ from, filename })), "KeyMissing")
      writeFileSync(`${filename}.key`, "ab".repeat(32), { mode: 0o600 })
      assert.strictEqual(yield* problemOf(Gateway.restore({ from, filename })), "KeyUnfit")
      copyFileSync(`${data}.key`, `${filename}.key`)
      // The log of another database would be played into this one.
      writeFileSync(`${filename}-wal`, "")
      assert.strictEqual(yield* problemOf(Gateway.restore({ from, filename })), "Exists")
      rmSync(`${filename}-wal`)
      yield* Gateway.restore({ from, filename })
      yield* running(
        filename,
        Effect.map(problemOf(Gateway.restore({ from, filename })), (problem) => assert.strictEqual(problem, "InUse"))
      )
    }))

  test("puts nothing back that is cut or changed", (root) =>
    Effect.gen(function*() {
      const { data, from } = yield* lost(root)
      const filename = join(root, "w.db")
      copyFileSync(`${data}.key`, `${filename}.key`)
      const change = (sql: string) => {
        const db = new DatabaseSync(from)
        db.exec(sql)
        db.close()
      }
      change("DELETE FROM records WHERE position = 5")
      assert.strictEqual(yield* problemOf(Gateway.restore({ from, filename })), "Incomplete")
      rmSync(`${from}.head`)
      change("DELETE FROM records WHERE position = 2")
      assert.strictEqual(yield* problemOf(Gateway.restore({ from, filename })), "Broken")
      assert.isFalse(existsSync(filename))
    }))
})

describe("a copy of a ledger", () => {
  test("is known for one while the original is there, and moving it is not", (root) =>
    Effect.gen(function*() {
      const warnings: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void warnings.push(String(message)))])
      const starting = (filename: string) =>
        Effect.provide(running(filename, calls(1)), logger).pipe(
          Effect.provideService(References.MinimumLogLevel, "Warn")
        )
      const data = join(root, "v.db")
      yield* starting(data)
      yield* starting(data)
      assert.deepStrictEqual(warnings, [])
      const copy = join(root, "copy.db")
      for (const end of ["", ".key"]) copyFileSync(data + end, copy + end)
      yield* starting(copy)
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0], `${copy} is a copy of ${data}, which is still there`)
      yield* starting(copy)
      assert.lengthOf(warnings, 1)
      const moved = join(root, "moved.db")
      for (const end of ["", ".key"]) copyFileSync(copy + end, moved + end)
      remove(copy)
      yield* starting(moved)
      assert.lengthOf(warnings, 1)
    }))

  const remove = (data: string) => {
    for (const end of ["", "-wal", "-shm"]) rmSync(data + end, { force: true })
  }
})
