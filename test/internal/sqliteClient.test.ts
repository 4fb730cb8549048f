import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Schema, type Scope, Stream } from "effect"
import { ClusterSchema, Entity, SingleRunner } from "effect/cluster"
import { Digest } from "effect/crypto"
import * as Reactivity from "effect/reactivity/Reactivity"
import { Rpc } from "effect/rpc"
import { SqlClient } from "effect/sql"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"
import { folder } from "../support/folder.ts"

const open = (options: SqliteClient.Options) => SqliteClient.make(options).pipe(Effect.provide(Reactivity.layer))

/** A case over a database in memory with an empty table. */
const test = (
  name: string,
  body: (sql: SqlClient.SqlClient) => Effect.fn.Return<void, unknown, Scope.Scope>
) =>
  it.effect(name, () =>
    Effect.gen(function*() {
      const sql = yield* open({ filename: ":memory:" })
      yield* sql`CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, amount INTEGER, bytes BLOB)`
      yield* Effect.gen(() => body(sql))
    }))

const names = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ name: string }>`SELECT name FROM things ORDER BY id`, (rows) => rows.map(({ name }) => name))

const add = (sql: SqlClient.SqlClient, name: string) => sql`INSERT INTO things ${sql.insert({ name })}`

describe("the SQLite client", () => {
  test("gives back what it was given", function*(sql) {
    const bytes = new Uint8Array([0, 255, 7])
    const [row] = yield* sql`
      INSERT INTO things ${sql.insert({ id: 3, name: "é😀\"", amount: null, bytes })} RETURNING *`
    assert.deepStrictEqual(row, { id: 3, name: "é😀\"", amount: null, bytes })
    assert.deepStrictEqual(yield* sql`SELECT id, amount FROM things`.values, [[3, null]])
    assert.deepStrictEqual(yield* sql`SELECT id FROM things`, [{ id: 3 }])
    assert.deepStrictEqual(yield* sql`UPDATE things SET amount = 1`, [])
    const { changes } = (yield* sql`DELETE FROM things`.raw) as { readonly changes: number }
    assert.strictEqual(changes, 1)
  })

  it.effect("has the disk write what is committed, on macOS too", () =>
    Effect.gen(function*() {
      const sql = yield* open({ filename: join(yield* folder, "a.db") })
      assert.deepStrictEqual(yield* sql`PRAGMA fullfsync`, [{ fullfsync: 1 }])
      assert.deepStrictEqual(yield* sql`PRAGMA checkpoint_fullfsync`, [{ checkpoint_fullfsync: 1 }])
      assert.deepStrictEqual(yield* sql`PRAGMA synchronous`, [{ synchronous: 2 }])
    }))

  test("reads integers beyond 2^53 as bigints or not at all", function*(sql) {
    const huge = 2n ** 62n
    yield* sql`INSERT INTO things ${sql.insert({ id: 1, amount: huge })}`
    const error = yield* Effect.flip(sql`SELECT amount FROM things`)
    assert.match(error.message, /too large/)
    const rows = yield* sql`SELECT id, amount FROM things`.pipe(Effect.provideService(SqlClient.SafeIntegers, true))
    assert.deepStrictEqual(rows, [{ id: 1n, amount: huge }])
    // The kept statement reads numbers again.
    assert.deepStrictEqual(yield* sql`SELECT id FROM things`, [{ id: 1 }])
  })

  test("commits what succeeds, and nothing of what fails", function*(sql) {
    yield* sql.withTransaction(Effect.andThen(add(sql, "a"), add(sql, "b")))
    const failed = yield* Effect.exit(sql.withTransaction(Effect.andThen(add(sql, "c"), Effect.fail("no"))))
    const died = yield* Effect.exit(sql.withTransaction(Effect.andThen(add(sql, "d"), Effect.die("no"))))
    assert.deepStrictEqual([failed._tag, died._tag], ["Failure", "Failure"])
    assert.deepStrictEqual(yield* names(sql), ["a", "b"])
  })

  test("takes back an inner transaction alone", function*(sql) {
    yield* sql.withTransaction(Effect.gen(function*() {
      yield* add(sql, "outer")
      yield* Effect.ignore(sql.withTransaction(Effect.andThen(add(sql, "inner"), Effect.fail("no"))))
      yield* sql.withTransaction(add(sql, "kept"))
    }))
    assert.deepStrictEqual(yield* names(sql), ["outer", "kept"])
  })

  test("takes back an interrupted transaction, and works on", function*(sql) {
    const started = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(
      sql.withTransaction(Effect.gen(function*() {
        yield* add(sql, "a")
        yield* Deferred.succeed(started, undefined)
        return yield* Effect.never
      }))
    )
    yield* Deferred.await(started)
    yield* Fiber.interrupt(fiber)
    yield* add(sql, "b")
    assert.deepStrictEqual(yield* names(sql), ["b"])
  })

  test("shows nobody an open transaction", function*(sql) {
    const started = yield* Deferred.make<void>()
    const released = yield* Deferred.make<void>()
    const transaction = yield* Effect.forkChild(
      sql.withTransaction(Effect.gen(function*() {
        yield* add(sql, "a")
        yield* Deferred.succeed(started, undefined)
        yield* Deferred.await(released)
        return yield* Effect.fail("no")
      }))
    )
    yield* Deferred.await(started)
    const other = yield* Effect.forkChild(names(sql))
    yield* Effect.yieldNow
    yield* Deferred.succeed(released, undefined)
    yield* Fiber.await(transaction)
    assert.deepStrictEqual(yield* Fiber.join(other), [])
  })

  test("streams rows, and lets go of them early", function*(sql) {
    yield* sql`
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
      INSERT INTO things (id) SELECT i FROM n`
    const ids = sql<{ id: number }>`SELECT id FROM things ORDER BY id`.stream.pipe(Stream.map(({ id }) => id))
    assert.deepStrictEqual(yield* Stream.runCollect(ids), Array.from({ length: 1000 }, (_, index) => index + 1))
    assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(ids, 3)), [1, 2, 3])
    // An open cursor would stand in the way.
    yield* sql`DROP TABLE things`
  })

  test("fails with what SQLite says, and without the values", function*(sql) {
    yield* add(sql, "secret-name")
    const unique = yield* Effect.flip(add(sql, "secret-name"))
    assert.strictEqual(unique.reason._tag, "UniqueViolation")
    assert.include(unique.message, "UNIQUE constraint failed: things.name")
    assert.notInclude(JSON.stringify(unique), "secret-name")
    const syntax = yield* Effect.flip(sql`SELEC 1`)
    assert.include(syntax.message, "near \"SELEC\": syntax error")
    const missing = yield* Effect.flip(Stream.runDrain(sql`SELECT * FROM missing`.stream))
    assert.include(missing.message, "no such table: missing")
    const unfit = yield* Effect.flip(sql`SELECT ${undefined}`)
    assert.include(unfit.message, "cannot be bound")
    assert.deepStrictEqual(yield* names(sql), ["secret-name"])
  })

  test("keeps more statements than it has room for", function*(sql) {
    for (let i = 0; i < 600; i++) {
      assert.deepStrictEqual(yield* sql.unsafe(`SELECT ${i} AS i`), [{ i }])
    }
    assert.deepStrictEqual(yield* sql.unsafe("SELECT 0 AS i").values, [[0]])
  })
})

