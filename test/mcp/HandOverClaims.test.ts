/** Who may hand an action over, and how long that is remembered. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ActionId } from "effect-vargate"
import * as HandOverClaims from "effect-vargate/mcp/HandOverClaims"
import * as Journal from "effect-vargate/workflow/Journal"
import * as JournalSql from "effect-vargate/workflow/JournalSql"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as SqliteClient from "../../src/internal/sqliteClient.ts"

const minute = 60_000

const handOver = (name: string, until: number) => ({ actionId: ActionId.ActionId.make(name), round: 0, until })

const inJournal = HandOverClaims.layerJournal.pipe(Layer.provideMerge(Journal.layerMemory))

for (const [name, layer] of [["in memory", HandOverClaims.layerMemory], ["in a journal", inJournal]] as const) {
  describe(`claims ${name}`, () => {
    it.effect("are kept, with their answers, for as long as the last one to ask has said", () =>
      Effect.gen(function*() {
        const claims = yield* HandOverClaims.HandOverClaims
        const one = handOver("a", 10 * minute)
        assert.isTrue((yield* claims.claim(one)).isOurs)
        yield* claims.keep(one, "first")
        yield* claims.keep(one, "second")
        assert.deepStrictEqual(yield* claims.claim({ ...one, until: 60 * minute }), { isOurs: false, answer: "first" })
        yield* TestClock.adjust("59 minutes")
        assert.deepStrictEqual(yield* claims.claim(one), { isOurs: false, answer: "first" })
        yield* TestClock.adjust("1 hour")
        // Another one's claim is when it is noticed.
        yield* claims.claim(handOver("b", 1000 * minute))
        assert.isTrue((yield* claims.claim(one)).isOurs)
      }).pipe(Effect.provide(Layer.fresh(layer))))
  })
}

describe("claims in a database", () => {
  it.effect("do not pile up, and no claim deletes more than a few", () =>
    Effect.gen(function*() {
      const claims = yield* HandOverClaims.HandOverClaims
      const sql = yield* SqlClient.SqlClient
      const count = Effect.map(sql<{ n: number }>`SELECT count(*) AS n FROM vargate_claims`, ([row]) => row!.n)
      for (let n = 0; n < 1000; n++) yield* claims.claim(handOver(`a${n}`, 10 * minute))
      assert.strictEqual(yield* count, 1000)
      yield* TestClock.adjust("1 hour")
      for (let n = 0, before = 1000; n < 500; n++) {
        yield* claims.claim(handOver(`b${n}`, 120 * minute))
        const now = yield* count
        assert.isAtLeast(now, before - 200)
        before = now
      }
      assert.isAtMost(yield* count, 600)
      assert.isFalse((yield* claims.claim(handOver("b0", 120 * minute))).isOurs)
    }).pipe(Effect.provide(
      HandOverClaims.layerJournal.pipe(
        Layer.provideMerge(JournalSql.layer),
        Layer.provideMerge(SqliteClient.layer({ filename: ":memory:" }))
      )
    )))
})
