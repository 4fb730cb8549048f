/** What became of the records of a database that was deleted, cut or copied carelessly. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { AuditLog } from "../../../src/audit/AuditLog.ts"
import * as ToolCalls from "../../../src/calls/ToolCalls.ts"
import * as Gateway from "../../../src/gateway/Gateway.ts"
import { layer as database } from "../../../src/gateway/sqlite/Database.ts"
import * as Vargate from "../../../src/Vargate.ts"
import { folder } from "../../support/folder.ts"
import { assertMode } from "../../support/mode.ts"
import { allowed, upTo } from "../suite/cases.ts"
import { acme } from "../suite/doors.ts"

const life = (filename: string) =>
  Vargate.layer({ apiKey: acme.apiKey }).pipe(
    Layer.provideMerge(Gateway.layerSqlite({ filename, tenants: [acme] })),
    Layer.orDie,
    Layer.fresh
  )

const calls = (count: number) => Effect.forEach(upTo(count), () => ToolCalls.call(allowed), { discard: true })
const verify = AuditLog.use((log) => log.verify)

const refusal = (filename: string) => Effect.flip(Effect.scoped(Layer.build(Layer.fresh(database({ filename })))))

const headOf = (filename: string) =>
  (JSON.parse(readFileSync(`${filename}.head`, "utf8")) as {
    readonly tenants: ReadonlyArray<{ readonly id: string; readonly records: number }>
  }).tenants

const test = (name: string, body: (filename: string, root: string) => Effect.fn.Return<void, unknown>) =>
  it.effect(name, () => Effect.flatMap(folder, (root) => Effect.gen(() => body(join(root, "v.db"), root))))

describe("the head of a log", () => {
  test("is exact when the gateway has ended, for this user alone, and leaves no drafts", function*(filename, root) {
    const victim = join(root, "victim")
    for (const total of [3, 6]) {
      writeFileSync(victim, "precious")
      symlinkSync(victim, `${filename}.head.new`)
      yield* Effect.provide(calls(3), life(filename))
      assert.deepStrictEqual(headOf(filename).map(({ id, records }) => [id, records]), [["acme", total]])
    }
    assertMode(`${filename}.head`, 0o600)
    assert.strictEqual(readFileSync(victim, "utf8"), "precious")
    assert.deepStrictEqual(readdirSync(root), ["v.db", "v.db.head", "v.db.key", "victim"])
  })

  test("refuses a log that was deleted, and creates nothing in its place", function*(filename) {
    yield* Effect.provide(calls(3), life(filename))
    const key = readFileSync(`${filename}.key`, "utf8")
    rmSync(filename)
    const error = yield* refusal(filename)
    assert.strictEqual(error.problem, "Incomplete")
    assert.include(error.message, "tenant acme had 3, of which it holds 0")
    assert.include(error.message, "Put back the whole database")
    assert.isFalse(existsSync(filename))
    assert.strictEqual(readFileSync(`${filename}.key`, "utf8"), key)
    rmSync(`${filename}.head`)
    yield* Effect.provide(
      Effect.map(verify, ({ records, valid }) => assert.deepStrictEqual([valid, records], [true, 0])),
      life(filename)
    )
  })

  test("refuses a database that was copied without its write-ahead log", function*(filename, root) {
    const copy = join(root, "copy", "v.db")
    mkdirSync(join(root, "copy"))
    yield* Effect.provide(
      Effect.gen(function*() {
        yield* calls(4)
        copyFileSync(filename, copy)
      }),
      life(filename)
    )
    for (const suffix of [".key", ".head"]) copyFileSync(filename + suffix, copy + suffix)
    const error = yield* refusal(copy)
    assert.strictEqual(error.problem, "Incomplete", error.message)
    yield* Effect.provide(calls(1), life(filename))
  })

  test("refuses a log that was cut at its end, and shows it while the gateway runs", function*(filename) {
    yield* Effect.provide(
      Effect.gen(function*() {
        yield* calls(5)
        assert.deepStrictEqual((yield* verify).valid, true)
        const db = new DatabaseSync(filename)
        db.exec("DELETE FROM records WHERE position > 3")
        db.close()
        const status = yield* verify
        assert.deepStrictEqual([status.valid, status.reason], [false, "records missing"])
      }),
      life(filename)
    )
    const error = yield* refusal(filename)
    assert.include(error.message, "tenant acme had 5, of which it holds 3")
  })

  test("lags behind by a second and accuses nobody who was killed", function*(filename) {
    yield* Effect.provide(
      Effect.gen(function*() {
        yield* calls(1)
        yield* TestClock.adjust("1 second")
        const early = readFileSync(`${filename}.head`)
        yield* calls(3)
        yield* Effect.addFinalizer(() => Effect.sync(() => writeFileSync(`${filename}.early`, early)))
      }).pipe(Effect.scoped),
      life(filename)
    )
    copyFileSync(`${filename}.early`, `${filename}.head`)
    yield* Effect.provide(
      Effect.map(verify, ({ records, valid }) => assert.deepStrictEqual([valid, records], [true, 4])),
      life(filename)
    )
  })

  test(
    "is exact again from the start after a kill, whatever the next process does and however it ends",
    function*(filename) {
      yield* Effect.provide(calls(2), life(filename))
      const early = readFileSync(`${filename}.head`, "utf8")
      yield* Effect.provide(calls(3), life(filename))
      // what a killed process leaves, and one that was made when the log was empty
      for (const stale of [early, "{\"format\":\"vargate-head\",\"version\":1,\"tenants\":[]}"]) {
        writeFileSync(`${filename}.head`, stale)
        yield* Effect.provide(
          Effect.sync(() => assert.deepStrictEqual(headOf(filename).map(({ records }) => records), [5])),
          life(filename)
        )
        assert.deepStrictEqual(headOf(filename).map(({ records }) => records), [5])
      }
      const db = new DatabaseSync(filename)
      db.exec("DELETE FROM records WHERE position > 2")
      db.close()
      assert.include((yield* refusal(filename)).message, "tenant acme had 5, of which it holds 2")
    }
  )

  test("has every tenant, and is not written again where nothing is new", function*(filename) {
    yield* Effect.provide(calls(1), life(filename))
    const db = new DatabaseSync(filename)
    for (const tenant of ["", "a", "zz"]) {
      for (const position of [1, 2, 3]) {
        db.exec(`
          CREATE TEMP TABLE one AS SELECT * FROM records WHERE tenant_id = 'acme';
          UPDATE one SET tenant_id = '${tenant}', position = ${position}, action_id = '${tenant}-${position}',
            id = (SELECT max(id) + 1 FROM records);
          INSERT INTO records SELECT * FROM one;
          DROP TABLE one`)
      }
    }
    db.close()
    const counts = () => headOf(filename).map(({ id, records }) => [id, records])
    yield* Effect.provide(Effect.void, life(filename))
    assert.deepStrictEqual(counts(), [["", 3], ["a", 3], ["acme", 1], ["zz", 3]])
    const { ino } = statSync(`${filename}.head`)
    yield* Effect.provide(Effect.void, life(filename))
    assert.strictEqual(statSync(`${filename}.head`).ino, ino)
  })

  test("is made for a database of an older version, and refused where it is none", function*(filename) {
    yield* Effect.provide(calls(2), life(filename))
    rmSync(`${filename}.head`)
    yield* Effect.provide(Effect.void, life(filename))
    assert.strictEqual(headOf(filename)[0]!.records, 2)
    for (const text of ["", "{}", "{\"format\":\"vargate-head\",\"version\":2,\"tenants\":[]}"]) {
      writeFileSync(`${filename}.head`, text)
      assert.strictEqual((yield* refusal(filename)).problem, "HeadUnfit")
    }
  })
})
