import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Database, layer } from "../../../src/gateway/sqlite/Database.ts"
import { currentVersion } from "../../../src/gateway/sqlite/migrations.ts"
import type { StorageProblem } from "../../../src/gateway/sqlite/StorageError.ts"
import { folder } from "../../support/folder.ts"
import { assertMode, hasModes } from "../../support/mode.ts"

const open = <A, E>(filename: string, use: (database: Database["Service"]) => Effect.Effect<A, E>) =>
  Effect.scoped(
    Effect.flatMap(
      Layer.build(Layer.fresh(layer({ filename }))),
      (context) => Effect.provide(Database.use(use), context)
    )
  )

const openOnly = (filename: string) => open(filename, () => Effect.void)

/** What another program does with the file while nobody has it open. */
const byHand = (filename: string, ...statements: ReadonlyArray<string>) => {
  const db = new DatabaseSync(filename)
  for (const statement of statements) db.exec(statement)
  db.close()
}

/** The file must be refused, with a message that names it and says what to do. */
const isRefused = Effect.fnUntraced(function*(filename: string, problem: StorageProblem, ...words: Array<string>) {
  const error = yield* Effect.flip(openOnly(filename))
  assert.strictEqual(error._tag, "StorageError")
  assert.strictEqual(error.problem, problem, error.message)
  assert.isTrue(error.message.startsWith(filename), error.message)
  for (const word of words) assert.include(error.message, word)
})

const test = (name: string, body: (filename: string, root: string) => Effect.fn.Return<void, unknown>) =>
  it.effect(name, () => Effect.flatMap(folder, (root) => Effect.gen(() => body(join(root, "vargate.db"), root))))

