import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import { ActionId } from "effect-vargate"
import * as Journal from "effect-vargate/workflow/Journal"
import * as JournalSql from "effect-vargate/workflow/JournalSql"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"

const journals = {
  "in memory": Journal.layerMemory,
  "in SQLite": JournalSql.layer.pipe(Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" })), Layer.orDie)
}

const actionId = Schema.decodeSync(ActionId.ActionId)("action-1")

const execution = (executionId: string): Journal.NewExecution => ({
  executionId,
  workflow: "Refund",
  agentId: "bot",
  tool: "stripe",
  method: "create_refund",
  paramsDigest: "d1"
})

for (const [name, layer] of Object.entries(journals)) {
  const test = (title: string, body: (journal: Journal.Journal["Service"]) => Effect.Effect<void, unknown>) =>
    it.effect(title, () => Effect.provide(Journal.Journal.use(body), Layer.fresh(layer)))

  describe(`Journal ${name}`, () => {
    test("of all who claim a key, one gets it", (journal) =>
      Effect.gen(function*() {
        const claims = yield* Effect.all(Array.from({ length: 20 }, () => journal.claim("k")), { concurrency: 20 })
        assert.strictEqual(claims.filter(({ isOurs }) => isOurs).length, 1)
        yield* TestClock.adjust("1 hour")
        const late = yield* journal.claim("k")
        assert.deepStrictEqual([late.isOurs, late.at], [false, claims[0]!.at])
      }))

    test("only its owner gives a key back, and then it is free", (journal) =>
      Effect.gen(function*() {
        const ours = yield* journal.claim("k")
        const theirs = yield* journal.claim("k")
        yield* theirs.release
        assert.isFalse((yield* journal.claim("k")).isOurs)
        yield* ours.release
        assert.isTrue((yield* journal.claim("k")).isOurs)
        yield* ours.release
        assert.isFalse((yield* journal.claim("k")).isOurs, "given back twice, it is not taken from the next owner")
      }))

    test("a claim with a time is deleted after the latest time that it was asked for with, and another one never", (journal) =>
      Effect.gen(function*() {
        const at = (minutes: number) => DateTime.makeUnsafe(minutes * 60_000)
        yield* journal.claim("for good")
        for (const key of ["a", "b", "c"]) yield* journal.claim(key, undefined, at(10))
        yield* journal.claim("b", undefined, at(30))
        yield* journal.claim("c", undefined, at(5))
        yield* journal.claim("for good", undefined, at(5))
        yield* journal.settle("b", "done")
        assert.strictEqual(yield* journal.expire(at(10), 100), 0)
        assert.strictEqual(yield* journal.expire(at(20), 1), 1)
        assert.strictEqual(yield* journal.expire(at(20), 100), 1)
        assert.deepStrictEqual(
          yield* Effect.forEach(["a", "b", "c"], (key) => Effect.map(journal.look(key), (found) => found?.result)),
          [undefined, "done", undefined]
        )
        assert.isTrue((yield* journal.claim("a")).isOurs)
        assert.strictEqual(yield* journal.expire(at(1e6), 100), 1)
        assert.isUndefined(yield* journal.look("b"))
        assert.isDefined(yield* journal.look("for good"))
        assert.isDefined(yield* journal.look("a"))
      }))

    test("an execution begins once, advances, and stays done", (journal) =>
      Effect.gen(function*() {
        const begun = yield* journal.begin(execution("e1"))
        assert.deepStrictEqual([begun.state, begun.actionId, begun.outcome], ["submitting", null, null])
        yield* TestClock.adjust("1 minute")
        const again = yield* journal.begin({ ...execution("e1"), paramsDigest: "d2" })
        assert.deepStrictEqual(again, begun)
        yield* journal.advance("e1", { state: "held", actionId })
        assert.deepStrictEqual((yield* journal.held).map(({ executionId }) => executionId), ["e1"])
        yield* journal.advance("e1", { state: "done", outcome: "Rejected" })
        yield* journal.advance("e1", { state: "held", actionId })
        const found = yield* journal.find("e1")
        assert.deepStrictEqual([found?.state, found?.actionId, found?.outcome], ["done", actionId, "Rejected"])
        assert.isAbove(found!.changedAt.epochMilliseconds, found!.startedAt.epochMilliseconds)
        assert.deepStrictEqual(yield* journal.held, [])
      }))

    test("keeps what operators ask for until it is done", (journal) =>
      Effect.gen(function*() {
        yield* journal.begin(execution("e1"))
        assert.isFalse(yield* journal.request("e2", "resume"))
        assert.isTrue(yield* journal.request("e1", "interrupt"))
        assert.deepStrictEqual((yield* journal.requested).map(({ request }) => request), ["interrupt"])
        yield* journal.advance("e1", { state: "done", outcome: "Interrupted" })
        yield* journal.fulfil("e1")
        assert.deepStrictEqual(yield* journal.requested, [])
        assert.isFalse(yield* journal.request("e1", "resume"))
      }))

    test("tells what has changed since the last look, and nothing else", (journal) =>
      Effect.gen(function*() {
        for (const executionId of ["e1", "e2", "e3"]) yield* journal.begin(execution(executionId))
        yield* journal.advance("e1", { state: "held", actionId })
        const seen = ({ changes }: Journal.News) => changes.map(({ executionId, state }) => `${executionId} ${state}`)
        const first = yield* journal.news()
        assert.deepStrictEqual(seen(first), ["e1 held"])
        assert.deepStrictEqual(seen(yield* journal.news(first.position)), [])
        yield* journal.advance("e2", { state: "held", actionId })
        yield* journal.advance("e1", { state: "done", outcome: "agent" })
        const second = yield* journal.news(first.position)
        assert.deepStrictEqual(seen(second).toSorted(), ["e1 done", "e2 held"])
        assert.deepStrictEqual(seen(yield* journal.news(second.position)), [])
        // What has ended does not end again.
        yield* journal.advance("e1", { state: "held", actionId })
        assert.deepStrictEqual(seen(yield* journal.news(second.position)), [])
      }))

    test("deletes what ended long ago, and leaves a tombstone", (journal) =>
      Effect.gen(function*() {
        for (const executionId of ["e1", "e2", "e3"]) {
          yield* journal.begin(execution(executionId))
          yield* journal.claim(`act/${executionId}/1`)
          yield* journal.settle(`act/${executionId}/1`, "\"done\"")
        }
        yield* journal.advance("e1", { state: "done", outcome: "agent" })
        yield* journal.advance("e2", { state: "held", actionId })
        const ended = (yield* journal.find("e1"))!.changedAt
        yield* TestClock.adjust("30 days")
        yield* journal.advance("e3", { state: "done", outcome: "Rejected" })
        const before = DateTime.addDuration(ended, "1 day")
        assert.deepStrictEqual([yield* journal.retire(before, 10), yield* journal.retire(before, 10)], [1, 0])
        assert.isUndefined(yield* journal.find("e1"))
        assert.isUndefined(yield* journal.look("act/e1/1"))
        assert.deepStrictEqual(yield* journal.tombstone("e1"), { outcome: "agent", endedAt: ended })
        assert.isUndefined(yield* journal.tombstone("e2"))
        assert.deepStrictEqual((yield* journal.list()).map(({ executionId }) => executionId).toSorted(), ["e2", "e3"])
        assert.isString((yield* journal.look("act/e3/1"))?.result)
      }))

    test("knows what is under way: everything that neither waits for a reviewer nor has ended", (journal) =>
      Effect.gen(function*() {
        for (const executionId of ["e1", "e2", "e3", "e4", "e5"]) {
          yield* journal.begin(execution(executionId))
          yield* TestClock.adjust("1 second")
        }
        yield* journal.advance("e2", { state: "held", actionId })
        yield* journal.advance("e3", { state: "acting", actionId })
        yield* TestClock.adjust("1 second")
        yield* journal.advance("e4", { state: "blocked", actionId, problem: "params.n: Missing key", params: "{}" })
        yield* journal.advance("e5", { state: "done", outcome: "agent" })
        const underWay = yield* journal.underWay
        assert.deepStrictEqual(
          underWay.map(({ executionId, problem, state }) => [executionId, state, problem]),
          [["e1", "submitting", null], ["e3", "acting", null], ["e4", "blocked", "params.n: Missing key"]]
        )
        // One that goes on is blocked no more.
        yield* journal.advance("e4", { state: "acting", actionId })
        const found = yield* journal.find("e4")
        assert.deepStrictEqual([found?.state, found?.problem, found?.params], ["acting", null, null])
      }))

    test("lists the latest first, and by state", (journal) =>
      Effect.gen(function*() {
        for (const executionId of ["e1", "e2", "e3"]) {
          yield* journal.begin(execution(executionId))
          yield* TestClock.adjust("1 second")
        }
        yield* journal.advance("e2", { state: "held", actionId })
        const ids = (options?: Journal.ListOptions) =>
          Effect.map(journal.list(options), (list) => list.map(({ executionId }) => executionId))
        assert.deepStrictEqual(yield* ids(), ["e3", "e2", "e1"])
        assert.deepStrictEqual(yield* ids({ limit: 1 }), ["e3"])
        assert.deepStrictEqual(yield* ids({ state: "held" }), ["e2"])
        assert.isUndefined(yield* journal.find("e4"))
      }))
  })
}

describe("JournalSql", () => {
  it.effect("says what failed where the database does", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`DROP TABLE vargate_claims`
      const error = yield* Effect.flip(Journal.Journal.use((journal) => journal.claim("k")))
      assert.deepStrictEqual([error._tag, error.operation], ["StorageFailed", "Journal.claim"])
    }).pipe(Effect.provide(journals["in SQLite"])))
})
