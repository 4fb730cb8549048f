import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as GroupCommit from "../../../src/gateway/sqlite/groupCommit.ts"
import * as SqliteClient from "../../../src/internal/sqliteClient.ts"
import { upTo } from "../suite/cases.ts"

/** A writer over a database in memory with one table, and the number of its transactions so far. */
const house = Effect.gen(function*() {
  const { direct, sql } = yield* SqliteClient.makeBoth({ filename: ":memory:" }).pipe(Effect.provide(Reactivity.layer))
  yield* sql`CREATE TABLE things (name TEXT UNIQUE)`
  let transactions = 0
  const counted = <A, E>(transaction: () => Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      transactions++
      return transaction()
    })
  const scope = yield* Scope.make()
  const commit = yield* Scope.provide(
    GroupCommit.make({
      attempt: direct.attempt,
      withTransaction: (changes) => counted(() => sql.withTransaction(changes)),
      now: (statements) => {
        if (direct.isTransaction()) return undefined
        transactions++
        try {
          return Exit.succeed(direct.transaction(statements))
        } catch (cause) {
          return Exit.fail(SqliteClient.sqlError("test")(cause))
        }
      }
    }),
    scope
  )
  const add = (name: string) => commit(sql<{ name: string }>`INSERT INTO things (name) VALUES (${name}) RETURNING name`)
  const addNow = (name: string) =>
    commit(() => direct.all<{ name: string }>("INSERT INTO things (name) VALUES (?) RETURNING name", name))
  const names = Effect.map(
    sql<{ name: string }>`SELECT name FROM things ORDER BY rowid`,
    (rows) => rows.map(({ name }) => name)
  )
  return { sql, direct, add, addNow, commit, names, scope, transactions: () => transactions }
})

describe("a group commit", () => {
  it.effect("answers each caller with the rows of its own change, in the order of their coming", () =>
    Effect.gen(function*() {
      const { add, names } = yield* house
      const answers = yield* Effect.forEach(upTo(50), (n) => add(`thing-${n}`), { concurrency: "unbounded" })
      assert.deepStrictEqual(answers, upTo(50).map((n) => [{ name: `thing-${n}` }]))
      assert.deepStrictEqual(yield* names, upTo(50).map((n) => `thing-${n}`))
    }))

  it.effect("is one transaction for those who come together, and one each for those who do not", () =>
    Effect.gen(function*() {
      const { add, transactions } = yield* house
      yield* Effect.forEach(upTo(50), (n) => add(`together-${n}`), { concurrency: "unbounded" })
      assert.isAtMost(transactions(), 2)
      const before = transactions()
      for (const n of upTo(3)) yield* add(`alone-${n}`)
      assert.strictEqual(transactions(), before + 3)
    }))

  it.effect("fails the one that cannot be carried out, and no other", () =>
    Effect.gen(function*() {
      const { add, commit, names } = yield* house
      yield* add("taken")
      const exits = yield* Effect.forEach(
        [add("a"), add("taken"), commit(Effect.die("broken")), add("b")],
        (change) => Effect.exit(change),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(exits.map(({ _tag }) => _tag), ["Success", "Failure", "Failure", "Success"])
      assert(Exit.isFailure(exits[1]!) && Exit.isFailure(exits[2]!))
      assert.include(Cause.pretty(exits[1].cause), "UNIQUE constraint failed")
      assert.include(Cause.pretty(exits[2].cause), "broken")
      assert.deepStrictEqual(yield* names, ["taken", "a", "b"])
    }))

  it.effect("takes statements and queries in the order of their coming, in one transaction", () =>
    Effect.gen(function*() {
      const { add, addNow, names, transactions } = yield* house
      const answers = yield* Effect.forEach(upTo(20), (n) => (n % 3 === 0 ? add : addNow)(`thing-${n}`), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(answers.map(([row]) => row!.name), upTo(20).map((n) => `thing-${n}`))
      assert.deepStrictEqual(yield* names, upTo(20).map((n) => `thing-${n}`))
      assert.strictEqual(transactions(), 1)
      yield* Effect.forEach(upTo(20), (n) => addNow(`later-${n}`), { concurrency: "unbounded" })
      assert.strictEqual(transactions(), 2)
    }))

  it.effect("fails those statements alone that cannot be carried out", () =>
    Effect.gen(function*() {
      const { addNow, commit, names } = yield* house
      yield* addNow("taken")
      const broken = commit(() => {
        throw new Error("broken")
      })
      const exits = yield* Effect.forEach([addNow("a"), addNow("taken"), broken, addNow("b")], (change) =>
        Effect.exit(change), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        exits.map(({ _tag }) =>
          _tag
        ),
        ["Success", "Failure", "Failure", "Success"]
      )
      assert.deepStrictEqual(yield* names, ["taken", "a", "b"])
    }))

  it.effect("waits with statements while another transaction is open", () =>
    Effect.gen(function*() {
      const { addNow, names, sql } = yield* house
      const released = yield* Deferred.make<void>()
      const other = yield* Effect.forkChild(
        sql.withTransaction(Effect.andThen(
          sql`INSERT INTO things (name) VALUES ('other')`,
          Effect.andThen(Deferred.await(released), Effect.fail("taken back"))
        )),
        { startImmediately: true }
      )
      const mine = yield* Effect.forkChild(addNow("mine"), { startImmediately: true })
      yield* Effect.repeat(Effect.yieldNow, { times: 10 })
      assert.isUndefined(mine.pollUnsafe())
      yield* Deferred.succeed(released, undefined)
      yield* Fiber.await(other)
      yield* Fiber.join(mine)
      assert.deepStrictEqual(yield* names, ["mine"])
    }))

  it.effect("keeps the change of a caller that has gone, and keeps it once", () =>
    Effect.gen(function*() {
      const { add, commit, names } = yield* house
      const released = yield* Deferred.make<void>()
      const running = yield* Effect.forkChild(commit(Deferred.await(released)), { startImmediately: true })
      const gone = yield* Effect.forkChild(add("gone"), { startImmediately: true })
      yield* Fiber.interrupt(gone)
      yield* Deferred.succeed(released, undefined)
      yield* Fiber.join(running)
      yield* add("after")
      assert.deepStrictEqual(yield* names, ["gone", "after"])
    }))

  it.effect("commits what was handed in before it closes, and takes nothing afterwards", () =>
    Effect.gen(function*() {
      const { add, names, scope } = yield* house
      const late = yield* Effect.forEach(upTo(5), (n) => Effect.forkChild(add(`late-${n}`), { startImmediately: true }))
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.awaitAll(late)
      assert.deepStrictEqual(yield* names, upTo(5).map((n) => `late-${n}`))
      const exit = yield* Effect.exit(add("too late"))
      assert(Exit.isFailure(exit))
      assert.include(Cause.pretty(exit.cause), "has been closed")
    }))
})