describe("a gateway's file", () => {
  test("comes into being for its owner alone, with its key beside it", function*(filename) {
    yield* openOnly(filename)
    assertMode(filename, 0o600)
    assertMode(`${filename}.key`, 0o600)
    assert.match(readFileSync(`${filename}.key`, "utf8"), /^[0-9a-f]{64}\n$/)
  })

  test("is as new as this version, and waits for the disk", function*(filename) {
    yield* open(filename, ({ sql }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* sql`SELECT max(migration_id) FROM vargate_migrations`.values, [[currentVersion]])
        assert.deepStrictEqual(yield* sql`PRAGMA synchronous`.values, [[2]])
        assert.deepStrictEqual(yield* sql`PRAGMA journal_mode`.values, [["wal"]])
      }))
  })

  test("is looked at in one step, and not before a change that is under way has ended", function*(filename) {
    yield* open(filename, ({ change, commit, direct, look, sql }) =>
      Effect.gen(function*() {
        const [begun, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const contacts = () => direct.all("SELECT contact FROM contacts").length
        const add = (text: string) => change(() => direct.run("INSERT INTO contacts VALUES (?)", Buffer.from(text)))
        const committing = yield* Effect.forkChild(commit(Effect.gen(function*() {
          yield* add("a")
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(go)
          yield* sql`INSERT INTO contacts VALUES (${Buffer.from("b")})`
        })))
        yield* Deferred.await(begun)
        assert.strictEqual(contacts(), 1)
        const looking = yield* Effect.forkChild(look(contacts), { startImmediately: true })
        yield* Effect.yieldNow
        const isEarly = looking.pollUnsafe() !== undefined
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(committing)
        assert.isFalse(isEarly)
        assert.strictEqual(yield* Fiber.join(looking), 2)
        assert.strictEqual(yield* look(contacts), 2)
      }))
  })

  test("takes nothing of a change whose statement fails, and goes on", function*(filename) {
    yield* open(filename, ({ change, commit, direct, look }) =>
      Effect.gen(function*() {
        const contact = Buffer.from("a")
        const twice = change(() => {
          direct.run("INSERT INTO contacts VALUES (?)", contact)
          direct.run("INSERT INTO contacts VALUES (?)", contact)
        })
        const exit = yield* Effect.exit(commit(twice))
        assert.match(String(exit), /cannot be used \(SQLite could not execute a statement: UNIQUE constraint failed/)
        assert.strictEqual(yield* look(() => direct.all("SELECT 1 FROM contacts").length), 0)
        yield* commit(change(() => direct.run("INSERT INTO contacts VALUES (?)", contact)))
        assert.strictEqual(yield* look(() => direct.all("SELECT 1 FROM contacts").length), 1)
      }))
  })

  test("opens again, and its secrets with it", function*(filename) {
    const sealed = yield* open(filename, ({ seal }) => Effect.succeed(seal("é secret", "place", "a")))
    yield* open(filename, ({ unseal }) =>
      Effect.sync(() => {
        assert.strictEqual(unseal(sealed, "place", "a"), "é secret")
        assert.throws(() => unseal(sealed, "place", "b"), /does not open/)
        assert.throws(() => unseal(sealed, "place,a"), /does not open/)
        assert.throws(() => unseal(sealed.with(20, sealed[20]! ^ 1), "place", "a"), /does not open/)
        assert.throws(() => unseal(new Uint8Array(3), "place", "a"), /does not open/)
      }))
  })

  test("is refused while somebody else has it", function*(filename) {
    yield* open(filename, () => isRefused(filename, "InUse", "Stop that one"))
    yield* openOnly(filename)
  })

  test("is refused under each of two names, since a lock goes by the name", function*(filename, root) {
    yield* openOnly(filename)
    const other = join(root, "other.db")
    linkSync(filename, other)
    yield* isRefused(filename, "Linked", "has another name", "Remove the other one")
    yield* isRefused(other, "Linked")
    rmSync(other)
    yield* openOnly(filename)
  })

  test("is refused where a newer version has written it, and stays as it is", function*(filename) {
    yield* openOnly(filename)
    byHand(filename, "INSERT INTO vargate_migrations (migration_id, name) VALUES (99, 'future')")
    yield* isRefused(filename, "Newer", "schema is 99", `knows ${currentVersion}`, "Update effect-vargate")
    byHand(filename, "DELETE FROM vargate_migrations WHERE migration_id = 99")
    yield* openOnly(filename)
  })

  test("is refused where it belongs to another program", function*(filename, root) {
    byHand(filename, "CREATE TABLE theirs (name TEXT)")
    yield* isRefused(filename, "Foreign", "Choose another file")
    assert.deepStrictEqual(readdirSync(root), ["vargate.db"])
    const db = new DatabaseSync(filename)
    assert.deepStrictEqual(db.prepare("PRAGMA journal_mode").get()?.journal_mode, "delete")
    assert.deepStrictEqual(db.prepare("SELECT name FROM sqlite_schema").all().map(({ name }) => name), ["theirs"])
    db.close()
  })

  test("takes the steps that it has not taken yet, and keeps what it holds", function*(filename) {
    yield* open(
      filename,
      ({ commit, sql }) =>
        commit(
          sql`INSERT INTO merkle_trees ${
            sql.insert({ tenant_id: "t", tree_index: 0, root: "r", records: 1, period_start: 0, period_end: 1 })
          }`
        )
    )
    byHand(
      filename,
      "DROP TABLE managed_agents",
      "DROP TABLE managed_sessions",
      "DROP TABLE intents",
      "DROP TABLE scoped_keys",
      "DROP TABLE place",
      "DROP TABLE archived",
      "DROP TABLE signed_heads",
      "DROP TABLE log_tiles",
      "ALTER TABLE merkle_trees DROP COLUMN anchor_block",
      "CREATE TABLE running_approvals (tenant_id TEXT, action_id TEXT)",
      ...["ordinal", "denials", "high_values"].map((column) => `ALTER TABLE agents DROP COLUMN ${column}`),
      ...["ordinal", "denials", "high_value"].map((column) => `ALTER TABLE agent_actions DROP COLUMN ${column}`),
      "INSERT INTO agents VALUES ('t', 'a', 0.5, 3, 1, 20), ('t', 'b', 0, 1, 0, NULL)",
      "INSERT INTO agent_actions VALUES ('t', 'a', 10, 1, 0), ('t', 'a', 20, 2, 1), ('t', 'a', 20, 4, 0), ('t', 'b', 5, 3, 0)",
      "DELETE FROM vargate_migrations WHERE name IN ('managed', 'windows', 'intents', 'scoped_keys', 'copies', 'heads')"
    )
    yield* open(filename, ({ sql }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* sql`SELECT * FROM managed_agents`, [])
        assert.deepStrictEqual(yield* sql`SELECT root FROM merkle_trees`.values, [["r"]])
        assert.deepStrictEqual(
          yield* sql`SELECT agent_id, ordinal, denials, high_values FROM agents ORDER BY agent_id`.values,
          [["a", 3, 1, 0], ["b", 1, 0, 0]]
        )
        assert.deepStrictEqual(
          yield* sql`SELECT agent_id, record_id, ordinal, denials FROM agent_actions ORDER BY record_id`.values,
          [["a", 1, 1, 0], ["a", 2, 2, 1], ["b", 3, 1, 0], ["a", 4, 3, 1]]
        )
        assert.deepStrictEqual(yield* sql`SELECT max(migration_id) FROM vargate_migrations`.values, [[currentVersion]])
      }))
  })

  test("is refused where it is no database", function*(filename) {
    writeFileSync(filename, "just some text, again and again. ".repeat(50))
    yield* isRefused(filename, "Damaged", "not a SQLite database")
  })

  test("is refused where it cannot be", function*(filename, root) {
    yield* isRefused(join(root, "nowhere", "vargate.db"), "Inaccessible", "folder must exist")
    mkdirSync(filename)
    yield* isRefused(filename, "Inaccessible")
  })
})