describe("the SQLite client on a file", () => {
  it.effect("writes ahead, and waits for the disk", () =>
    Effect.gen(function*() {
      const sql = yield* open({ filename: join(yield* folder, "a.db") })
      assert.deepStrictEqual(yield* sql`PRAGMA journal_mode`.values, [["wal"]])
      assert.deepStrictEqual(yield* sql`PRAGMA synchronous`.values, [[2]])
    }))

  it.effect("finds again what was committed", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "a.db")
      const layer = SqliteClient.layer({ filename })
      const write = SqlClient.SqlClient.use((sql) =>
        Effect.andThen(sql`CREATE TABLE things (name TEXT)`, add(sql, "a"))
      )
      yield* Effect.provide(write, layer)
      assert.deepStrictEqual(
        yield* Effect.provide(SqlClient.SqlClient.use((sql) => sql`SELECT name FROM things`), Layer.fresh(layer)),
        [{ name: "a" }]
      )
    }))

  it.effect("is shared where it is not", () =>
    Effect.gen(function*() {
      const filename = join(yield* folder, "a.db")
      const first = yield* open({ filename })
      const second = yield* open({ filename })
      yield* first`CREATE TABLE things (name TEXT)`
      yield* add(second, "a")
      assert.deepStrictEqual(yield* first`SELECT name FROM things`, [{ name: "a" }])
    }))

  it.effect("refuses what is no database, or cannot be there", () =>
    Effect.gen(function*() {
      const root = yield* folder
      writeFileSync(join(root, "text.db"), "not a database at all ".repeat(100))
      assert.strictEqual(SqliteClient.primaryCode(yield* Effect.flip(open({ filename: join(root, "text.db") }))), 26)
      const nowhere = yield* Effect.flip(open({ filename: join(root, "nowhere", "a.db") }))
      assert.strictEqual(nowhere.reason._tag, "ConnectionError")
      assert.include(nowhere.message, "SQLite could not open")
    }))
})

describe("the SQLite client under a cluster", () => {
  it.live("carries persisted messages", () => {
    const Add = Rpc.make("Add", { payload: { amount: Schema.Finite }, success: Schema.Finite })
      .annotate(ClusterSchema.Persisted, true)
    const Sum = Entity.make("Sum", [Add])
    const entity = Sum.toLayer(Effect.sync(() => {
      let sum = 0
      return Sum.of({ Add: ({ payload }) => Effect.sync(() => sum += payload.amount) })
    }))
    return Effect.gen(function*() {
      const sum = (yield* Sum.client)("one")
      yield* sum.Add({ amount: 1 })
      assert.strictEqual(yield* sum.Add({ amount: 2 }), 3)
      const sql = yield* SqlClient.SqlClient
      assert.deepStrictEqual(yield* sql`SELECT count(*) AS messages FROM cluster_messages`, [{ messages: 2 }])
    }).pipe(Effect.provide(
      entity.pipe(
        Layer.provideMerge(SingleRunner.layer({ shardingConfig: { entityMessagePollInterval: 20 } })),
        Layer.provide(Digest.layerWebCrypto),
        Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" }))
      )
    ))
  })
})