describe("the key file", () => {
  test("is refused where it is missing", function*(filename) {
    yield* openOnly(filename)
    rmSync(`${filename}.key`)
    const error = yield* Effect.flip(openOnly(filename))
    assert.strictEqual(error.problem, "KeyMissing")
    assert.include(error.message, `${filename}.key is missing`)
    assert.isFalse(existsSync(`${filename}.key`))
  })

  const whereModesAre: typeof test = hasModes ? test : (name) => it.skip(name)
  whereModesAre("is refused where others can read it", function*(filename) {
    yield* openOnly(filename)
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(`${filename}.key`, mode)
      const error = yield* Effect.flip(openOnly(filename))
      assert.strictEqual(error.problem, "KeyExposed")
      assert.include(error.message, `mode ${mode.toString(8)}`)
      assert.include(error.message, "chmod 600")
    }
    chmodSync(`${filename}.key`, 0o400)
    yield* openOnly(filename)
  })

  test("is refused where it belongs to another database, or holds no key", function*(filename, root) {
    yield* openOnly(filename)
    const other = join(root, "other.db")
    yield* openOnly(other)
    const key = readFileSync(`${filename}.key`, "utf8")
    copyFileSync(`${other}.key`, `${filename}.key`)
    assert.strictEqual((yield* Effect.flip(openOnly(filename))).problem, "KeyUnfit")
    for (const text of ["", "hello", key.slice(2), `${key}00`]) {
      writeFileSync(`${filename}.key`, text)
      const error = yield* Effect.flip(openOnly(filename))
      assert.strictEqual(error.problem, "KeyUnfit", text)
      assert.notInclude(error.message, key.slice(2, 20))
    }
    writeFileSync(`${filename}.key`, key)
    yield* openOnly(filename)
  })

  test("that a killed process left empty is filled", function*(filename) {
    writeFileSync(`${filename}.key`, "", { mode: 0o600 })
    yield* openOnly(filename)
    assert.match(readFileSync(`${filename}.key`, "utf8"), /^[0-9a-f]{64}\n$/)
  })

  test("that was there first is used as it is", function*(filename) {
    writeFileSync(`${filename}.key`, "ab".repeat(32), { mode: 0o600 })
    yield* openOnly(filename)
    yield* openOnly(filename)
    assert.strictEqual(readFileSync(`${filename}.key`, "utf8"), "ab".repeat(32))
  })
})

describe("a change that cannot be carried out", () => {
  test("is a defect, and the next one works again", function*(filename) {
    yield* open(filename, ({ commit, sql }) =>
      Effect.gen(function*() {
        const add = (text: string) => commit(sql`INSERT INTO contacts VALUES (${Buffer.from(text)})`)
        const [pages] = yield* sql<{ page_count: number }>`PRAGMA page_count`
        yield* sql.unsafe(`PRAGMA max_page_count = ${pages!.page_count}`)
        const exit = yield* Effect.exit(add("x".repeat(100_000)))
        assert.strictEqual(exit._tag, "Failure")
        assert.include(String(exit._tag === "Failure" && exit.cause), "database or disk is full")
        yield* sql.unsafe(`PRAGMA max_page_count = 1000000`)
        yield* add("y".repeat(100_000))
        assert.deepStrictEqual(yield* sql`SELECT length(contact), hex(substr(contact, 1, 1)) FROM contacts`.values, [[
          100_000,
          "79"
        ]])
      }))
  })
})
